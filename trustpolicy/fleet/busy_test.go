package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

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
