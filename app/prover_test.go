package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/person"
)

const testPassword = "MARKER-password"

// newProvingPlace is a place with a test user in every tenant, assigned to every
// app with one role of the app's account.
func newProvingPlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	for _, tn := range p.world.Demo().Tenants {
		line := "    url: " + tn.URL + "\n    proven_kinds:\n"
		entry := "  - name: " + tn.Name + "\n    kind: " + tn.Kind + "\n"
		proof := `    proof: {user: prover@acme.example, password: "env:TEST_USER"`
		if tn.AssertionClientID != "" {
			proof += ", client_id: " + tn.AssertionClientID + `, client_secret: "env:TEST_CLIENT"`
			p.env["TEST_CLIENT"] = tn.AssertionSecret
		}
		p.configure(entry+line, entry+proof+"}\n"+line)
	}
	p.env["TEST_USER"] = testPassword
	for _, tn := range p.world.Demo().Tenants {
		u := person.User{Login: "prover@acme.example", Password: testPassword, Apps: map[string]person.Assignment{}}
		other := okta.User{Login: u.Login, Password: u.Password, Apps: map[string]okta.Assignment{}}
		for _, a := range p.world.Demo().Apps {
			role := person.RolePair{Role: "arn:aws:iam::" + a.Account + ":role/test", Provider: a.Provider}
			if a.Tenant == tn.Name {
				u.Apps[a.ID] = person.Assignment{Roles: []person.RolePair{role}}
				other.Apps[a.ID] = okta.Assignment{Roles: []okta.RolePair{okta.RolePair(role)}}
			}
		}
		var err error
		switch tn.Kind {
		case "okta":
			err = p.world.Org().AddUser(other)
		case "pingone":
			err = p.world.PingOne().AddUser(tn.Environment, u)
		default:
			err = p.world.OneLogin().AddUser(u)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// wantProof checks what check says of every app.
func (p *place) wantProof(level failover.Level, why string) {
	p.t.Helper()
	r, err := app.Check(p.t.Context(), app.Setup{Config: p.cfg, Env: p.env, Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(r.Apps) != len(p.world.Demo().Apps) {
		p.t.Fatalf("%+v %v", r, err)
	}
	for _, a := range r.Apps {
		got := ""
		if a.Unproved != nil {
			got = a.Unproved.Error()
		}
		if a.Proof != level || (got == "") != (why == "") || !strings.Contains(got, why) {
			p.t.Errorf("%s: %s, %q; want %s, %q", a.App, a.Proof, got, level, why)
		}
	}
}

// A controller that nobody gave a prover proves every app to P3 by its test
// user, against the certificates that its own scan read; no secret of that is
// left anywhere.
//
// spec 3, 9.1 and 15.1
func TestServeProvesByItsTestUser(t *testing.T) {
	t.Parallel()
	p := newProvingPlace(t)
	p.wantProof(failover.P1, "trust scan")
	s := p.start()
	s.calm()
	p.wantProof(failover.P3, "")
	a, _, err := s.move(control.MoveRequest{To: standby, Reason: "test"})
	if err != nil || a.Result == nil {
		t.Fatalf("%+v %v", a, err)
	}
	if a.Result.Status != failover.Verified || a.Result.Proof != failover.P3 {
		t.Errorf("ended %s at %s: %s", a.Result.Status, a.Result.Proof, a.Result.Why)
	}
	for _, text := range append(p.stored(), s.log.text()) {
		if strings.Contains(text, testPassword) || strings.Contains(text, "samlp:") || strings.Contains(text, "SAMLResponse") || strings.Contains(text, "PHNhbWxw") {
			t.Error("a secret of the proof was written down")
		}
	}
	p.env["TEST_USER"] = "wrong"
	p.wantProof(failover.P1, "refuses the test user's name or password")
}

// stored returns every file in the data folder.
func (p *place) stored() (texts []string) {
	p.t.Helper()
	err := filepath.WalkDir(p.cfg.Store.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		texts = append(texts, string(text))
		return err
	})
	if err != nil || len(texts) == 0 {
		p.t.Fatalf("%d files: %v", len(texts), err)
	}
	return texts
}
