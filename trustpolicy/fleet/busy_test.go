package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
)

// busyIAM refuses some writes; between a refusal and the next try somebody else
// may edit the role. lost makes a refused write take place all the same.
type busyIAM struct {
	*fakeIAM
	refusals  int
	err       error
	lost      bool
	meanwhile func()
	retries   bool // the caller left the SDK's own retries on
}

func (b *busyIAM) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput, change ...func(*iam.Options)) (*iam.UpdateAssumeRolePolicyOutput, error) {
	var o iam.Options
	for _, f := range change {
		f(&o)
	}
	b.retries = b.retries || o.Retryer == nil || o.Retryer.MaxAttempts() != 1
	if b.refusals == 0 {
		return b.fakeIAM.UpdateAssumeRolePolicy(ctx, in)
	}
	b.refusals--
	if b.lost {
		_, _ = b.fakeIAM.UpdateAssumeRolePolicy(ctx, in)
	}
	if b.meanwhile != nil {
		b.meanwhile()
	}
	return nil, b.err
}

// A write that IAM did not take is tried again only while the role is still as
// it was: an edit made in the wait is kept.
// spec 5.1
func TestBusyIAMLosesNobodysEdit(t *testing.T) {
	t.Parallel()
	throttled := &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	edited := trust(prod, home, "https://eu-west-1.signin.aws.amazon.com/saml")
	for _, c := range []struct {
		name     string
		refusals int
		err      error
		lost     bool
		edit     bool
		state    State
		code     finding.Code
	}{
		{"throttled twice", 2, throttled, false, false, Written, ""},
		{"throttled, and edited in the wait", 1, throttled, false, true, Refused, finding.ChangedMeanwhile},
		{"throttled for ever", 1000, throttled, false, false, Failed, finding.TrustRefused},
		{"the answer is lost", 1, errors.New("connection reset"), true, false, Written, ""},
		{"a refusal is not repeated", 1, &smithy.GenericAPIError{Code: "AccessDenied", Fault: smithy.FaultClient}, false, false, Failed, finding.TrustRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &busyIAM{refusals: c.refusals, err: c.err, lost: c.lost}
				fx := setUp(t, func(o *Options) {
					o.Open = func(_ context.Context, a federation.Account, _ Purpose) (IAM, error) {
						if a.ID == shared {
							return newFake(shared), nil
						}
						return b, nil
					}
				})
				b.fakeIAM = fx.prod
				fx.prod.add("/", "a", trust(prod, home))
				if c.edit {
					b.meanwhile = func() { fx.prod.roles["a"].trust = edited }
				}
				out := fx.apply(t, fx.plan(t), ApplyOptions{}).Outcomes[0]
				if out.State != c.state || c.code != "" && out.Finding.Code != c.code {
					t.Errorf("%+v", out)
				}
				if c.edit && fx.prod.roles["a"].trust != edited {
					t.Error("somebody else's edit is lost")
				}
				if b.retries {
					t.Error("the SDK repeats the write by itself, without looking")
				}
			})
		})
	}
}

// lateIAM refuses the first write; somebody edits the role a moment after it was
// read again, or read for the first time.
type lateIAM struct {
	*fakeIAM
	reads, writes int
	after         int // the read that the edit follows
	refuse        bool
	edited        string
	lost          bool
}

func (l *lateIAM) GetRole(ctx context.Context, in *iam.GetRoleInput, how ...func(*iam.Options)) (*iam.GetRoleOutput, error) {
	out, err := l.fakeIAM.GetRole(ctx, in, how...)
	if l.reads++; l.reads == l.after {
		time.AfterFunc(10*time.Millisecond, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.roles["a"].trust = l.edited
		})
	}
	return out, err
}

func (l *lateIAM) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput, how ...func(*iam.Options)) (*iam.UpdateAssumeRolePolicyOutput, error) {
	if l.writes++; l.refuse && l.writes == 1 {
		return nil, &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	}
	l.mu.Lock()
	l.lost = l.lost || l.roles["a"].trust == l.edited
	l.mu.Unlock()
	return l.fakeIAM.UpdateAssumeRolePolicy(ctx, in, how...)
}

// The pace of ours never comes between the read of a role and its write, neither
// the first time nor when the write is tried again.
// spec 5.3
func TestNoWaitBetweenReadAndWrite(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]bool{"the first write": false, "the second": true} {
		synctest.Test(t, func(t *testing.T) {
			l := &lateIAM{refuse: refuse, edited: trust(prod, home, "https://eu-west-1.signin.aws.amazon.com/saml")}
			fx := setUp(t, func(o *Options) {
				o.Pace = 1
				o.Open = func(_ context.Context, a federation.Account, _ Purpose) (IAM, error) {
					if a.ID == shared {
						return newFake(shared), nil
					}
					return l, nil
				}
			})
			l.fakeIAM = fx.prod
			fx.prod.add("/", "a", trust(prod, home))
			plan := fx.plan(t)
			time.Sleep(time.Minute)
			l.reads, l.after = 0, 1
			if refuse {
				l.after = 2
			}
			r := fx.apply(t, plan, ApplyOptions{})
			if l.lost || l.reads < l.after || l.writes == 0 || fx.prod.roles["a"].trust != l.edited {
				t.Errorf("%s: an edit was written over (%t), %d reads, %d writes: %+v", name, l.lost, l.reads, l.writes, r.Outcomes[0])
			}
		})
	}
}
