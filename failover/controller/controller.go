// Package controller is for the loop of one federation: it keeps the situation
// up to date, asks the rules, and carries out what they say, one thing at a
// time.
//
// It must never decide by itself, never run two moves at once, and never wait
// for anybody who only wants to be told.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
)

// Apps reads one app now; the time is that of the read.
type Apps interface {
	Read(ctx context.Context, app federation.AppRef) (idp.App, time.Time, error)
}

// Verdicts returns quorum's present word on every Region. It must not block.
type Verdicts interface {
	Verdicts() []health.Verdict
}

// Shares returns the readiness per Region from the last scan. It must not block.
type Shares interface {
	Shares(federation string) []inventory.Share
}

// Moves is the journal as far as a decision needs it.
type Moves interface {
	Open(ctx context.Context) ([]move.Record, error)
	Past(ctx context.Context, federation string) ([]move.Record, error)
}

// Mover carries out plans and resumes moves that were cut off.
type Mover interface {
	Run(ctx context.Context, plan failover.Plan, req failover.Request) (failover.Result, error)
	Undo(ctx context.Context, past move.Record, req failover.Request) (failover.Result, error)
	Resume(ctx context.Context, federation string) ([]failover.Result, error)
}

// Proposals keeps what the controller proposes, for people to answer. Its
// methods are called from the loop, and from Consider.
type Proposals interface {
	// Offer returns the proposal that is kept for what a decision proposes; fresh
	// says that it was not there before.
	Offer(ctx context.Context, d failover.Decision) (p approval.Proposal, fresh bool, err error)
	// Withdraw makes the controller's open proposals of a federation void.
	Withdraw(ctx context.Context, federation, why string) error
	// Asked returns the controller's open proposal of a federation, nil if there is
	// none, or if somebody has answered it.
	Asked(ctx context.Context, federation string) *failover.Asked
	// Escalated ends a proposal that nobody answered: a move carried it out.
	Escalated(ctx context.Context, id string, by failover.MoveID) error
}

// Config is what a Controller works with. Changed wakes the loop when a verdict
// has changed (nil: it looks every DecideEvery). Brakes, Proposals, Keep, IdPs,
// Latencies and Events may be nil. Events is called from one goroutine and must not block.
type Config struct {
	Federation   federation.Federation
	ConfigDigest string
	Vantages     []failover.Vantage
	Rules        failover.Rules // nil: failover.Standard
	Apps         Apps
	Verdicts     Verdicts
	Changed      <-chan struct{}
	Shares       Shares
	Moves        Moves
	Mover        Mover
	Recorder     move.Recorder
	Brakes       move.BrakeList
	Proposals    Proposals
	Freezes      []federation.Freeze               // the config's windows for the federation
	Distrusted   func() []finding.Finding          // records of the store that were changed
	Controllers  func() []failover.ControllerState // those that live
	IdPs         func() []failover.IdPState
	Latencies    func() []failover.Latency
	// Known are reads kept from an earlier run; they count up to 24 h.
	Known []failover.AppState
	// Keep gets the apps after each round of reads, to keep them on disk.
	Keep        func([]failover.AppState)
	ReadEvery   time.Duration // default 5 min (spec 2.4); below 0: by Reread alone
	ReadTimeout time.Duration // patience with a silent tenant in a round of reads; default 5 s
	DecideEvery time.Duration // default 5 s: time alone can change a decision
	Events      func(Event)
	Log         *slog.Logger
	// Halt is closed when nothing new may begin: Run returns as soon as what it is
	// at has ended.
	Halt <-chan struct{}
}

