package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// LastWrite is the last write of a role over all trust runs.
type LastWrite struct {
	fleet.Write
	Run  string
	At   time.Time
	Done bool // the run's journal says that it was read back
}

// LastWrites returns the last write of each role, by ARN; an error means that it
// is not known for all of them.
type LastWrites func() (map[string]LastWrite, error)

// noteForeign puts a note beside every account of a scan with roles that are not
// as we left them: their documents were changed since our last write, and none of
// our records says so. Notes of the scan before are replaced.
func noteForeign(snap *inventory.Snapshot, last LastWrites) {
	if last == nil || len(snap.Accounts) == 0 {
		return
	}
	wrote, err := last()
	for i := range snap.Accounts {
		a := &snap.Accounts[i]
		notes := slices.DeleteFunc(slices.Clone(a.Notes), func(f finding.Finding) bool { return f.Code == finding.TrustForeign })
		for _, role := range a.Roles {
			if w, ok := wrote[role.ARN]; ok {
				notes = append(notes, foreign(role, w)...)
			}
		}
		a.Notes = notes
	}
	if err != nil {
		snap.Accounts[0].Notes = append(snap.Accounts[0].Notes, finding.Finding{Code: finding.TrustForeign, Subject: "federation " + snap.Federation,
			What: "whether somebody else has changed roles since we wrote them is not known", Why: err.Error(), Remedy: "look at the run that it names: samlfailover audit verify FILE"})
	}
}

// foreign says that a role is not as our last write left it. A write that may
// never have taken place says nothing about a role that is as before it.
func foreign(role inventory.Role, w LastWrite) []finding.Finding {
	if trustpolicy.Equivalent(role.Trust, w.After) || !w.Done && trustpolicy.Equivalent(role.Trust, w.Before) {
		return nil
	}
	return []finding.Finding{{Code: finding.TrustForeign, Subject: role.ARN, What: "the trust policy was changed since we wrote it, and not by us",
		Why:      "run " + w.Run + " wrote it at " + w.At.UTC().Format(time.RFC3339) + ", and no run has written it since",
		Remedy:   "ask CloudTrail in the Region of IAM's control plane for UpdateAssumeRolePolicy on this role: who has changed it, and why",
		Evidence: map[string]string{"difference": fleet.Diff(role.Name, w.After, role.Trust), "run": w.Run}}}
}

// ForeignChanges are the findings of a scan about roles that somebody else has
// changed since our last write.
func ForeignChanges(s inventory.Snapshot) []finding.Finding {
	var out []finding.Finding
	for _, a := range s.Accounts {
		for _, n := range a.Notes {
			if n.Code == finding.TrustForeign {
				out = append(out, n)
			}
		}
	}
	return out
}

// mostNamed is how many roles a drift finding names.
const mostNamed = 20

// Drift says what became worse from one scan to the next: roles that admitted a
// Region's sign-ins and do not any more. There is one finding for each Region;
// nil where nothing did.
func Drift(before, after inventory.Snapshot) []finding.Finding {
	type cell struct{ role, region string }
	was := map[cell]bool{}
	for _, a := range before.Accounts {
		for _, r := range a.Roles {
			for _, g := range r.Regions {
				was[cell{r.ARN, g.Region.String()}] = g.State == inventory.Ready
			}
		}
	}
	lost := map[string][]string{}
	var regions []string
	for _, a := range after.Accounts {
		for _, r := range a.Roles {
			for _, g := range r.Regions {
				region := g.Region.String()
				if g.State != inventory.NotReady || !was[cell{r.ARN, region}] {
					continue
				}
				if lost[region] == nil {
					regions = append(regions, region)
				}
				lost[region] = append(lost[region], r.ARN)
			}
		}
	}
	var out []finding.Finding
	for _, region := range regions {
		roles := lost[region]
		out = append(out, finding.Finding{Code: finding.TrustDrift, Subject: "federation " + after.Federation,
			What:   fmt.Sprintf("%d roles that were ready for %s are not any more", len(roles), region),
			Why:    "their trust policies were changed, or what they have to admit",
			Remedy: "look at them with: samlfailover readiness --region " + region + " --why not-ready; bring them back with: samlfailover trust plan", Evidence: map[string]string{"region": region, "roles": named(roles)}})
	}
	return out
}

// named lists the first of some roles and says how many more there are.
func named(roles []string) string {
	if len(roles) <= mostNamed {
		return strings.Join(roles, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(roles[:mostNamed], ", "), len(roles)-mostNamed)
}
