package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// State is what became of one role.
type State string

// The states.
const (
	Written    State = "written"     // written and read back
	Already    State = "already"     // nothing is missing any more
	Refused    State = "refused"     // not written, for the reason in the finding
	Failed     State = "failed"      // IAM did not take it, and it reads as before as far as it could be read
	Mismatch   State = "mismatch"    // written, and it does not read back as meant
	NotStarted State = "not-started" // an earlier role stopped the run, or MaxRoles was reached
)

// Outcome is what became of one role of a plan.
type Outcome struct {
	Account string                  `json:"account"`
	Role    string                  `json:"role"`
	Wave    int                     `json:"wave,omitempty"` // from 1; 0 = not started
	State   State                   `json:"state"`
	Moved   bool                    `json:"moved"` // the text was not the planned one any more; the edit was computed anew
	Before  string                  `json:"before,omitempty"`
	After   string                  `json:"after,omitempty"` // digests
	Changes []trustpolicy.Insertion `json:"changes,omitempty"`
	Finding *finding.Finding        `json:"finding,omitempty"`
}

// Report is the result of Apply, in the plan's order. Stopped says why roles
// were not started.
type Report struct {
	Outcomes []Outcome        `json:"outcomes"`
	Counts   map[State]int    `json:"counts"`
	Stopped  *finding.Finding `json:"stopped,omitempty"`
}

// Write is one write that is about to happen.
type Write struct {
	Account, Role string // number and ARN
	Before, After string // the whole trust policy
	Changes       []trustpolicy.Insertion
}

// ApplyOptions steer Apply.
type ApplyOptions struct {
	MaxRoles int // at most so many roles are written; 0 = all
	// Earlier is what an earlier run of the same plan did, by role ARN: what that
	// one finished is not done again, and a write of which it is not known whether
	// it took place is looked for first.
	Earlier map[string]Earlier
	// Before is called with every write, one call at a time, before it happens:
	// it records it. An error stops the run with nothing written for this role.
	Before func(context.Context, Write) error
	// After is called with what became of every role that was started, one call at
	// a time. An error stops the run.
	After func(context.Context, Outcome) error
}

// Earlier is what an earlier run did with one role: the write that it announced,
// and what it said became of the role; nil when it did not get that far.
type Earlier struct {
	Write   *Write   `json:"write,omitempty"`
	Outcome *Outcome `json:"outcome,omitempty"`
}

// finished reports whether there is nothing left to do.
func (e Earlier) finished() bool {
	return e.Outcome != nil && (e.Outcome.State == Written || e.Outcome.State == Already)
}

// Apply carries out a plan in waves: one role, the rest of its account, a tenth
// of all roles, the others. Each role is read again, its tags and protection
// are checked again, the edit is computed anew on the fresh text under the
// federation's present providers, their endpoints and Regions, written, and read back until it
// means what was written. Any mismatch stops the run. Edits of Deny statements
// are refused: they need an approver. The error is one of the
// plan as a whole; what became of each role is in the report.
func (f *Fleet) Apply(ctx context.Context, plan TrustPlan, o ApplyOptions) (Report, error) {
	if err := f.checkPlan(plan); err != nil {
		return Report{}, err
	}
	ends, err := f.current(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("apply the trust plan: %w", err)
	}
	r := f.newRun(plan, o)
	r.ends = ends
	r.all(ctx)
	return r.report(), nil
}

func (f *Fleet) newRun(plan TrustPlan, o ApplyOptions) *run {
	r := &run{Fleet: f, plan: plan, opts: o, outcomes: make([]Outcome, len(plan.Edits)), writers: map[string]*writer{}, left: o.MaxRoles}
	for i, e := range plan.Edits {
		r.outcomes[i] = Outcome{Account: e.Account, Role: e.Role, State: NotStarted}
	}
	return r
}

