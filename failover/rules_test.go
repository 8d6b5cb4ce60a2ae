package failover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
)

// ruleRow is a situation in which exactly one rule decides.
type ruleRow struct {
	rule    string
	reason  string
	s       Situation
	outcome Action
	without Action // what is decided when the rule is left out
	says    string // part of Why
	change  string // part of WouldChange
}

func past(minutes int, by string, st Status) PastMove {
	end := now.Add(-time.Duration(minutes) * time.Minute)
	return PastMove{ID: "m0", Cause: Failover, By: by, To: east, Started: end.Add(-time.Minute), Finished: end, Status: st}
}

func ruleRows() []ruleRow {
	return []ruleRow{
		{Paused, "a person paused it", with(outage(), func(s *Situation) {
			s.Brakes = []Brake{{ID: "p1", Kind: BrakePause, By: "ann", Reason: "change freeze", Since: now}}
		}),
			Hold, Move, "ann paused every federation", "samlfailover resume p1"},
		{Paused, "a person paused it until later", with(outage(), func(s *Situation) {
			s.Brakes = []Brake{{ID: "p1", Kind: BrakePause, Federation: "corp", By: "ann", Reason: "freeze", Since: now, Until: now.Add(time.Second)}}
		}), Hold, Move, "ann paused federation corp", "samlfailover resume p1"},
		{StoreIntegrity, "a record of the store was changed", with(outage(), func(s *Situation) { s.Distrusted = []finding.Finding{changedRecord()} }),
			Hold, Move, "samlfailover/journal/corp/past/1: it was changed", "store restore"},
		{ConfigDisagree, "the controllers have different configs", with(outage(), func(s *Situation) {
			s.Controllers = []ControllerState{{"a", "c0ffee"}, {"b", "c0ffee"}, {"c", "0ld"}}
		}), Hold, Move, "a c0ffee, b c0ffee, c 0ld", "the same config"},
		{Locked, "its only apps are locked", with(outage(), func(s *Situation) { s.Brakes = []Brake{lockOn("a"), lockOn("b")} }),
			Hold, Hold, "ann locked app okta/0oaa", "samlfailover unlock lock-a, samlfailover unlock lock-b"},
		{Locked, "everything is locked", with(outage(), func(s *Situation) { s.Brakes = []Brake{lockOn("")} }),
			Hold, Hold, "ann locked every federation", "--override locked"},
		{ActiveUnknown, "no app was ever read", with(outage(), func(s *Situation) { s.Apps = nil }),
			Hold, Hold, "no read has come back", "one good read"},
		{ActiveUnknown, "the last good read is too old", with(outage(), func(s *Situation) {
			s.Apps[0].ReadAt, s.Apps[1].ReadAt = now.Add(-25*time.Hour), now.Add(-25*time.Hour)
		}), Hold, Hold, "24 h", "one good read"},
		{ActiveHealthy, "all is well", calm(), Hold, Hold, "every app is in a Region that works", "samlfailover move --federation corp --to REGION"},
		{ActiveHealthy, "an app whose Region nobody knows is not called well", with(calm(), func(s *Situation) { s.Apps = s.Apps[:1] }),
			Hold, Hold, "every app whose Region is known is in one that works; not known: b", "samlfailover move"},
		{ActiveHealthy, "away, and home is still broken", with(outage(), func(s *Situation) { s.Apps = []AppState{appIn("a", west), appIn("b", west)} }),
			Hold, Hold, "works", "stops working"},
		{FailbackDue, "home is healthy again", with(calm(), func(s *Situation) { s.Apps = []AppState{appIn("a", west), appIn("b", west)} }),
			Hold, Move, "failback is manual", "samlfailover move --federation corp --to us-east-1"},
		{Confirming, "the first probe failed", with(calm(), func(s *Situation) {
			s.Verdicts[0].State, s.Verdicts[0].For, s.Verdicts[0].Suspect = health.Unknown, 1, true
		}), Hold, Hold, "not confirmed", "confirm or clear"},
		{OwnNetwork, "the vantage sees nothing at all", with(calm(), func(s *Situation) {
			s.Verdicts[0].State, s.Verdicts[0].Suspect = health.Unknown, true
			s.Verdicts[0].Votes = []health.Vote{{Abstain: "own-network"}}
		}), Hold, Hold, "its own network", "own network works"},
		{Quorum, "only one of three says unhealthy", with(calm(), func(s *Situation) {
			s.Verdicts[0].State, s.Verdicts[0].Against, s.Verdicts[0].For = health.Unknown, 1, 0
		}), Hold, Move, "majority", "more vantages"},
		{Quorum, "auto with one vantage", with(outage(), func(s *Situation) { s.Vantages = s.Vantages[:1] }), Hold, Move, "auto needs 3 vantages", "accept_fewer_vantages"},
		{Quorum, "auto with three vantages on one network", with(outage(), func(s *Situation) {
			s.Vantages = []Vantage{{"a", "n"}, {"b", "n"}, {"c", "n"}}
		}), Hold, Move, "on 1", "accept_fewer_vantages"},
		{IdPDown, "the IdP's own sign-in fails", with(outage(), func(s *Situation) {
			s.IdPs = []IdPState{{Tenant: "okta", Down: true, Reason: "its sign-in page answers 503"}}
		}), Hold, Move, "cannot help", "sign-in works"},
		{NoCandidate, "every other Region is broken too", with(outage(), func(s *Situation) {
			s.Verdicts[1], s.Verdicts[2] = verdict(west, health.Unhealthy, 3), verdict(ohio, health.Unknown, 3)
		}), Hold, Move, "none of the other", "a healthy Region"},
		{NoCandidate, "the other Regions are suspect", with(outage(), func(s *Situation) {
			s.Verdicts[1].State, s.Verdicts[1].Suspect = health.Unknown, true
			s.Verdicts[2].State, s.Verdicts[2].Suspect = health.Unknown, true
		}), Hold, Move, "suspect", "a healthy Region"},
		{NotReady, "too few roles", with(outage(), func(s *Situation) {
			s.Shares = []inventory.Share{share(west, 40, 60), share(ohio, 30, 60)}
		}), Hold, Move, "40 of 60", "--override not-ready"},
		{NotReady, "a role that must be ready is not", with(outage(), func(s *Situation) {
			s.Federation.Regions = s.Federation.Regions[:2]
			s.Federation.Policy.MustBeReady = []string{"admin"}
		}), Hold, Move, "admin must be ready", "--override not-ready"},
		{NotReady, "nobody has scanned", with(outage(), func(s *Situation) { s.Shares = nil }), Hold, Move, "no role has been scanned", "trust scan"},
		{NotReady, "the scan is too old for auto", with(outage(), func(s *Situation) {
			for i := range s.Shares {
				s.Shares[i].TakenAt = now.Add(-48 * time.Hour)
			}
		}), Hold, Move, "max_age", "trust scan"},
		{Cooldown, "moved ten minutes ago", with(outage(), func(s *Situation) { s.History = []PastMove{past(10, "ann", Partial)} }), Hold, Move, "cooldown is 30m", "waiting"},
		{Cooldown, "the last move has just ended incomplete", with(outage(), func(s *Situation) {
			s.Federation.Policy.Cooldown = 0
			s.Verdicts[0] = verdict(east, health.Unhealthy, 60)
			s.History = []PastMove{past(0, Controller, Incomplete)}
			s.History[0].To = west
		}), Hold, Move, "incomplete", "waiting"},
		{BudgetSpent, "the third move of the day", with(outage(), func(s *Situation) {
			s.History = []PastMove{past(60, Controller, Partial), past(120, Controller, Partial)}
		}), Propose, Move, "2 of 2", "samlfailover move"},
		{Approval, "mode approve", with(outage(), func(s *Situation) { s.Federation.Policy.Mode = federation.Approve }), Propose, Move, "would move to us-west-2", "samlfailover move"},
		{Approval, "no mode is mode approve", with(outage(), func(s *Situation) { s.Federation.Policy.Mode = "" }), Propose, Move, "would move to us-west-2", "samlfailover move"},
		{Approval, "mode observe", with(outage(), func(s *Situation) { s.Federation.Policy.Mode = federation.Observe }), Hold, Move, "mode observe", "approve or auto"},
		{Approval, "a person's wish where two have to approve", ask(with(calm(), approvals2), west), Propose, Move, "takes 2 approvals", "samlfailover proposals"},
		{Frozen, "a freeze of planned moves", ask(with(calm(), frozen(federation.FreezePlanned)), west), Hold, Move, "frozen until 2026-11-22 04:00:00 UTC: year end", "--override freeze"},
		{Frozen, "a freeze of every move in an outage", with(outage(), frozen(federation.FreezeEveryMove)), Hold, Move, "year end", "--override freeze"},
	}
}

