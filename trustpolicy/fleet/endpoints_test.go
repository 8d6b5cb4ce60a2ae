package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
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

// stood is a federation whose app in us-east-1 has a standby app in us-west-2:
// two issuers, two providers in production. Another app moves as usual, in the
// other account.
func stood(t *testing.T, change func(*Options, []inventory.AppRead)) *fixture {
	t.Helper()
	west := signin.MustRegion("us-west-2")
	read := func(id, issuer string, in signin.Region) inventory.AppRead {
		acs, err := in.ACS("")
		if err != nil {
			t.Fatal(err)
		}
		return inventory.AppRead{Ref: federation.AppRef{Name: id, Tenant: "okta", ID: id}, ReadAt: time.Now(), ACS: acs, ACSText: acs.String(), Issuer: issuer, Certificates: [][]byte{certificate()}}
	}
	east := signin.MustRegion("us-east-1")
	apps := []inventory.AppRead{read("prod", "urn:prod", east), read("prod-west", "urn:west", west), read("shared", "urn:shared", east)}
	fx := setUp(t, func(o *Options) {
		o.Federation.Apps = []federation.AppRef{apps[0].Ref, apps[2].Ref}
		o.Federation.Standbys = []federation.Standby{{For: apps[0].Ref, Region: west, App: apps[1].Ref}}
		o.Federation.Accounts[0].Providers = append(o.Federation.Accounts[0].Providers, other("West"))
		if change != nil {
			change(o, apps)
		}
		o.Apps = func(context.Context) []inventory.AppRead { return apps }
	})
	fx.prod.trusts(provider(prod), metadata("urn:prod"))
	fx.prod.trusts(other("West"), metadata("urn:west"))
	fx.shared.trusts(provider(shared), metadata("urn:shared"))
	fx.shared.add("/", "r", trust(shared, home, standby))
	return fx
}

