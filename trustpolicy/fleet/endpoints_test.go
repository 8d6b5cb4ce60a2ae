package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

const sharedID = "SAMLSPSHAREDSHAREDSHARED"

// own returns provider endpoints as audiences.
func own(id string, plain ...string) []string {
	var out []string
	for _, p := range plain {
		out = append(out, p+"/acs/"+id)
	}
	return out
}

// reads are apps at home with these suffixes; "" is the plain endpoint.
func reads(t *testing.T, suffixes ...string) func(context.Context) []inventory.AppRead {
	t.Helper()
	var out []inventory.AppRead
	for _, s := range suffixes {
		acs, err := signin.MustRegion("us-east-1").ACS(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, inventory.AppRead{Ref: federation.AppRef{Name: "app " + s, Tenant: "okta", ID: "0oa" + s}, ACS: acs, ACSText: acs.String(), Movable: true})
	}
	return func(context.Context) []inventory.AppRead { return out }
}

// perProvider is a federation in which production's provider may have an
// endpoint of its own, with one role in each account.
func perProvider(t *testing.T, audiences []string, suffixes ...string) *fixture {
	t.Helper()
	fx := setUp(t, func(o *Options) { o.Apps = reads(t, suffixes...) })
	fx.prod.trusts(provider(prod), metadata("urn:prod"))
	fx.shared.trusts(provider(shared), metadata("urn:shared"))
	fx.shared.ids[provider(shared)] = sharedID
	fx.prod.add("/", "r", trust(prod, audiences...))
	fx.shared.add("/", "r", trust(shared, home, standby))
	return fx
}

// The endpoint that an app's sign-ins arrive at is the one whose audience its
// provider's roles need: readiness, plan and apply agree on it.
// spec 2.10, 1.1, 5.1
func TestPerProviderEndpoints(t *testing.T) {
	t.Parallel()
	both := []string{home, standby}
	ids := own(providerID, both...)
	for _, c := range []struct {
		why       string
		suffixes  []string
		audiences []string
		change    func(*fakeIAM)
		ready     inventory.Readiness // production's role, in us-west-2
		adds      []string
		note      finding.Code
	}{
		{"plain endpoints, plain audiences", []string{""}, both, nil, inventory.Ready, nil, ""},
		{"nothing is known of the apps", nil, both, nil, inventory.Ready, nil, ""},
		{"its own endpoint, its own audiences", []string{providerID, ""}, ids, nil, inventory.Ready, nil, ""},
		{"plain audiences do not admit its own endpoint", []string{providerID, ""}, both, nil, inventory.NotReady, ids, ""},
		{"its own at home alone", []string{providerID, ""}, ids[:1], nil, inventory.NotReady, ids[1:], ""},
		{"another provider's id is not its own", []string{sharedID, ""}, ids, nil, inventory.NotReady, both, ""},
		{"plain apps have no other provider to go to", []string{providerID, sharedID, ""}, ids, nil, inventory.NotReady, both, ""},
		{"an id that no provider has", []string{"SAMLSPGONEGONEGONEGONEGO", ""}, both, nil, inventory.Ready, nil, finding.ProviderIDUnknown},
		{"its id cannot be read, and an app names one that nobody else has", []string{providerID, ""}, both,
			func(f *fakeIAM) { f.fail["GetSAMLProvider"] = errors.New("AccessDenied") }, inventory.Unknown, nil, ""},
		{"its id cannot be read, and no app names one", []string{""}, both,
			func(f *fakeIAM) { f.fail["GetSAMLProvider"] = errors.New("AccessDenied") }, inventory.Ready, nil, ""},
	} {
		fx := perProvider(t, c.audiences, c.suffixes...)
		if c.change != nil {
			c.change(fx.prod)
		}
		ctx := context.Background()
		snap := fx.Scan(ctx, inventory.Snapshot{})
		if got := snap.Accounts[0].Roles[0].Regions[1]; got.Region != west || got.State != c.ready || (got.State == inventory.Ready) != (got.Finding == nil) {
			t.Errorf("%s: readiness %+v %v", c.why, got, got.Finding)
		}
		var notes []finding.Code
		for _, n := range snap.Accounts[0].Notes {
			notes = append(notes, n.Code)
		}
		if c.note == "" && len(notes) != 0 || c.note != "" && !slices.Equal(notes, []finding.Code{c.note}) {
			t.Errorf("%s: notes %v", c.why, notes)
		}
		if again := fx.Scan(ctx, snap); len(again.Accounts[0].Notes) != len(notes) {
			t.Errorf("%s: a second scan repeats the notes: %v", c.why, again.Accounts[0].Notes)
		}
		plan, err := fx.Plan(ctx, snap)
		if err != nil {
			t.Fatal(err)
		}
		var adds []string
		for _, e := range plan.Edits {
			for _, ch := range e.Changes {
				if e.Account == prod {
					adds = append(adds, ch.Audience)
				}
			}
		}
		if !slices.Equal(adds, c.adds) {
			t.Errorf("%s: plan adds %v, want %v; refused %v", c.why, adds, c.adds, plan.Refused)
		}
		if c.ready == inventory.Unknown && (len(plan.Refused) != 1 || !strings.Contains(plan.Refused[0].Remedy, "iam:GetSAMLProvider")) {
			t.Errorf("%s: refused %v", c.why, plan.Refused)
		}
		report := fx.apply(t, plan, ApplyOptions{})
		if report.Counts[Written] != len(plan.Edits) {
			t.Errorf("%s: %+v", c.why, report)
		}
		for _, a := range adds {
			if !fx.prod.admits(t, "r", a) {
				t.Errorf("%s: %s was planned and is not admitted", c.why, a)
			}
		}
		if c.ready == inventory.NotReady {
			if after := fx.Scan(ctx, snap).Accounts[0].Roles[0].Regions[1]; after.State != inventory.Ready {
				t.Errorf("%s: after apply %+v", c.why, after)
			}
		}
	}
}

// A plan is a request: a provider that was made again since has another id, and
// its old one is not written; one that cannot be read now is not guessed at.
// spec 5.3, 2.10
func TestApplyReadsProviderIDsAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		change func(*fakeIAM)
		state  State
	}{
		{"made again", func(f *fakeIAM) { f.ids[provider(prod)] = "SAMLSPNEWNEWNEWNEWNEWNEW" }, Already},
		{"unreadable", func(f *fakeIAM) { f.denied[provider(prod)] = errors.New("AccessDenied") }, Refused},
	} {
		fx := perProvider(t, []string{home, standby}, providerID, "")
		plan := fx.plan(t)
		if len(plan.Edits) != 1 {
			t.Fatalf("%+v", plan)
		}
		c.change(fx.prod)
		report := fx.apply(t, plan, ApplyOptions{})
		if report.Outcomes[0].State != c.state || len(fx.prod.writes) != 0 {
			t.Errorf("%s: %+v", c.why, report.Outcomes[0])
		}
	}
}
