package probe

import (
	"context"
	"sync"
	"time"
)

// pulse notices when this process stood still (SIGSTOP, suspend, a starved
// machine): it beats often, and a beat that comes much too late marks the gap.
type pulse struct {
	slack time.Duration

	mu      sync.Mutex
	last    time.Time // newest beat
	lastGap time.Time // end of the newest gap
}

const beatEvery = 250 * time.Millisecond

func newPulse(slack time.Duration) *pulse { return &pulse{slack: slack, last: time.Now()} }

// run beats until ctx ends.
func (p *pulse) run(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.beat(time.Now())
		}
	}
}

// beat notes one beat; monotonic time finds a process that did not run, wall
// time a machine that was suspended.
func (p *pulse) beat(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gap := max(now.Sub(p.last), now.Round(0).Sub(p.last.Round(0)))
	if gap > beatEvery+p.slack {
		p.lastGap = now
	}
	p.last = now
}

// missedSince reports whether a gap ended after t, or one is open now.
func (p *pulse) missedSince(t time.Time) bool {
	p.beat(time.Now())
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastGap.After(t)
}
