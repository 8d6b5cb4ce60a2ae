package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// stoodIn is an app of the demo world with another app that stands in for it in
// the standby Region, and the role behind both.
type stoodIn struct {
	app                 seed.App
	label, id, provider string
	role                string
}

// newStandbyPlace is a place in which one app of each vendor has a standby app:
// an app, a key and a provider of its own, and a role that trusts both
// providers, each with its own Region's audience. The test user has both.
func newStandbyPlace(t *testing.T, unhide bool) (*place, []stoodIn) {
	t.Helper()
	p := newPlace(t, "min_ready_share: 0.5", "min_ready_share: 0.01")
	p.env["TEST_USER"] = testPassword
	var all []stoodIn
	for _, label := range []string{"AWS Production", "AWS Retail", "AWS Data Platform"} {
		a, ok := p.world.Demo().App(label)
		if !ok {
			t.Fatal(label)
		}
		s := p.standbyFor(a)
		all = append(all, s)
		p.configure(fmt.Sprintf("        id: %q\n", a.ID), fmt.Sprintf("        id: %q\n        standby: [{region: %s, name: %q, tenant: %s, id: %q, unhide: %v}]\n",
			a.ID, standby, s.label, a.Tenant, s.id, unhide), fmt.Sprintf("providers: [%q]", a.Provider), fmt.Sprintf("providers: [%q, %q]", a.Provider, s.provider))
		tn, _ := p.world.Demo().Tenant(a.Tenant)
		proof := `    proof: {user: prover@acme.example, password: "env:TEST_USER"`
		if tn.AssertionClientID != "" {
			proof += ", client_id: " + tn.AssertionClientID + `, client_secret: "env:TEST_CLIENT"`
			p.env["TEST_CLIENT"] = tn.AssertionSecret
		}
		entry := "  - name: " + tn.Name + "\n    kind: " + tn.Kind + "\n"
		p.configure(entry, entry+proof+"}\n")
	}
	return p, all
}

// standbyFor makes the standby app of an app, hidden, with all that belongs to
// it.
func (p *place) standbyFor(a seed.App) stoodIn {
	p.t.Helper()
	s := stoodIn{app: a, label: a.Label + " (Oregon)", role: "arn:aws:iam::" + a.Account + ":role/on-call-anywhere"}
	acs, relay := "https://"+standby+".signin.aws.amazon.com/saml", "https://"+standby+".console.aws.amazon.com/"
	tn, _ := p.world.Demo().Tenant(a.Tenant)
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	var err error
	switch tn.Kind {
	case "okta":
		s.id, err = p.world.Org().AddSAMLApp(s.label, okta.AppSettings{ACS: acs, RelayState: relay})
	case "pingone":
		key, keyErr := p.world.PingOne().AddKey(tn.Environment)
		must(keyErr)
		s.id, err = p.world.PingOne().AddSAMLApp(tn.Environment, s.label, pingone.AppSettings{ACS: []string{acs}, RelayState: relay,
			EntityID: "https://signin.aws.amazon.com/saml", SigningKey: key})
	default:
		s.id, err = p.world.OneLogin().AddSAMLApp(s.label, onelogin.AppSettings{ACS: acs, RelayState: relay})
	}
	must(err)
	must(p.world.EditApp(s.id, func(doc map[string]any) {
		switch tn.Kind {
		case "okta":
			doc["visibility"].(map[string]any)["hide"] = map[string]any{"web": true, "iOS": true}
		case "pingone":
			doc["hiddenFromAppPortal"] = true
		default:
			doc["visible"] = false
		}
	}))
	metadata, err := p.world.Metadata(s.id)
	must(err)
	account, _ := p.world.Cloud().Account(p.world.Demo().Partition, a.Account)
	s.provider, err = account.PutProvider("Oregon", metadata)
	must(err)
	const trust = `{"Effect":"Allow","Principal":{"Federated":%q},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":{"StringEquals":{"SAML:aud":%q}}}`
	must(account.PutRole(aws.Role{Name: "on-call-anywhere", Path: "/", MaxSession: 3600, Trust: `{"Version":"2012-10-17","Statement":[` +
		fmt.Sprintf(trust, a.Provider, "https://signin.aws.amazon.com/saml") + "," + fmt.Sprintf(trust, s.provider, acs) + "]}"}))
	u := person.User{Login: "prover@acme.example", Password: testPassword, Apps: map[string]person.Assignment{}}
	for id, provider := range map[string]string{a.ID: a.Provider, s.id: s.provider} {
		u.Apps[id] = person.Assignment{Roles: []person.RolePair{{Role: s.role, Provider: provider}}}
	}
	switch tn.Kind {
	case "okta":
		other := okta.User{Login: u.Login, Password: u.Password, Apps: map[string]okta.Assignment{}}
		for id, as := range u.Apps {
			other.Apps[id] = okta.Assignment{Roles: []okta.RolePair{okta.RolePair(as.Roles[0])}}
		}
		must(p.world.Org().AddUser(other))
	case "pingone":
		must(p.world.PingOne().AddUser(tn.Environment, u))
	default:
		must(p.world.OneLogin().AddUser(u))
	}
	return s
}

