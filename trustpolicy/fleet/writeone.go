package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// Read-back polling: IAM's changes take time to show (IAM User Guide,
// "Troubleshoot IAM: changes that I make are not always immediately visible").
const (
	firstPoll = 250 * time.Millisecond
	lastPoll  = 5 * time.Second
)

// role carries out edit i of the plan.
func (r *run) role(ctx context.Context, i int) {
	e, out := r.plan.Edits[i], &r.outcomes[i]
	if err := ctx.Err(); err != nil {
		r.stop(finding.Finding{Code: finding.TrustRefused, Subject: e.Role, What: "the run was interrupted", Why: err.Error(), Remedy: "run: samlfailover trust apply again"})
	}
	if r.halted() {
		return
	}
	// A role that was begun is ended: cut off between the write and the read-back,
	// nobody would know what became of it. Its calls have limits of their own.
	ctx = context.WithoutCancel(ctx)
	if past := r.opts.Earlier[e.Role]; past.finished() {
		*out = *past.Outcome
	} else {
		out.State, out.Finding = r.try(ctx, e, out)
		if out.State == Mismatch {
			r.stop(*out.Finding)
		}
		r.after(ctx, *out)
	}
	r.state.Lock()
	r.done++
	done := r.done
	r.state.Unlock()
	text := string(out.State)
	if out.Finding != nil {
		text += ": " + out.Finding.What
	}
	r.progress(Progress{Stage: "apply", Account: e.Account, Role: e.Role, Done: done, Total: len(r.plan.Edits), Text: text})
}

// try is one role from the fresh read to the read-back.
func (r *run) try(ctx context.Context, e RoleEdit, out *Outcome) (State, *finding.Finding) {
	w := r.open(ctx, e.Account)
	if w.err != nil {
		return Failed, w.err
	}
	a, _ := r.account(e.Account)
	_, _, path, name, err := federation.ParseRoleARN(e.Role)
	if err != nil {
		return Refused, refused(candidate{arn: e.Role}, err)
	}
	if past := r.opts.Earlier[e.Role].Write; past != nil && r.readBack(ctx, w, *past, name) == nil {
		// The earlier run was cut off after this write; by now it shows.
		out.Before, out.After, out.Changes = Digest(past.Before), Digest(past.After), past.Changes
		return Written, nil
	}
	// The wait for our turn comes before the read: between read and write there is
	// nothing but the record, or an edit made in the wait would be written over.
	ctx, err = together(ctx, w.api)
	if err != nil {
		return Failed, failure(Write{Role: e.Role}, err)
	}
	live, why := reread(ctx, w.api, candidate{arn: e.Role, name: name, path: path, quota: w.quota})
	if why != nil {
		return Refused, why
	}
	p, why := r.proposal(a, live)
	if why != nil {
		return Refused, why
	}
	out.Before, out.Moved, out.Changes = Digest(live.text), Digest(live.text) != e.Digest, p.changes
	if p.text == "" {
		return Already, nil
	}
	if !r.take() {
		return NotStarted, nil
	}
	return r.write(ctx, w, Write{Account: e.Account, Role: e.Role, Before: live.text, After: p.text, Changes: p.changes}, name, out)
}

// proposal is what to write into a role as it is now, or the reason not to.
func (r *run) proposal(a federation.Account, live candidate) (proposal, *finding.Finding) {
	if r.past != nil {
		return r.former(a, live, r.past[live.arn])
	}
	if why := r.ends.unsure(a, live); why != nil {
		return proposal{}, why
	}
	return consider(r.Federation.Policy.OwnedBy, live, r.ends.request(a, r.allowed(a.ID, live.arn, r.plan.Regions)))
}

// write records, writes and reads back.
func (r *run) write(ctx context.Context, w *writer, wr Write, name string, out *Outcome) (State, *finding.Finding) {
	if err := r.before(ctx, wr); err != nil {
		why := finding.Finding{Code: finding.TrustRefused, Subject: wr.Role, What: "the write could not be recorded, so it was not made",
			Why: err.Error(), Remedy: "make the audit record writable, then run: samlfailover trust apply again"}
		r.stop(why)
		return Refused, &why
	}
	err := put(ctx, w.api, name, wr.After)
	out.After = Digest(wr.After)
	for wait := firstPoll; err != nil && passing(err) && pause(ctx, wait); wait *= 2 {
		again, turnErr := together(ctx, w.api)
		if turnErr != nil {
			return Failed, failure(wr, err)
		}
		now, readErr := current(again, w.api, name)
		switch {
		case readErr == nil && trustpolicy.Equivalent(now, wr.After):
			return Written, nil
		case readErr != nil || wait > lastPoll:
			return r.afterError(ctx, w, wr, name, err)
		case now != wr.Before:
			return Refused, changedMeanwhile(wr, now)
		}
		err = put(again, w.api, name, wr.After)
	}
	if err != nil {
		return r.afterError(ctx, w, wr, name, err)
	}
	if why := r.readBack(ctx, w, wr, name); why != nil {
		return Mismatch, why
	}
	return Written, nil
}

// put writes once. The SDK's own retries are switched off: while it waits out a
// throttle somebody else may edit the role, and it would write over that.
func put(ctx context.Context, api IAM, name, text string) error {
	_, err := api.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String(name), PolicyDocument: aws.String(text)},
		func(o *iam.Options) { o.Retryer = aws.NopRetryer{} })
	return err
}

