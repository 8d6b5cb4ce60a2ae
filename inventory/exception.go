package inventory

import (
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Excepting returns the snapshot with the roles that an exception keeps out of a
// Region now marked so (spec 5.6). What is kept on disk is always the bare scan:
// when the exception ends, the role counts again without a new one.
func (s Snapshot) Excepting(p federation.Policy, now time.Time) Snapshot {
	if len(p.Exceptions) == 0 {
		return s
	}
	s.Accounts = slices.Clone(s.Accounts)
	for i := range s.Accounts {
		a := &s.Accounts[i]
		a.Roles = slices.Clone(a.Roles)
		for k := range a.Roles {
			role := &a.Roles[k]
			role.Regions = slices.Clone(role.Regions)
			for n, rr := range role.Regions {
				if e, ok := p.Excepted(role.Account, role.ARN, rr.Region, now); ok {
					role.Regions[n] = excepted(*role, rr.Region, e)
				}
			}
		}
	}
	return s
}

func excepted(role Role, r signin.Region, e federation.Exception) RegionReadiness {
	return RegionReadiness{Region: r, State: Excepted, Finding: &finding.Finding{Code: finding.RoleExcepted, Subject: role.ARN,
		What: "the role is kept out of " + r.String() + " on purpose", Why: e.Reason + " (" + e.Owner + ")",
		Remedy: "none until " + lastDay(e) + ": from then on it counts again"}}
}

// endsSoon is how long before its end an exception is named.
const endsSoon = 30 * 24 * time.Hour

// EndingExceptions names the exceptions that have ended, or will within 30 days.
func EndingExceptions(f federation.Federation, now time.Time) []finding.Finding {
	var out []finding.Finding
	for _, e := range f.Policy.Exceptions {
		found := finding.Finding{Subject: e.String(), Why: e.Reason + " (" + e.Owner + "), until " + lastDay(e),
			Remedy: "have " + e.Owner + " decide: a new date under exceptions in federation " + f.Name + ", or take it out there and run: samlfailover trust plan"}
		switch {
		case !e.Holds(now):
			found.Code, found.What = finding.ExceptionExpired, "an exception has ended, and what it kept out counts again"
		case e.Expires.Sub(now) <= endsSoon:
			found.Code, found.What = finding.ExceptionEnding, "an exception ends soon, and what it keeps out will count again"
		default:
			continue
		}
		out = append(out, found)
	}
	return out
}

// lastDay is the last day on which an exception holds.
func lastDay(e federation.Exception) string {
	return e.Expires.AddDate(0, 0, -1).UTC().Format(time.DateOnly)
}
