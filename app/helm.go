package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/store"
)

// How a controller stands for election.
const (
	// standAgain is the pause after an election that cannot be held, such as for a
	// store that cannot be trusted.
	standAgain = 2 * time.Second
	// handOver bounds the hand-over of a leadership.
	handOver = 5 * time.Second
)

// helm is this controller's part in the election: it stands until it leads, and
// again when it does not any more. Safe for concurrent use.
type helm struct {
	store *store.Store
	log   *slog.Logger

	mu      sync.Mutex
	term    *store.Term
	err     error         // why no election could be held
	changed chan struct{} // closed when term or err is another
	settled chan struct{} // closed once there was a first outcome
	once    sync.Once
}

func newHelm(s *store.Store, log *slog.Logger) *helm {
	return &helm{store: s, log: log, changed: make(chan struct{}), settled: make(chan struct{})}
}

// now returns the leadership that holds, nil if there is none, and a channel
// that is closed when that changes.
func (h *helm) now() (*store.Term, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.term != nil {
		select {
		case <-h.term.Lost():
			return nil, h.changed
		default:
		}
	}
	return h.term, h.changed
}

// trouble is why no election could be held, nil if that is not so.
func (h *helm) trouble() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *helm) set(t *store.Term, err error) {
	h.mu.Lock()
	h.term, h.err = t, err
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	h.once.Do(func() { close(h.settled) })
}

// run stands for election until ctx ends, and hands the leadership over then.
func (h *helm) run(ctx context.Context) {
	for ctx.Err() == nil {
		t, err := h.store.Campaign(ctx)
		switch {
		case err == nil:
			h.log.Warn("this controller leads")
			h.hold(ctx, t)
		case ctx.Err() != nil:
		default:
			if h.trouble() == nil {
				h.log.Error("no election can be held, and nothing is moved", "error", err)
			}
			h.set(nil, err)
			pauseFor(ctx, standAgain)
		}
	}
}

// hold keeps a leadership until it is lost or ctx ends.
func (h *helm) hold(ctx context.Context, t *store.Term) {
	h.set(t, nil)
	select {
	case <-t.Lost():
		h.set(nil, nil)
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOver)
		defer cancel()
		if err := t.Resign(last); err != nil {
			h.log.Warn("the leadership was not handed over; the next leader waits until it runs out", "error", err)
		}
	}
}
