package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// ReadinessQuery narrows a readiness report; the zero value is everything.
type ReadinessQuery struct {
	Region signin.Region       // this Region only
	Why    inventory.Readiness // roles that are so in one of the Regions
}

// ReadinessReport is the last scan as a matrix of roles and Regions. Shares count
// all roles, whatever the query left out of Roles.
type ReadinessReport struct {
	Federation string               `json:"federation"`
	TakenAt    time.Time            `json:"taken_at"`
	Stale      bool                 `json:"stale"` // older than inventory_max_age: unknown to mode auto
	Regions    []signin.Region      `json:"regions"`
	Shares     []inventory.Share    `json:"shares"`
	Roles      []RoleReadiness      `json:"roles"`
	Providers  []inventory.Provider `json:"providers"` // the federation's own
	Findings   []finding.Finding    `json:"findings,omitempty"`
	InUse      []RegionSuggestion   `json:"in_use,omitempty"`
	Unknown    []Aspect             `json:"unknown"` // what no scan looks at
}

// RoleReadiness is one row; ReadAt is when its account was read.
type RoleReadiness struct {
	Account string                      `json:"account"`
	Role    string                      `json:"role"`
	ReadAt  time.Time                   `json:"read_at"`
	Regions []inventory.RegionReadiness `json:"regions"`
}

// RoleExplanation is why a role is, or is not, ready for a Region.
type RoleExplanation struct {
	Role      string                    `json:"role"`
	Region    signin.Region             `json:"region"`
	ReadAt    time.Time                 `json:"read_at"`
	Readiness inventory.RegionReadiness `json:"readiness"`
	Logins    []fleet.Explanation       `json:"logins"`
}

// Readiness reports the last scan. It asks nobody outside, so it works in an
// outage.
func (t Trust) Readiness(q ReadinessQuery, now time.Time) (ReadinessReport, error) {
	snap, err := t.lastScan()
	if err != nil {
		return ReadinessReport{}, err
	}
	snap = snap.Excepting(t.Federation.Policy, now)
	out := ReadinessReport{Federation: t.Federation.Name, TakenAt: snap.TakenAt, Regions: t.Federation.Regions, Roles: []RoleReadiness{}, Unknown: unknownAspects(),
		Stale: now.Sub(snap.TakenAt) > t.Federation.Policy.InventoryMaxAge}
	if !q.Region.IsZero() {
		if _, err := RegionOf(t.Federation.Name, t.Federation.Regions, q.Region.String()); err != nil {
			return out, err
		}
		out.Regions = []signin.Region{q.Region}
	}
	for _, s := range inventory.Shares(snap, t.Federation, now) {
		if slices.Contains(out.Regions, s.Region) {
			out.Shares = append(out.Shares, s)
		}
	}
	for _, a := range snap.Accounts {
		for _, role := range a.Roles {
			row := RoleReadiness{Account: a.ID, Role: role.ARN, ReadAt: a.ReadAt}
			asked := q.Why == ""
			for _, r := range out.Regions {
				rr := role.In(r)
				asked = asked || rr.State == q.Why
				row.Regions = append(row.Regions, rr)
			}
			if asked {
				out.Roles = append(out.Roles, row)
			}
		}
		for _, p := range a.Providers {
			if t.owns(p.ARN) {
				out.Providers = append(out.Providers, p)
			}
		}
	}
	out.Findings = slices.Concat(Problems(snap), ProviderProblems(snap), fleet.Expiring(snap, now), onlyUSEast1(t.Federation, snap),
		inventory.EndingExceptions(t.Federation, now), unreadRegions(t.Federation, snap))
	out.InUse = suggestions(t.Federation, snap)
	out.Findings = append(out.Findings, suggested(t.Federation, out.InUse)...)
	for _, s := range out.Shares {
		if s.Dropped != nil {
			out.Findings = append(out.Findings, *s.Dropped)
		}
	}
	return out, nil
}

func (t Trust) owns(provider string) bool {
	return slices.ContainsFunc(t.Federation.Accounts, func(a federation.Account) bool { return slices.Contains(a.Providers, provider) })
}

// onlyUSEast1 warns where nothing is prepared: IAM, which would have to be
// written, breaks together with us-east-1.
func onlyUSEast1(f federation.Federation, snap inventory.Snapshot) []finding.Finding {
	if f.Home().String() != "us-east-1" || snap.Share(f.Home()).Total == 0 {
		return nil
	}
	for _, r := range f.Regions[1:] {
		if snap.Share(r).Ready > 0 {
			return nil
		}
	}
	return []finding.Finding{{Code: finding.OnlyUSEast1, Subject: "federation " + f.Name, What: "people can sign in at us-east-1 and nowhere else",
		Why: "no role is ready for a standby Region, and IAM cannot be written while us-east-1 is down", Remedy: "run now: samlfailover trust plan"}}
}

// Explain says statement by statement why a role, named by its ARN or by a name
// that only one has, is or is not ready for a Region, as last scanned.
func (t Trust) Explain(ctx context.Context, name string, region signin.Region) (RoleExplanation, error) {
	snap, err := t.lastScan()
	if err != nil {
		return RoleExplanation{}, err
	}
	var found []inventory.Role
	var readAt time.Time
	for _, a := range snap.Accounts {
		for _, r := range a.Roles {
			if r.ARN == name || r.Name == name {
				found, readAt = append(found, r), a.ReadAt
			}
		}
	}
	switch len(found) {
	case 0:
		return RoleExplanation{}, fail(NotFound, "the last scan, of %s, saw no federated role %q in federation %s; next: samlfailover readiness lists them", snap.TakenAt.UTC().Format(time.RFC3339), name, t.Federation.Name)
	case 1:
	default:
		var arns []string
		for _, r := range found {
			arns = append(arns, r.ARN)
		}
		return RoleExplanation{}, fail(Invalid, "%d roles are called %q; give the ARN: %s", len(found), name, strings.Join(arns, ", "))
	}
	logins, err := t.Fleet.Explain(ctx, snap, found[0], region)
	return RoleExplanation{Role: found[0].ARN, Region: region, ReadAt: readAt, Readiness: found[0].In(region), Logins: logins}, err
}

// lastScan is the scan that was kept last.
func (t Trust) lastScan() (inventory.Snapshot, error) {
	snap, err := t.Keeper.LoadRoles(t.Federation.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return snap, fail(NotFound, "the roles of federation %s were never read; run: samlfailover trust scan", t.Federation.Name)
	case err != nil:
		return snap, fmt.Errorf("look at the last scan of %s: %w", t.Federation.Name, err)
	}
	return snap, nil
}