// changedRecord is what a store says of a record that was changed.
func changedRecord() finding.Finding {
	return finding.Finding{Code: finding.StoreIntegrity, Subject: "samlfailover/journal/corp/past/1", What: "it was changed"}
}

// lockOn is a lock on the test app n, or on everything.
func lockOn(n string) Brake {
	b := Brake{ID: "lock-" + n, Kind: BrakeLock, By: "ann", Reason: "audit", Since: now.Add(-time.Hour)}
	if n != "" {
		b.Federation, b.App = "corp", ref(n).String()
	}
	return b
}

// spec 8.1 spec 8.2 spec 8.4 spec 8.5 spec 7.3 spec 6.1 spec 6.2 spec 2.4
func TestEachRuleDecides(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, row := range ruleRows() {
		covered[row.rule] = true
		t.Run(row.rule+": "+row.reason, func(t *testing.T) {
			t.Parallel()
			d := Standard().Decide(row.s)
			if d.Outcome != row.outcome || d.Rule != row.rule {
				t.Fatalf("decided %s by %q, want %s by %q: %s", d.Outcome, d.Rule, row.outcome, row.rule, d.Why)
			}
			if !strings.Contains(d.Why, row.says) || !strings.Contains(d.WouldChange, row.change) {
				t.Errorf("why %q (want %q), what would change it %q (want %q)", d.Why, row.says, d.WouldChange, row.change)
			}
			if len(d.Evidence) == 0 {
				t.Error("no evidence")
			}
			got := Standard().Without(row.rule).Decide(row.s)
			if got.Rule == row.rule || got.Outcome != row.without {
				t.Errorf("saboteur without the rule decides %s by %q, want %s by another", got.Outcome, got.Rule, row.without)
			}
		})
	}
	for _, r := range Standard() {
		if !covered[r.Name] {
			t.Errorf("rule %s has no row", r.Name)
		}
		if r.Doc == "" || r.Example == "" {
			t.Errorf("rule %s has no doc or example", r.Name)
		}
	}
}

