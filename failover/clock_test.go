package failover

import (
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/health"
)

// jumps are a wall clock that was set wrong, in either direction.
var jumps = []time.Duration{-365 * 24 * time.Hour, -26 * time.Hour, -time.Hour, time.Hour, 26 * time.Hour}

// provenOutage has a Region that a full quorum calls unhealthy for ten minutes:
// what the probes say is timed by the process itself and jumps with it.
func provenOutage(now time.Time) Situation {
	s := outage()
	s.Now = now
	for i := range s.Verdicts {
		s.Verdicts[i].Since = now.Add(-10 * time.Minute)
	}
	for i := range s.Apps {
		s.Apps[i].ReadAt = now.Add(-time.Second) // a controller reads the apps when it starts and when a Region is suspect
	}
	return s
}

// A clock that jumps keeps nobody out: with records of before the jump, dated in
// the future or long ago, a proven outage is still left (spec 8.4). Back or
// forward, the worst that a jump does is to make auto wait for the proof.
func TestClockJumpsNeverHoldAProvenOutage(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		for _, status := range []Status{Partial, Incomplete} {
			s := provenOutage(now.Add(jump))
			s.Federation.Policy.Budget = 1
			s.Federation.Policy.InventoryMaxAge = 0
			s.History = []PastMove{{ID: "m1", Cause: Failover, By: Controller, To: west, Started: now.Add(-40 * time.Second), Finished: now.Add(-30 * time.Second), Status: status}}
			if d := Standard().Decide(s); d.Outcome != Move {
				t.Errorf("clock %s, last move %s: %s by rule %q: %s", jump, status, d.Outcome, d.Rule, d.Why)
			}
		}
	}
}

// The saboteur: a retry pause that counts what ended in the future as just
// ended would hold the outage for as long as the clock was set back.
func TestRetryPauseKnowsTheFuture(t *testing.T) {
	t.Parallel()
	naive := func(m PastMove, now time.Time) bool { return retryPause-now.Sub(m.Finished) > 0 }
	for _, c := range []struct {
		why  string
		ago  time.Duration
		want bool
	}{
		{"it has just ended", 30 * time.Second, true},
		{"the pause is over", time.Minute, false},
		{"it ended at this instant", 0, true},
		{"the clock was set back by a day", -24 * time.Hour, false},
	} {
		m := PastMove{Finished: now.Add(-c.ago)}
		if _, got := justEnded(m, now); got != c.want {
			t.Errorf("%s: held %v, want %v", c.why, got, c.want)
		}
		if c.ago < 0 && naive(m, now) == c.want {
			t.Errorf("%s: the naive rule passes too, so the case shows nothing", c.why)
		}
	}
}

// Brakes are a person's word: a clock that goes back makes them hold longer,
// never shorter than was said; one without an end holds whatever the clock does.
func TestBrakesUnderJumps(t *testing.T) {
	t.Parallel()
	timed := Brake{ID: "t", Kind: BrakePause, By: "ann", Reason: "change", Since: now, Until: now.Add(2 * time.Hour)}
	sticky := timed
	sticky.Until = time.Time{}
	for _, jump := range jumps {
		at := now.Add(jump)
		if want := jump < 2*time.Hour; timed.Holds(at) != want {
			t.Errorf("clock %s: the pause of two hours holds %v, want %v", jump, timed.Holds(at), want)
		}
		if !sticky.Holds(at) {
			t.Errorf("clock %s: a pause without an end has ended", jump)
		}
		s := provenOutage(at)
		s.Brakes = []Brake{sticky}
		if d := Standard().Decide(s); d.Rule != Paused {
			t.Errorf("clock %s: %q decides in spite of a pause", jump, d.Rule)
		}
	}
}

// Apps that were last read in a future count as known, those of long ago do not:
// a jump forward asks for a new read and holds until then (spec 2.4).
func TestReadsUnderJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range jumps {
		s := provenOutage(now.Add(jump))
		for i := range s.Apps {
			s.Apps[i].ReadAt = now
		}
		want := Move
		if jump > maxReadAge {
			want = Hold
		}
		if d := Standard().Decide(s); d.Outcome != want {
			t.Errorf("clock %s: %s by rule %q, want %s", jump, d.Outcome, d.Rule, want)
		}
	}
	if s := provenOutage(now); s.Verdicts[0].State != health.Unhealthy {
		t.Error("there is no outage to test with")
	}
}
