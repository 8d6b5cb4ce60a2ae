package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

var west = signin.MustRegion("us-west-2")

// spec 6.1
func TestScanReadiness(t *testing.T) {
	t.Parallel()
	allow := func(actions, condition string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":%s,"Condition":%s}`, provider(prod), actions, condition)
	}
	doc := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	both := `"SAML:aud":["` + home + `","` + standby + `"]`
	saml := `"sts:AssumeRoleWithSAML"`
	for _, c := range []struct {
		name, text string
		want       inventory.Readiness
		why        string
	}{
		{"ready", trust(prod, home, standby), inventory.Ready, "both audiences"},
		{"home only", trust(prod, home), inventory.NotReady, "no us-west-2"},
		{"tags at home only", doc(allow(saml, `{"StringEquals":{`+both+`}}`), allow(`"sts:TagSession"`, `{"StringEquals":{"SAML:aud":"`+home+`"}}`)), inventory.NotReady, "a login with tags fails there only"},
		{"no tags anywhere", doc(allow(saml, `{"StringEquals":{`+both+`}}`)), inventory.Ready, "home does not grant it either"},
		{"issuer", doc(allow(saml, `{"StringEquals":{`+both+`,"SAML:iss":"http://okta"}}`)), inventory.Ready, "the same issuer in every Region"},
		{"provider by doc", doc(allow(saml, `{"StringEquals":{`+both+`,"SAML:doc":"`+prod+`/Okta"}}`)), inventory.Ready, "saml:doc is known"},
		{"network", doc(allow(saml, `{"StringEquals":{`+both+`},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`)), inventory.Conditional, "nobody here knows the address"},
		{"Region", doc(allow(saml, `{"StringEquals":{`+both+`,"aws:RequestedRegion":"us-east-1"}}`)), inventory.NotReady, "the Region's own STS serves it"},
		{"denied", doc(allow(saml, `{"StringEquals":{`+both+`}}`), `{"Effect":"Deny","Principal":"*","Action":"*"}`), inventory.NotReady, "explicit"},
		{"broken", `{"Statement":[{"Principal":{"Federated":"` + provider(prod) + `"}}]}`, inventory.Unknown, "not a policy"},
	} {
		fx := setUp(t, nil)
		fx.prod.add("/", "r", c.text)
		snap := fx.Scan(context.Background(), inventory.Snapshot{})
		roles := snap.Accounts[0].Roles
		if len(roles) != 1 {
			t.Errorf("%s: %d roles", c.name, len(roles))
			continue
		}
		got := roles[0].Regions[1]
		if got.State != c.want || (got.State == inventory.Ready) != (got.Finding == nil) {
			t.Errorf("%s: %s, want %s: %s (%v)", c.name, got.State, c.want, c.why, got.Finding)
		}
		if f := got.Finding; f != nil && (f.Why == "" || f.Remedy == "" || f.Subject != fx.prod.arn("r")) {
			t.Errorf("%s: incomplete finding %+v", c.name, f)
		}
		if share := snap.Share(west); share.Total != 1 || (share.Ready == 1) != (c.want == inventory.Ready) {
			t.Errorf("%s: share %+v", c.name, share)
		}
	}
}

// A scan of N roles costs ceil(N/1000) reads and one for the quota, keeps
// federated roles only, and reads percent-encoded and raw documents alike.
func TestScanPages(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.shared.raw = true
	for i := range 2500 {
		text := strings.ReplaceAll(trust("999999999999", home), "Okta", "Other")
		if i%10 == 0 {
			text = trust(prod, home+"?a+b%20c")
		}
		fx.prod.add("/", fmt.Sprintf("r%d", i), text)
	}
	fx.shared.add("/aws-reserved/sso.amazonaws.com/", "reserved", trust(shared, home))
	snap := fx.Scan(context.Background(), inventory.Snapshot{})
	a, b := snap.Accounts[0], snap.Accounts[1]
	if a.Calls != 4 || fx.prod.calls["ListRoles"] != 3 || a.Scanned != 2500 || len(a.Roles) != 250 || a.SizeQuota != 2048 {
		t.Errorf("%d calls, %d scanned, %d roles, quota %d", a.Calls, a.Scanned, len(a.Roles), a.SizeQuota)
	}
	if a.Roles[0].Trust != trust(prod, home+"?a+b%20c") {
		t.Errorf("decoded as %s", a.Roles[0].Trust)
	}
	if len(b.Roles) != 1 || b.Roles[0].Protected == "" || b.Roles[0].Trust != trust(shared, home) {
		t.Errorf("protected role: %+v", b.Roles)
	}
	if len(fx.events) != 2 || fx.events[1].Done != 2 {
		t.Errorf("progress: %+v", fx.events)
	}
}

// One account's error hides no other account, and what was known stays.
func TestScanKeepsWhatItKnew(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "a", trust(prod, home))
	fx.shared.add("/", "b", trust(shared, home))
	first := fx.Scan(context.Background(), inventory.Snapshot{})
	first.Accounts[0].ReadAt = first.Accounts[0].ReadAt.Add(-time.Hour)
	fx.prod.fail["ListRoles"] = errors.New("AccessDenied: not you")
	second := fx.Scan(context.Background(), first)
	a := second.Accounts[0]
	if a.Error == nil || a.Error.Code != finding.AccountUnreadable || !strings.Contains(a.Error.Why, "not you") || len(a.Roles) != 1 || a.ReadAt != first.Accounts[0].ReadAt {
		t.Errorf("failed account: %+v", a)
	}
	if second.Accounts[1].Error != nil || len(second.Accounts[1].Roles) != 1 {
		t.Errorf("other account: %+v", second.Accounts[1])
	}
	plan, err := fx.Plan(context.Background(), second)
	if err != nil || len(plan.Edits) != 1 || len(plan.Refused) != 1 || plan.Refused[0].Code != finding.AccountUnreadable {
		t.Errorf("plan: %+v %v", plan, err)
	}
	closed := setUp(t, func(o *Options) {
		o.Open = func(context.Context, federation.Account, Purpose) (IAM, error) { return nil, errors.New("no role") }
	})
	if s := closed.Scan(context.Background(), inventory.Snapshot{}); s.Accounts[0].Error == nil || s.Accounts[1].Error == nil {
		t.Error("accounts that cannot be opened have no error")
	}
}
