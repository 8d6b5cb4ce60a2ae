package failover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
)

// A brake binds what it names, while it lasts, and nothing else.
func TestWhatBrakesBind(t *testing.T) {
	t.Parallel()
	pause := func(f string, until time.Time) Brake {
		return Brake{ID: "p", Kind: BrakePause, Federation: f, By: "ann", Reason: "x", Until: until}
	}
	for _, row := range []struct {
		why   string
		brake Brake
		rule  string // "" = the outage's move goes on
		left  []string
	}{
		{"a global pause", pause("", time.Time{}), Paused, nil},
		{"a pause of the federation", pause("corp", time.Time{}), Paused, nil},
		{"a pause of another federation", pause("labs", time.Time{}), "", nil},
		{"a pause that has run out this moment", pause("", now), "", nil},
		{"a pause that runs out in a moment", pause("", now.Add(time.Nanosecond)), Paused, nil},
		{"a pause from the future: somebody's clock is ahead", Brake{ID: "p", Kind: BrakePause, By: "ann", Since: now.Add(time.Hour)}, Paused, nil},
		{"a lock on one app", lockOn("a"), "", []string{"a"}},
		{"a lock on an app of another federation with the same id", Brake{ID: "l", Kind: BrakeLock, Federation: "labs", App: ref("a").String()}, "", nil},
		{"a lock on the federation", Brake{ID: "l", Kind: BrakeLock, Federation: "corp"}, Locked, []string{"b", "a"}},
		{"a lock that has run out", Brake{ID: "l", Kind: BrakeLock, Until: now.Add(-time.Hour)}, "", nil},
	} {
		d := Standard().Decide(with(outage(), func(s *Situation) { s.Brakes = []Brake{row.brake} }))
		if d.Rule != row.rule || row.rule == "" && d.Outcome != Move {
			t.Errorf("%s: decided %s by %q: %s", row.why, d.Outcome, d.Rule, d.Why)
		}
		if bound := row.rule != "" || row.left != nil; bound != (len(d.Brakes) == 1) {
			t.Errorf("%s: shown as in force: %v", row.why, d.Brakes)
		}
		for _, name := range []string{"a", "b"} {
			moves := d.Plan != nil && slices.ContainsFunc(d.Plan.Steps, func(s StepPlan) bool { return s.App.Name == name })
			if moves == slices.Contains(row.left, name) {
				t.Errorf("%s: app %s moves: %v", row.why, name, moves)
			}
		}
	}
}

// A locked app is left with who, why, until when, and the way out; the other
// moves, and becomes the lead where the lead is locked.
func TestLockedAppIsLeft(t *testing.T) {
	t.Parallel()
	lock := lockOn("b")
	lock.Until = now.Add(time.Hour)
	d := Standard().Decide(with(outage(), func(s *Situation) { s.Brakes = []Brake{lock} }))
	if d.Outcome != Move || len(d.Plan.Steps) != 1 || d.Plan.Steps[0].App.Name != "a" || !d.Plan.Steps[0].Lead || len(d.Plan.Left) != 1 {
		t.Fatalf("decided %s with %+v", d.Outcome, d.Plan)
	}
	l := d.Plan.Left[0]
	for _, want := range []string{"ann", "audit", "2026-11-22 04:00:00 UTC"} {
		if !strings.Contains(l.Why, want) {
			t.Errorf("%q does not say %q", l.Why, want)
		}
	}
	if !l.Blocking || l.RelayState == "" || len(l.Findings) != 1 || !strings.Contains(l.Findings[0].Remedy, "samlfailover unlock lock-b") {
		t.Errorf("left is %+v", l)
	}
	text := strings.Join(append(Explain(d), d.Plan.Lines()...), "\n")
	if strings.Count(text, "ann locked app okta/0oab") < 3 {
		t.Errorf("explain and plan do not show the lock:\n%s", text)
	}
}

// An override of the lock takes the app, and is recorded with who had locked it.
func TestOverriddenLockIsRecorded(t *testing.T) {
	t.Parallel()
	d := Standard().Decide(ask(with(calm(), func(s *Situation) { s.Brakes = []Brake{lockOn("a")} }), west, Locked))
	i := slices.IndexFunc(d.Trail, func(p Passed) bool { return p.Rule == Locked })
	if d.Outcome != Move || len(d.Plan.Steps) != 2 || i < 0 || !d.Trail[i].Overridden || !strings.Contains(d.Trail[i].Note, "ann locked app okta/0oaa") {
		t.Errorf("decided %s with %+v, trail %+v", d.Outcome, d.Plan, d.Trail)
	}
}

// The saboteurs: brakes that are read wrongly would pass these.
func TestBrakeCovers(t *testing.T) {
	t.Parallel()
	other := federation.AppRef{Name: "a", Tenant: "onelogin", ID: "0oaa"}
	if b := lockOn("a"); b.Covers("corp", other) || !b.Covers("corp", ref("a")) || b.Covers("corp", ref("b")) || b.Covers("labs", ref("a")) {
		t.Error("a lock on an app covers another, or not its own")
	}
}
