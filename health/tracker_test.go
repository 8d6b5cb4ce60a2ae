package health_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	virginia = signin.MustRegion("us-east-1")
	oregon   = signin.MustRegion("us-west-2")
	epoch    = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	rules    = health.Rules{Fall: 3, Rise: 4, Interval: 10 * time.Second, FastInterval: time.Second}
)

// letters of the sample sequences below.
var outcomes = map[rune]health.Outcome{'o': health.OK, 'f': health.Failed, 'b': health.Blocked, 'd': health.Discarded}

func sampleAt(kind health.Kind, o health.Outcome, at time.Time) health.Result {
	return health.Result{Region: virginia, Kind: kind, Outcome: o, Start: at, Took: 100 * time.Millisecond, Reason: "because"}
}

func TestTracker(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		samples string
		want    health.State
		quick   bool
	}{
		{"nothing known", "", health.Unknown, false},
		{"one good answer is enough at the start", "o", health.Healthy, false},
		{"the first failure is a suspicion", "of", health.Suspect, true},
		{"also at the start", "f", health.Suspect, true},
		{"not confirmed yet", "off", health.Suspect, true},
		{"confirmed", "offf", health.Unhealthy, false},
		{"a good answer clears a suspicion", "offo", health.Healthy, false},
		{"failures must be in a row", "offoff", health.Suspect, true},
		{"rise is slower than fall", "offfooo", health.Unhealthy, false},
		{"risen", "offfoooo", health.Healthy, false},
		{"successes must be in a row to rise", "offfooofooo", health.Unhealthy, false},
		{"blocked is no failure", "obbbbb", health.Healthy, false},
		{"blocked does not break a run", "offbf", health.Unhealthy, false},
		{"blocked does not clear", "offb", health.Suspect, true},
		{"blocked from the start says nothing", "bbb", health.Unknown, false},
		{"discarded is no failure", "oddddd", health.Healthy, false},
		{"discarded confirms nothing", "offd", health.Suspect, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := health.NewTracker("v", virginia, []health.Kind{health.SignIn}, rules)
			at := epoch
			for _, letter := range c.samples {
				at = at.Add(time.Second)
				tr.Add(sampleAt(health.SignIn, outcomes[letter], at))
			}
			if o := tr.Observation(); o.State != c.want || tr.Quick(health.SignIn) != c.quick {
				t.Errorf("after %q the state is %s, quick %v (%s); want %s, %v", c.samples, o.State, tr.Quick(health.SignIn), o.Reason, c.want, c.quick)
			}
		})
	}
}

func TestAnyKindMakesTheRegionUnhealthy(t *testing.T) {
	t.Parallel()
	kinds := []health.Kind{health.SignIn, health.STS, health.Console}
	for _, bad := range kinds {
		tr := health.NewTracker("v", virginia, kinds, rules)
		for i := range 3 {
			for _, k := range kinds {
				o := health.OK
				if k == bad {
					o = health.Failed
				}
				tr.Add(sampleAt(k, o, epoch.Add(time.Duration(i)*time.Second)))
			}
		}
		if got := tr.Observation(); got.State != health.Unhealthy {
			t.Errorf("%s failing alone: %s, want unhealthy", bad, got.State)
		}
	}
	tr := health.NewTracker("v", virginia, kinds, rules)
	tr.Add(sampleAt(health.SignIn, health.OK, epoch))
	if got := tr.Observation().State; got != health.Unknown {
		t.Errorf("one kind good, two not asked yet: %s, want unknown", got)
	}
}

func TestNextProbe(t *testing.T) {
	t.Parallel()
	tr := health.NewTracker("v", virginia, []health.Kind{health.SignIn}, rules)
	check := func(why string, now time.Time, want time.Time) {
		t.Helper()
		if got := tr.NextProbe(health.SignIn, now); !got.Equal(want) {
			t.Errorf("%s: next probe at +%s, want +%s", why, got.Sub(epoch), want.Sub(epoch))
		}
	}
	check("never asked", epoch, epoch)
	tr.Add(sampleAt(health.SignIn, health.OK, epoch))
	check("steady", epoch.Add(time.Second), epoch.Add(10*time.Second))
	tr.Add(sampleAt(health.SignIn, health.Failed, epoch.Add(10*time.Second)))
	check("suspect is quick", epoch.Add(10*time.Second), epoch.Add(11*time.Second))
	check("never in the past", epoch.Add(15*time.Second), epoch.Add(15*time.Second))
	tr.Add(sampleAt(health.SignIn, health.Discarded, epoch.Add(15*time.Second)))
	check("a discarded sample is no reason to hammer", epoch.Add(15*time.Second), epoch.Add(16*time.Second))
	tr.Add(sampleAt(health.SignIn, health.Failed, epoch.Add(16*time.Second)))
	tr.Add(sampleAt(health.SignIn, health.Failed, epoch.Add(17*time.Second)))
	check("confirmed is steady again", epoch.Add(17*time.Second), epoch.Add(27*time.Second))
}

