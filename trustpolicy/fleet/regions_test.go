package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// spec 6.3: a role is not ready for an opt-in Region that its account has not
// enabled; whether it has is not guessed. A Region that is on by default needs no
// answer.
func TestReadinessOfOptInRegions(t *testing.T) {
	t.Parallel()
	milan := "https://eu-south-1.signin.aws.amazon.com/saml"
	denied := errors.New("AccessDeniedException: not account:ListRegions")
	for _, c := range []struct {
		why    string
		answer map[string]string
		err    error
		last   map[string]string // of an earlier scan
		trust  string
		milan  inventory.Readiness
		code   finding.Code
		says   string
	}{
		{"enabled", map[string]string{"us-east-1": "ENABLED_BY_DEFAULT", "eu-south-1": "ENABLED"}, nil, nil, "", inventory.Ready, "", ""},
		{"disabled", map[string]string{"us-east-1": "ENABLED_BY_DEFAULT", "eu-south-1": "DISABLED"}, nil, nil, "", inventory.NotReady, finding.RegionNotEnabled, "DISABLED"},
		{"on its way", map[string]string{"eu-south-1": "ENABLING"}, nil, nil, "", inventory.NotReady, finding.RegionNotEnabled, "ENABLING"},
		{"on its way out", map[string]string{"eu-south-1": "DISABLING"}, nil, nil, "", inventory.NotReady, finding.RegionNotEnabled, "DISABLING"},
		{"AWS does not speak of it", map[string]string{"us-east-1": "ENABLED_BY_DEFAULT"}, nil, nil, "", inventory.Unknown, finding.RegionsUnreadable, "none of ours"},
		{"it may not be read", nil, denied, nil, "", inventory.Unknown, finding.RegionsUnreadable, "ListRegions"},
		{"it may not be read any more", nil, denied, map[string]string{"eu-south-1": "ENABLED"}, "", inventory.Ready, "", ""},
		{"the audience is missing as well", map[string]string{"eu-south-1": "DISABLED"}, nil, nil, trust(prod, home, standby), inventory.NotReady, finding.RoleNotReady, "SAML:aud"},
	} {
		fx := setUp(t, func(o *Options) {
			o.Federation.Regions = append(o.Federation.Regions, signin.MustRegion("eu-south-1"))
			o.Federation.Accounts = o.Federation.Accounts[:1]
			o.Regions = func(context.Context, federation.Account) (map[string]string, error) { return c.answer, c.err }
		})
		if c.trust == "" {
			c.trust = trust(prod, home, standby, milan)
		}
		fx.prod.add("/", "a", c.trust)
		snap := fx.Scan(t.Context(), inventory.Snapshot{Accounts: []inventory.AccountScan{{ID: prod, Regions: c.last}}})
		role := snap.Accounts[0].Roles[0]
		if got := role.In(signin.MustRegion("us-west-2")); got.State != inventory.Ready {
			t.Errorf("%s: us-west-2 is %s, %v", c.why, got.State, got.Finding)
		}
		got := role.In(signin.MustRegion("eu-south-1"))
		if got.State != c.milan || c.code != "" && (got.Finding.Code != c.code || got.Finding.Subject != role.ARN || got.Finding.Remedy == "" || !strings.Contains(got.Finding.Why, c.says)) {
			t.Errorf("%s: eu-south-1 is %s, %v", c.why, got.State, got.Finding)
		}
		if (snap.Accounts[0].RegionsError != nil) != (c.err != nil) || snap.Accounts[0].Error != nil {
			t.Errorf("%s: %+v", c.why, snap.Accounts[0])
		}
		if p, err := fx.Plan(t.Context(), snap); err != nil || len(p.Refused) != 0 {
			t.Errorf("%s: a plan refuses what no edit can mend: %v, %v", c.why, p.Refused, err)
		}
	}
}

// What speaks for people working in a Region: accounts that have enabled it, apps
// that land people there.
func TestRegionsInUse(t *testing.T) {
	t.Parallel()
	apps := pointing(t, "us-east-1")
	apps[0].RelayState = "https://eu-central-1.console.aws.amazon.com/athena/home?region=eu-central-1"
	fx := setUp(t, func(o *Options) {
		o.Federation.Apps = []federation.AppRef{console}
		o.Apps = func(context.Context) []inventory.AppRead { return apps }
		o.Regions = func(_ context.Context, a federation.Account) (map[string]string, error) {
			status := map[string]string{prod: "ENABLED", shared: "DISABLED"}[a.ID]
			return map[string]string{"us-east-1": "ENABLED_BY_DEFAULT", "eu-south-1": status, "xx-none-9": "ENABLED"}, nil
		}
	})
	got := fx.Scan(t.Context(), inventory.Snapshot{}).InUse
	want := []inventory.RegionUse{{Region: signin.MustRegion("eu-central-1"), Apps: []string{"console"}}, {Region: signin.MustRegion("eu-south-1"), OptIn: true, Accounts: []string{prod}}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b signin.Region) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}
