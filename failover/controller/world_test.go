package controller

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	east = signin.MustRegion("us-east-1")
	west = signin.MustRegion("us-west-2")
)

// world plays everything around the loop.
type world struct {
	refuse   error // the mover cannot start
	mu       sync.Mutex
	at       map[string]signin.Region // where each app is
	reads    int
	readErr  error
	hang     bool // reads wait for their context
	state    map[signin.Region]health.Verdict
	open     []move.Record
	past     []move.Record
	journal  error
	norecord error
	recorded []string
	events   []Event
	runs     int
	undone   []failover.MoveID
	resumed  int
	running  int // moves going on at the same time
	overlaps int
	slow     time.Duration // how long a move takes
	status   failover.Status
	changed  chan struct{}
	dropped  *finding.Finding // of the share of west
}

func newWorld() *world {
	w := &world{at: map[string]signin.Region{"a": east, "b": east}, state: map[signin.Region]health.Verdict{}, changed: make(chan struct{}, 1), status: failover.Partial}
	w.set(east, health.Healthy, false)
	w.set(west, health.Healthy, false)
	return w
}

// set changes a Region's verdict and wakes the loop.
func (w *world) set(r signin.Region, st health.State, suspect bool) {
	v := health.Verdict{Region: r, State: st, Suspect: suspect, Since: time.Now(), Configured: 1, Reason: "as the test says"}
	switch st {
	case health.Healthy:
		v.For = 1
	case health.Unhealthy:
		v.Against = 1
	}
	if suspect {
		v.For = 0
		v.Votes = []health.Vote{{Observation: health.Observation{State: health.Suspect, Since: time.Now()}}}
	}
	w.mu.Lock()
	w.state[r] = v
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *world) Verdicts() []health.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []health.Verdict{w.state[east], w.state[west]}
}

func (w *world) Shares(string) []inventory.Share {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []inventory.Share{{Region: east, Total: 10, Ready: 10, TakenAt: time.Now()}, {Region: west, Total: 10, Ready: 10, TakenAt: time.Now(), Dropped: w.dropped}}
}

func (w *world) Read(ctx context.Context, app federation.AppRef) (idp.App, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.hang {
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return idp.App{}, time.Time{}, ctx.Err()
	}
	if w.readErr != nil {
		return idp.App{}, time.Time{}, w.readErr
	}
	acs, err := w.at[app.Name].ACS("")
	return idp.App{ID: idp.AppID(app.ID), ACS: acs, ACSText: acs.String(), Movable: true}, time.Now(), err
}

func (w *world) Open(context.Context) ([]move.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]move.Record(nil), w.open...), w.journal
}

func (w *world) Past(context.Context, string) ([]move.Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]move.Record(nil), w.past...), w.journal
}

// Run plays the mover: it takes a while and moves the apps.
func (w *world) Run(ctx context.Context, p failover.Plan, req failover.Request) (failover.Result, error) {
	if err := p.Check(); err != nil {
		return failover.Result{}, err
	}
	w.mu.Lock()
	refused := w.refuse
	if refused != nil {
		w.runs++
	}
	w.mu.Unlock()
	if refused != nil {
		return failover.Result{}, refused
	}
	r := move.Record{ID: "m1", Federation: "corp", Cause: p.Cause, To: p.To, By: req.By, Started: time.Now()}
	if r.By == "" {
		r.By = failover.Controller
	}
	w.mu.Lock()
	w.runs++
	if w.running++; w.running > 1 {
		w.overlaps++
	}
	w.open = append(w.open, r)
	w.mu.Unlock()
	<-time.After(w.see().slow)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	res := failover.Result{ID: "m1", To: p.To, Status: w.status, Finished: time.Now()}
	if w.status != failover.Incomplete {
		for _, s := range p.Steps {
			w.at[s.App.Name] = p.To
		}
	}
	r.Result, w.open = &res, nil
	w.past = append([]move.Record{r}, w.past...)
	return res, ctx.Err()
}

// Undo plays the mover taking a move back.
func (w *world) Undo(_ context.Context, past move.Record, req failover.Request) (failover.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.undone = append(w.undone, past.ID)
	for _, back := range req.Undoes.Apps {
		w.at[back.App.Name] = back.To
	}
	return failover.Result{ID: "m2", Undoes: past.ID, Status: failover.Partial}, nil
}

func (w *world) Resume(context.Context, string) ([]failover.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resumed++
	w.open = nil
	return []failover.Result{{ID: "m0", Status: failover.Partial}}, nil
}

func (w *world) Record(_ context.Context, _, action, _ string, _ any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.norecord != nil {
		return w.norecord
	}
	w.recorded = append(w.recorded, action)
	return nil
}

func (w *world) count(action string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.recorded {
		if r == action {
			n++
		}
	}
	return n
}

func (w *world) hear(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) heard(k EventKind) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// seen is what a test may look at while the loop works.
type seen struct {
	runs, reads, overlaps, resumed int
	at                             map[string]signin.Region
	recorded                       []string
	events                         []Event
	slow                           time.Duration
}

func (w *world) see() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return seen{w.runs, w.reads, w.overlaps, w.resumed, maps.Clone(w.at), slices.Clone(w.recorded), slices.Clone(w.events), w.slow}
}

func (w *world) with(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// start runs a controller until the test ends; stop waits for it.
func (w *world) start(t *testing.T, mode federation.Mode) (c *Controller, stop func()) {
	t.Helper()
	c, err := New(configOf(w, mode))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	run := c.Run
	go func() { done <- run(ctx) }()
	return c, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

var errGone = errors.New("gone")
