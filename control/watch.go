package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// WatchMode is how far a watch over trust policies goes.
type WatchMode string

// The modes. WatchEnforce applies what a plan adds and nothing else: no edit of a
// Deny, no role that others own.
const (
	WatchReport  WatchMode = "report"
	WatchEnforce WatchMode = "enforce"
)

// WatchRound is what one round of a watch found and did.
type WatchRound struct {
	Federation string    `json:"federation"`
	Mode       WatchMode `json:"mode"`
	At         time.Time `json:"at"`
	Accounts   int       `json:"accounts"`
	Roles      int       `json:"roles"`   // federated ones
	Lacking    int       `json:"lacking"` // of these, how many lack an audience that an edit can add
	// Findings are what a person should know: drift, changes by others, accounts
	// that could not be read.
	Findings []finding.Finding `json:"findings,omitempty"`
	Resumed  []string          `json:"resumed,omitempty"` // runs that were finished first
	Run      string            `json:"run,omitempty"`     // the run that wrote
	Report   *fleet.Report     `json:"report,omitempty"`  // what became of each role that was to be written
	Held     string            `json:"held,omitempty"`    // why nothing was written although the mode is enforce
}

// Failed reports whether an account could not be read or a role not be written.
func (r WatchRound) Failed() bool {
	unread := slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Code == finding.AccountUnreadable })
	return unread || r.Report != nil && TrustFailed(*r.Report)
}

// Unread reports whether no account could be read: AWS, our credentials or the
// network are in trouble.
func (r WatchRound) Unread() bool {
	n := 0
	for _, f := range r.Findings {
		if f.Code == finding.AccountUnreadable {
			n++
		}
	}
	return r.Accounts > 0 && n >= r.Accounts
}

// Watch does one round: it scans, plans, says what drifted, and in mode enforce
// applies the additions of the plan, as Apply does, within the order's limits.
func (t Trust) Watch(ctx context.Context, mode WatchMode, o TrustOrder) (WatchRound, error) {
	out := WatchRound{Federation: t.Federation.Name, Mode: mode, At: time.Now()}
	before, err := t.Keeper.LoadRoles(t.Federation.Name)
	if err != nil {
		before = inventory.Snapshot{} // none, or none that can be used: nothing has drifted from it
	}
	plan, snap, err := t.Plan(ctx)
	if err != nil {
		return out, err
	}
	out.take(plan, before, snap)
	if mode != WatchEnforce || len(plan.Edits) == 0 {
		return out, nil
	}
	report, err := t.Add(ctx, plan, o)
	out.Report = &report
	var held *Failure
	if errors.As(err, &held) && held.Kind == Held {
		out.Held, out.Report = held.Message, nil
		return out, nil
	}
	return out, err
}

// take notes what a plan and its scan say.
func (r *WatchRound) take(plan fleet.TrustPlan, before, now inventory.Snapshot) {
	r.Accounts, r.Roles, r.Lacking = len(now.Accounts), plan.Totals.Roles, len(plan.Edits)+len(plan.Denies)
	r.Findings = append(r.Findings, Drift(before, now)...)
	r.Findings = append(r.Findings, ForeignChanges(now)...)
	r.Findings = append(r.Findings, Problems(now)...)
	if r.Lacking > 0 {
		var roles []string
		for _, e := range append(plan.Edits[:len(plan.Edits):len(plan.Edits)], plan.Denies...) {
			roles = append(roles, e.Role)
		}
		r.Findings = append(r.Findings, finding.Finding{Code: finding.TrustDrift, Subject: "federation " + r.Federation,
			What: fmt.Sprintf("%d of %d roles lack audiences", r.Lacking, r.Roles), Why: "people who come through them cannot sign in at every Region of the federation",
			Remedy: "look at the plan with: samlfailover trust plan; carry it out with: samlfailover trust apply", Evidence: map[string]string{"roles": named(roles)}})
	}
}

// Add carries out the additions of a plan and leaves its edits of Deny
// statements to people.
func (t Trust) Add(ctx context.Context, plan fleet.TrustPlan, o TrustOrder) (fleet.Report, error) {
	plan.Denies = nil
	report, _, err := t.Apply(ctx, plan, o)
	return report, err
}
