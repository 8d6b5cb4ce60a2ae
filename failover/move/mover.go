package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
)

// BrakeList tells which pauses and locks are set; Brakes is one.
type BrakeList interface {
	Brakes(ctx context.Context) ([]failover.Brake, error)
}

// Config is what a Mover works with. Brakes (nobody can lock anything then),
// Prover, Snapshots and Events may be nil; Events is never called by two goroutines at once and must not block.
type Config struct {
	// Federation returns a federation of the config in force.
	Federation func(name string) (federation.Federation, bool)
	Apps       Apps
	Journal    Journal
	Term       Term
	Brakes     BrakeList
	Recorder   Recorder
	Prover     Prover
	Snapshots  Snapshots
	Limits     Limits
	Events     func(Event)
	Log        *slog.Logger
}

// Mover carries moves out for one leadership. Safe for concurrent use; the
// journal keeps two moves of one federation apart.
type Mover struct {
	Config
	emitting sync.Mutex
}

// New checks that nothing is missing.
func New(c Config) (*Mover, error) {
	if c.Federation == nil || c.Apps == nil || c.Journal == nil || c.Term == nil || c.Recorder == nil || c.Log == nil {
		return nil, errors.New("a mover needs federations, apps, journal, term, recorder and log")
	}
	c.Limits = c.Limits.filled()
	return &Mover{Config: c}, nil
}

// Run carries out a plan for a request (the zero Request: the controller's own
// decision) and returns how it ended. An error means that the move did not
// start or was cut off; a move that was cut off stays open in the journal, for
// Resume. Apps that could not be moved are no error: see Result.
func (m *Mover) Run(ctx context.Context, plan failover.Plan, req failover.Request) (failover.Result, error) {
	if err := plan.Check(); err != nil {
		return failover.Result{}, err
	}
	f, err := m.federation(plan.Federation)
	if err != nil {
		return failover.Result{}, err
	}
	r := recordOf(plan, req)
	for _, s := range r.Steps {
		if err := permitted(f, r, s); err != nil {
			return failover.Result{}, fmt.Errorf("run the plan for federation %s: %w", f.Name, err)
		}
	}
	return m.begin(ctx, f, r, plan)
}

// begin records and journals a new move, then runs it. The order is the
// promise: record, journal, write.
func (m *Mover) begin(ctx context.Context, f federation.Federation, r Record, detail any) (failover.Result, error) {
	if err := m.fence(ctx); err != nil {
		return failover.Result{}, fmt.Errorf("start move %s: %w", r.ID, err)
	}
	if err := m.record(ctx, r, "move.start", detail); err != nil {
		return failover.Result{}, err
	}
	if err := m.Journal.Begin(ctx, r); err != nil {
		m.after(ctx, r, "move.not-started", map[string]string{"why": err.Error()})
		return failover.Result{}, fmt.Errorf("start move %s in the journal: %w", r.ID, err)
	}
	m.emit(r, Event{Kind: EventStarted, Text: startText(r)})
	return newRun(m, f, r).run(ctx)
}

// Resume finishes the open moves of one federation (spec 9.5): it waits out one
// call deadline of the former leader, then runs every step again that is not
// verified. It returns the results of those that it finished.
func (m *Mover) Resume(ctx context.Context, federationName string) ([]failover.Result, error) {
	open, err := m.Journal.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for moves to resume: %w", err)
	}
	var out []failover.Result
	for _, r := range open {
		if r.Federation != federationName {
			continue
		}
		if len(out) == 0 && !wait(ctx, m.Term.Lost(), m.Limits.CallDeadline) {
			return out, fmt.Errorf("resume move %s: %w", r.ID, m.stopped(ctx))
		}
		res, err := m.resume(ctx, r)
		if err != nil {
			return out, fmt.Errorf("resume move %s: %w", r.ID, err)
		}
		out = append(out, res)
	}
	return out, nil
}

func (m *Mover) resume(ctx context.Context, r Record) (failover.Result, error) {
	f, err := m.federation(r.Federation)
	if err != nil {
		return failover.Result{}, err
	}
	if err := m.fence(ctx); err != nil {
		return failover.Result{}, err
	}
	if err := m.record(ctx, r, "move.resume", r.Steps); err != nil {
		return failover.Result{}, err
	}
	m.emit(r, Event{Kind: EventResumed, Text: "the former leader stopped in the middle of this move; it goes on from what the IdP holds now"})
	return newRun(m, f, r).run(ctx)
}