// signIn opens a tile as the test user.
func (p *place) signIn(s stoodIn, tile string) login.Result {
	t := p.world.Transport()
	defer t.CloseIdleConnections()
	return login.Run(p.t.Context(), t, login.Request{Portal: s.app.Portal, User: "prover@acme.example", Password: testPassword, App: tile, Role: s.role})
}

// wantTiles tries both tiles of every app: the standby's tile leads to the
// standby Region if it is there, and is not to be found otherwise.
func (p *place) wantTiles(when string, all []stoodIn, shown bool) {
	p.t.Helper()
	for _, s := range all {
		if got := p.signIn(s, s.label); got.OK != shown || shown && got.Region != standby {
			p.t.Errorf("%s: the tile %q: %+v", when, s.label, got)
		}
		if got := p.signIn(s, s.app.Label); !got.OK || got.Region != home {
			p.t.Errorf("%s: the tile %q, which nobody touches: %+v", when, s.app.Label, got)
		}
	}
}

// documents are the standby apps and those they stand in for as the IdPs hold
// them, without their time stamps.
func (p *place) documents(all []stoodIn) map[string]any {
	p.t.Helper()
	out := map[string]any{}
	for _, s := range all {
		for _, id := range []string{s.id, s.app.ID} {
			raw, _ := p.world.AppJSON(id)
			var doc map[string]any
			if err := json.Unmarshal(raw, &doc); err != nil {
				p.t.Fatal(err)
			}
			for _, k := range []string{"lastUpdated", "updatedAt", "updated_at"} {
				delete(doc, k)
			}
			out[id] = doc
		}
	}
	return out
}

// One app per Region, at all three vendors at once: a move there shows the
// standby apps' tiles, proves them and touches no endpoint of theirs; the move
// back hides them; so does an undo. Beside them the other apps move as usual.
// spec 2.10, 3, 4.1, 9.4
func TestStandbyAppsThereAndBack(t *testing.T) {
	t.Parallel()
	p, all := newStandbyPlace(t, true)
	before := p.documents(all)
	s := p.start()
	st := s.calm()
	p.wantTiles("in calm times", all, false)
	for _, x := range all {
		s.wantStandby(st, x, home, false)
	}
	there, _, err := s.move(control.MoveRequest{To: standby, Reason: "test"})
	if err != nil || there.Result == nil {
		t.Fatalf("%+v %v", there, err)
	}
	s.wantMoved(*there.Result, all, standby)
	text := strings.Join(there.Result.UserText, "\n")
	p.wantTiles("after the move", all, true)
	for _, x := range all {
		if p.puts(x.app.ID) != 0 || p.puts(x.id) != 1 || p.acs(x.app.ID) != "https://signin.aws.amazon.com/saml" {
			t.Errorf("%s was written %d times, its standby app %d times", x.app.Label, p.puts(x.app.ID), p.puts(x.id))
		}
		if !strings.Contains(text, fmt.Sprintf("Open the tile %q instead of %q.", x.label, x.app.Label)) {
			t.Errorf("people are not told to open %q:\n%s", x.label, text)
		}
		st = s.until("the tile is seen", func(f control.FederationStatus) bool { return at(f, x.app.Label).Region.String() == standby })
		s.wantStandby(st, x, standby, true)
	}
	back, _, err := s.move(control.MoveRequest{To: home, Reason: "test"})
	if err != nil || back.Result == nil {
		t.Fatalf("%+v %v", back, err)
	}
	s.wantMoved(*back.Result, all, home)
	p.wantTiles("back home", all, false)
	if diff := cmp.Diff(before, p.documents(all)); diff != "" {
		t.Errorf("there and back changes the apps:\n%s", diff)
	}
	if _, _, err := s.move(control.MoveRequest{To: standby, Reason: "once more"}); err != nil {
		t.Fatal(err)
	}
	p.wantTiles("after the second move", all, true)
	undone, err := s.client.Undo(t.Context(), control.UndoRequest{Reason: "test"}, nil)
	if err != nil || undone.Result == nil || undone.Result.Status == failover.Incomplete {
		t.Fatalf("%+v %v", undone, err)
	}
	p.wantTiles("after the undo", all, false)
	if diff := cmp.Diff(before, p.documents(all)); diff != "" {
		t.Errorf("move and undo change the apps:\n%s", diff)
	}
}

