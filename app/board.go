package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// board keeps what the vantages last said and turns it into verdicts when
// asked. Safe for concurrent use.
type board struct {
	configured int
	regions    []signin.Region
	maxAge     time.Duration

	mu      sync.Mutex
	seen    map[string]health.Observation // by vantage and Region
	wake    []chan struct{}
	latency map[signin.Region]*latencies
	counted map[string]time.Time // start of the newest sample in latency, by vantage and Region
	calm    time.Time            // when the newest sample in latency ended
}

func newBoard(configured int, regions []signin.Region, maxAge time.Duration) *board {
	return &board{configured: configured, regions: regions, maxAge: maxAge,
		seen: map[string]health.Observation{}, latency: map[signin.Region]*latencies{}, counted: map[string]time.Time{}}
}

// changes returns a channel that is poked when something was published.
func (b *board) changes() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	b.wake = append(b.wake, c)
	return c
}

// publish takes one observation; it never blocks.
func (b *board) publish(o health.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := o.Vantage + "|" + o.Region.String()
	before, known := b.seen[key]
	b.seen[key] = o
	b.noteLatency(key, o)
	if known && before.State == o.State && !b.troubled() {
		return // in calm times the loop looks on its own clock; news hurries it
	}
	for _, c := range b.wake {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// awaitAll waits until something was heard about every Region, good or bad; it
// returns false when ctx has ended.
func (b *board) awaitAll(ctx context.Context) bool {
	for news := b.changes(); !b.heard(); {
		select {
		case <-ctx.Done():
			return false
		case <-news:
		}
	}
	return true
}

// heard reports whether every Region was spoken of.
func (b *board) heard() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[signin.Region]bool{}
	for _, o := range b.seen {
		known[o.Region] = true
	}
	return len(known) >= len(b.regions)
}

// troubled reports whether any vantage sees trouble in any Region: then every
// answer may be the one that settles a verdict. The caller holds the lock.
func (b *board) troubled() bool {
	for _, o := range b.seen {
		if o.State == health.Suspect || o.State == health.Unhealthy {
			return true
		}
	}
	return false
}

// Verdicts implements controller.Verdicts.
func (b *board) Verdicts() []health.Verdict {
	b.mu.Lock()
	all := make([]health.Observation, 0, len(b.seen))
	for _, o := range b.seen {
		all = append(all, o)
	}
	b.mu.Unlock()
	return health.Verdicts(b.configured, b.regions, all, b.maxAge, time.Now())
}

// suspicious reports whether any Region is suspect or unhealthy: calm-time work
// waits then.
func (b *board) suspicious() bool {
	return slices.ContainsFunc(b.Verdicts(), func(v health.Verdict) bool { return v.Suspect || v.State == health.Unhealthy })
}

// settled reports whether nothing is in doubt: every Region with trouble is
// unhealthy by quorum.
func (b *board) settled() bool {
	return !slices.ContainsFunc(b.Verdicts(), func(v health.Verdict) bool { return v.Suspect && v.State != health.Unhealthy })
}

// latencies is a ring of the sign-in probe's answer times in one Region in calm
// times: 24 hours at the steady rate (spec 8.3).
type latencies struct {
	samples []latency
	next    int
}

type latency struct {
	at   time.Time
	took time.Duration
}

const (
	latencyWindow = 24 * time.Hour
	maxLatencies  = 8640 // one in 10 s
)

// noteLatency keeps the newest good sign-in sample, once: an observation repeats
// it while other kinds are probed. While anything is in trouble nothing is kept,
// so that what counts is from before the incident. The caller holds the lock.
func (b *board) noteLatency(key string, o health.Observation) {
	if o.State != health.Healthy || b.troubled() {
		return
	}
	ring := b.latency[o.Region]
	if ring == nil {
		ring = &latencies{}
		b.latency[o.Region] = ring
	}
	for _, r := range o.Last {
		if r.Kind != health.SignIn || r.Outcome != health.OK || !r.Start.After(b.counted[key]) {
			continue
		}
		b.counted[key], b.calm = r.Start, o.At
		l := latency{r.Start, r.Took}
		if len(ring.samples) < maxLatencies {
			ring.samples = append(ring.samples, l)
			continue
		}
		ring.samples[ring.next] = l
		ring.next = (ring.next + 1) % maxLatencies
	}
}

// latencyMedians returns each Region's median over the last 24 hours that were
// calm.
func (b *board) latencyMedians() []failover.Latency {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := b.calm.Add(-latencyWindow)
	var out []failover.Latency
	for _, r := range b.regions {
		ring := b.latency[r]
		if ring == nil {
			continue
		}
		var took []time.Duration
		for _, s := range ring.samples {
			if s.at.After(since) {
				took = append(took, s.took)
			}
		}
		if len(took) > 0 {
			slices.Sort(took)
			out = append(out, failover.Latency{Region: r, Median: took[len(took)/2]})
		}
	}
	return out
}
