package fleet

import (
	"context"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// The statuses in which an account can be signed in to in a Region.
const (
	regionEnabled   = "ENABLED"
	regionByDefault = "ENABLED_BY_DEFAULT"
)

// regions adds to an account's scan which Regions it has enabled. That it cannot
// be read spoils nothing else.
func (f *Fleet) regions(ctx context.Context, a federation.Account, last inventory.Snapshot, scan *inventory.AccountScan) {
	if f.Regions == nil || f.everything {
		return
	}
	all, err := f.Regions(ctx, a)
	if err != nil {
		scan.RegionsError = &finding.Finding{Code: finding.RegionsUnreadable, Subject: "account " + a.String(), What: "which Regions the account has enabled could not be read",
			Why: err.Error(), Remedy: "give the account's scan_role account:ListRegions, then run: samlfailover trust scan"}
		for _, old := range last.Accounts {
			if old.ID == a.ID {
				scan.Regions = old.Regions
			}
		}
		return
	}
	scan.Regions = map[string]string{}
	for code, status := range all {
		if status != regionByDefault {
			scan.Regions[code] = status
		}
	}
}

// inRegions adds to a role's readiness whether its account has the Regions at all
// (spec 6.3).
func (f *Fleet) inRegions(a inventory.AccountScan, role inventory.Role, in []inventory.RegionReadiness) []inventory.RegionReadiness {
	if f.Regions == nil {
		return in
	}
	for i, rr := range in {
		state, why := regionOf(a, rr.Region)
		if why != nil && worse(state, rr.State) {
			in[i] = because(role, rr.Region, state, *why, "")
		}
	}
	return in
}

// regionOf says whether people can sign in to an account in a Region as far as
// the Region goes; the finding is nil if they can.
func regionOf(a inventory.AccountScan, r signin.Region) (inventory.Readiness, *finding.Finding) {
	e, _ := r.Endpoint()
	status, known := a.Regions[r.String()]
	out := &finding.Finding{Code: finding.RegionNotEnabled, Subject: "account " + a.ID, What: "the account has not enabled " + r.String() + ", so nobody can sign in to it there",
		Why: "it is " + status, Remedy: "enable " + r.String() + " in the account (AWS Account Management), which takes minutes to hours, or prefer a Region that is on by default"}
	switch {
	case known && status != regionEnabled:
		return inventory.NotReady, out
	case known, !e.OptIn:
		return inventory.Ready, nil
	}
	out.Code, out.What = finding.RegionsUnreadable, "whether the account has enabled "+r.String()+" is not known"
	out.Why, out.Remedy = "accounts have to enable that Region themselves, and none of ours was read", "give the account's scan_role account:ListRegions, then run: samlfailover trust scan"
	if a.RegionsError != nil {
		out.Why = a.RegionsError.Why
	}
	return inventory.Unknown, out
}

// inUse lists the Regions that something speaks for people working in: accounts
// that have enabled an opt-in Region, and where the apps land people. That people
// use a Region that is on by default shows in the second only.
func (f *Fleet) inUse(apps []inventory.AppRead, accounts []inventory.AccountScan) []inventory.RegionUse {
	found := map[signin.Region]*inventory.RegionUse{}
	use := func(r signin.Region) *inventory.RegionUse {
		if found[r] == nil {
			e, _ := r.Endpoint()
			found[r] = &inventory.RegionUse{Region: r, OptIn: e.OptIn}
		}
		return found[r]
	}
	for _, a := range accounts {
		for code, status := range a.Regions {
			if r, err := signin.ParseRegion(code); err == nil && status == regionEnabled {
				u := use(r)
				u.Accounts = append(u.Accounts, a.ID)
			}
		}
	}
	for _, a := range apps {
		if r, ok := signin.RegionOfRelayState(a.RelayState); ok {
			u := use(r)
			u.Apps = append(u.Apps, a.Ref.Name)
		}
	}
	var out []inventory.RegionUse
	for _, u := range found {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b inventory.RegionUse) int { return strings.Compare(a.Region.String(), b.Region.String()) })
	return out
}
