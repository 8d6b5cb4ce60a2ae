package failover

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// drawSituation draws situations of every kind, many of them odd.
func drawSituation(t *rapid.T) Situation {
	regions := []signin.Region{east, west, ohio, ca}
	s := calm()
	s.Federation.Regions = rapid.SliceOfNDistinct(rapid.SampledFrom(regions), 1, 4, signin.Region.String).Draw(t, "allowed")
	s.Federation.Policy.Mode = rapid.SampledFrom([]federation.Mode{federation.Auto, federation.Auto, federation.Approve, federation.Observe, ""}).Draw(t, "mode")
	s.Federation.Policy.Prefer = rapid.SampledFrom([]federation.Preference{federation.PreferOrder, federation.PreferLatency}).Draw(t, "prefer")
	s.Federation.Policy.AcceptFewerVantages = rapid.Bool().Draw(t, "few")
	s.Vantages = s.Vantages[:rapid.IntRange(0, 3).Draw(t, "vantages")]
	s.Apps, s.Federation.Apps, s.Verdicts, s.Shares = nil, nil, nil, nil
	for _, n := range []string{"a", "b", "c"}[:rapid.IntRange(0, 3).Draw(t, "apps")] {
		s.Federation.Apps = append(s.Federation.Apps, ref(n))
		a := appIn(n, rapid.SampledFrom(regions).Draw(t, "at"))
		a.App.Movable = rapid.IntRange(0, 5).Draw(t, "movable") > 0
		a.ReadAt = now.Add(-rapid.SampledFrom([]time.Duration{0, time.Hour, 30 * time.Hour}).Draw(t, "age"))
		if rapid.IntRange(0, 5).Draw(t, "unread") == 0 {
			a = AppState{Ref: a.Ref, Error: &finding.Finding{Code: finding.IdPUnreachable, What: "no answer"}}
		}
		s.Apps = append(s.Apps, a)
	}
	for _, r := range regions {
		if rapid.IntRange(0, 8).Draw(t, "verdict") > 0 {
			v := verdict(r, rapid.SampledFrom([]health.State{health.Healthy, health.Unhealthy, health.Unknown}).Draw(t, "state"), rapid.IntRange(0, 10).Draw(t, "since"))
			v.Suspect = rapid.IntRange(0, 4).Draw(t, "suspect") == 0
			s.Verdicts = append(s.Verdicts, v)
		}
		s.Shares = append(s.Shares, share(r, rapid.IntRange(50, 60).Draw(t, "ready"), 60))
	}
	if rapid.IntRange(0, 3).Draw(t, "history") == 0 {
		s.History = []PastMove{past(rapid.IntRange(1, 60).Draw(t, "ago"), Controller, Partial)}
	}
	for range rapid.IntRange(0, 6).Draw(t, "brakes") - 4 {
		s.Brakes = append(s.Brakes, Brake{ID: "x", Kind: rapid.SampledFrom([]BrakeKind{BrakePause, BrakeLock, BrakeLock}).Draw(t, "kind"), By: "bob", Reason: "test", Since: now,
			Federation: rapid.SampledFrom([]string{"", "corp", "other"}).Draw(t, "braked"), App: rapid.SampledFrom([]string{"", ref("a").String(), ref("b").String()}).Draw(t, "app"),
			Until: rapid.SampledFrom([]time.Time{{}, now, now.Add(time.Minute)}).Draw(t, "until")})
	}
	if rapid.IntRange(0, 9).Draw(t, "distrust") == 0 {
		s.Distrusted = []finding.Finding{changedRecord()}
	}
	if rapid.IntRange(0, 9).Draw(t, "disagree") == 0 {
		s.Controllers = []ControllerState{{"a", "c0ffee"}, {"b", "0ld"}}
	}
	if rapid.IntRange(0, 3).Draw(t, "request") == 0 {
		s = ask(s, rapid.SampledFrom(regions).Draw(t, "to"), rapid.SliceOf(rapid.SampledFrom(Standard().Names())).Draw(t, "overrides")...)
	}
	return s
}

func stateOf(s Situation, r signin.Region) health.Verdict {
	for _, v := range s.Verdicts {
		if v.Region == r {
			return v
		}
	}
	return health.Verdict{State: health.Unknown}
}

// spec 8.2 spec 8.3 spec 8.6: whatever the situation, a move leads to an
// allowed Region, and to one that quorum calls healthy unless a person has
// overridden that; without a person only apps of an unhealthy Region move.
func TestMovesAreSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		d := Standard().Decide(s)
		if d.Plan != nil {
			if err := d.Plan.Check(); err != nil {
				t.Fatal(err)
			}
		}
		if d.Outcome == Hold {
			if d.Rule == "" || d.Why == "" || d.WouldChange == "" {
				t.Fatalf("an unexplained hold: %+v", d)
			}
			return
		}
		if !s.Federation.Allows(d.Plan.To) {
			t.Fatalf("%s to %s, which is not allowed", d.Outcome, d.Plan.To)
		}
		target := stateOf(s, d.Plan.To)
		overridden := s.Request != nil && slices.Contains(s.Request.Overrides, NoCandidate)
		if target.State != health.Healthy && !overridden {
			t.Fatalf("%s to %s, which is %s", d.Outcome, d.Plan.To, target.State)
		}
		for _, step := range d.Plan.Steps {
			if from := stateOf(s, step.From); s.Request == nil && from.State != health.Unhealthy {
				t.Fatalf("app %s leaves %s, which is %s", step.App, step.From, from.State)
			}
			if _, locked := LockOn(s.Brakes, "corp", step.App, now); locked && !(s.Request != nil && slices.Contains(s.Request.Overrides, Locked)) {
				t.Fatalf("app %s is locked and would be written", step.App)
			}
			if step.From == step.To || !slices.Contains(s.Federation.Apps, step.App) {
				t.Fatalf("a step that may not be: %+v", step)
			}
		}
		if s.Request == nil && d.Outcome == Move && s.Federation.Policy.Mode != federation.Auto {
			t.Fatal("the controller acts without being asked to")
		}
	})
}

// spec 8.1: a rule can only remove options: what all rules allow, fewer rules
// allow too, with the same plan.
func TestRulesOnlyRemoveOptions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		all := Standard().Decide(s)
		name := rapid.SampledFrom(Standard().Names()).Draw(t, "left out")
		fewer := Standard().Without(name).Decide(s)
		if all.Outcome == Move && (fewer.Outcome != Move || fewer.Plan.Digest != all.Plan.Digest) {
			t.Fatalf("without %s the move becomes %s", name, fewer.Outcome)
		}
		if all.Plan != nil && fewer.Plan != nil && all.Plan.Digest != fewer.Plan.Digest {
			t.Fatalf("rule %s changes the plan", name)
		}
	})
}

// spec 8.1: a situation that went through JSON gives the same decision.
func TestSituationRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Situation
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil {
			t.Fatal(err)
		}
		if string(raw) != string(again) {
			t.Fatalf("the situation changed:\n%s\n%s", raw, again)
		}
		want, err := json.Marshal(Standard().Decide(s))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(Standard().Decide(back))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("the decision changed:\n%s\n%s", want, got)
		}
	})
}
