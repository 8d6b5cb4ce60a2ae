package move

import (
	"context"
	"errors"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// What a Journal refuses.
var (
	// ErrOpenMove: the federation has a move that has begun and not ended.
	ErrOpenMove = errors.New("another move of this federation has not ended")
	// ErrDeposed: whoever asks is not the leader any more.
	ErrDeposed = errors.New("no longer the leader")
	// ErrNoMove: there is no open move with this id.
	ErrNoMove = errors.New("no such open move")
	// ErrNoBrake: there is no pause or lock with this id.
	ErrNoBrake = errors.New("no such pause or lock")
)

// Phase is how far one app has come.
type Phase string

// The phases. Written means that a write has left and what became of it is not
// known; Verified that the app was read back whole and as meant.
const (
	Planned  Phase = "planned"
	Written  Phase = "written"
	Verified Phase = "verified"
	Proved   Phase = "proved"
)

// Record is one move in the journal. Of a resumed record only app ids and
// Regions steer anything, and both are checked against the config in force.
type Record struct {
	ID         failover.MoveID `json:"id"`
	Federation string          `json:"federation"`
	Cause      failover.Cause  `json:"cause"`
	To         signin.Region   `json:"to"`
	By         string          `json:"by"`
	Reason     string          `json:"reason"`
	Overrides  []string        `json:"overrides,omitempty"`
	PlanDigest string          `json:"plan_digest,omitempty"`
	// Undoes is the move that this one takes back, if any.
	Undoes failover.MoveID `json:"undoes,omitempty"`
	// Whole: it puts back one app's whole document of before that move.
	Whole bool `json:"whole,omitempty"`
	// Approval is the proposal that people approved, if the move needed one.
	Approval *failover.Approved `json:"approval,omitempty"`
	Started  time.Time          `json:"started"`
	Steps    []StepRecord       `json:"steps"` // the lead first
	Left     []failover.Left    `json:"left,omitempty"`
	Notes    []StepNote         `json:"notes,omitempty"`
	Result   *failover.Result   `json:"result,omitempty"` // set once finished
}

// StepRecord is one app of a move. Before and RelayBefore are for people, Undo
// is set in a record that takes a move back: what that move wrote.
type StepRecord struct {
	App         federation.AppRef `json:"app"`
	Lead        bool              `json:"lead,omitempty"`
	From        signin.Region     `json:"from"`
	Before      signin.ACS        `json:"before"`
	RelayBefore string            `json:"relay_before,omitempty"`
	Undo        []idp.Change      `json:"undo,omitempty"`
}

// target is the Region that the app goes to.
func (s StepRecord) target(r Record) signin.Region {
	if r.Undoes != "" {
		return s.From
	}
	return r.To
}

// StepNote says that an app has reached a phase. Changes are those of phase
// Planned, over all attempts.
type StepNote struct {
	App     string           `json:"app"` // federation.AppRef.String
	Phase   Phase            `json:"phase"`
	At      time.Time        `json:"at"`
	Changes []idp.Change     `json:"changes,omitempty"`
	Proof   failover.Level   `json:"proof,omitempty"`
	Finding *finding.Finding `json:"finding,omitempty"`
}

// Journal keeps moves so that none is forgotten. Every method is durable on
// return, refuses a deposed caller with ErrDeposed, and is safe for concurrent
// use. failovertest.RunJournal holds what an implementation must do.
type Journal interface {
	// Begin stores a new move; ErrOpenMove if its federation has an open one.
	Begin(ctx context.Context, m Record) error
	// Note is idempotent by (move, app, phase): a later note replaces an earlier.
	Note(ctx context.Context, id failover.MoveID, s StepNote) error
	// Finish ends a move; finishing it again with the same result changes nothing.
	Finish(ctx context.Context, id failover.MoveID, r failover.Result) error
	// Open returns the moves that have begun and not ended, oldest first, with
	// their notes: what a new leader resumes.
	Open(ctx context.Context) ([]Record, error)
}

// Archive returns ended moves, newest first.
type Archive interface {
	Past(ctx context.Context, federation string) ([]Record, error)
}

// Brakes keeps pauses and locks. Every method is durable on return and safe for
// concurrent use; Put and Release refuse a deposed caller with ErrDeposed.
// What has run out stays listed until it is released: an end is the reader's
// business. failovertest.RunBrakes holds what an implementation must do.
type Brakes interface {
	// Brakes returns what is set, oldest first.
	Brakes(ctx context.Context) ([]failover.Brake, error)
	// Put stores a brake under its ID, in place of one that has the ID already.
	Put(ctx context.Context, b failover.Brake) error
	// Release removes a brake; ErrNoBrake if there is none with the ID.
	Release(ctx context.Context, id string) error
}

// Term is one leadership. failovertest.RunTerm holds what an implementation
// must do.
type Term interface {
	// Lost is closed once the leadership is over.
	Lost() <-chan struct{}
	// Remaining is how long the lease still lasts, counted from before the call;
	// an error means that it is lost.
	Remaining(context.Context) (time.Duration, error)
}

// Recorder is the audit record. It returns once the entry is durable; an error
// means that it is not, and then nothing may be changed.
type Recorder interface {
	Record(ctx context.Context, actor, action, subject string, detail any) error
}

// ErrUnprovable is wrapped by a Prover's error when nothing speaks against the
// app and no more can be shown of it as things are prepared: no test user, no
// certificate, a kind that is not proven. Such an app is at its best level
// (spec 9.1), so it stops no switchover.
var ErrUnprovable = errors.New("no more than the read-back can be shown")

// Prover shows more than a read-back can (spec 3): it returns the level that
// was reached. The error says why no higher level was, and carries a finding.
// It ends with its context.
type Prover interface {
	Prove(ctx context.Context, app federation.AppRef, to signin.Region) (failover.Level, error)
}

// Event is live progress of a move. Text is one plain sentence.
type Event struct {
	Time       time.Time        `json:"time"`
	Move       failover.MoveID  `json:"move"`
	Federation string           `json:"federation"`
	Kind       EventKind        `json:"kind"`
	App        string           `json:"app,omitempty"` // the app's name
	Phase      Phase            `json:"phase,omitempty"`
	Proof      failover.Level   `json:"proof,omitempty"`
	Text       string           `json:"text"`
	Finding    *finding.Finding `json:"finding,omitempty"`
	// Result is how the move ended, with kind finished.
	Result *failover.Result `json:"-"`
}

// EventKind says what an event tells.
type EventKind string

// The kinds of events.
const (
	EventStarted  EventKind = "started"
	EventResumed  EventKind = "resumed"
	EventApp      EventKind = "app"    // an app reached Phase
	EventRetry    EventKind = "retry"  // a try failed, another will follow
	EventFailed   EventKind = "failed" // an app cannot be moved by this move
	EventFinished EventKind = "finished"
)
