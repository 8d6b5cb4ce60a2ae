package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/store"
)

// How long one look at the store serves the questions that follow it. Without a
// majority a look takes seconds.
const (
	freshFor = 500 * time.Millisecond
	staleFor = 5 * time.Second
)

// eyes look into the store for one who does not lead; what they see may be a
// moment old. Safe for concurrent use.
type eyes struct {
	store *store.Store

	mu    sync.Mutex
	last  store.Reads
	until time.Time
}

// look returns the store as it was a moment ago at most.
func (e *eyes) look(ctx context.Context) (store.Reads, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Now().Before(e.until) {
		return e.last, nil
	}
	r, err := e.store.Reads(ctx)
	if err != nil {
		return r, err
	}
	good := freshFor
	if r.Stale {
		good = staleFor
	}
	e.last, e.until = r, time.Now().Add(good)
	return r, nil
}

// Open implements controller.Moves.
func (e *eyes) Open(ctx context.Context) ([]move.Record, error) {
	r, err := e.look(ctx)
	if err != nil {
		return nil, err
	}
	return r.Open(ctx)
}

// Past implements controller.Moves.
func (e *eyes) Past(ctx context.Context, federation string) ([]move.Record, error) {
	r, err := e.look(ctx)
	if err != nil {
		return nil, err
	}
	return r.Past(ctx, federation)
}

// Brakes implements the reading half of move.Brakes.
func (e *eyes) Brakes(ctx context.Context) ([]failover.Brake, error) {
	r, err := e.look(ctx)
	if err != nil {
		return nil, err
	}
	return r.Brakes(ctx)
}

// Begin refuses.
func (*eyes) Begin(context.Context, move.Record) error { return notLeading("begin a move") }

// Note refuses.
func (*eyes) Note(context.Context, failover.MoveID, move.StepNote) error {
	return notLeading("note a step")
}

// Finish refuses.
func (*eyes) Finish(context.Context, failover.MoveID, failover.Result) error {
	return notLeading("finish a move")
}

// Put refuses.
func (*eyes) Put(context.Context, failover.Brake) error { return notLeading("set a pause or lock") }

// Release refuses.
func (*eyes) Release(context.Context, string) error { return notLeading("release a pause or lock") }

func notLeading(what string) error { return fmt.Errorf("%s: %w", what, move.ErrDeposed) }

// outOfOffice is the leadership of one who does not lead.
type outOfOffice struct{ lost chan struct{} }

// Lost implements move.Term.
func (n outOfOffice) Lost() <-chan struct{} { return n.lost }

// Remaining implements move.Term.
func (outOfOffice) Remaining(context.Context) (time.Duration, error) { return 0, move.ErrDeposed }

// follower are the powers of one who does not lead.
func follower(k *keeping) powers {
	n := outOfOffice{make(chan struct{})}
	close(n.lost)
	return powers{journal: &k.eyes, term: n}
}

// deed is what a leader writes: the journal, and pauses and locks.
type deed struct {
	*store.Journal
	brakes *store.Brakes
}

// Brakes implements move.Brakes.
func (d deed) Brakes(ctx context.Context) ([]failover.Brake, error) { return d.brakes.Brakes(ctx) }

// Put implements move.Brakes.
func (d deed) Put(ctx context.Context, b failover.Brake) error { return d.brakes.Put(ctx, b) }

// Release implements move.Brakes.
func (d deed) Release(ctx context.Context, id string) error { return d.brakes.Release(ctx, id) }
