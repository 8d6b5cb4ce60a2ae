package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

const (
	homeURL    = "https://signin.aws.amazon.com/saml"
	standbyURL = "https://us-west-2.signin.aws.amazon.com/saml"
)

// way is a sign-in of the traveller: through an app, into a role.
type way struct {
	app  seed.App
	role string
}

// newTopologies is a place with three topologies: one app whose endpoint is its
// provider's own, one that leads to two accounts, one for one account. Every
// role admits the home Region alone.
func newTopologies(t *testing.T) (p *place, suffix string, ways []way) {
	t.Helper()
	p = newPlace(t, "min_ready_share: 0.5", "min_ready_share: 0.01")
	own, many, one := p.app("AWS Production"), p.app("AWS Data Platform"), p.app("AWS Retail")
	pr, _ := p.world.Cloud().ProviderByARN(own.Provider)
	suffix = "/acs/" + pr.UUID
	if err := p.world.EditApp(own.ID, func(doc map[string]any) {
		signOn := doc["settings"].(map[string]any)["signOn"].(map[string]any)
		for _, k := range []string{"ssoAcsUrl", "recipient", "destination"} {
			signOn[k] = homeURL + suffix
		}
	}); err != nil {
		t.Fatal(err)
	}
	metadata, err := p.world.Metadata(many.ID)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := p.app("AWS Partners")
	second, err := p.account(elsewhere.Account).PutProvider("DataPlatform", metadata)
	if err != nil {
		t.Fatal(err)
	}
	p.configure(fmt.Sprintf("providers: [%q]", elsewhere.Provider), fmt.Sprintf("providers: [%q, %q]", elsewhere.Provider, second))
	ownRole := p.role(own.Account, own.Provider, homeURL+suffix)
	manyRole := p.role(many.Account, many.Provider, homeURL)
	secondRole := p.role(elsewhere.Account, second, homeURL)
	oneRole := p.role(one.Account, one.Provider, homeURL)

	u := person.User{Login: "prover@acme.example", Password: testPassword, Apps: map[string]person.Assignment{
		many.ID: {Roles: []person.RolePair{{Role: manyRole, Provider: many.Provider}, {Role: secondRole, Provider: second}}}}}
	if err := p.world.OneLogin().AddUser(u); err != nil {
		t.Fatal(err)
	}
	u.Apps = map[string]person.Assignment{one.ID: {Roles: []person.RolePair{{Role: oneRole, Provider: one.Provider}}}}
	tn, _ := p.world.Demo().Tenant(one.Tenant)
	if err := p.world.PingOne().AddUser(tn.Environment, u); err != nil {
		t.Fatal(err)
	}
	if err := p.world.Org().AddUser(okta.User{Login: u.Login, Password: u.Password, Apps: map[string]okta.Assignment{
		own.ID: {Roles: []okta.RolePair{{Role: ownRole, Provider: own.Provider}}}}}); err != nil {
		t.Fatal(err)
	}
	return p, suffix, []way{{own, ownRole}, {many, manyRole}, {many, secondRole}, {one, oneRole}}
}

func (p *place) app(label string) seed.App {
	p.t.Helper()
	a, ok := p.world.Demo().App(label)
	if !ok {
		p.t.Fatal(label)
	}
	return a
}

func (p *place) account(id string) *aws.Account {
	a, _ := p.world.Cloud().Account(p.world.Demo().Partition, id)
	return a
}

// role makes a role that one provider's people come to with one audience.
func (p *place) role(account, provider, audience string) string {
	p.t.Helper()
	if err := p.account(account).PutRole(aws.Role{Name: "traveller", Path: "/", MaxSession: 3600, Trust: fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":{"StringEquals":{"SAML:aud":[%q]}}}]}`,
		provider, audience)}); err != nil {
		p.t.Fatal(err)
	}
	return "arn:aws:iam::" + account + ":role/traveller"
}

// wantWays signs in every way and expects to land in the Region, in the role.
func (p *place) wantWays(when string, ways []way, region string) {
	p.t.Helper()
	t := p.world.Transport()
	defer t.CloseIdleConnections()
	for _, w := range ways {
		got := login.Run(p.t.Context(), t, login.Request{Portal: w.app.Portal, User: "prover@acme.example", Password: testPassword, App: w.app.Label, Role: w.role})
		if !got.OK || got.Region != region || got.Role != "traveller" || !strings.Contains(w.role, ":"+got.Account+":") {
			p.t.Errorf("%s, %s as %s: %+v", when, w.app.Label, w.role, got)
		}
	}
}

// One app for many accounts, one per account, and endpoints per provider, end to
// end: trust apply adds the audiences that each needs, also before any
// controller has run; a move takes the suffix along; people get in before, after
// and back home.
// spec 2.10, 1.1
func TestTopologies(t *testing.T) {
	t.Parallel()
	p, suffix, ways := newTopologies(t)
	p.wantWays("at home", ways, home)
	run, err := app.OpenTrust(p.setup(&journal{}), "", people.Local("test", people.CLI), nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, _, err := run.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ways {
		want := standbyURL
		if w.app.Label == "AWS Production" {
			want += suffix
		}
		var adds []string
		for _, e := range plan.Edits {
			for _, c := range e.Changes {
				if e.Role == w.role {
					adds = append(adds, c.Audience)
				}
			}
		}
		third := strings.Replace(want, standby, "eu-west-1", 1)
		if !slices.Equal(adds, []string{want, third}) {
			t.Errorf("%s: the plan adds %q, want %q", w.role, adds, []string{want, third})
		}
	}
	plan.Edits = slices.DeleteFunc(plan.Edits, func(e fleet.RoleEdit) bool { return !strings.HasSuffix(e.Role, ":role/traveller") })
	if report, _, err := run.Apply(t.Context(), plan, control.TrustOrder{}); err != nil || control.TrustFailed(report) {
		t.Fatalf("%+v %v", report, err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	s := p.start()
	s.calm()
	for _, to := range []string{standby, home} {
		a, _, err := s.move(control.MoveRequest{To: to, Reason: "test"})
		if err != nil || a.Result == nil || a.Result.Status == failover.Incomplete {
			t.Fatalf("%+v %v", a, err)
		}
		p.wantWays("after the move to "+to, ways, to)
		want := map[string]string{standby: standbyURL, home: homeURL}[to] + suffix
		if got := p.acs(p.app("AWS Production").ID); got != want {
			t.Errorf("the app is at %s, want %s", got, want)
		}
	}
}
