package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

func mustRequest(t *testing.T) trustpolicy.EditRequest {
	t.Helper()
	fx := setUp(t, nil)
	ends, err := fx.endpoints(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ends.request(fx.Federation.Accounts[0], fx.Federation.Regions)
}

func (fx *fixture) apply(t *testing.T, p TrustPlan, o ApplyOptions) Report {
	t.Helper()
	r, err := fx.Apply(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// spec 5.1, 5.3
func TestApply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		for i := range 9 {
			fx.prod.add("/", fmt.Sprintf("p%d", i), trust(prod, home))
		}
		fx.shared.add("/", "s", trust(shared, home))
		fx.prod.roles["p3"].next = nil
		p := fx.plan(t)
		fx.prod.roles["p1"].trust = trust(prod, home, "https://eu-west-1.signin.aws.amazon.com/saml") // moved on since
		fx.prod.roles["p2"].trust = trust(prod, home, standby)                                        // somebody did it
		fx.prod.roles["p3"].tags = map[string]string{"samlfailover:never": "1"}                       // forbidden since
		fx.prod.onPut = func(_, text string) string { return " " + trustpolicy.Compact(text) + "\n" } // IAM writes it its own way
		var recorded []string
		report := fx.apply(t, p, ApplyOptions{Before: func(_ context.Context, w Write) error {
			if w.Before == w.After || fx.prod.written(w.Role) {
				t.Errorf("%s is recorded too late", w.Role)
			}
			recorded = append(recorded, w.Role)
			return nil
		}})
		if report.Stopped != nil || report.Counts[Written] != 8 || report.Counts[Already] != 1 || report.Counts[Refused] != 1 {
			t.Fatalf("%+v", report)
		}
		if !report.Outcomes[1].Moved || report.Outcomes[0].Moved || report.Outcomes[3].Finding.Code != finding.TrustOwned {
			t.Errorf("%+v", report.Outcomes)
		}
		if len(recorded) != 8 || recorded[0] != p.Edits[0].Role {
			t.Errorf("recorded %v", recorded)
		}
		for name := range fx.prod.roles {
			if got := fx.prod.admits(t, name, standby) && fx.prod.admits(t, name, home); got == (name == "p3") {
				t.Errorf("%s: ready %t", name, got)
			}
		}
		if !strings.Contains(fx.prod.roles["p1"].trust, "eu-west-1") {
			t.Error("an audience that came after the plan is lost")
		}
		if again := fx.apply(t, p, ApplyOptions{}); again.Counts[Already] != 9 {
			t.Errorf("applied twice: %+v", again.Counts)
		}
	})
}

// Eventual consistency is waited for; anything else that reads back stops the
// run, and so does a record that cannot be made.
// Saboteurs: an IAM that drops a value, widens, forgets the write, or is
// written by somebody else at the same time.
func TestApplyStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*fakeIAM)
		before error
		state  State
		code   finding.Code
		stops  bool
	}{
		{"slow to show", func(f *fakeIAM) {
			f.roles["a"].next = []string{trust(prod, home), trust(prod, home), trust(prod, home)}
		}, nil, Written, "", false},
		{"forgets the write", func(f *fakeIAM) { f.onPut = func(string, string) string { return trust(prod, home) } }, nil, Mismatch, finding.TrustMismatch, true},
		{"drops a value", func(f *fakeIAM) { f.onPut = func(string, string) string { return trust(prod, standby) } }, nil, Mismatch, finding.TrustMismatch, true},
		{"widens", func(f *fakeIAM) {
			f.onPut = func(_, s string) string { return strings.Replace(s, "StringEquals", "StringLike", 1) }
		}, nil, Mismatch, finding.TrustMismatch, true},
		{"no record", func(*fakeIAM) {}, errors.New("disk full"), Refused, finding.TrustRefused, true},
		{"too large", func(f *fakeIAM) {
			f.fail["UpdateAssumeRolePolicy"] = &types.LimitExceededException{Message: aws.String("ACLSizePerRole")}
		}, nil, Failed, finding.TrustTooLarge, false},
		{"protected", func(f *fakeIAM) { f.fail["UpdateAssumeRolePolicy"] = &types.UnmodifiableEntityException{} }, nil, Failed, finding.TrustProtected, false},
		{"malformed", func(f *fakeIAM) { f.fail["UpdateAssumeRolePolicy"] = &types.MalformedPolicyDocumentException{} }, nil, Failed, finding.TrustRefused, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fx := setUp(t, nil)
				fx.prod.add("/", "a", trust(prod, home))
				fx.prod.add("/", "b", trust(prod, home))
				fx.shared.add("/", "c", trust(shared, home))
				p := fx.plan(t)
				c.change(fx.prod)
				r := fx.apply(t, p, ApplyOptions{Before: func(context.Context, Write) error { return c.before }})
				first := r.Outcomes[0]
				if first.State != c.state || (c.code != "" && first.Finding.Code != c.code) {
					t.Errorf("%+v", first)
				}
				if (r.Stopped != nil) != c.stops || (c.stops && r.Counts[NotStarted] != 2) {
					t.Errorf("stopped %v, %v", r.Stopped, r.Counts)
				}
				if c.before != nil && len(fx.prod.writes) != 0 {
					t.Error("written without a record")
				}
			})
		})
	}
}

