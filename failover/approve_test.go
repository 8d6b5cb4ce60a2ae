package failover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// approvals2 is a policy under which two others approve what a person asks for.
func approvals2(s *Situation) { s.Federation.Policy.Approvals = 2 }

// frozen is a freeze that holds for another hour.
func frozen(moves federation.FrozenMoves) func(*Situation) {
	return func(s *Situation) {
		s.Freezes = []federation.Freeze{{From: now.Add(-time.Hour), Until: now.Add(time.Hour), Why: "year end", Moves: moves}}
	}
}

// approveMode is an outage in mode approve.
func approveMode() Situation {
	return with(outage(), func(s *Situation) { s.Federation.Policy.Mode = federation.Approve })
}

// approvedBy is the approval of what a situation would do, by so many.
func approvedBy(s Situation, n int) *Approved {
	return &Approved{Proposal: "prop-1", Digest: Standard().Decide(s).Digest, By: []string{"bob", "eve"}[:n], Count: n}
}

// spec 8.1 spec 13.3 spec 13.4: who has to approve what, and what voids it.
func TestApprovals(t *testing.T) {
	t.Parallel()
	wish := func(n int, change ...func(*Situation)) Situation {
		s := ask(with(calm(), approvals2), west)
		s.Request.Approval = approvedBy(s, n)
		for _, c := range change {
			c(&s)
		}
		return s
	}
	own := func(n int, change ...func(*Situation)) Situation {
		s := approveMode()
		s.Approval = approvedBy(s, n)
		for _, c := range change {
			c(&s)
		}
		return s
	}
	undo := func(change ...func(*Situation)) Situation {
		s := with(moved(), approvals2)
		s.Request.Approval = approvedBy(s, 2)
		for _, c := range change {
			c(&s)
		}
		return s
	}
	for _, row := range []struct {
		why     string
		s       Situation
		outcome Action
		rule    string
		says    string
	}{
		{"a wish that two have approved", wish(2), Move, "", "ann asks for it"},
		{"a wish that one of two has approved", wish(1), Hold, Approval, "1 of 2 approvals"},
		{"another Region now", wish(2, func(s *Situation) { s.Request.To = ohio }), Hold, Approval, "not what would be done now"},
		{"another before-value now", wish(2, func(s *Situation) { s.Apps[0].App.RelayState = "" }), Hold, Approval, "not what would be done now"},
		{"an app less now", wish(2, func(s *Situation) { s.Apps[0] = appIn("a", west) }), Hold, Approval, "not what would be done now"},
		{"an override more now", wish(2, func(s *Situation) { s.Request.Overrides = []string{NotReady} }), Hold, Approval, "not what would be done now"},
		{"another config now", wish(2, func(s *Situation) { s.ConfigDigest = "other" }), Hold, Approval, "not what would be done now"},
		{"another federation's approval", wish(2, func(s *Situation) { s.Federation.Name = "other" }), Hold, Approval, "not what would be done now"},
		{"an approval of nothing", wish(2, func(s *Situation) { s.Request.Approval.Digest = "" }), Hold, Approval, "not what would be done now"},
		{"carried out already", wish(2, func(s *Situation) { s.History = []PastMove{{ID: "m1", Proposal: "prop-1"}} }), Hold, Approval, "carried out already, by move m1"},
		{"a pause came in between", wish(2, func(s *Situation) { s.Brakes = []Brake{{ID: "p", Kind: BrakePause, By: "bob"}} }), Hold, Paused, "bob paused"},
		{"put aside by name", ask(with(calm(), approvals2), west, Approval), Move, "", ""},
		{"no approvals in the policy", ask(calm(), west), Move, "", ""},
		{"asked for all the same", with(ask(calm(), west), func(s *Situation) { s.Request.Ask = true }), Propose, Approval, "takes 1 approval"},
		{"the controller's own, approved by one", own(1), Move, "", ""},
		{"the controller's own where two are needed", own(1, approvals2), Hold, Approval, "1 of 2 approvals"},
		{"the controller's own, and the Region is well again", own(1, func(s *Situation) { s.Verdicts[0] = verdict(east, health.Healthy, 1) }), Hold, ActiveHealthy, ""},
		{"the controller's own in mode observe", own(1, func(s *Situation) { s.Federation.Policy.Mode = federation.Observe }), Hold, Approval, "mode observe"},
		{"the controller's own to another Region", own(1, func(s *Situation) { s.Verdicts[1] = verdict(west, health.Unhealthy, 1) }), Hold, Approval, "not what would be done now"},
		{"the budget is spent, and a person approves", func() Situation {
			s := with(outage(), func(s *Situation) {
				s.History = []PastMove{past(60, Controller, Partial), past(120, Controller, Partial)}
			})
			s.Approval = approvedBy(s, 1)
			return s
		}(), Move, "", ""},
		{"an undo where two have to approve", with(moved(), approvals2), Propose, Approval, "take back move m1"},
		{"an undo that two have approved", undo(), Move, "", "take back"},
		{"an undo, and an app was edited since", undo(func(s *Situation) { s.Apps[0].App.RelayState = "" }), Hold, Approval, "not what would be done now"},
		{"an undo of another move", undo(func(s *Situation) { s.Request.Undoes.Move = "m2" }), Hold, Approval, "not what would be done now"},
		{"an undo to another Region", undo(func(s *Situation) { s.Request.Undoes.Apps[1].To = east }), Hold, Approval, "not what would be done now"},
		{"an undo with an override more", undo(func(s *Situation) { s.Request.Overrides = []string{NotReady} }), Hold, Approval, "not what would be done now"},
		{"an undo under another config", undo(func(s *Situation) { s.ConfigDigest = "other" }), Hold, Approval, "not what would be done now"},
	} {
		d := Standard().Decide(row.s)
		if d.Outcome != row.outcome || d.Rule != row.rule || !strings.Contains(d.Why, row.says) {
			t.Errorf("%s: decided %s by %q: %s", row.why, d.Outcome, d.Rule, d.Why)
		}
	}
}