// Event is something that people want to be told.
type Event struct {
	Time       time.Time          `json:"time"`
	Federation string             `json:"federation"`
	Kind       EventKind          `json:"kind"`
	Text       string             `json:"text"`
	Decision   *failover.Decision `json:"decision,omitempty"`
	Proposal   *approval.Proposal `json:"proposal,omitempty"` // with EventProposal, where proposals are kept
	Finding    *finding.Finding   `json:"finding,omitempty"`  // with kind page
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of events.
const (
	EventSuspect   EventKind = "suspect"   // a Region with apps in it is suspect
	EventConfirmed EventKind = "confirmed" // it is unhealthy by quorum
	EventCleared   EventKind = "cleared"   // it works again, or no app is in it any more
	EventDecision  EventKind = "decision"  // the decision has changed
	EventProposal  EventKind = "proposal"  // a person is asked to carry out a plan
	EventWithdrawn EventKind = "withdrawn" // the proposal no longer stands
	EventPage      EventKind = "page"      // a finding that needs a person now
)

// Incident holds when things happened, in the newest incident. Zero times have
// not happened.
type Incident struct {
	Suspected    time.Time `json:"suspected,omitzero"` // first bad answer
	Confirmed    time.Time `json:"confirmed,omitzero"` // unhealthy by quorum
	Decided      time.Time `json:"decided,omitzero"`   // the rules said move or propose
	MoveStarted  time.Time `json:"move_started,omitzero"`
	MoveFinished time.Time `json:"move_finished,omitzero"`
	Cleared      time.Time `json:"cleared,omitzero"` // no app is in a bad Region any more
}

// Status is how the federation stands, for people.
type Status struct {
	Decision failover.Decision   `json:"decision"`
	Apps     []failover.AppState `json:"apps"`
	Verdicts []health.Verdict    `json:"verdicts"`
	Shares   []inventory.Share   `json:"shares"`
	Incident *Incident           `json:"incident,omitempty"`
	Proposal *failover.Plan      `json:"proposal,omitempty"`
	LastMove *failover.Result    `json:"last_move,omitempty"`
	Moving   bool                `json:"moving"`
}

// Controller is the loop of one federation.
type Controller struct {
	cfg   Config
	kick  chan struct{}
	jobs  chan job
	ended chan struct{}

	mu     sync.Mutex // guards status, and apps' content
	status Status
	apps   map[string]failover.AppState

	// Only the loop touches these.
	lastRead time.Time
	lastKey  string
	paged    map[string]bool
	offered  approval.Proposal // the controller's own, as it was offered
	settled  bool              // proposals of a run before are withdrawn, or stand again
	// After a move that could not be started: why, and when to try again.
	startError error
	notBefore  time.Time
}

// job is work that must not overlap with a move.
type job struct {
	run  func(ctx context.Context) error
	done chan error
}

// ErrStopped is returned to whoever asks a controller that has ended.
var ErrStopped = errors.New("the controller has stopped, or has just read its config again; ask once more")

// New checks that nothing is missing.
func New(c Config) (*Controller, error) {
	if c.Apps == nil || c.Verdicts == nil || c.Shares == nil || c.Moves == nil || c.Mover == nil || c.Recorder == nil || c.Log == nil {
		return nil, errors.New("a controller needs apps, verdicts, shares, moves, mover, recorder and log")
	}
	if c.Rules == nil {
		c.Rules = failover.Standard()
	}
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if c.ReadEvery == 0 {
		c.ReadEvery = 5 * time.Minute
	}
	set(&c.ReadTimeout, 5*time.Second)
	set(&c.DecideEvery, 5*time.Second)
	ctl := &Controller{cfg: c, kick: make(chan struct{}, 1), jobs: make(chan job), ended: make(chan struct{}),
		apps: map[string]failover.AppState{}, paged: map[string]bool{}}
	for _, a := range c.Known {
		ctl.apps[a.Ref.String()] = a
	}
	ctl.status.Decision = failover.Decision{At: time.Now(), Federation: c.Federation.Name, Outcome: failover.Hold,
		Why: "nothing is decided yet: it has only just begun to look", WouldChange: "the first look at apps, Regions and moves, in a moment"}
	return ctl, nil
}

// Kick makes the loop look again soon. It never blocks.
func (c *Controller) Kick() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Status returns how the federation stands.
func (c *Controller) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Apps = c.appStates()
	if s.Incident != nil {
		copied := *s.Incident
		s.Incident = &copied
	}
	return s
}

