package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// view is a situation worked out: which apps would move where if no rule held.
// The rules only look at it; none of them changes it.
type view struct {
	s      Situation
	policy federation.Policy
	apps   []appView // one per app of the federation, in its order
	cause  Cause
	moving []appView
	left   []Left
	to     signin.Region // zero: nowhere to go
	auto   bool          // the controller would act by itself
	bound  string        // the digest that an approval binds, see bind
}

// appView is one app with what is known of its own Region.
type appView struct {
	ref     federation.AppRef
	state   AppState
	region  signin.Region // zero: unknown
	verdict health.Verdict
	watched bool // the Region is one of the federation's
	// standbys are the apps that stand in for it: then its own endpoint never
	// moves.
	standbys []standbyView
}

// newView works a situation out. App states of apps that are not the
// federation's are ignored: membership comes from the config alone.
func newView(s Situation) *view {
	v := &view{s: s, policy: settled(s.Federation.Policy)}
	v.auto = s.Request == nil && v.policy.Mode == federation.Auto
	for _, ref := range s.Federation.Apps {
		v.apps = append(v.apps, v.look(ref))
	}
	switch {
	case v.undo() != nil:
		v.undoing(*s.Request.Undoes)
	case s.Request != nil:
		v.requested()
	case v.failover():
	default:
		v.failback()
	}
	if v.undo() == nil {
		v.standIns()
	}
	return v
}

// look collects what is known of one app.
func (v *view) look(ref federation.AppRef) appView {
	a := appView{ref: ref, state: lastRead(ref, v.s.Apps), standbys: standbysOf(v.s.Federation, ref, v.s.Apps)}
	a.region = Active(v.s.Federation, ref, v.s.Apps, v.s.Now)
	a.watched = v.s.Federation.Allows(a.region)
	a.verdict = v.verdict(a.region)
	return a
}

// verdict returns quorum's word on r, Unknown if there is none.
func (v *view) verdict(r signin.Region) health.Verdict {
	for _, have := range v.s.Verdicts {
		if have.Region == r {
			return have
		}
	}
	return health.Verdict{Region: r, State: health.Unknown, Configured: len(v.s.Vantages), Reason: "not probed yet"}
}

// healthy reports whether quorum calls r healthy. That a minority of vantages
// suspects it changes nothing: they can neither cause nor prevent a verdict.
func (v *view) healthy(r signin.Region) bool { return v.verdict(r).State == health.Healthy }

// requested works out an operator's wish: every app that is not at the target
// moves there.
func (v *view) requested() {
	req := v.s.Request
	v.to, v.cause = req.To, req.Cause
	blind := v.putsAside(ActiveUnknown)
	for _, a := range v.apps {
		switch {
		case a.region == v.to && !v.to.IsZero():
			v.leave(a, "is in "+v.to.String()+" already", false)
		case a.region.IsZero() && blind && a.state.App.ACSText == "" && len(a.standbys) == 0:
			if !v.locked(a) {
				v.moving = append(v.moving, a)
			}
		default:
			v.take(a)
		}
	}
	if v.cause == "" {
		v.cause = v.causeOfRequest()
	}
}

// causeOfRequest names what an operator's move is.
func (v *view) causeOfRequest() Cause {
	unhealthy := func(a appView) bool { return a.verdict.State == health.Unhealthy }
	switch {
	case slices.ContainsFunc(v.moving, unhealthy):
		return Failover
	case v.to == v.s.Federation.Home():
		return Failback
	}
	return Switchover
}

// take adds an app to the job, or leaves it when it cannot be written.
func (v *view) take(a appView) {
	switch {
	case v.locked(a):
	case len(a.standbys) > 0 && !a.region.IsZero(): // what is written are its standby apps
		v.moving = append(v.moving, a)
	case a.state.ReadAt.IsZero():
		v.leave(a, "could not be read: "+readError(a.state), true)
	case v.s.Now.Sub(a.state.ReadAt) > maxReadAge:
		v.leave(a, "was last read more than 24 h ago", true)
	case !a.state.App.Movable:
		v.leave(a, "cannot be written: "+a.state.App.Refusal().Error(), true)
	case a.region.IsZero():
		v.leave(a, "names no sign-in endpoint of AWS", true)
	default:
		v.moving = append(v.moving, a)
	}
}

