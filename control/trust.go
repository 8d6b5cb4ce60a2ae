package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// Fleet is what the trust use cases need of AWS; *fleet.Fleet is one.
type Fleet interface {
	Scan(ctx context.Context, last inventory.Snapshot) inventory.Snapshot
	Plan(ctx context.Context, snap inventory.Snapshot) (fleet.TrustPlan, error)
	Apply(ctx context.Context, plan fleet.TrustPlan, o fleet.ApplyOptions) (fleet.Report, error)
	Explain(ctx context.Context, snap inventory.Snapshot, role inventory.Role, region signin.Region) ([]fleet.Explanation, error)
	Restore(ctx context.Context, writes []fleet.Write, apps []inventory.AppRead, o fleet.ApplyOptions) (fleet.Report, error)
}

// RoleKeeper keeps what a scan read.
type RoleKeeper interface {
	LoadRoles(federation string) (inventory.Snapshot, error)
	SaveRoles(inventory.Snapshot) error
}

// Trust are the use cases about one federation's trust policies. They need no
// running controller.
type Trust struct {
	Federation federation.Federation
	Fleet      Fleet
	Keeper     RoleKeeper
	Record     Recorder
	Journal    TrustJournal
	Freezes    []federation.Freeze // when Apply refuses
	Past       PastWrites
	Wrote      LastWrites                                // nil: a scan does not look for changes by others
	AppsNow    func(context.Context) []inventory.AppRead // reads the apps from their identity providers
	Actor      Actor
}

// TrustJournal keeps what an Apply does, role by role, so that another one can
// finish it.
type TrustJournal interface {
	Begin(plan fleet.TrustPlan, ticket string) error
	Intent(fleet.Write) error
	Done(fleet.Outcome) error
}

// TrustOrder says how a plan is to be carried out.
type TrustOrder struct {
	MaxRoles int    // at most so many roles are written; 0 = all
	Ticket   string // the change ticket, for the record
	// Earlier is what a run that is resumed has done, by role ARN.
	Earlier map[string]fleet.Earlier
}

// Scan reads every account's roles and keeps the result. What of it could not
// be read stays as it was last seen, dated.
func (t Trust) Scan(ctx context.Context) (inventory.Snapshot, error) {
	last, err := t.Keeper.LoadRoles(t.Federation.Name)
	if err != nil {
		// None yet, damaged, or of another version: a new scan is the remedy. Only
		// accounts that cannot be read now are less well known without it.
		last = inventory.Snapshot{}
	}
	snap := t.Fleet.Scan(ctx, last)
	snap.Was = inventory.Best(last, t.Federation, snap.TakenAt)
	if err := ctx.Err(); err != nil {
		return snap, fmt.Errorf("scan of %s was interrupted, the last scan stays in force: %w", t.Federation.Name, err)
	}
	noteForeign(&snap, t.Wrote)
	if snap.Unread() && last.TakenAt.IsZero() {
		return snap, nil // nothing is known, and nothing is what stays known
	}
	if err := t.Keeper.SaveRoles(snap); err != nil {
		return snap, fmt.Errorf("keep the scan of %s: %w", t.Federation.Name, err)
	}
	return snap.Excepting(t.Federation.Policy, time.Now()), nil
}

// Plan scans and computes what has to be added.
func (t Trust) Plan(ctx context.Context) (fleet.TrustPlan, inventory.Snapshot, error) {
	snap, err := t.Scan(ctx)
	if err != nil {
		return fleet.TrustPlan{}, snap, err
	}
	plan, err := t.Fleet.Plan(ctx, snap)
	return plan, snap, err
}

// Apply carries out a plan and scans again, so that the kept readiness is that
// of after. Each write is recorded before it happens (promise 8).
func (t Trust) Apply(ctx context.Context, plan fleet.TrustPlan, o TrustOrder) (fleet.Report, inventory.Snapshot, error) {
	if plan.Federation != t.Federation.Name {
		return fleet.Report{}, inventory.Snapshot{}, fail(Invalid, "the plan is for federation %q, not for %q", plan.Federation, t.Federation.Name)
	}
	if f, frozen := federation.Frozen(t.Freezes, time.Now()); frozen {
		return fleet.Report{}, inventory.Snapshot{}, fail(Held, "trust policies are not written until %s: %s; the config's freeze says so", f.Until.UTC().Format(time.RFC3339), f.Why)
	}
	actor := t.Actor.String()
	if err := t.Record.Record(ctx, actor, TrustBegun, t.Federation.Name, o.detail(plan)); err != nil {
		return fleet.Report{}, inventory.Snapshot{}, notRecorded(err)
	}
	if err := t.Journal.Begin(plan, o.Ticket); err != nil {
		return fleet.Report{}, inventory.Snapshot{}, fmt.Errorf("nothing was written: %w", err)
	}
	report, err := t.Fleet.Apply(ctx, plan, fleet.ApplyOptions{MaxRoles: o.MaxRoles, Earlier: o.Earlier, Before: func(ctx context.Context, w fleet.Write) error {
		if err := t.Record.Record(ctx, actor, TrustWritten, w.Role, w); err != nil {
			return notRecorded(err)
		}
		return t.Journal.Intent(w)
	}, After: func(_ context.Context, out fleet.Outcome) error { return t.Journal.Done(out) }})
	recErr := t.Record.Record(context.WithoutCancel(ctx), actor, TrustEnded, t.Federation.Name, report.Counts)
	if err = errors.Join(err, recErr); err != nil {
		return report, inventory.Snapshot{}, err
	}
	snap, err := t.Scan(ctx)
	return report, snap, err
}

// detail is what the record says of an order.
func (o TrustOrder) detail(plan fleet.TrustPlan) map[string]any {
	out := map[string]any{"roles": len(plan.Edits), "made_at": plan.MadeAt}
	if o.Ticket != "" {
		out["ticket"] = o.Ticket
	}
	if o.Earlier != nil {
		out["resumed"] = true
	}
	return out
}

func notRecorded(err error) error {
	return fmt.Errorf("nothing was written, because the audit record cannot be made: %w", err)
}

// Problems are the findings of what could not be read: IAM or the organization,
// and accounts. Accounts that share one reason name it once.
func Problems(s inventory.Snapshot) []finding.Finding {
	var out []finding.Finding
	told := map[finding.Code]bool{}
	for _, n := range s.Notes {
		if n.Code != finding.AccountLeftOut {
			out, told[n.Code] = append(out, n), true
		}
	}
	for _, a := range s.Accounts {
		if a.Error != nil && !told[a.Error.Code] {
			out = append(out, *a.Error)
			// Any other reason is one account's own.
			told[a.Error.Code] = a.Error.Code == finding.IAMSilent
		}
	}
	return out
}

// ProviderProblems are the findings about the SAML providers of a scan, and
// about accounts that were left out. They
// spoil no readiness: what they take away is the comparison with the IdP.
func ProviderProblems(s inventory.Snapshot) []finding.Finding {
	var out []finding.Finding
	for _, n := range s.Notes {
		if n.Code == finding.AccountLeftOut {
			out = append(out, n)
		}
	}
	for _, a := range s.Accounts {
		out = append(out, a.Notes...)
		for _, p := range a.Providers {
			if p.Error != nil {
				out = append(out, *p.Error)
			}
		}
	}
	return out
}
