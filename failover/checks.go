package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

func checkActiveUnknown(v *view) ruling {
	for _, a := range v.apps {
		if !a.region.IsZero() {
			return pass("the active Region is known")
		}
	}
	var why []string
	for _, a := range v.apps {
		why = append(why, a.ref.Name+": "+unknownWhy(a, v.s.Now))
	}
	if len(why) == 0 {
		why = []string{"the federation has no app"}
	}
	return hold("the active Region of no app is known ("+strings.Join(why, "; ")+")", "one good read of an app from its IdP")
}

func unknownWhy(a appView, now time.Time) string {
	switch {
	case a.state.ReadAt.IsZero():
		return readError(a.state)
	case now.Sub(a.state.ReadAt) > maxReadAge:
		return "last read more than 24 h ago"
	}
	return "its sign-in URL is not in AWS's catalogue"
}

func checkActiveHealthy(v *view) ruling {
	if v.cause == Failover {
		return pass("an app is in a Region that is not healthy")
	}
	if len(v.moving) > 0 && v.cause == Failback {
		if v.s.Request != nil {
			return pass("an operator asks to go home")
		}
		return pass("the apps' Regions are healthy, and home is healthy again")
	}
	return hold(v.whyHealthy(), "a Region with apps in it that stops working, or an operator: "+v.commandTo("REGION", ""))
}

// whyHealthy does not count apps whose Region nobody knows among the healthy.
func (v *view) whyHealthy() string {
	var unknown []string
	for _, a := range v.apps {
		if a.region.IsZero() {
			unknown = append(unknown, a.ref.Name)
		}
	}
	if len(unknown) == 0 {
		return "every app is in a Region that works"
	}
	return "every app whose Region is known is in one that works; not known: " + strings.Join(unknown, ", ")
}

func checkFailbackDue(v *view) ruling {
	if v.cause != Failback || len(v.moving) == 0 {
		return pass("no app is due to go home")
	}
	return hold(fmt.Sprintf("%s could go home to %s, which is healthy since %s; failback is manual",
		apps(len(v.moving)), v.to, clock(v.verdict(v.to).Since)), "an operator: "+v.command(""))
}

// leaving returns the verdicts of the Regions that the job leaves.
func (v *view) leaving() []health.Verdict {
	var out []health.Verdict
	for _, a := range v.moving {
		if !slices.ContainsFunc(out, func(h health.Verdict) bool { return h.Region == a.region }) {
			out = append(out, a.verdict)
		}
	}
	return out
}

// abstains reports whether some vantage does not vote for this reason.
func abstains(h health.Verdict, why string) bool {
	return slices.ContainsFunc(h.Votes, func(v health.Vote) bool { return v.Abstain == why })
}

func checkConfirming(v *view) ruling {
	for _, h := range v.leaving() {
		if v.cause == Failover && h.Suspect && h.State == health.Unknown && !abstains(h, health.AbstainOwnNetwork) {
			return hold(fmt.Sprintf("%s is suspect and not confirmed yet: %s", h.Region, h.Reason),
				"the probes that run now in quick succession: they confirm or clear it")
		}
	}
	return pass("nothing waits for confirmation")
}

func checkOwnNetwork(v *view) ruling {
	for _, h := range v.leaving() {
		if v.cause == Failover && h.State != health.Unhealthy && abstains(h, health.AbstainOwnNetwork) {
			return hold(fmt.Sprintf("no other Region answered while %s failed, so the vantage suspects its own network: %s", h.Region, h.Reason),
				"the vantage's own network works again, or enough other vantages agree")
		}
	}
	return pass("no vantage's own network decides")
}

// The vantages that auto needs (spec 7.3).
const (
	minVantages = 3
	minNetworks = 2
)