// spec 7.3: one suspicious vantage of three neither starts nor stops anything.
func TestMinoritySuspicionChangesNothing(t *testing.T) {
	t.Parallel()
	suspect := func(s *Situation) {
		for i := range s.Verdicts {
			s.Verdicts[i].Suspect = true
		}
	}
	if d := Standard().Decide(with(calm(), suspect)); d.Rule != ActiveHealthy {
		t.Errorf("in calm times %q decides: %s", d.Rule, d.Why)
	}
	if d := Standard().Decide(with(outage(), suspect)); d.Outcome != Move || d.Plan.To != west {
		t.Errorf("in an outage %q holds: %s", d.Rule, d.Why)
	}
}

// spec 8.1
func TestOrderIsFixed(t *testing.T) {
	t.Parallel()
	want := []string{"paused", "store-integrity", "config-disagree", "locked", "active-unknown", "active-healthy", "failback-due", "confirming", "own-network", "quorum", "idp-down",
		"no-candidate", "not-ready", "cooldown", "budget", "freeze", "approval"}
	if got := Standard().Names(); !slices.Equal(got, want) {
		t.Errorf("rules are %v, want %v", got, want)
	}
}

// spec 8.2 spec 8.3 spec 9.1
func TestAutoMoves(t *testing.T) {
	t.Parallel()
	d := Standard().Decide(outage())
	if d.Outcome != Move || d.Cause != Failover || d.Plan == nil || d.Plan.To != west || len(d.Plan.Steps) != 2 {
		t.Fatalf("decision is %+v", d)
	}
	first := d.Plan.Steps[0]
	if first.App.Name != "b" || !first.Lead || d.Plan.Steps[1].Lead {
		t.Errorf("the lead app b is not first: %+v", d.Plan.Steps)
	}
	if first.After.Region() != west || first.RelayAfter != "https://us-west-2.console.aws.amazon.com/ec2?region=us-west-2" {
		t.Errorf("the step leads to %s and %s", first.After, first.RelayAfter)
	}
	if err := d.Plan.Check(); err != nil {
		t.Error(err)
	}
	if len(d.Trail) != len(Standard()) {
		t.Errorf("the trail names %d rules, want %d", len(d.Trail), len(Standard()))
	}
}

// spec 8.4
func TestProvenOutageBreaksCooldownAndBudget(t *testing.T) {
	t.Parallel()
	s := with(outage(), func(s *Situation) {
		s.Verdicts[0] = verdict(east, health.Unhealthy, 6)
		s.History = []PastMove{past(10, Controller, Partial), past(60, Controller, Partial)}
	})
	if d := Standard().Decide(s); d.Outcome != Move {
		t.Errorf("decided %s by %s: %s", d.Outcome, d.Rule, d.Why)
	}
	spent := slices.ContainsFunc(Standard().Decide(s).Findings, func(f finding.Finding) bool { return f.Code == finding.BudgetSpent && f.Severity() == finding.Page })
	if !spent {
		t.Error("the third move of the day pages nobody")
	}
	s.History[0].Status = Incomplete // to us-east-1: leaving it again is no second try
	if d := Standard().Decide(s); d.Outcome != Move {
		t.Errorf("right after an incomplete move decided %s by %s: %s", d.Outcome, d.Rule, d.Why)
	}
	s.Verdicts[0].Against = 2 // not the full quorum
	if d := Standard().Decide(s); d.Rule != Cooldown {
		t.Errorf("without a full quorum %q decides, want cooldown", d.Rule)
	}
}