// locked leaves an app that a person has locked, unless the operator who asks
// puts the lock aside by name. It reports whether it did.
func (v *view) locked(a appView) bool {
	ref := a.ref
	lock, ok := LockOn(v.s.Brakes, v.s.Federation.Name, ref, v.s.Now)
	for _, s := range a.standbys {
		if !ok {
			ref = s.App
			lock, ok = LockOn(v.s.Brakes, v.s.Federation.Name, ref, v.s.Now)
		}
	}
	if !ok || v.putsAside(Locked) {
		return false
	}
	v.leave(a, "is locked: "+lock.String(), true)
	l := &v.left[len(v.left)-1]
	l.Findings = append(slices.Clone(l.Findings), LockFinding(ref, lock))
	return true
}

// leave keeps an app where it is.
func (v *view) leave(a appView, why string, blocking bool) {
	v.left = append(v.left, Left{App: a.ref, Region: a.region, ACSText: a.state.App.ACSText, RelayState: a.state.App.RelayState, Why: why,
		Blocking: blocking, Findings: a.state.App.Findings})
}

func readError(st AppState) string {
	if st.Error != nil {
		return st.Error.Error()
	}
	return "no read has come back yet"
}

// failover works out which apps leave an unhealthy Region (spec 8.2). While
// none is confirmed, the apps of a doubtful Region make the job, for the rules
// to hold. It reports whether there is such a job.
func (v *view) failover() bool {
	leaving := func(a appView) bool { return a.watched && a.verdict.State == health.Unhealthy }
	if !slices.ContainsFunc(v.apps, leaving) {
		leaving = func(a appView) bool { return a.watched && !v.healthy(a.region) }
	}
	if !slices.ContainsFunc(v.apps, leaving) {
		return false
	}
	v.cause = Failover
	for _, a := range v.apps {
		switch {
		case leaving(a) || a.region.IsZero():
			v.take(a)
		case !a.watched:
			v.leave(a, "is in "+a.region.String()+", which is not one of this federation's Regions", false)
		default:
			v.leave(a, "is in "+a.region.String()+", which is "+stateWord(a.verdict), false)
		}
	}
	v.to = v.choose()
	return true
}

// failback works out which apps could go home. Whether they do is for the rule
// failback-due.
func (v *view) failback() {
	home := v.s.Federation.Home()
	if !v.healthy(home) {
		return
	}
	v.cause, v.to = Failback, home
	for _, a := range v.apps {
		switch {
		case a.region == home:
			v.leave(a, "is at home in "+home.String(), false)
		case !a.watched && !a.region.IsZero():
			v.leave(a, "is in "+a.region.String()+", which is not one of this federation's Regions", false)
		default:
			v.take(a)
		}
	}
}

// choose picks the best Region to go to: healthy before not, ready before not,
// then by preference (spec 8.3). Regions being left are no choice. Whether the
// best is good enough is for no-candidate and not-ready.
func (v *view) choose() signin.Region {
	var options []signin.Region
	for _, r := range v.s.Federation.Regions {
		if !slices.ContainsFunc(v.moving, func(a appView) bool { return a.region == r }) {
			options = append(options, r)
		}
	}
	if len(options) == 0 {
		return signin.Region{}
	}
	if v.policy.Prefer == federation.PreferLatency {
		slices.SortStableFunc(options, func(a, b signin.Region) int { return v.latency(a, b) })
	}
	slices.SortStableFunc(options, func(a, b signin.Region) int { return v.rank(b) - v.rank(a) })
	return options[0]
}

// rank is 2 for healthy plus 1 for ready.
func (v *view) rank(r signin.Region) int {
	n := 0
	if v.healthy(r) {
		n = 2
	}
	if ok, _ := v.ready(r); ok {
		n++
	}
	return n
}