// A write whose answer was lost is found out by reading.
func TestApplyLostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		fx.prod.add("/", "a", trust(prod, home))
		p := fx.plan(t)
		fx.prod.fail["UpdateAssumeRolePolicy"] = errors.New("connection reset")
		if r := fx.apply(t, p, ApplyOptions{}); r.Counts[Failed] != 1 {
			t.Errorf("%+v", r)
		}
		r := &run{Fleet: fx.Fleet}
		wr := Write{Before: trust(prod, home), After: trust(prod, home, standby)}
		fx.prod.roles["a"].trust = wr.After
		if state, _ := r.afterError(context.Background(), &writer{api: fx.prod}, wr, "a", errors.New("connection reset")); state != Written {
			t.Errorf("%s", state)
		}
	})
}

// A plan file is a request: nothing in it can name what the federation does not.
// spec 5.3
func TestApplyTrustsNoPlan(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "a", trust(prod, home))
	good := fx.plan(t)
	for name, change := range map[string]func(*TrustPlan){
		"another federation": func(p *TrustPlan) { p.Federation = "x" },
		"foreign Region":     func(p *TrustPlan) { p.Regions = []signin.Region{signin.MustRegion("eu-west-1")} },
		"no Region":          func(p *TrustPlan) { p.Regions = nil },
		"foreign account":    func(p *TrustPlan) { p.Edits[0].Role = "arn:aws:iam::999999999999:role/a" },
		"account mismatch":   func(p *TrustPlan) { p.Edits[0].Account = shared },
		"other partition":    func(p *TrustPlan) { p.Edits[0].Role = "arn:aws-cn:iam::" + prod + ":role/a" },
		"not a role":         func(p *TrustPlan) { p.Edits[0].Role = "a" },
		"twice":              func(p *TrustPlan) { p.Edits = append(p.Edits, p.Edits[0]) },
	} {
		p := good
		p.Edits = slices.Clone(good.Edits)
		change(&p)
		if _, err := fx.Apply(context.Background(), p, ApplyOptions{}); err == nil || !strings.Contains(err.Error(), "trust plan") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := good
	p.Edits = slices.Clone(good.Edits)
	p.Edits[0].Role = "arn:aws:iam::" + prod + ":role/elsewhere/a"
	if r := fx.apply(t, p, ApplyOptions{}); r.Counts[Refused] != 1 {
		t.Errorf("a role at another path: %+v", r)
	}
	if len(fx.prod.writes) != 0 {
		t.Error("written")
	}
}

func TestApplyLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		for i := range 4 {
			fx.prod.add("/", fmt.Sprint("r", i), trust(prod, home))
		}
		p := fx.plan(t)
		if r := fx.apply(t, p, ApplyOptions{MaxRoles: 3}); r.Counts[Written] != 3 || r.Counts[NotStarted] != 1 {
			t.Errorf("%+v", r.Counts)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if r, err := fx.Apply(ctx, p, ApplyOptions{}); err != nil || r.Counts[NotStarted] != 4 || r.Stopped == nil {
			t.Errorf("cancelled: %+v %v", r, err)
		}
	})
}

// A process that is told to stop ends the role that it has begun, read-back
// included, and begins no other: the fake's calls fail once their context ends.
func TestApplyStopsBetweenRoles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		for i := range 3 {
			fx.prod.add("/", fmt.Sprint("r", i), trust(prod, home))
		}
		fx.prod.roles["r0"].next = slices.Repeat([]string{trust(prod, home)}, 5) // the write is slow to show
		p := fx.plan(t)
		fx.prod.roles["r0"].next = slices.Repeat([]string{trust(prod, home)}, 5)
		ctx, stop := context.WithCancel(t.Context())
		r, err := fx.Apply(ctx, p, ApplyOptions{Before: func(context.Context, Write) error { stop(); return nil }})
		if err != nil || r.Counts[Written] != 1 || r.Counts[NotStarted] != 2 || r.Stopped == nil {
			t.Errorf("%+v, stopped %v, %v", r.Counts, r.Stopped, err)
		}
		if len(fx.prod.writes) != 1 || !fx.prod.admits(t, "r0", standby) {
			t.Errorf("writes %v", fx.prod.writes)
		}
	})
}
