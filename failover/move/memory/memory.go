// Package memory is for a journal and a leadership inside one process: the
// controller without a store, and tests. It keeps records as JSON, so that what
// comes back is what a real store would give.
//
// It must never be used by two processes that move the same apps: its
// leadership reaches no further than its own memory.
package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
)

// lease is what a held leadership always has left: nothing in this process can
// take it away but Lead and Depose.
const lease = time.Minute

// Store keeps moves while the process lives. Safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	records map[failover.MoveID]json.RawMessage
	order   []failover.MoveID
	brakes  []failover.Brake
	leader  *Term
}

// New returns an empty store that nobody leads.
func New() *Store { return &Store{records: map[failover.MoveID]json.RawMessage{}} }

// Lead deposes the present leader and starts a new leadership with its own view
// of the journal.
func (s *Store) Lead() (*Journal, *Term) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader != nil {
		s.leader.end()
	}
	s.leader = &Term{lost: make(chan struct{})}
	return &Journal{store: s, term: s.leader}, s.leader
}

// Term is one leadership.
type Term struct {
	once sync.Once
	lost chan struct{}
}

var _ move.Term = (*Term)(nil)

func (t *Term) end() { t.once.Do(func() { close(t.lost) }) }

// Depose ends the leadership.
func (t *Term) Depose() { t.end() }

// Lost implements move.Term.
func (t *Term) Lost() <-chan struct{} { return t.lost }

// Remaining implements move.Term.
func (t *Term) Remaining(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("ask for the lease: %w", err)
	}
	select {
	case <-t.lost:
		return 0, move.ErrDeposed
	default:
		return lease, nil
	}
}

// Journal is the store's journal as one leadership sees it.
type Journal struct {
	store *Store
	term  *Term
}

var (
	_ move.Journal = (*Journal)(nil)
	_ move.Archive = (*Journal)(nil)
)

// Begin implements move.Journal.
func (j *Journal) Begin(ctx context.Context, m move.Record) error {
	return j.write(ctx, func() error {
		if _, known := j.store.records[m.ID]; known {
			return fmt.Errorf("begin move %s: the id is taken: %w", m.ID, move.ErrOpenMove)
		}
		for _, r := range j.store.all() {
			if r.Federation == m.Federation && r.Result == nil {
				return fmt.Errorf("begin move %s of federation %s: %s: %w", m.ID, m.Federation, r.ID, move.ErrOpenMove)
			}
		}
		if err := j.store.put(m); err != nil {
			return err
		}
		j.store.order = append(j.store.order, m.ID)
		return nil
	})
}

// Note implements move.Journal.
func (j *Journal) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	return j.write(ctx, func() error {
		r, err := j.store.get(id)
		if err != nil {
			return err
		}
		if r.Result != nil {
			return fmt.Errorf("note move %s: it has ended: %w", id, move.ErrNoMove)
		}
		at := slices.IndexFunc(r.Notes, func(o move.StepNote) bool { return o.App == n.App && o.Phase == n.Phase })
		if at < 0 {
			r.Notes = append(r.Notes, n)
		} else {
			r.Notes[at] = n
		}
		return j.store.put(r)
	})
}

// Finish implements move.Journal.
func (j *Journal) Finish(ctx context.Context, id failover.MoveID, res failover.Result) error {
	return j.write(ctx, func() error {
		r, err := j.store.get(id)
		if err != nil {
			return err
		}
		if r.Result != nil && !same(*r.Result, res) {
			return fmt.Errorf("finish move %s: it has ended with another result: %w", id, move.ErrNoMove)
		}
		r.Result = &res
		return j.store.put(r)
	})
}

// Open implements move.Journal.
func (j *Journal) Open(ctx context.Context) ([]move.Record, error) {
	var out []move.Record
	err := j.write(ctx, func() error {
		for _, r := range j.store.all() {
			if r.Result == nil {
				out = append(out, r)
			}
		}
		return nil
	})
	return out, err
}

// Past implements move.Archive.
func (j *Journal) Past(ctx context.Context, federation string) ([]move.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	var out []move.Record
	for _, r := range j.store.all() {
		if r.Federation == federation && r.Result != nil {
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// write runs f under the lock if this leadership still holds.
func (j *Journal) write(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	select {
	case <-j.term.lost:
		return fmt.Errorf("journal: %w", move.ErrDeposed)
	default:
		return f()
	}
}

// all returns every record in the order of Begin; the caller holds the lock.
func (s *Store) all() []move.Record {
	var out []move.Record
	for _, id := range s.order {
		if r, err := s.get(id); err == nil {
			out = append(out, r)
		}
	}
	return out
}

func (s *Store) get(id failover.MoveID) (move.Record, error) {
	var r move.Record
	raw, ok := s.records[id]
	if !ok {
		return r, fmt.Errorf("move %s: %w", id, move.ErrNoMove)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("move %s in the journal: %w", id, err)
	}
	return r, nil
}

func (s *Store) put(r move.Record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("move %s for the journal: %w", r.ID, err)
	}
	s.records[r.ID] = raw
	return nil
}

// same compares two results by what they encode to.
func same(a, b failover.Result) bool {
	ra, errA := json.Marshal(a)
	rb, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(ra, rb)
}
