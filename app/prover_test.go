package app_test

import (
	"encoding/base64"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox/okta"
)

// check tries the proof: with a test user, a proven kind and the certificate
// that IAM has, every app can be proved to P3; each one missing is named.
//
// spec 3
func TestCheckTriesTheProof(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	demo := p.world.Demo()
	url := "    url: https://" + demo.OktaHost + "\n"
	p.configure(url, url+"    proof: {user: prover@acme.example, password: \"env:TEST_USER\"}\n", "kind: okta:amazon_aws", "kind: okta:custom-saml")
	p.env["TEST_USER"] = "MARKER-password"
	assigned := map[string]okta.Assignment{}
	for _, a := range demo.Apps {
		assigned[a.ID] = okta.Assignment{}
		for _, acc := range demo.Accounts {
			assigned[a.ID] = okta.Assignment{Roles: append(assigned[a.ID].Roles, okta.RolePair{Role: "arn:aws:iam::" + acc.ID + ":role/test", Provider: acc.Provider})}
		}
	}
	if err := p.world.Org().AddUser(okta.User{Login: "prover@acme.example", Password: "MARKER-password", Apps: assigned}); err != nil {
		t.Fatal(err)
	}
	want := func(level failover.Level, why string) {
		t.Helper()
		r, err := app.Check(t.Context(), app.Setup{Config: p.cfg, Env: p.env, Log: slog.New(slog.DiscardHandler)})
		if err != nil || len(r.Apps) != len(demo.Apps) {
			t.Fatalf("%+v %v", r, err)
		}
		proved := 0
		for _, a := range r.Apps {
			if a.Proof == level && (a.Unproved == nil && why == "" || a.Unproved != nil && strings.Contains(a.Unproved.Error(), why)) {
				proved++
			}
		}
		if proved == 0 {
			t.Errorf("no app at %s with %q: %+v", level, why, r.Apps)
		}
	}
	want(failover.P1, "trust scan")

	snap := inventory.Snapshot{Federation: p.cfg.Federations()[0].Name, TakenAt: time.Now()}
	for i, acc := range demo.Accounts {
		// In the demo each account's provider is made from one app's metadata.
		snap.Accounts = append(snap.Accounts, inventory.AccountScan{ID: acc.ID, Providers: []inventory.Provider{p.scanned(acc.Provider, demo.Apps[i%len(demo.Apps)].ID)}})
	}
	keep := func() {
		t.Helper()
		if err := (inventory.Keeper{Dir: filepath.Join(p.cfg.Store.Dir, "inventory")}).SaveRoles(snap); err != nil {
			t.Fatal(err)
		}
	}
	keep()
	want(failover.P1, "issued by") // the user has a role at a provider that is another app's
	first := demo.Apps[0].ID
	for i := range snap.Accounts {
		snap.Accounts[i].Providers[0] = p.scanned(demo.Accounts[i].Provider, first)
	}
	keep()
	want(failover.P3, "")
	p.env["TEST_USER"] = "wrong"
	want(failover.P1, "refuses the test user's name or password")
}

// scanned is an IAM provider made from an app's metadata.
func (p *place) scanned(arn, appID string) inventory.Provider {
	p.t.Helper()
	text, err := p.world.Org().Metadata(appID)
	if err != nil {
		p.t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(string(regexp.MustCompile(`<ds:X509Certificate>([^<]*)<`).FindSubmatch(text)[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	return inventory.Provider{ARN: arn, Issuer: string(regexp.MustCompile(`entityID="([^"]*)"`).FindSubmatch(text)[1]), Certificates: [][]byte{der}}
}