// passing reports whether the same write may work a moment later: IAM is busy,
// has a fault of its own, or did not answer. A refusal is no such thing.
func passing(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return !errors.Is(err, context.Canceled)
	}
	code := api.ErrorCode()
	return strings.HasPrefix(code, "Throttl") || code == "RequestLimitExceeded" || code == "ConcurrentModification" || code == "ServiceFailure" ||
		api.ErrorFault() == smithy.FaultServer
}

// pause waits unless the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// changedMeanwhile keeps a write from being repeated over somebody else's edit.
func changedMeanwhile(wr Write, now string) *finding.Finding {
	return &finding.Finding{Code: finding.ChangedMeanwhile, Subject: wr.Role, What: "the trust policy was changed while IAM did not take our write; it was not written again",
		Why: "somebody, or other automation, is editing it", Remedy: "look at the change, then run: samlfailover trust apply again",
		Evidence: map[string]string{"difference": Diff(wr.Role, wr.Before, now)}}
}

func (r *run) before(ctx context.Context, wr Write) error {
	if r.opts.Before == nil {
		return nil
	}
	r.record.Lock()
	defer r.record.Unlock()
	return r.opts.Before(ctx, wr)
}

// after reports what became of a role. What could not be kept would be forgotten
// by whoever resumes the run, so nothing more is started.
func (r *run) after(ctx context.Context, out Outcome) {
	if r.opts.After == nil || out.State == NotStarted {
		return
	}
	r.record.Lock()
	defer r.record.Unlock()
	if err := r.opts.After(ctx, out); err != nil {
		r.stop(finding.Finding{Code: finding.TrustRefused, Subject: out.Role, What: "what became of the role could not be kept, so no further role is written",
			Why: err.Error(), Remedy: "make the folder of the run writable, then resume it"})
	}
}

// afterError finds out whether a write that answered with an error took place
// all the same, as when the answer was lost: then it may be slow to show, too.
func (r *run) afterError(ctx context.Context, w *writer, wr Write, name string, err error) (State, *finding.Finding) {
	if !passing(err) {
		return Failed, failure(wr, err)
	}
	if why := r.readBack(ctx, w, wr, name); why != nil && why.Evidence != nil {
		return Mismatch, why
	} else if why != nil {
		out := failure(wr, err)
		out.Remedy = why.Why + "; look at the role, then run: samlfailover trust apply again"
		return Failed, out
	}
	return Written, nil
}

// failure says why IAM did not take a write.
func failure(wr Write, err error) *finding.Finding {
	out := &finding.Finding{Code: finding.TrustRefused, Subject: wr.Role, What: "IAM did not take the trust policy",
		Why: fmt.Sprintf("write the trust policy: %v", err), Remedy: "check the permission iam:UpdateAssumeRolePolicy of the account's enforce_role"}
	var protected *types.UnmodifiableEntityException
	var large *types.LimitExceededException
	var malformed *types.MalformedPolicyDocumentException
	switch {
	case errors.As(err, &protected):
		out.Code, out.Remedy = finding.TrustProtected, "let people sign in through another role"
	case errors.As(err, &large):
		out.Code, out.Remedy = finding.TrustTooLarge, raiseQuota(wr.Role)
	case errors.As(err, &malformed):
		out.Remedy = "look at the policy by hand: IAM rejects a part that we did not touch"
	}
	return out
}

// raiseQuota says where people raise the quota of a role's account: IAM's quotas
// are kept where its partition's one control plane is.
func raiseQuota(role string) string {
	where := "the Region of IAM's control plane"
	switch _, partition, _, _, _ := federation.ParseRoleARN(role); partition {
	case signin.AWS:
		where = "us-east-1"
	case signin.GovCloud:
		where = "us-gov-west-1"
	}
	return "raise the quota \"Role trust policy length\" of the account (Service Quotas in " + where + ", code L-C07B4B0D)"
}

// readBack waits until the role's trust policy means what was written. A text
// that is neither that nor the one before is somebody else's.
func (r *run) readBack(ctx context.Context, w *writer, wr Write, name string) *finding.Finding {
	limit, cancel := context.WithTimeout(ctx, r.ReadBack)
	defer cancel()
	mismatch := &finding.Finding{Code: finding.TrustMismatch, Subject: wr.Role, What: "the trust policy does not read back as it was written",
		Remedy: "compare the role's trust policy with the record of this write before anything else is written"}
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		now, err := current(limit, w.api, name)
		switch {
		case err != nil:
			mismatch.Why = fmt.Sprintf("it could not be read: %v", err)
		case trustpolicy.Equivalent(now, wr.After):
			return nil
		case !trustpolicy.Equivalent(now, wr.Before):
			mismatch.Why = "somebody else changed it at the same time"
			mismatch.Evidence = map[string]string{"difference": Diff(name, wr.After, now)}
			return mismatch
		default:
			mismatch.Why = fmt.Sprintf("after %s it still reads as before the write", r.ReadBack)
		}
		select {
		case <-limit.Done():
			return mismatch
		case <-time.After(wait):
		}
	}
}

// current reads a role's trust policy.
func current(ctx context.Context, api IAM, name string) (string, error) {
	got, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	if err != nil {
		return "", fmt.Errorf("read role %s back: %w", name, err)
	}
	if got.Role == nil {
		return "", fmt.Errorf("read role %s back: IAM answered without a role", name)
	}
	return decode(got.Role.AssumeRolePolicyDocument)
}