// machine is what the rules below are about.
type machine interface {
	Add(health.Result)
	Observation() health.Observation
}

// refuse runs one sequence through a machine and returns the rule it breaks, or
// "". The reference is kept apart: plain counting over the letters.
func refuse(m machine, seq []health.Outcome) string {
	inRow := 0
	at := epoch
	for i, o := range seq {
		before := fmt.Sprintf("%+v", m.Observation())
		was := m.Observation().State
		at = at.Add(time.Second)
		m.Add(sampleAt(health.SignIn, o, at))
		now := m.Observation()
		switch o {
		case health.Failed:
			inRow++
		case health.OK:
			inRow = 0
		case health.Discarded:
			if after := fmt.Sprintf("%+v", now); after != before {
				return fmt.Sprintf("sample %d was discarded but changed %s to %s", i, before, after)
			}
		case health.Blocked:
			if now.State != was {
				return fmt.Sprintf("sample %d was blocked but changed %s to %s", i, was, now.State)
			}
		}
		if now.State == health.Unhealthy && was != health.Unhealthy && inRow < rules.Fall {
			return fmt.Sprintf("unhealthy after %d failures in a row at sample %d", inRow, i)
		}
		if inRow >= rules.Fall && now.State != health.Unhealthy {
			return fmt.Sprintf("%s after %d failures in a row at sample %d", now.State, inRow, i)
		}
	}
	return ""
}

func newMachine() machine {
	return health.NewTracker("v", virginia, []health.Kind{health.SignIn}, rules)
}

// spec 7.2
func TestTrackerKeepsTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.SliceOfN(rapid.SampledFrom([]health.Outcome{health.OK, health.Failed, health.Blocked, health.Discarded}), 0, 40).Draw(t, "samples")
		if why := refuse(newMachine(), seq); why != "" {
			t.Fatal(why)
		}
	})
}

// saboteur is a tracker that takes some samples for others.
type saboteur struct {
	machine
	takes map[health.Outcome]health.Outcome
}

func (s saboteur) Add(r health.Result) {
	if o, ok := s.takes[r.Outcome]; ok {
		r.Outcome = o
	}
	s.machine.Add(r)
}

// impatient confirms at the first failure.
type impatient struct{ machine }

func (s impatient) Add(r health.Result) {
	for i := range rules.Fall {
		again := r
		again.Start = r.Start.Add(time.Duration(i))
		s.machine.Add(again)
	}
}

// spec 7.1
// spec 7.7
func TestSaboteurTrackersAreRefused(t *testing.T) {
	t.Parallel()
	seq := []health.Outcome{health.OK, health.Failed, health.OK, health.Blocked, health.Blocked, health.Blocked, health.Discarded, health.Discarded, health.Discarded}
	if why := refuse(newMachine(), seq); why != "" {
		t.Fatalf("the tracker itself is refused: %s", why)
	}
	for name, m := range map[string]machine{
		"blocked counts as failed":   saboteur{newMachine(), map[health.Outcome]health.Outcome{health.Blocked: health.Failed}},
		"discarded counts as failed": saboteur{newMachine(), map[health.Outcome]health.Outcome{health.Discarded: health.Failed}},
		"discarded counts as good":   saboteur{newMachine(), map[health.Outcome]health.Outcome{health.Discarded: health.OK}},
		"one failure is enough":      impatient{newMachine()},
	} {
		if why := refuse(m, seq); why == "" {
			t.Errorf("the check accepts a tracker where %s", name)
		}
	}
}

// spec 7.7
func TestStalled(t *testing.T) {
	t.Parallel()
	now := time.Now()
	timeout, slack := 5*time.Second, 2*time.Second
	// Wall clock and monotonic clock apart: a time whose wall part was changed
	// can only be made by dropping the monotonic part, so Round(0) stands for
	// a reading after a jump.
	jumped := now.Add(time.Second).Round(0).Add(time.Hour)
	cases := []struct {
		name                string
		planned, start, end time.Time
		want                bool
	}{
		{"on time", now, now, now.Add(time.Second), false},
		{"a little late", now, now.Add(time.Second), now.Add(2 * time.Second), false},
		{"we started much too late", now, now.Add(3 * time.Second), now.Add(4 * time.Second), true},
		{"it ran into its time limit", now, now, now.Add(5 * time.Second), false},
		{"it took longer than its time limit allows", now, now, now.Add(8 * time.Second), true},
		{"the clock jumped", now, now, jumped, true},
	}
	for _, c := range cases {
		if got := health.Stalled(c.planned, c.start, c.end, timeout, slack); got != c.want {
			t.Errorf("%s: stalled = %v, want %v", c.name, got, c.want)
		}
	}
}