// spec 8.1 spec 8.6: a freeze holds what can wait, and nobody who asks for it by
// name is kept in an unhealthy Region.
func TestFreeze(t *testing.T) {
	t.Parallel()
	over := func(s *Situation) { frozen(federation.FreezeEveryMove)(s); s.Now = now.Add(2 * time.Hour) }
	for _, row := range []struct {
		why     string
		s       Situation
		outcome Action
		rule    string
	}{
		{"a switchover in a planned freeze", ask(with(calm(), frozen(federation.FreezePlanned)), west), Hold, Frozen},
		{"put aside by name", ask(with(calm(), frozen(federation.FreezePlanned)), west, Frozen), Move, ""},
		{"an undo in a planned freeze", with(moved(), frozen(federation.FreezePlanned)), Hold, Frozen},
		{"an undo out of an unhealthy Region", with(with(moved(), frozen(federation.FreezePlanned)), func(s *Situation) { s.Verdicts[1] = verdict(west, health.Unhealthy, 3) }), Move, ""},
		{"auto leaves an unhealthy Region in a planned freeze", with(outage(), frozen(federation.FreezePlanned)), Move, ""},
		{"an operator leaves it too", ask(with(outage(), frozen(federation.FreezePlanned)), west), Move, ""},
		{"auto stays in a freeze of every move", with(outage(), frozen(federation.FreezeEveryMove)), Hold, Frozen},
		{"an operator leaves it by name", ask(with(outage(), frozen(federation.FreezeEveryMove)), west, Frozen), Move, ""},
		{"a freeze of trust policies alone", ask(with(calm(), frozen(federation.FreezeNoMove)), west), Move, ""},
		{"a freeze that is over", ask(with(calm(), over), west), Move, ""},
		{"calm times", with(calm(), frozen(federation.FreezeEveryMove)), Hold, ActiveHealthy},
	} {
		d := Standard().Decide(row.s)
		if d.Outcome != row.outcome || d.Rule != row.rule {
			t.Errorf("%s: decided %s by %q: %s", row.why, d.Outcome, d.Rule, d.Why)
		}
		paged := slices.ContainsFunc(d.Findings, func(f finding.Finding) bool { return f.Code == finding.MoveFrozen })
		if stuck := row.rule == Frozen && d.Cause == Failover; paged != stuck {
			t.Errorf("%s: paged %v, want %v", row.why, paged, stuck)
		}
	}
}

