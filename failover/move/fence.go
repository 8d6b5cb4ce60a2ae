package move

import (
	"context"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/finding"
)

// Limits bound a move in time and width; zero fields get the defaults.
type Limits struct {
	Parallel     int           // apps at once per tenant; default: the federation's, else 4
	Attempts     int           // tries per app; default 6
	FirstWait    time.Duration // between tries, doubling; default 500 ms
	LongestWait  time.Duration // default 15 s
	StepTimeout  time.Duration // one try of one app, its reads and read-backs included; default 60 s
	ProofTimeout time.Duration // how long a failover waits for the lead's proof; default 30 s (spec 9.1)
	// CallDeadline is the most that one write may take; what remains of the lease
	// bounds it further. A resuming leader waits so long for the last write of its
	// predecessor (spec 9.5). Default 15 s.
	CallDeadline time.Duration
}

func (l Limits) filled() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if l.Attempts <= 0 {
		l.Attempts = 6
	}
	set(&l.FirstWait, 500*time.Millisecond)
	set(&l.LongestWait, 15*time.Second)
	set(&l.StepTimeout, time.Minute)
	set(&l.ProofTimeout, 30*time.Second)
	set(&l.CallDeadline, 15*time.Second)
	return l
}

// What a write needs of the lease.
const (
	// leaseMargin is what is left of the lease when the write ends at the latest.
	leaseMargin = 250 * time.Millisecond
	// shortestWrite is the least time that a write is worth starting with.
	shortestWrite = time.Second
	// renewal is how often a lease that is too short just now is asked for again.
	renewal = 100 * time.Millisecond
)

// fence makes sure that we still lead.
func (m *Mover) fence(ctx context.Context) error {
	_, err := m.lease(ctx)
	return err
}

// lease returns what remains of the leadership, more than nothing.
func (m *Mover) lease(ctx context.Context) (time.Duration, error) {
	select {
	case <-m.Term.Lost():
		return 0, deposed("the leadership is over")
	default:
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	left, err := m.Term.Remaining(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, deposed(err.Error())
	case left <= 0:
		return 0, deposed("the lease has run out")
	}
	return left, nil
}

// bound stands directly before every write: it starts only if the remaining
// lease is longer than the deadline that this very write gets, so that a write
// of ours never begins or ends in somebody else's term by our own doing. A
// lease that is about to be renewed is waited for. Reads and proofs change
// nothing and need only the fence.
func (m *Mover) bound(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		asked := time.Now()
		left, err := m.lease(ctx)
		if err != nil {
			return nil, nil, err
		}
		if d := min(m.Limits.CallDeadline, left-leaseMargin); d >= min(shortestWrite, m.Limits.CallDeadline) {
			call, cancel := context.WithDeadline(ctx, asked.Add(d))
			return call, cancel, nil
		}
		if !wait(ctx, m.Term.Lost(), renewal) {
			return nil, nil, m.stopped(ctx)
		}
	}
}

// deposed is the error that ends a run without another write.
func deposed(why string) error {
	return fmt.Errorf("%w: %w", ErrDeposed, finding.Finding{Code: finding.LeaderLost, Subject: "this controller",
		What: "it is not the leader any more and writes nothing", Why: why,
		Remedy: "nothing to do: the next leader finishes the move from what it finds"})
}

// stopped says why waiting ended early.
func (m *Mover) stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return deposed("the leadership ended while the move was waiting")
}

// wait returns false when the context or the leadership ends first.
func wait(ctx context.Context, lost <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-lost:
		return false
	case <-t.C:
		return true
	}
}