// latency orders two Regions by median answer time, unmeasured ones last.
func (v *view) latency(a, b signin.Region) int {
	of := func(r signin.Region) time.Duration {
		for _, l := range v.s.Latencies {
			if l.Region == r {
				return l.Median
			}
		}
		return 1 << 62
	}
	switch la, lb := of(a), of(b); {
	case la < lb:
		return -1
	case la > lb:
		return 1
	}
	return 0
}

// ready reports whether r is ready enough, and why not or with which doubt.
// Unknown readiness stops only the controller, never a person (spec 6.2).
func (v *view) ready(r signin.Region) (bool, string) {
	share, why := v.share(r)
	if why != "" {
		return !v.auto, why
	}
	for _, must := range v.policy.MustBeReady {
		if f, missing := v.needed(share, must); missing {
			return false, fmt.Sprintf("%s must be ready and is not: %s", must, f)
		}
	}
	text := fmt.Sprintf("%d of %d roles will work in %s", share.Ready, share.Total, r)
	if share.Excepted > 0 {
		text += fmt.Sprintf(" (%d more are excepted)", share.Excepted)
	}
	if why := v.tooFew(share); why != "" {
		return false, text + ", " + why
	}
	return true, text
}

// tooFew says why a share is less than min_ready_share, "" if it is not. It is
// taken over the roles of share_over, else in every account (spec 6.1): a raw
// count would let many new roles hide a few that do not work. What was read too
// long ago does not count for auto (spec 6.2).
func (v *view) tooFew(s inventory.Share) string {
	const rounding = 1e-9
	short := func(ready, total int) bool {
		return total > 0 && float64(ready)/float64(total)+rounding < v.policy.MinReadyShare
	}
	less := fmt.Sprintf("less than min_ready_share %g", v.policy.MinReadyShare)
	switch t := s.Lowest; {
	case s.Over != nil:
		ready := s.Over.Ready
		if v.auto {
			ready -= s.Over.Stale
		}
		if short(ready, s.Over.Total) {
			return fmt.Sprintf("and of share_over %d of %d, %s", ready, s.Over.Total, less)
		}
	case v.auto && len(s.Stale) > 0:
		return fmt.Sprintf("but account %s was last read longer ago than max_age %s", s.Stale[0], v.policy.InventoryMaxAge)
	case t.Total > 0 && short(t.Ready, t.Total) && t.Total < s.Total:
		return fmt.Sprintf("and in account %s %d of %d, %s", t.Account, t.Ready, t.Total, less)
	case short(s.Ready, s.Total):
		return less
	}
	return ""
}

// needed says why a role that must be ready is not, as far as is known.
func (v *view) needed(s inventory.Share, role string) (string, bool) {
	if f, missing := notReady(s, role); missing {
		return f, true
	}
	if slices.Contains(s.Missing, role) {
		return "the last scan did not see it", true
	}
	if ref, _, _, _, err := federation.ParseRoleARN(role); err == nil && v.auto && slices.Contains(s.Stale, ref.Account) {
		return "account " + ref.Account + " was last read too long ago", true
	}
	return "", false
}

// share returns the readiness for r; why says that it is not known.
func (v *view) share(r signin.Region) (share inventory.Share, why string) {
	for _, s := range v.s.Shares {
		if s.Region == r {
			share = s
		}
	}
	limit := v.policy.InventoryMaxAge
	switch age := v.s.Now.Sub(share.TakenAt); {
	case share.Total == 0 && share.Excepted > 0:
		return share, fmt.Sprintf("every role is excepted from %s", r)
	case share.Total == 0:
		return share, "no role has been scanned for " + r.String()
	case limit > 0 && age > limit:
		return share, fmt.Sprintf("the last scan for %s is %s old, more than max_age %s", r, age.Round(time.Minute), limit)
	}
	return share, ""
}

// notReady looks a role up by ARN or name among those that will not work.
func notReady(s inventory.Share, role string) (string, bool) {
	for _, f := range s.NotReady {
		if f.Subject == role || strings.HasSuffix(f.Subject, "/"+role) {
			return f.What, true
		}
	}
	return "", false
}

// stateWord says what a verdict means in one word or two.
func stateWord(v health.Verdict) string {
	if v.State == health.Unknown && v.Suspect {
		return "suspect"
	}
	return string(v.State)
}