// checkPlan refuses a plan that is not of this federation, or that names what
// is not in it. Nothing else of a plan is trusted.
func (f *Fleet) checkPlan(plan TrustPlan) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("apply the trust plan: "+format+"; make a new one with: samlfailover trust plan", args...)
	}
	if plan.Federation != f.Federation.Name {
		return fail("it is of federation %q, not of %q", plan.Federation, f.Federation.Name)
	}
	if len(plan.Regions) == 0 {
		return fail("it names no Region")
	}
	for _, r := range plan.Regions {
		if !f.Federation.Allows(r) {
			return fail("Region %q is not one of the federation's", r)
		}
	}
	seen := map[string]bool{}
	for _, e := range slices.Concat(plan.Edits, plan.Denies) {
		ref, part, _, _, err := federation.ParseRoleARN(e.Role)
		if err != nil {
			return fail("%w", err)
		}
		if _, ok := f.account(ref.Account); !ok || ref.Account != e.Account || part != f.Federation.Partition {
			return fail("role %s is not in one of the federation's accounts", e.Role)
		}
		if seen[e.Role] {
			return fail("role %s stands in it twice", e.Role)
		}
		seen[e.Role] = true
	}
	return nil
}

// run is one Apply or Restore.
type run struct {
	*Fleet
	plan     TrustPlan
	ends     endpoints
	past     map[string]Write    // Restore: what is undone, by role ARN
	apps     []inventory.AppRead // Restore: where the apps point now
	opts     ApplyOptions
	outcomes []Outcome  // each written by one goroutine
	record   sync.Mutex // serialises Before
	state    sync.Mutex // guards the fields below
	writers  map[string]*writer
	stopped  *finding.Finding
	left     int // writes that MaxRoles still allows
	done     int
}

// writer is an account opened for writing.
type writer struct {
	api   IAM
	quota int
	err   *finding.Finding
}

// stop keeps further roles from being started; the first reason stays.
func (r *run) stop(why finding.Finding) {
	r.state.Lock()
	defer r.state.Unlock()
	if r.stopped == nil {
		r.stopped = &why
	}
}

func (r *run) halted() bool {
	r.state.Lock()
	defer r.state.Unlock()
	return r.stopped != nil
}

// take uses up one of the writes that MaxRoles allows.
func (r *run) take() bool {
	r.state.Lock()
	defer r.state.Unlock()
	if r.opts.MaxRoles <= 0 {
		return true
	}
	if r.left == 0 {
		return false
	}
	r.left--
	return true
}

// open returns the account's writer. The first role has one account to itself;
// later each account is handled by one goroutine, so nobody opens it twice.
func (r *run) open(ctx context.Context, id string) *writer {
	r.state.Lock()
	w, ok := r.writers[id]
	r.state.Unlock()
	if ok {
		return w
	}
	a, _ := r.account(id)
	w = &writer{}
	api, err := r.dial(ctx, a, ToWrite)
	if err != nil {
		w.err = unreadable(a, fmt.Errorf("open account %s for writing: %w", id, err))
		w.err.Remedy = "check the account's enforce_role, its trust policy and the base credentials"
	} else {
		w.api = api
		if w.quota, err = quota(ctx, api); err != nil {
			r.Log.Warn("the trust-policy quota is not known; the default is assumed", "account", id, "err", err)
		}
	}
	r.state.Lock()
	defer r.state.Unlock()
	r.writers[id] = w
	return w
}

func (r *run) report() Report {
	out := Report{Outcomes: slices.Clone(r.outcomes), Counts: map[State]int{}, Stopped: r.stopped}
	for _, e := range r.plan.Denies {
		out.Outcomes = append(out.Outcomes, Outcome{Account: e.Account, Role: e.Role, State: Refused, Finding: needsApprover(e.Role, e.Diff)})
	}
	for i, o := range out.Outcomes {
		if o.State == NotStarted {
			out.Outcomes[i].Wave = 0
		}
		out.Counts[o.State]++
	}
	return out
}
