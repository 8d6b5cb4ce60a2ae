package fleet

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// guarded is a policy whose Deny lets nobody in but at home.
func guarded(account string) string {
	return strings.TrimSuffix(trust(account, home), "]}") + `,{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"StringNotEquals":{"SAML:aud":["` + home + `"]}}}]}`
}

// An edit of a Deny is planned apart, with its diff, and never written: neither
// where the plan has it, nor where somebody moves it among the edits.
// spec 5.1
func TestDenyNeedsApprover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		fx.prod.add("/", "guarded", guarded(prod))
		fx.prod.add("/", "plain", trust(prod, home))
		fx.prod.add("/", "tf-guarded", guarded(prod))
		p := fx.plan(t)
		if len(p.Edits) != 1 || len(p.Denies) != 1 || len(p.Refused) != 1 || p.Totals.Denies != 1 || p.Totals.Complete != 0 {
			t.Fatalf("%+v", p)
		}
		d := p.Denies[0]
		if d.Role != fx.prod.arn("guarded") || len(d.Changes) != 1 || d.Changes[0].Statement != 1 || !strings.Contains(d.Diff, "+") || !strings.Contains(d.Policy, standby) {
			t.Errorf("%+v", d)
		}
		if p.Refused[0].Code != finding.TrustOwned || len(p.Elsewhere) != 1 {
			t.Errorf("another's role: %+v, %+v", p.Refused, p.Elsewhere)
		}
		altered := p
		altered.Edits, altered.Denies = append(slices.Clone(p.Edits), d), nil
		for name, plan := range map[string]TrustPlan{"planned apart": p, "among the edits": altered} {
			r := fx.apply(t, plan, ApplyOptions{})
			last := r.Outcomes[len(r.Outcomes)-1]
			if last.State != Refused || last.Finding.Code != finding.NeedsApprover || r.Stopped != nil {
				t.Errorf("%s: %+v", name, last)
			}
		}
		if !slices.Equal(fx.prod.writes, []string{"plain"}) || fx.prod.roles["guarded"].trust != guarded(prod) {
			t.Errorf("written: %v", fx.prod.writes)
		}
	})
}

// A plan file is a request: whatever its texts say, what is written is what Edit
// makes of the role's present policy.
// spec 5.3
func TestAlteredPlanWritesOnlyEdits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		fx.prod.add("/", "a", trust(prod, home))
		p := fx.plan(t)
		want, err := trustpolicy.Edit(trust(prod, home), mustRequest(t))
		if err != nil {
			t.Fatal(err)
		}
		e := &p.Edits[0]
		e.Policy = strings.ReplaceAll(e.Policy, "StringEquals", "StringLike")
		e.Digest = Digest(e.Policy)
		e.Diff = "+ nothing to see"
		e.Changes = []trustpolicy.Insertion{{Statement: 0, Condition: "StringEquals SAML:aud", Audience: "https://evil.example/saml"}}
		e.SizeQuota = 1 << 30
		if r := fx.apply(t, p, ApplyOptions{}); r.Counts[Written] != 1 || !r.Outcomes[0].Moved {
			t.Fatalf("%+v", r)
		}
		if got := fx.prod.roles["a"].trust; got != want.Text {
			t.Errorf("written:\n%s\nwant:\n%s", got, want.Text)
		}
	})
}

// A refusal for size says what there is room for.
func TestTooLargeSaysWhatFits(t *testing.T) {
	t.Parallel()
	want := mustRequest(t)
	want.Audiences = append(want.Audiences, "https://eu-west-1.signin.aws.amazon.com/saml")
	want.Own = nil
	text := trust(prod, home)
	c := candidate{arn: "x", name: "r", path: "/", text: text}
	for _, row := range []struct {
		name  string
		quota int
		why   []string
	}{
		{"room for one", trustpolicy.CompactSize(text) + len(standby) + 3, []string{"room for " + standby + " ", "none for https://eu-west-1"}},
		{"room for none", trustpolicy.CompactSize(text) + 1, []string{"none of the missing audiences fits"}},
	} {
		c.quota = row.quota
		_, why := consider(setUp(t, nil).Federation.Policy.OwnedBy, c, want)
		if why == nil || why.Code != finding.TrustTooLarge {
			t.Errorf("%s: %v", row.name, why)
			continue
		}
		for _, w := range row.why {
			if !strings.Contains(why.Why, w) {
				t.Errorf("%s: %q lacks %q", row.name, why.Why, w)
			}
		}
	}
}
