package inventory

import (
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Share is the readiness of a federation for one Region: a share with names.
// Excepted roles are in neither Ready nor Total.
type Share struct {
	Region      signin.Region     `json:"region"`
	Total       int               `json:"total"`
	Ready       int               `json:"ready"`
	Conditional int               `json:"conditional"`
	Unknown     int               `json:"unknown"`
	Excepted    int               `json:"excepted"`
	NotReady    []finding.Finding `json:"not_ready,omitempty"` // subject = role ARN
	TakenAt     time.Time         `json:"taken_at"`

	// What Shares adds, for the decision: that it is suddenly much lower, the account with the lowest share, the
	// roles of share_over if there are any, the accounts that were last read longer
	// ago than inventory_max_age, and the roles that the policy names (share_over,
	// must_be_ready) and the scan did not see.
	Dropped *finding.Finding `json:"dropped,omitempty"`
	Lowest  Tally            `json:"lowest,omitzero"`
	Over    *Tally           `json:"over,omitempty"`
	Stale   []string         `json:"stale,omitempty"`
	Missing []string         `json:"missing,omitempty"`
}

// Tally counts some of the roles: those of an account, or of a list. Stale are
// those among Ready that were read too long ago.
type Tally struct {
	Account string `json:"account,omitempty"`
	Total   int    `json:"total"`
	Ready   int    `json:"ready"`
	Stale   int    `json:"stale,omitempty"`
}

// Fraction returns Ready/Total, 0 when there is no role at all.
func (t Tally) Fraction() float64 { return fraction(t.Ready, t.Total) }

// Fraction returns Ready/Total, 0 when there is no role at all.
func (sh Share) Fraction() float64 { return fraction(sh.Ready, sh.Total) }

func fraction(some, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(some) / float64(all)
}

// Share counts the snapshot's roles for one Region.
func (s Snapshot) Share(r signin.Region) Share {
	out := Share{Region: r, TakenAt: s.TakenAt}
	for _, a := range s.Accounts {
		for _, role := range a.Roles {
			rr := role.In(r)
			if rr.State == Excepted {
				out.Excepted++
				continue
			}
			out.Total++
			switch rr.State {
			case Ready:
				out.Ready++
				continue
			case Conditional:
				out.Conditional++
			case Unknown:
				out.Unknown++
			}
			if rr.Finding != nil {
				out.NotReady = append(out.NotReady, *rr.Finding)
			}
		}
	}
	return out
}

// Shares counts the snapshot's roles for every Region of the federation as its
// policy wants them counted (spec 5.6, 6.1, 6.2): what is excepted now apart, by
// account or over the roles of share_over, and with what is too old to count for
// mode auto named.
func Shares(s Snapshot, f federation.Federation, now time.Time) []Share {
	s = s.Excepting(f.Policy, now)
	var out []Share
	for _, r := range f.Regions {
		sh := s.Share(r)
		sh.count(s, f.Policy, now)
		sh.Dropped = s.dropped(sh, f)
		out = append(out, sh)
	}
	return out
}

// count fills in what only the policy can say.
func (sh *Share) count(s Snapshot, p federation.Policy, now time.Time) {
	seen := map[string]bool{}
	if len(p.ShareOver) > 0 {
		sh.Over = &Tally{}
	}
	for _, a := range s.Accounts {
		stale := p.InventoryMaxAge > 0 && now.Sub(a.ReadAt) > p.InventoryMaxAge
		of := Tally{Account: a.ID}
		for _, role := range a.Roles {
			seen[role.ARN] = true
			state := role.In(sh.Region).State
			if state == Excepted {
				continue
			}
			of.add(state, stale)
			if sh.Over != nil && slices.Contains(p.ShareOver, role.ARN) {
				sh.Over.add(state, stale)
			}
		}
		if of.Total == 0 {
			continue
		}
		if stale {
			sh.Stale = append(sh.Stale, a.ID)
		}
		if sh.Lowest.Total == 0 || of.Fraction() < sh.Lowest.Fraction() {
			sh.Lowest = of
		}
	}
	for _, arn := range p.ShareOver {
		if !seen[arn] {
			sh.Over.Total++ // a role that is gone lets nobody in
			sh.Missing = append(sh.Missing, arn)
		}
	}
	for _, arn := range p.MustBeReady {
		if !seen[arn] && !slices.Contains(sh.Missing, arn) {
			sh.Missing = append(sh.Missing, arn)
		}
	}
}

func (t *Tally) add(state Readiness, stale bool) {
	t.Total++
	if state == Ready {
		t.Ready++
		if stale {
			t.Stale++
		}
	}
}
