package app

import (
	"context"
	"slices"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// reconcile reports what a scan shows to be worse than the one before: roles that
// are not ready any more, and those that somebody else has changed since our last
// write. It only tells, in the log and in the audit record: the serving identity
// writes no role (spec 5.8).
func (s *engine) reconcile(ctx context.Context, record control.Recorder, f federation.Federation, before, now inventory.Snapshot) {
	for _, news := range drifted(before, now) {
		s.o.Log.Warn("trust policies have drifted", "federation", f.Name, "code", news.Code, "finding", news.Error())
		if err := record.Record(ctx, failover.Controller, "trust-drift", f.Name, news); err != nil && ctx.Err() == nil {
			s.o.Log.Error("the drift of trust policies is not in the audit record", "federation", f.Name, "error", err)
		}
	}
}

// drifted are the findings about a scan that the one before did not have.
func drifted(before, now inventory.Snapshot) []finding.Finding {
	out := control.Drift(before, now)
	known := control.ForeignChanges(before)
	for _, f := range control.ForeignChanges(now) {
		if !slices.ContainsFunc(known, func(k finding.Finding) bool {
			return k.Subject == f.Subject && k.Evidence["difference"] == f.Evidence["difference"]
		}) {
			out = append(out, f)
		}
	}
	return out
}