func checkQuorum(v *view) ruling {
	if v.cause != Failover || len(v.moving) == 0 {
		return pass("no Region has to be called unhealthy")
	}
	for _, h := range v.leaving() {
		if h.State != health.Unhealthy {
			return hold(fmt.Sprintf("%s is not called unhealthy by a majority of the %d configured vantages (%d say unhealthy, %d healthy): %s",
				h.Region, h.Configured, h.Against, h.For, h.Reason), "more vantages that answer and agree")
		}
	}
	vantages, networks := v.vantages()
	if v.auto && !v.policy.AcceptFewerVantages && (vantages < minVantages || networks < minNetworks) {
		return hold(fmt.Sprintf("auto needs %d vantages on %d networks and there are %d on %d: a fault of our own network could look like an outage",
			minVantages, minNetworks, vantages, networks), "more vantages, accept_fewer_vantages: true in the config, or an operator: "+v.command(""))
	}
	return pass(fmt.Sprintf("a majority of %d configured vantages calls it unhealthy", vantages))
}

// vantages counts the configured vantages and their declared networks; a
// vantage that declares none shares one with all that do not.
func (v *view) vantages() (n, networks int) {
	seen := map[string]bool{}
	for _, one := range v.s.Vantages {
		seen[one.Network] = true
	}
	return len(v.s.Vantages), len(seen)
}

func checkIdPDown(v *view) ruling {
	if len(v.moving) == 0 {
		return pass("nothing to move")
	}
	var why []string
	for _, a := range v.moving {
		down, reason := v.idpDown(a.ref.Tenant)
		if !down {
			return pass("no IdP is known to be down for all of these apps")
		}
		if line := "tenant " + a.ref.Tenant + ": " + reason; !slices.Contains(why, line) {
			why = append(why, line)
		}
	}
	return hold("nobody can sign in to the IdP itself, so moving cannot help ("+strings.Join(why, "; ")+")", "the IdP's own sign-in works again")
}

func (v *view) idpDown(tenant string) (bool, string) {
	for _, i := range v.s.IdPs {
		if i.Tenant == tenant {
			return i.Down, i.Reason
		}
	}
	return false, ""
}

func checkNoCandidate(v *view) ruling {
	if len(v.moving) == 0 {
		return pass("nothing to move")
	}
	if v.to.IsZero() {
		return hold("federation "+v.s.Federation.Name+" allows no other Region", "another Region in the federation's config")
	}
	to := v.worst()
	if v.healthy(to) {
		return pass(regionList(v.targets()) + ": healthy")
	}
	h := v.verdict(to)
	switch {
	case v.undo() != nil:
		return hold(fmt.Sprintf("the undo leads back to %s, which is %s: %s", to, stateWord(h), h.Reason), "a healthy "+to.String()+", or an operator: "+v.command(NoCandidate))
	case v.s.Request != nil:
		return hold(fmt.Sprintf("%s is %s: %s", to, stateWord(h), h.Reason), "a healthy "+to.String()+", another Region, or --override "+NoCandidate)
	}
	return hold(fmt.Sprintf("none of the other allowed Regions is healthy; the best, %s, is %s: %s", v.to, stateWord(h), h.Reason), "a healthy Region among "+regionList(v.s.Federation.Regions))
}

// worst is the target that is not healthy, if there is one.
func (v *view) worst() signin.Region {
	for _, to := range v.targets() {
		if !v.healthy(to) {
			return to
		}
	}
	return v.to
}

func checkNotReady(v *view) ruling {
	if len(v.moving) == 0 || v.to.IsZero() {
		return pass("nothing to move")
	}
	var notes []string
	for _, to := range v.targets() {
		ok, why := v.ready(to)
		if !ok {
			share, _ := v.share(to)
			r := hold(why, "samlfailover trust apply, a fresh trust scan, or an operator: "+v.command(NotReady))
			r.findings = share.NotReady
			return r
		}
		notes = append(notes, why)
	}
	return pass(strings.Join(notes, "; "))
}