// Run works until the context ends. Call it once.
func (c *Controller) Run(ctx context.Context) error {
	defer close(c.ended)
	c.recall(ctx)
	c.readApps(idp.Calm(ctx))
	c.evaluate(ctx)
	decide := time.NewTicker(c.cfg.DecideEvery)
	defer decide.Stop()
	var read <-chan time.Time
	if c.cfg.ReadEvery > 0 {
		t := time.NewTicker(c.cfg.ReadEvery)
		defer t.Stop()
		read = t.C
	}
	for {
		if c.halted() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.cfg.Halt:
			return nil
		case <-c.cfg.Changed:
		case <-c.kick:
		case <-decide.C:
		case <-read:
			c.readApps(idp.Calm(ctx))
		case j := <-c.jobs:
			j.done <- j.run(ctx)
		}
		c.evaluate(ctx)
	}
}

// halted reports whether nothing new may begin.
func (c *Controller) halted() bool {
	select {
	case <-c.cfg.Halt:
		return true
	default:
		return false
	}
}

// Exclusively runs f inside the loop, so that it overlaps with no move. f gets
// the loop's context: it goes on when the caller's ends.
func (c *Controller) Exclusively(ctx context.Context, f func(ctx context.Context) error) error {
	j := job{run: f, done: make(chan error, 1)}
	select {
	case c.jobs <- j:
	case <-c.ended:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reread reads every app now, but for a move that runs first. The error names
// those that could not be read.
func (c *Controller) Reread(ctx context.Context) error {
	err := c.Exclusively(ctx, func(ctx context.Context) error { c.readApps(idp.Calm(ctx)); return nil })
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range c.states() {
		if a.Error != nil {
			errs = append(errs, fmt.Errorf("app %s of federation %s: %w", a.Ref.Name, c.cfg.Federation.Name, *a.Error))
		}
	}
	return errors.Join(errs...)
}

// Submit decides an operator's request, a move or an undo, on fresh reads and, if
// no rule holds it, carries it out. The result is nil when nothing was moved; the decision says
// why.
func (c *Controller) Submit(ctx context.Context, req failover.Request) (failover.Decision, *failover.Result, error) {
	if c.Status().Moving {
		s, err := c.situation(ctx, &req)
		if err != nil {
			return failover.Decision{}, nil, err
		}
		if s.OpenMove != nil {
			return c.cfg.Rules.Decide(s), nil, nil
		}
	}
	var d failover.Decision
	var res *failover.Result
	err := c.Exclusively(ctx, func(ctx context.Context) error {
		c.readApps(ctx)
		s, err := c.situation(ctx, &req)
		if err != nil {
			return err
		}
		if d = c.cfg.Rules.Decide(s); d.Outcome != failover.Move {
			return nil
		}
		run := func(ctx context.Context) (failover.Result, error) { return c.cfg.Mover.Run(ctx, *d.Plan, req) }
		if req.Undoes != nil {
			past, err := c.past(ctx, req.Undoes.Move)
			if err != nil {
				return err
			}
			run = func(ctx context.Context) (failover.Result, error) { return c.cfg.Mover.Undo(ctx, past, req) }
		}
		got, err := c.carryOut(ctx, run)
		res = &got
		return err
	})
	if ctx.Err() != nil {
		return failover.Decision{}, nil, err
	}
	return d, res, err
}

// Consider decides without acting, on what is known now: for plan, explain and
// status. req may be nil.
func (c *Controller) Consider(ctx context.Context, req *failover.Request) (failover.Situation, failover.Decision, error) {
	s, err := c.situation(ctx, req)
	if err != nil {
		return s, failover.Decision{}, err
	}
	return s, c.cfg.Rules.Decide(s), nil
}
