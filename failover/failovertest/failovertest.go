// Package failovertest is for holding every implementation of move.Journal,
// move.Term and move.Brakes to the same contract. Each check is a function that
// returns an error, so that a saboteur can show that it refuses what is wrong.
//
// It must never know which implementation it tests.
package failovertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
)

// World is one store under test. Lead starts a new leadership: the former
// leader counts as crashed or deposed, what it stored stays.
type World interface {
	Lead(ctx context.Context) (move.Journal, move.Term, error)
}

// Check is one rule of the contract.
type Check struct {
	Name string
	Run  func(ctx context.Context, w World) error
}

// patience is how long a real store may take for what has to happen.
const patience = 30 * time.Second

// RunJournal holds a Journal to its contract; fresh returns an empty store.
func RunJournal(t *testing.T, fresh func(t *testing.T) World) { run(t, JournalChecks(), fresh) }

// RunTerm holds a Term to its contract; fresh returns an empty store.
func RunTerm(t *testing.T, fresh func(t *testing.T) World) { run(t, TermChecks(), fresh) }

func run(t *testing.T, checks []Check, fresh func(t *testing.T) World) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.Run(ctx, fresh(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// JournalChecks returns the contract of move.Journal.
func JournalChecks() []Check {
	return []Check{
		{"a begun move is open, with everything it was begun with", beginIsOpen},
		{"one open move per federation", oneOpenMove},
		{"two federations move side by side", twoFederations},
		{"a note is kept", noteIsKept},
		{"the same note twice is one note", noteIsIdempotent},
		{"a later note of the same app and phase replaces the earlier", noteReplaces},
		{"notes of different apps and phases stand side by side", notesStandSideBySide},
		{"a note needs an open move", noteNeedsMove},
		{"a finished move is not open, and another may begin", finishEnds},
		{"finishing again changes nothing", finishIsIdempotent},
		{"after a crash the next leader finds the move with its notes", openAfterCrash},
		{"a deposed leader is refused every write", deposedIsRefused},
		{"what was handed over can be changed without harm", valuesAreCopies},
		{"many notes at once are all kept", manyNotesAtOnce},
	}
}

// record is a move of two apps.
func record(id failover.MoveID, federationName string) move.Record {
	east, west := signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2")
	acs, _ := east.ACS("")
	return move.Record{ID: id, Federation: federationName, Cause: failover.Failover, To: west, By: failover.Controller, Reason: "test",
		Started: time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC),
		Steps: []move.StepRecord{
			{App: federation.AppRef{Name: "a", Tenant: "okta", ID: "0oa1"}, Lead: true, From: east, Before: acs, RelayBefore: "https://console.aws.amazon.com/"},
			{App: federation.AppRef{Name: "b", Tenant: "okta", ID: "0oa2"}, From: east, Before: acs}},
		Left: []failover.Left{{App: federation.AppRef{Name: "c", Tenant: "okta", ID: "0oa3"}, Why: "foreign", Blocking: true}}}
}

func result(id failover.MoveID) failover.Result {
	return failover.Result{ID: id, Federation: "f", Status: failover.Partial, Proof: failover.P1}
}

// begun returns a leader's journal with one open move m1 of federation f.
func begun(ctx context.Context, w World) (move.Journal, move.Term, error) {
	j, t, err := w.Lead(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("lead: %w", err)
	}
	return j, t, j.Begin(ctx, record("m1", "f"))
}

// onlyOpen returns the one open move.
func onlyOpen(ctx context.Context, j move.Journal) (move.Record, error) {
	open, err := j.Open(ctx)
	if err != nil {
		return move.Record{}, fmt.Errorf("open: %w", err)
	}
	if len(open) != 1 {
		return move.Record{}, fmt.Errorf("%d moves are open, want 1", len(open))
	}
	return open[0], nil
}

// wantErr checks that err is the one the contract names.
func wantErr(what string, err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("%s: got error %q, want %w", what, fmt.Sprint(err), want)
}
