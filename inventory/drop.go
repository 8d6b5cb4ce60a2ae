package inventory

import (
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// A share that is this much lower than the best one of the last day has dropped
// suddenly (spec 6.2): no week of small changes does that, but somebody's script.
const (
	suddenDrop = 0.05
	dropWindow = 24 * time.Hour
)

// Was is an earlier share of one Region.
type Was struct {
	Region signin.Region `json:"region"`
	Total  int           `json:"total"`
	Ready  int           `json:"ready"`
	At     time.Time     `json:"at"`
}

// Best returns, for every Region, the best share of the last day up to and with
// an earlier snapshot: what the next scan is compared with.
func Best(last Snapshot, f federation.Federation, now time.Time) []Was {
	if len(last.Accounts) == 0 {
		return nil
	}
	last = last.Excepting(f.Policy, now)
	var out []Was
	for _, r := range f.Regions {
		sh := last.Share(r)
		best := Was{r, sh.Total, sh.Ready, last.TakenAt}
		if w, ok := last.was(r); ok && now.Sub(w.At) < dropWindow && fraction(w.Ready, w.Total) > sh.Fraction() {
			best = w
		}
		if best.Total > 0 {
			out = append(out, best)
		}
	}
	return out
}

func (s Snapshot) was(r signin.Region) (Was, bool) {
	for _, w := range s.Was {
		if w.Region == r {
			return w, true
		}
	}
	return Was{}, false
}

// dropped says that a share is suddenly much lower than it was, nil if not.
func (s Snapshot) dropped(sh Share, f federation.Federation) *finding.Finding {
	w, ok := s.was(sh.Region)
	const rounding = 1e-9
	if !ok || fraction(w.Ready, w.Total)-sh.Fraction() < suddenDrop-rounding {
		return nil
	}
	return &finding.Finding{Code: finding.ReadinessDropped, Subject: "federation " + f.Name + " in " + sh.Region.String(),
		What:   fmt.Sprintf("%d of %d roles will work in %s; at %s it was %d of %d", sh.Ready, sh.Total, sh.Region, w.At.UTC().Format(time.RFC3339), w.Ready, w.Total),
		Why:    "somebody, or other automation, has changed many trust policies, providers or apps, or roles came that lack the Region",
		Remedy: "see who: samlfailover readiness --region " + sh.Region.String() + " --why not-ready; then: samlfailover trust plan"}
}
