package members

import (
	"context"
	"slices"
	"sync"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// Fleet is a federation's fleet whose accounts are found anew by each Scan. Until
// then, and for everything else, they are those of the last one: Plan, Apply,
// Explain and Restore never ask AWS Organizations. Safe for concurrent use as
// fleet.Fleet is.
type Fleet struct {
	source *Source
	mu     sync.Mutex
	now    *fleet.Fleet
}

// Live returns the fleet with the accounts that are known now; it asks nobody.
func Live(f *fleet.Fleet, s *Source) *Fleet {
	return &Fleet{source: s, now: f.With(s.Kept().Accounts)}
}

func (f *Fleet) present() *fleet.Fleet {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Scan finds the accounts and scans them, as fleet.Fleet does. When IAM itself
// is silent, it says so at once: nothing else is asked, Organizations neither,
// since it fails with the same Region.
func (f *Fleet) Scan(ctx context.Context, last inventory.Snapshot) inventory.Snapshot {
	was := f.present()
	if why := was.Silent(ctx); why != nil {
		m := f.source.Kept()
		out := was.With(m.Accounts).Unread(last, *why)
		out.Notes = append([]finding.Finding{*why}, m.Notes...)
		return out
	}
	m := f.source.Read(ctx)
	now := was.With(m.Accounts)
	f.mu.Lock()
	f.now = now
	f.mu.Unlock()
	out := now.Scan(ctx, last)
	out.Notes = append(out.Notes, m.Notes...)
	if m.ReadAt.IsZero() && len(m.Notes) > 0 {
		keepUnknown(&out, last, m.Notes[0])
	}
	return out
}

// keepUnknown keeps what was last seen of accounts of which it is not known any
// more whether they belong to the federation.
func keepUnknown(out *inventory.Snapshot, last inventory.Snapshot, why finding.Finding) {
	for _, old := range last.Accounts {
		if !slices.ContainsFunc(out.Accounts, func(a inventory.AccountScan) bool { return a.ID == old.ID }) {
			old.Calls, old.ProviderCalls, old.Error = 0, 0, &why
			out.Accounts = append(out.Accounts, old)
		}
	}
	if out.Unread() && !last.TakenAt.IsZero() {
		out.TakenAt = last.TakenAt
	}
}

// Plan is fleet.Fleet's, over the accounts of the last Scan.
func (f *Fleet) Plan(ctx context.Context, snap inventory.Snapshot) (fleet.TrustPlan, error) {
	return f.present().Plan(ctx, snap)
}

// Apply is fleet.Fleet's, over the accounts of the last Scan.
func (f *Fleet) Apply(ctx context.Context, plan fleet.TrustPlan, o fleet.ApplyOptions) (fleet.Report, error) {
	if why := f.present().Silent(ctx); why != nil {
		return fleet.Report{}, *why
	}
	return f.present().Apply(ctx, plan, o)
}

// Explain is fleet.Fleet's, over the accounts of the last Scan.
func (f *Fleet) Explain(ctx context.Context, snap inventory.Snapshot, role inventory.Role, region signin.Region) ([]fleet.Explanation, error) {
	return f.present().Explain(ctx, snap, role, region)
}

// Restore is fleet.Fleet's, over the accounts of the last Scan.
func (f *Fleet) Restore(ctx context.Context, writes []fleet.Write, apps []inventory.AppRead, o fleet.ApplyOptions) (fleet.Report, error) {
	if why := f.present().Silent(ctx); why != nil {
		return fleet.Report{}, *why
	}
	return f.present().Restore(ctx, writes, apps, o)
}
