package app

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	east = signin.MustRegion("us-east-1")
	west = signin.MustRegion("us-west-2")
)

// seen is an observation that ends now, with one sign-in sample that took so
// long.
func seen(r signin.Region, st health.State, took time.Duration) health.Observation {
	outcome := health.OK
	if st != health.Healthy {
		outcome = health.Failed
	}
	now := time.Now()
	return health.Observation{Vantage: "local", Region: r, State: st, Since: now, At: now,
		Last: []health.Result{{Region: r, Kind: health.SignIn, Outcome: outcome, Start: now.Add(-took), Took: took}}}
}

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// News wakes every loop at once; in calm times the same answer again does not,
// while anything is in trouble every answer does.
func TestBoardWakes(t *testing.T) {
	t.Parallel()
	b := newBoard(1, []signin.Region{east, west}, time.Minute)
	one, two := b.changes(), b.changes()
	for _, step := range []struct {
		what string
		o    health.Observation
		want bool
	}{
		{"the first word", seen(east, health.Healthy, 0), true},
		{"the same again", seen(east, health.Healthy, 0), false},
		{"the first word on another Region", seen(west, health.Healthy, 0), true},
		{"a suspicion", seen(east, health.Suspect, 0), true},
		{"the same suspicion", seen(east, health.Suspect, 0), true},
		{"a good answer that may bear witness", seen(west, health.Healthy, 0), true},
		{"the suspicion is cleared", seen(east, health.Healthy, 0), true},
		{"calm again", seen(east, health.Healthy, 0), false},
	} {
		b.publish(step.o)
		if a, b := woken(one), woken(two); a != step.want || b != step.want {
			t.Errorf("%s woke %v and %v, want %v", step.what, a, b, step.want)
		}
	}
	for range 3 {
		b.publish(seen(east, health.Suspect, 0)) // nobody listens: must not block
	}
}

func TestBoardVerdicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(1, []signin.Region{east, west}, time.Minute)
		states := func() [2]health.State {
			vs := b.Verdicts()
			if len(vs) != 2 || vs[0].Region != east || vs[1].Region != west {
				t.Fatalf("verdicts %+v", vs)
			}
			return [2]health.State{vs[0].State, vs[1].State}
		}
		if got := states(); got != [2]health.State{health.Unknown, health.Unknown} || b.suspicious() {
			t.Errorf("before the first word %v, suspicious %v", got, b.suspicious())
		}
		b.publish(seen(east, health.Healthy, 0))
		b.publish(seen(west, health.Healthy, 0))
		if got := states(); got != [2]health.State{health.Healthy, health.Healthy} || b.suspicious() {
			t.Errorf("healthy %v, suspicious %v", got, b.suspicious())
		}
		b.publish(seen(east, health.Suspect, 0))
		if got := states(); got[0] == health.Unhealthy || !b.suspicious() {
			t.Errorf("suspect %v, suspicious %v", got, b.suspicious())
		}
		b.publish(seen(east, health.Unhealthy, 0))
		b.publish(seen(west, health.Healthy, 0))
		if got := states(); got != [2]health.State{health.Unhealthy, health.Healthy} || !b.suspicious() {
			t.Errorf("unhealthy %v, suspicious %v", got, b.suspicious())
		}
		time.Sleep(2 * time.Minute)
		if got := states(); got != [2]health.State{health.Unknown, health.Unknown} {
			t.Errorf("a board that hears nothing any more says %v", got)
		}
	})
}

// median returns one Region's, or -1.
func median(b *board, r signin.Region) time.Duration {
	for _, l := range b.latencyMedians() {
		if l.Region == r {
			return l.Median
		}
	}
	return -1
}

// spec 8.3: the median of the last 24 hours before the incident.
func TestBoardLatencies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(1, []signin.Region{east, west}, time.Minute)
		if got := b.latencyMedians(); len(got) != 0 {
			t.Errorf("medians of nothing: %v", got)
		}
		for _, took := range []time.Duration{1, 2, 3, 4, 5} { // seconds: slow answers count too
			o := seen(west, health.Healthy, took*time.Second)
			b.publish(o)
			for range 3 { // other kinds are probed meanwhile: the same sample again
				o.At = o.At.Add(100 * time.Millisecond)
				b.publish(o)
			}
			time.Sleep(10 * time.Second)
		}
		if got := median(b, west); got != 3*time.Second || len(b.latency[west].samples) != 5 {
			t.Errorf("median %v of %d samples", got, len(b.latency[west].samples))
		}
		if got := median(b, east); got != -1 {
			t.Errorf("a Region that was never asked has %v", got)
		}

		// An incident: what is answered in it says nothing of calm times.
		b.publish(seen(east, health.Unhealthy, time.Second))
		for range 20 {
			time.Sleep(10 * time.Second)
			b.publish(seen(west, health.Healthy, 30*time.Second))
			b.publish(seen(east, health.Unhealthy, time.Second))
		}
		time.Sleep(30 * time.Hour)
		if got := median(b, west); got != 3*time.Second {
			t.Errorf("the incident made it %v", got)
		}

		// Calm again, a day later: only what is newer than 24 hours counts.
		b.publish(seen(east, health.Healthy, 7*time.Second))
		b.publish(seen(west, health.Healthy, 9*time.Second))
		if e, w := median(b, east), median(b, west); e != 7*time.Second || w != 9*time.Second {
			t.Errorf("a day later %v and %v", e, w)
		}
	})
}

// The saboteurs: a failed sample and one of another kind are no latency.
func TestBoardLatencySaboteurs(t *testing.T) {
	t.Parallel()
	b := newBoard(1, []signin.Region{west}, time.Minute)
	for _, spoil := range []func(*health.Result){
		func(r *health.Result) { r.Outcome = health.Failed },
		func(r *health.Result) { r.Outcome = health.Blocked },
		func(r *health.Result) { r.Kind = health.STS },
	} {
		o := seen(west, health.Healthy, time.Second)
		spoil(&o.Last[0])
		b.publish(o)
	}
	b.publish(seen(west, health.Unknown, time.Second))
	if got := b.latencyMedians(); len(got) != 0 {
		t.Errorf("medians %v", got)
	}
}

// The board never grows without bound, and keeps the newest.
func TestBoardLatencyIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBoard(1, []signin.Region{west}, time.Minute)
		for i := range 2 * maxLatencies {
			took := time.Second
			if i >= maxLatencies {
				took = 2 * time.Second
			}
			time.Sleep(3 * time.Second)
			b.publish(seen(west, health.Healthy, took))
		}
		if n := len(b.latency[west].samples); n != maxLatencies {
			t.Errorf("%d samples", n)
		}
		if got := b.latencyMedians(); len(got) != 1 || got[0] != (failover.Latency{Region: west, Median: 2 * time.Second}) {
			t.Errorf("medians %v", got)
		}
	})
}