// proven reports whether a full quorum has called every Region being left
// unhealthy for more than five minutes while the target is healthy: then
// neither cooldown nor budget stops the controller (spec 8.4).
func (v *view) proven() bool {
	const long = 5 * time.Minute
	for _, h := range v.leaving() {
		full := h.Configured > 0 && h.For+h.Against == h.Configured
		if h.State != health.Unhealthy || !full || v.s.Now.Sub(h.Since) <= long {
			return false
		}
	}
	return v.healthy(v.to)
}

// retryPause is how long the controller waits after a move that ended
// incomplete before it tries again with what is left. A move to another Region is
// no second try.
const retryPause = time.Minute

// justEnded reports whether a move ended within the retry pause. One that ended
// in the future is from before the clock was set back: nobody knows how long ago
// that was, and it must not keep an outage waiting until the clock is there again.
func justEnded(m PastMove, now time.Time) (wait time.Duration, yes bool) {
	ago := now.Sub(m.Finished)
	return retryPause - ago, ago >= 0 && ago < retryPause
}

func checkCooldown(v *view) ruling {
	if !v.auto || len(v.moving) == 0 {
		return pass("does not apply")
	}
	for _, m := range v.s.History {
		if wait, yes := justEnded(m, v.s.Now); yes && m.Status == Incomplete && m.To == v.to {
			return hold(fmt.Sprintf("move %s ended incomplete at %s; the next try comes %s later", m.ID, clock(m.Finished), retryPause),
				fmt.Sprintf("%s of waiting, or an operator: %s", wait.Round(time.Second), v.command("")))
		}
	}
	for _, m := range v.s.History {
		if wait := v.policy.Cooldown - v.s.Now.Sub(m.Finished); wait > 0 && m.Cause != Drill {
			if v.proven() {
				return pass("a full quorum has called the Region unhealthy for more than 5 min")
			}
			return hold(fmt.Sprintf("move %s (%s to %s) ended at %s and the cooldown is %s", m.ID, m.Cause, m.To, clock(m.Finished), v.policy.Cooldown),
				fmt.Sprintf("%s of waiting, a full quorum for more than 5 min, or an operator: %s", wait.Round(time.Second), v.command("")))
		}
	}
	return pass("no move within " + v.policy.Cooldown.String())
}

func checkBudget(v *view) ruling {
	if !v.auto || len(v.moving) == 0 {
		return pass("does not apply")
	}
	recent := 0
	for _, m := range v.s.History {
		if m.By == Controller && m.Cause != Drill && v.s.Now.Sub(m.Started) < 24*time.Hour {
			recent++
		}
	}
	note := fmt.Sprintf("%d of %d moves by the controller in 24 h", recent, v.policy.Budget)
	if recent < v.policy.Budget {
		return pass(note)
	}
	if v.s.Approval != nil {
		return v.approved(*v.s.Approval)
	}
	spent := finding.Finding{Code: finding.BudgetSpent, Subject: "federation " + v.s.Federation.Name,
		What: "the controller has used up its moves for 24 hours and asks a person instead", Why: note,
		Remedy: "find out why the Regions change so often, then run: " + v.command("")}
	if v.proven() {
		spent.What = "the controller has used up its moves for 24 hours and moves all the same: a full quorum has called the Region unhealthy for more than 5 min"
		return ruling{note: note + ", and a full quorum has called the Region unhealthy for more than 5 min", findings: []finding.Finding{spent}}
	}
	return ruling{outcome: Propose, why: note + ": the federation now works as in mode approve", wouldChange: v.approvers() + ", or an operator: " + v.command(""),
		findings: []finding.Finding{spent}}
}

// wouldDo says what the job is.
func (v *view) wouldDo() string {
	var from []string
	for _, h := range v.leaving() {
		from = append(from, fmt.Sprintf("%s is %s since %s (%s)", h.Region, stateWord(h), clock(h.Since), h.Reason))
	}
	return fmt.Sprintf("%s would move to %s because %s", apps(len(v.moving)), v.to, strings.Join(from, "; "))
}