// spec 8.2 spec 1.4
func TestOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	foreign := appIn("c", east)
	foreign.App.ACSText, foreign.App.Movable = "https://evil.example/saml", false
	foreign.App.ACS = idp.App{}.ACS
	foreign.App.Findings = []finding.Finding{{Code: finding.ForeignACS, Subject: "app c", What: "names a foreign host"}}
	s := with(outage(), func(s *Situation) {
		s.Federation.Apps = append(s.Federation.Apps, ref("c"), ref("d"), ref("e"))
		s.Apps = append(s.Apps, foreign, appIn("d", ohio), AppState{Ref: federation.AppRef{Name: "x", Tenant: "okta", ID: "stranger"}, App: appIn("x", east).App, ReadAt: now})
	})
	d := Standard().Decide(s)
	if d.Outcome != Move || len(d.Plan.Steps) != 2 {
		t.Fatalf("decided %s (%s) with %+v", d.Outcome, d.Why, d.Plan)
	}
	blocking := map[string]bool{}
	for _, l := range d.Plan.Left {
		blocking[l.App.Name] = l.Blocking
	}
	if b, ok := blocking["c"]; !ok || !b {
		t.Error("the foreign app does not make the move incomplete")
	}
	if b, ok := blocking["d"]; !ok || b {
		t.Error("the app in another healthy Region is not simply left alone")
	}
	if b, ok := blocking["e"]; !ok || !b {
		t.Error("the app that was never read is forgotten")
	}
}

// spec 8.3
func TestPreference(t *testing.T) {
	t.Parallel()
	s := outage()
	s.Federation.Policy.Prefer = federation.PreferLatency
	s.Latencies = []Latency{{west, 80 * time.Millisecond}, {ohio, 20 * time.Millisecond}}
	if d := Standard().Decide(s); d.Plan.To != ohio {
		t.Errorf("by latency the target is %s, want us-east-2", d.Plan.To)
	}
	s = outage()
	s.Shares = []inventory.Share{share(west, 10, 60), share(ohio, 60, 60)}
	if d := Standard().Decide(s); d.Outcome != Move || d.Plan.To != ohio {
		t.Errorf("the ready Region is not taken: %+v", d)
	}
}

// spec 8.6 spec 11.1: a store that cannot be trusted stops a person too, and by
// no override; it is paged, with the key.
func TestDistrustBindsEverybody(t *testing.T) {
	t.Parallel()
	s := ask(with(outage(), func(s *Situation) { s.Distrusted = []finding.Finding{changedRecord()} }), west)
	d := Standard().Decide(s)
	if d.Outcome != Hold || d.Rule != StoreIntegrity || d.Plan == nil {
		t.Errorf("a request: %s by %q, plan %v", d.Outcome, d.Rule, d.Plan)
	}
	paged := slices.ContainsFunc(d.Findings, func(f finding.Finding) bool {
		return f.Severity() == finding.Page && f.Subject == "samlfailover/journal/corp/past/1"
	})
	if !paged {
		t.Errorf("findings %v", d.Findings)
	}
	d = Standard().Decide(ask(s, west, StoreIntegrity))
	if d.Outcome != Hold || d.Rule != BadRequest || !strings.Contains(d.Why, "cannot be overridden by anyone") {
		t.Errorf("overridden: %s by %q: %s", d.Outcome, d.Rule, d.Why)
	}
}

// spec 11.5: different configs bind auto alone.
func TestDisagreementBindsAutoOnly(t *testing.T) {
	t.Parallel()
	s := with(outage(), func(s *Situation) { s.Controllers = []ControllerState{{"a", "c0ffee"}, {"b", "0ld"}} })
	if d := Standard().Decide(ask(s, west)); d.Outcome != Move {
		t.Errorf("a person is held: %s by %q", d.Outcome, d.Rule)
	}
	s.Federation.Policy.Mode = federation.Approve
	if d := Standard().Decide(s); d.Outcome != Propose {
		t.Errorf("mode approve: %s by %q", d.Outcome, d.Rule)
	}
	s.Federation.Policy.Mode, s.Controllers = federation.Auto, []ControllerState{{"a", "c0ffee"}, {"b", "c0ffee"}}
	if d := Standard().Decide(s); d.Outcome != Move {
		t.Errorf("the same config: %s by %q: %s", d.Outcome, d.Rule, d.Why)
	}
}
