package failovertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
)

// inMemory is the store of package memory.
type inMemory struct{ s *memory.Store }

func (w inMemory) Lead(context.Context) (move.Journal, move.Term, error) {
	j, t := w.s.Lead()
	return j, t, nil
}

func fresh(*testing.T) World { return inMemory{memory.New()} }

func TestMemory(t *testing.T) {
	t.Parallel()
	RunJournal(t, fresh)
	RunTerm(t, fresh)
}

// wrapped is a world whose leaders get a saboteur's journal and term.
type wrapped struct {
	World
	journal func(move.Journal) move.Journal
	term    func(move.Term) move.Term
}

func (w wrapped) Lead(ctx context.Context) (move.Journal, move.Term, error) {
	j, t, err := w.World.Lead(ctx)
	if w.journal != nil {
		j = w.journal(j)
	}
	if w.term != nil {
		t = w.term(t)
	}
	return j, t, err
}

// The saboteurs: each journal is wrong in one way.
type (
	forgetsNotes  struct{ move.Journal }
	repeatsNotes  struct{ move.Journal }
	allowsTwo     struct{ move.Journal }
	losesMoves    struct{ move.Journal }
	neverEnds     struct{ move.Journal }
	takesAnything struct{ move.Journal }
)

func (forgetsNotes) Note(context.Context, failover.MoveID, move.StepNote) error { return nil }

func (j repeatsNotes) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	n.App += " " + time.Now().String()
	return j.Journal.Note(ctx, id, n)
}

func (j allowsTwo) Begin(ctx context.Context, r move.Record) error {
	if err := j.Journal.Begin(ctx, r); !errors.Is(err, move.ErrOpenMove) {
		return err
	}
	return nil
}

func (j losesMoves) Open(ctx context.Context) ([]move.Record, error) {
	_, err := j.Journal.Open(ctx)
	return nil, err
}

func (neverEnds) Finish(context.Context, failover.MoveID, failover.Result) error { return nil }

func (j takesAnything) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	if err := j.Journal.Note(ctx, id, n); !errors.Is(err, move.ErrDeposed) {
		return err
	}
	return nil
}

// immortal is a term that never learns that it is over.
type immortal struct{ move.Term }

func (immortal) Lost() <-chan struct{}                            { return nil }
func (immortal) Remaining(context.Context) (time.Duration, error) { return time.Minute, nil }

// wellMeant is a term whose lease outlives it.
type wellMeant struct{ move.Term }

func (wellMeant) Remaining(context.Context) (time.Duration, error) { return time.Minute, nil }

// spec 9.5: the suites refuse every saboteur.
func TestSaboteursAreRefused(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		w       wrapped
		checks  []Check
		refused string // the check that must find it
	}{
		{"forgets notes", wrapped{journal: func(j move.Journal) move.Journal { return forgetsNotes{j} }}, JournalChecks(), "a note is kept"},
		{"repeats notes", wrapped{journal: func(j move.Journal) move.Journal { return repeatsNotes{j} }}, JournalChecks(), "the same note twice"},
		{"two open moves", wrapped{journal: func(j move.Journal) move.Journal { return allowsTwo{j} }}, JournalChecks(), "one open move"},
		{"loses moves", wrapped{journal: func(j move.Journal) move.Journal { return losesMoves{j} }}, JournalChecks(), "after a crash"},
		{"never ends", wrapped{journal: func(j move.Journal) move.Journal { return neverEnds{j} }}, JournalChecks(), "a finished move"},
		{"takes a deposed leader's notes", wrapped{journal: func(j move.Journal) move.Journal { return takesAnything{j} }}, JournalChecks(), "a deposed leader is refused"},
		{"a term that never ends", wrapped{term: func(m move.Term) move.Term { return immortal{m} }}, TermChecks(), "the next leader deposes"},
		{"a lease that outlives its term", wrapped{term: func(m move.Term) move.Term { return wellMeant{m} }}, TermChecks(), "a deposed leader has no lease"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			found := false
			for _, c := range row.checks {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				row.w.World = fresh(t)
				err := c.Run(ctx, row.w)
				cancel()
				found = found || err != nil && strings.HasPrefix(c.Name, row.refused)
			}
			if !found {
				t.Errorf("check %q lets the saboteur pass", row.refused)
			}
		})
	}
}