// by is a trust policy with one statement per provider.
func by(audiences map[string]string, providers ...string) string {
	var out []string
	for _, p := range providers {
		out = append(out, strings.TrimSuffix(strings.SplitN(strings.Replace(trust(prod, audiences[p]), provider(prod), p, 1), `"Statement":[`, 2)[1], "]}"))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(out, ",") + `]}`
}

// A Region is as ready as the app that serves it: its provider is in the
// account, has the app's key and has not ended, and the role trusts it with that
// Region's audience.
// spec 2.10, 6.1
func TestStandbyAppsReadiness(t *testing.T) {
	t.Parallel()
	own, west := provider(prod), other("West")
	right := map[string]string{own: home, west: standby}
	both := by(right, own, west)
	for _, c := range []struct {
		why    string
		trust  string
		apps   func(*Options, []inventory.AppRead)
		iam    func(*fakeIAM)
		at     [2]inventory.Readiness // home, us-west-2
		says   string
		edits  int
		note   finding.Code
		shared inventory.Readiness // the other app's role in us-west-2
	}{
		{"each provider with its own Region's audience", both, nil, nil, [2]inventory.Readiness{inventory.Ready, inventory.Ready}, "", 0, "", inventory.Ready},
		{"the role does not know the standby's provider", by(right, own), nil, nil, [2]inventory.Readiness{inventory.Ready, inventory.NotReady}, "does not trust " + west, 0, "", inventory.Ready},
		{"the standby's provider has the home Region's audience", by(map[string]string{own: home, west: home}, own, west), nil, nil,
			[2]inventory.Readiness{inventory.Ready, inventory.NotReady}, standby, 1, "", inventory.Ready},
		{"both Regions' audiences for the app's own provider do not help", strings.Replace(by(right, own), `"`+home+`"`, `"`+home+`","`+standby+`"`, 1), nil, nil,
			[2]inventory.Readiness{inventory.Ready, inventory.NotReady}, "does not trust " + west, 0, "", inventory.Ready},
		{"a role of the standby app alone", by(right, west), nil, nil, [2]inventory.Readiness{inventory.NotReady, inventory.Ready}, "nobody signs in", 0, "", inventory.Ready},
		{"the provider knows another key", both, func(_ *Options, a []inventory.AppRead) { a[1].Certificates = [][]byte{[]byte("another")} }, nil,
			[2]inventory.Readiness{inventory.Ready, inventory.NotReady}, "not its certificate", 0, finding.ProviderStale, inventory.Ready},
		{"nobody trusts the standby app", both, func(_ *Options, a []inventory.AppRead) { a[1].Issuer = "urn:elsewhere" }, nil,
			[2]inventory.Readiness{inventory.Ready, inventory.NotReady}, "no SAML provider", 0, finding.AppWithoutProvider, inventory.Ready},
		{"the provider has ended", both, nil, func(f *fakeIAM) { f.ended = map[string]bool{west: true} },
			[2]inventory.Readiness{inventory.Ready, inventory.NotReady}, "has ended", 0, "", inventory.Ready},
		{"the standby app signs in elsewhere", both, func(_ *Options, a []inventory.AppRead) { a[1].ACS = a[0].ACS }, nil,
			[2]inventory.Readiness{inventory.NotReady, inventory.NotReady}, "", 1, finding.StandbyUnusable, inventory.Ready},
		{"no app stands in", by(right, own), func(o *Options, _ []inventory.AppRead) {
			o.Federation.Standbys[0].Region = signin.MustRegion("us-east-2")
			o.Federation.Regions = append(o.Federation.Regions, signin.MustRegion("us-east-2"))
		}, nil, [2]inventory.Readiness{inventory.Ready, inventory.NotReady}, "no app stands in for prod", 0, finding.StandbyUnusable, inventory.NotReady},
		{"who the standby app is could not be read", both, func(_ *Options, a []inventory.AppRead) { a[1].Issuer = "" }, nil,
			[2]inventory.Readiness{inventory.Unknown, inventory.NotReady}, "could not be read", 0, finding.AppIdentityUnknown, inventory.Ready},
	} {
		fx := stood(t, c.apps)
		fx.prod.add("/", "r", c.trust)
		if c.iam != nil {
			c.iam(fx.prod)
		}
		snap := fx.Scan(context.Background(), inventory.Snapshot{})
		got := snap.Accounts[0].Roles[0].Regions
		if got[0].State != c.at[0] || got[1].State != c.at[1] {
			t.Errorf("%s: %s %v, %s %v", c.why, got[0].State, got[0].Finding, got[1].State, got[1].Finding)
			continue
		}
		said := ""
		for _, r := range got[:2] {
			if r.Finding != nil {
				said += r.Finding.Error() + fmt.Sprint(r.Finding.Evidence)
			}
		}
		if !strings.Contains(said, c.says) {
			t.Errorf("%s: says %q, want %q", c.why, said, c.says)
		}
		if notes := snap.Accounts[0].Notes; c.note == "" && len(notes) > 0 || c.note != "" && (len(notes) != 1 || notes[0].Code != c.note) {
			t.Errorf("%s: notes %v", c.why, notes)
		}
		if got := snap.Accounts[1].Roles[0].Regions[1]; got.State != c.shared && c.shared != inventory.NotReady {
			t.Errorf("%s: the app that moves as usual: %+v %v", c.why, got, got.Finding)
		}
		plan, err := fx.Plan(context.Background(), snap)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Edits) != c.edits && c.shared == inventory.Ready {
			t.Errorf("%s: edits %+v", c.why, plan.Edits)
		}
	}
}

// What is added for a standby app is its own Region's audience, to its own
// provider's statement alone.
// spec 2.10, 5.1
func TestStandbyAppsEdit(t *testing.T) {
	t.Parallel()
	own, west := provider(prod), other("West")
	fx := stood(t, nil)
	fx.prod.add("/", "r", by(map[string]string{own: home, west: home}, own, west))
	fx.apply(t, fx.plan(t), ApplyOptions{})
	want := by(map[string]string{own: home, west: home + `","` + standby}, own, west)
	if got := fx.prod.roles["r"].trust; !trustpolicy.Equivalent(got, want) {
		t.Errorf("written %s", got)
	}
}