func (m *Mover) federation(name string) (federation.Federation, error) {
	f, ok := m.Config.Federation(name)
	if !ok {
		return f, finding.Finding{Code: finding.NotMember, Subject: "federation " + name,
			What: "the config in force has no such federation; nothing is written", Remedy: "check the config's federations"}
	}
	return f, nil
}

// permitted re-checks one step against the federation in force: membership and
// allowed Regions can be overridden by nobody (spec 8.6).
func permitted(f federation.Federation, r Record, s StepRecord) error {
	for _, a := range f.Members() {
		if !a.Same(s.App) {
			continue
		}
		if to := s.target(r); !f.Allows(to) {
			return finding.Finding{Code: finding.NotMember, Subject: "app " + s.App.Name,
				What:   fmt.Sprintf("%q is not one of the Regions of federation %s; the app is not written", to, f.Name),
				Remedy: "add the Region to the federation, or move to one that it has"}
		}
		return nil
	}
	return finding.Finding{Code: finding.NotMember, Subject: "app " + s.App.Name,
		What:   fmt.Sprintf("app %s is not in federation %s; it is not written", s.App, f.Name),
		Remedy: "add the app to the federation if it shall move with it"}
}

// record writes the audit entry without which nothing may happen.
func (m *Mover) record(ctx context.Context, r Record, action string, detail any) error {
	err := m.Recorder.Record(ctx, r.By, action, subject(r), entry{Move: r.ID, Cause: r.Cause, To: r.To.String(),
		Reason: r.Reason, Overrides: r.Overrides, Undoes: r.Undoes, Detail: detail})
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", finding.Finding{Code: finding.RecordMissing, Subject: subject(r),
		What: "the audit record could not be written, so nothing is changed", Why: err.Error(),
		Remedy: "make the audit file writable (disk space, permissions), then run the move again"}, err)
}

// entry is the detail of an audit entry of a move.
type entry struct {
	Move      failover.MoveID `json:"move"`
	Cause     failover.Cause  `json:"cause"`
	To        string          `json:"to"`
	Reason    string          `json:"reason,omitempty"`
	Overrides []string        `json:"overrides,omitempty"`
	Undoes    failover.MoveID `json:"undoes,omitempty"`
	Detail    any             `json:"detail,omitempty"`
}

// after records what has happened already; a failure cannot undo it and is
// logged.
func (m *Mover) after(ctx context.Context, r Record, action string, detail any) {
	if err := m.record(ctx, r, action, detail); err != nil {
		m.Log.Error("audit record of something that has happened is missing", "move", r.ID, "action", action, "error", err)
	}
}

// emit tells one event, one at a time.
func (m *Mover) emit(r Record, e Event) {
	e.Time, e.Move, e.Federation = time.Now(), r.ID, r.Federation
	m.Log.Info("move: "+e.Text, "move", r.ID, "federation", r.Federation, "kind", e.Kind, "app", e.App, "phase", e.Phase)
	if m.Events == nil {
		return
	}
	m.emitting.Lock()
	defer m.emitting.Unlock()
	m.Events(e)
}

func subject(r Record) string { return "federation " + r.Federation }

func startText(r Record) string {
	n := fmt.Sprintf("%d apps move", len(r.Steps))
	if len(r.Steps) == 1 {
		n = "1 app moves"
	}
	if r.Whole {
		return fmt.Sprintf("app %s goes back whole as it was before move %s", r.Steps[0].App.Name, r.Undoes)
	}
	if r.Undoes != "" {
		return fmt.Sprintf("%s back: undo of move %s", n, r.Undoes)
	}
	return fmt.Sprintf("%s: %s to %s", r.Cause, n, r.To)
}

// recordOf makes the journal's record of a plan.
func recordOf(p failover.Plan, req failover.Request) Record {
	r := Record{ID: newID(), Federation: p.Federation, Cause: p.Cause, To: p.To, By: req.By, Reason: req.Reason,
		Overrides: p.Overrides, PlanDigest: p.Digest, Approval: req.Approval, Left: p.Left, Started: time.Now().UTC()}
	if r.By == "" {
		r.By = failover.Controller
	}
	for _, s := range p.Steps {
		r.Steps = append(r.Steps, StepRecord{App: s.App, Lead: s.Lead, From: s.From, Before: s.Before, RelayBefore: s.RelayBefore})
	}
	return r
}

// newID names a move: its time for people, random letters to be unique.
func newID() failover.MoveID {
	return failover.MoveID(time.Now().UTC().Format("20060102-150405") + "-" + strings.ToLower(rand.Text()[:6]))
}
