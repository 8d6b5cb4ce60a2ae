package control

import (
	"context"
	"errors"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// The actions in the audit record: a write of trust apply, which can be taken
// back, and one that took such a write back, which can not.
const (
	TrustWritten  = "trust-write"
	TrustRestored = "trust-restore-write"
)

// What begins and ends the record of a plan that is applied.
const (
	TrustBegun = "trust-apply"
	TrustEnded = "trust-applied"
)

// PastWrites are what earlier runs wrote, as their audit chains say. A chain that
// was changed is an error.
type PastWrites interface {
	OfRun(id string) ([]fleet.Write, error)
	OfRole(arn string) (fleet.Write, bool, error)
}

// ToRestore finds the writes to take back: those of a run, or the last one of a
// role.
func (t Trust) ToRestore(run, role string) ([]fleet.Write, error) {
	if run != "" {
		writes, err := t.Past.OfRun(run)
		if err == nil && len(writes) == 0 {
			err = fail(NotFound, "run %s wrote no trust policy, so there is nothing to take back", run)
		}
		return writes, err
	}
	if _, _, _, _, err := federation.ParseRoleARN(role); err != nil {
		return nil, fail(Invalid, "%v", err)
	}
	w, ok, err := t.Past.OfRole(role)
	if err == nil && !ok {
		err = fail(NotFound, "no run has written %s, so there is nothing to take back", role)
	}
	return []fleet.Write{w}, err
}

// Restore takes writes back and scans again. It is recorded as Apply is. A freeze
// does not hold it: to undo a mistake must not wait.
func (t Trust) Restore(ctx context.Context, writes []fleet.Write, o TrustOrder) (fleet.Report, inventory.Snapshot, error) {
	actor := t.Actor.String()
	if err := t.Record.Record(ctx, actor, "trust-restore", t.Federation.Name, map[string]any{"roles": len(writes), "ticket": o.Ticket}); err != nil {
		return fleet.Report{}, inventory.Snapshot{}, notRecorded(err)
	}
	report, err := t.Fleet.Restore(ctx, writes, t.AppsNow(ctx), fleet.ApplyOptions{MaxRoles: o.MaxRoles, Before: func(ctx context.Context, w fleet.Write) error {
		if err := t.Record.Record(ctx, actor, TrustRestored, w.Role, w); err != nil {
			return notRecorded(err)
		}
		return nil
	}})
	recErr := t.Record.Record(context.WithoutCancel(ctx), actor, "trust-restored", t.Federation.Name, report.Counts)
	if err = errors.Join(err, recErr); err != nil {
		return report, inventory.Snapshot{}, err
	}
	snap, err := t.Scan(ctx)
	return report, snap, err
}
