package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// freshFor is how old a read of an app may be that says where it points now.
const freshFor = 5 * time.Minute

// Restore puts back what the writes replaced (spec 4.3), in waves as Apply does.
// A role's former text is written only if its policy still means what that write
// wrote. Where somebody has changed it since, only our additions are taken out,
// which is proved; what others took away stays away. Where that cannot be done
// either the role is refused and both changes are shown. It is refused as well if
// it would take away the endpoint that one of the apps, as just read, points at now.
// Of several writes of one role the last one counts. The caller vouches for the
// writes: they come from a verified audit chain. The error is one of the whole.
func (f *Fleet) Restore(ctx context.Context, writes []Write, apps []inventory.AppRead, o ApplyOptions) (Report, error) {
	plan := TrustPlan{Federation: f.Federation.Name, Regions: f.Federation.Regions}
	last := map[string]Write{}
	for _, w := range writes {
		if _, ok := last[w.Role]; !ok {
			plan.Edits = append(plan.Edits, RoleEdit{Account: w.Account, Role: w.Role, Digest: Digest(w.After)})
		}
		last[w.Role] = w
	}
	if err := f.checkPlan(plan); err != nil {
		return Report{}, fmt.Errorf("restore trust policies: %w", err)
	}
	if err := f.allRead(apps); err != nil {
		return Report{}, err
	}
	r := f.newRun(plan, o)
	r.past, r.apps = last, apps
	r.all(ctx)
	return r.report(), nil
}

// allRead makes sure that it is known where every app points now.
func (f *Fleet) allRead(apps []inventory.AppRead) error {
	for _, ref := range f.Federation.Members() {
		at := slices.IndexFunc(apps, func(a inventory.AppRead) bool { return a.Ref.String() == ref.String() })
		if at < 0 || time.Since(apps[at].ReadAt) > freshFor {
			return fmt.Errorf("restore trust policies: where app %s points now could not be read, and a role must not lose the endpoint that its sign-ins arrive at; try again when its identity provider answers", ref.Name)
		}
	}
	return nil
}

// former is the proposal to put a role's former text back, or to take only our
// additions out of it, or the reason not to. There is no text when the role has
// none of them any more.
func (r *run) former(a federation.Account, live candidate, w Write) (proposal, *finding.Finding) {
	if trustpolicy.Equivalent(live.text, w.Before) {
		return proposal{}, nil
	}
	res := trustpolicy.Result{Text: w.Before, Changes: w.Changes}
	if !trustpolicy.Equivalent(live.text, w.After) {
		var err error
		if res, err = trustpolicy.Retract(live.text, w.After, w.Changes, a.Providers); err != nil {
			return proposal{}, changedSince(live, w, err)
		}
		if len(res.Changes) == 0 {
			return proposal{}, nil // somebody took them out
		}
	}
	if why := r.inUse(a, live, res.Text); why != nil {
		return proposal{}, why
	}
	p := propose(live, res)
	if p.text == "" { // the record names no change
		p.text = w.Before
	}
	return p, against(r.Federation.Policy.OwnedBy, live, trustpolicy.EditRequest{}, p)
}

// changedSince shows what somebody changed after our write, beside that write.
func changedSince(live candidate, w Write, err error) *finding.Finding {
	out := &finding.Finding{Code: finding.ChangedMeanwhile, Subject: live.arn, What: "the trust policy was changed since we wrote it; it is not put back",
		Why: "the former text would take that change away, and our additions cannot be taken out by themselves: " + err.Error(), Remedy: "take our additions out by hand, if they are to go",
		Evidence: map[string]string{"difference": Diff(live.name, w.After, live.text), "change": Diff(live.name, w.Before, w.After)}}
	if r, ok := errors.AsType[trustpolicy.Refusal](err); ok {
		out.Why = "the former text would take that change away, and our additions cannot be taken out by themselves: " + r.Reason
		out.Evidence["refusal"] = string(r.Code)
	}
	return out
}

// inUse is the reason not to take an endpoint away: an app points at it now.
func (r *run) inUse(a federation.Account, live candidate, text string) *finding.Finding {
	now, err := trustpolicy.Parse(live.text)
	if err != nil {
		return refused(live, err)
	}
	then, err := trustpolicy.Parse(text)
	if err != nil {
		return refused(live, err)
	}
	for _, provider := range a.Providers {
		for _, app := range r.apps {
			for _, action := range trustpolicy.SAMLActions() {
				l := login(provider, app.ACS)
				l.Audience, l.Action = app.ACSText, action
				if had := trustpolicy.Admits(now, l).Verdict; had != trustpolicy.Deny && trustpolicy.Admits(then, l).Verdict != had {
					return &finding.Finding{Code: finding.TrustRefused, Subject: live.arn, What: "without our additions the trust policy would keep out sign-ins of app " + app.Ref.Name,
						Why:      "the app points at " + app.ACSText + " now, and no other audience of the policy admits that",
						Remedy:   "move the app first: samlfailover move",
						Evidence: map[string]string{"app": app.Ref.Name, "provider": provider, "action": action}}
				}
			}
		}
	}
	return nil
}