// Without unhide nothing is written: the move names the tiles to show, and a
// tile that people have shown is proved all the same.
// spec 2.10
func TestStandbyTilesByHand(t *testing.T) {
	t.Parallel()
	p, all := newStandbyPlace(t, false)
	before := p.documents(all)
	s := p.start()
	s.calm()
	s.breaks(home, fault.Refuse)
	ended := s.until("the failover has ended", func(f control.FederationStatus) bool { return f.LastMove != nil }).LastMove
	if ended.Status != failover.Incomplete || ended.Moved() != len(p.world.Demo().Apps)-len(all) {
		t.Errorf("%s: %s", ended.Status, ended.Why)
	}
	for _, x := range all {
		if !slices.ContainsFunc(ended.HandSteps, func(h failover.HandStep) bool {
			return h.App.ID == x.id && h.Current == "hidden" && h.Target == "shown"
		}) {
			t.Errorf("no hand step for the tile %q: %+v", x.label, ended.HandSteps)
		}
		i := slices.IndexFunc(ended.Apps, func(r failover.AppResult) bool { return r.App.ID == x.id })
		if i < 0 || ended.Apps[i].Moved || ended.Apps[i].Finding == nil || ended.Apps[i].Finding.Code != finding.TileByHand {
			t.Errorf("%s: %+v", x.label, ended.Apps)
		}
		if p.puts(x.id)+p.puts(x.app.ID) != 0 {
			t.Errorf("%s was written", x.label)
		}
	}
	if diff := cmp.Diff(before, p.documents(all)); diff != "" {
		t.Errorf("the move changed the apps:\n%s", diff)
	}
}

// at is an app's status.
func at(f control.FederationStatus, app string) control.AppStatus {
	i := slices.IndexFunc(f.Apps, func(a control.AppStatus) bool { return a.App == app })
	return f.Apps[i]
}

// wantStandby checks what the status says of an app with a standby app.
func (s *service) wantStandby(f control.FederationStatus, x stoodIn, region string, shown bool) {
	s.t.Helper()
	got := at(f, x.app.Label)
	if got.Region.String() != region || len(got.Standbys) != 1 || got.Standbys[0].App != x.label || got.Standbys[0].Shown != shown || !got.Standbys[0].Unhide ||
		got.Standbys[0].SignsInAt.String() != standby {
		s.t.Errorf("the status of %s: %+v", x.app.Label, got)
	}
}

// wantMoved checks that every tile was changed and the app that serves the
// Region proved by its assertion.
func (s *service) wantMoved(r failover.Result, all []stoodIn, to string) {
	s.t.Helper()
	if r.Status == failover.Incomplete || len(r.HandSteps) != 0 || len(r.Apps) != len(s.world.Demo().Apps) {
		s.t.Fatalf("to %s: %s: %s %+v", to, r.Status, r.Why, r)
	}
	for _, x := range all {
		i := slices.IndexFunc(r.Apps, func(a failover.AppResult) bool { return a.App.ID == x.id })
		if i < 0 || !r.Apps[i].Moved || r.Apps[i].Proof != failover.P3 {
			s.t.Errorf("to %s: the standby app %s: %+v", to, x.label, r.Apps)
		}
	}
}