// spec 13.3: escalate_after makes an unanswered proposal an auto move, under
// auto's rules, and says so.
func TestEscalation(t *testing.T) {
	t.Parallel()
	asked := func(ago time.Duration, change ...func(*Situation)) Situation {
		s := approveMode()
		s.Federation.Policy.EscalateAfter = 15 * time.Minute
		s.Asked = &Asked{Proposal: "prop-1", Digest: Standard().Decide(s).Digest, Since: now.Add(-ago)}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	for _, row := range []struct {
		why     string
		s       Situation
		outcome Action
		rule    string
	}{
		{"nobody has answered for long", asked(15 * time.Minute), Move, ""},
		{"not yet", asked(15*time.Minute - time.Second), Propose, Approval},
		{"off", asked(time.Hour, func(s *Situation) { s.Federation.Policy.EscalateAfter = 0 }), Propose, Approval},
		{"answered: it is not asked any more", asked(time.Hour, func(s *Situation) { s.Asked = nil }), Propose, Approval},
		{"another plan now", asked(time.Hour, func(s *Situation) { s.Verdicts[1] = verdict(west, health.Unhealthy, 1) }), Propose, Approval},
		{"not evident any more", asked(time.Hour, func(s *Situation) { s.Verdicts[0] = verdict(east, health.Healthy, 1) }), Hold, ActiveHealthy},
		{"auto would lack vantages", asked(time.Hour, func(s *Situation) { s.Vantages = s.Vantages[:1] }), Propose, Approval},
		{"auto would cool down", asked(time.Hour, func(s *Situation) { s.History = []PastMove{past(1, Controller, Partial)} }), Propose, Approval},
		{"mode observe", asked(time.Hour, func(s *Situation) { s.Federation.Policy.Mode = federation.Observe }), Hold, Approval},
		{"a freeze", asked(time.Hour, frozen(federation.FreezeEveryMove)), Hold, Frozen},
		{"a person's wish is never escalated", ask(asked(time.Hour, approvals2), west), Propose, Approval},
	} {
		d := Standard().Decide(row.s)
		if d.Outcome != row.outcome || d.Rule != row.rule {
			t.Errorf("%s: decided %s by %q: %s", row.why, d.Outcome, d.Rule, d.Why)
		}
		paged := slices.ContainsFunc(d.Findings, func(f finding.Finding) bool {
			return f.Code == finding.ProposalEscalated && f.Severity() == finding.Page
		})
		if escalates := d.Outcome == Move; paged != escalates || (d.Escalates == "prop-1") != escalates {
			t.Errorf("%s: paged %v, escalates %q", row.why, paged, d.Escalates)
		}
	}
}

// spec 13.4: whatever the situation, what needs approvals moves only with enough
// of them, of exactly this.
func TestOnlyWhatWasApprovedMoves(t *testing.T) {
	t.Parallel()
	check := func(rules Rules, t interface {
		Fatalf(string, ...any)
	}, s Situation) {
		d := rules.Decide(s)
		a := s.Approval
		if s.Request != nil {
			a = s.Request.Approval
		}
		free := s.Request == nil && s.Federation.Policy.Mode == federation.Auto || s.Request != nil && (s.Federation.Policy.Approvals == 0 || slices.Contains(s.Request.Overrides, Approval))
		if d.Outcome == Move && !free && d.Escalates == "" && (a == nil || a.Digest != d.Digest || a.Count < max(1, s.Federation.Policy.Approvals)) {
			t.Fatalf("it moves without: %+v of %+v", a, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		s.Federation.Policy.Approvals = rapid.IntRange(0, 2).Draw(t, "approvals")
		a := &Approved{Proposal: "prop-1", Digest: Standard().Decide(s).Digest, By: []string{"bob"}, Count: rapid.IntRange(0, 3).Draw(t, "count")}
		if rapid.Bool().Draw(t, "other") {
			a.Digest = "00"
		}
		switch {
		case rapid.Bool().Draw(t, "none"):
		case s.Request != nil:
			s.Request.Approval = a
		default:
			s.Approval = a
		}
		check(Standard(), t, s)
	})
	caught := &catcher{}
	check(Standard().Without(Approval), caught, ask(with(calm(), approvals2), signin.MustRegion("us-west-2")))
	if !caught.failed {
		t.Error("rules that lack the approval pass the check")
	}
}

// catcher notes that a check fails.
type catcher struct{ failed bool }

func (c *catcher) Fatalf(string, ...any) { c.failed = true }
