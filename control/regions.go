package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// RegionSuggestion is a Region that people seem to work in, and whether the
// federation has it.
type RegionSuggestion struct {
	inventory.RegionUse
	Standby bool `json:"standby"` // one of the federation's Regions
}

// suggestions are the Regions that people seem to work in, those that are on by
// default first: an opt-in Region serves only the accounts that have enabled it.
func suggestions(f federation.Federation, snap inventory.Snapshot) []RegionSuggestion {
	var out []RegionSuggestion
	for _, u := range snap.InUse {
		if u.Region.Partition() == f.Partition {
			out = append(out, RegionSuggestion{u, f.Allows(u.Region)})
		}
	}
	slices.SortStableFunc(out, func(a, b RegionSuggestion) int {
		switch {
		case a.OptIn == b.OptIn:
			return 0
		case b.OptIn:
			return -1
		}
		return 1
	})
	return out
}

// suggested says which Regions to think of as standbys.
func suggested(f federation.Federation, all []RegionSuggestion) []finding.Finding {
	var out []finding.Finding
	for _, s := range all {
		if s.Standby {
			continue
		}
		var why []string
		if len(s.Apps) > 0 {
			why = append(why, "people land there from "+strings.Join(s.Apps, ", "))
		}
		if n := len(s.Accounts); n > 0 {
			why = append(why, fmt.Sprintf("%d of the accounts have enabled it", n))
		}
		found := finding.Finding{Code: finding.RegionInUse, Subject: "federation " + f.Name + " and " + s.Region.String(), What: "people seem to work in " + s.Region.String() + ", and it is none of the federation's Regions",
			Why: strings.Join(why, "; "), Remedy: "add it to the federation's regions if people are to sign in there, then run: samlfailover trust plan"}
		if s.OptIn {
			found.Remedy = "add it to the federation's regions only if every account has enabled it: it is an opt-in Region"
		}
		out = append(out, found)
	}
	return out
}

// unreadRegions are the accounts whose Regions could not be read, where that
// matters: one of the federation's Regions is opt-in.
func unreadRegions(f federation.Federation, snap inventory.Snapshot) []finding.Finding {
	if !slices.ContainsFunc(f.Regions, func(r signin.Region) bool { e, _ := r.Endpoint(); return e.OptIn }) {
		return nil
	}
	var out []finding.Finding
	for _, a := range snap.Accounts {
		if a.RegionsError != nil {
			out = append(out, *a.RegionsError)
		}
	}
	return out
}
