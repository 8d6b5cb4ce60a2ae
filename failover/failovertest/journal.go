package failovertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/idp"
)

func beginIsOpen(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	got, err := onlyOpen(ctx, j)
	if err != nil {
		return err
	}
	return sameJSON("the open move", got, record("m1", "f"))
}

func sameJSON(what string, got, want any) error {
	g, err := json.Marshal(got)
	if err != nil {
		return err
	}
	v, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if string(g) != string(v) {
		return fmt.Errorf("%s is %s, want %s", what, g, v)
	}
	return nil
}

func oneOpenMove(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	if err := wantErr("a second move of the federation", j.Begin(ctx, record("m2", "f")), move.ErrOpenMove); err != nil {
		return err
	}
	_, err = onlyOpen(ctx, j)
	return err
}

func twoFederations(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	if err := j.Begin(ctx, record("m2", "other")); err != nil {
		return fmt.Errorf("a move of another federation: %w", err)
	}
	open, err := j.Open(ctx)
	if err != nil {
		return err
	}
	if len(open) != 2 || open[0].ID != "m1" || open[1].ID != "m2" {
		return fmt.Errorf("open moves are %v, want m1 and m2, oldest first", open)
	}
	return nil
}

// planned is a note with changes that tell null and absent apart.
func planned(app, text string) move.StepNote {
	return move.StepNote{App: app, Phase: move.Planned, At: time.Date(2026, 11, 22, 7, 1, 0, 0, time.UTC),
		Changes: []idp.Change{{Pointer: "/x", Before: json.RawMessage("null"), After: json.RawMessage(`"` + text + `"`)}, {Pointer: "/y", After: json.RawMessage("1")}}}
}

// notesOf returns the open move's notes after each of ns was noted.
func notesOf(ctx context.Context, w World, ns ...move.StepNote) ([]move.StepNote, error) {
	j, _, err := begun(ctx, w)
	if err != nil {
		return nil, err
	}
	for _, n := range ns {
		if err := j.Note(ctx, "m1", n); err != nil {
			return nil, fmt.Errorf("note %s %s: %w", n.App, n.Phase, err)
		}
	}
	r, err := onlyOpen(ctx, j)
	return r.Notes, err
}

func noteIsKept(ctx context.Context, w World) error {
	got, err := notesOf(ctx, w, planned("okta/0oa1", "one"))
	if err != nil {
		return err
	}
	return sameJSON("the notes", got, []move.StepNote{planned("okta/0oa1", "one")})
}

func noteIsIdempotent(ctx context.Context, w World) error {
	got, err := notesOf(ctx, w, planned("okta/0oa1", "one"), planned("okta/0oa1", "one"))
	if err != nil {
		return err
	}
	return sameJSON("the notes", got, []move.StepNote{planned("okta/0oa1", "one")})
}

func noteReplaces(ctx context.Context, w World) error {
	got, err := notesOf(ctx, w, planned("okta/0oa1", "one"), planned("okta/0oa1", "two"))
	if err != nil {
		return err
	}
	return sameJSON("the notes", got, []move.StepNote{planned("okta/0oa1", "two")})
}

func notesStandSideBySide(ctx context.Context, w World) error {
	verified := move.StepNote{App: "okta/0oa1", Phase: move.Verified}
	got, err := notesOf(ctx, w, planned("okta/0oa1", "one"), planned("okta/0oa2", "two"), verified)
	if err != nil {
		return err
	}
	if len(got) != 3 {
		return fmt.Errorf("%d notes are kept, want 3", len(got))
	}
	return nil
}

func noteNeedsMove(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	return wantErr("a note of a move that never began", j.Note(ctx, "m9", planned("okta/0oa1", "one")), move.ErrNoMove)
}

func finishEnds(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	if err := j.Finish(ctx, "m1", result("m1")); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	if err := wantErr("a note after the end", j.Note(ctx, "m1", planned("okta/0oa1", "one")), move.ErrNoMove); err != nil {
		return err
	}
	if err := j.Begin(ctx, record("m2", "f")); err != nil {
		return fmt.Errorf("a move after the end of the former: %w", err)
	}
	r, err := onlyOpen(ctx, j)
	if err == nil && r.ID != "m2" {
		return fmt.Errorf("move %s is open, want m2", r.ID)
	}
	return err
}

func finishIsIdempotent(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	for range 2 {
		if err := j.Finish(ctx, "m1", result("m1")); err != nil {
			return fmt.Errorf("finish: %w", err)
		}
	}
	return wantErr("finish of a move that never began", j.Finish(ctx, "m9", result("m9")), move.ErrNoMove)
}

func openAfterCrash(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	if err := j.Note(ctx, "m1", planned("okta/0oa1", "one")); err != nil {
		return err
	}
	next, _, err := w.Lead(ctx)
	if err != nil {
		return fmt.Errorf("lead after the crash: %w", err)
	}
	r, err := onlyOpen(ctx, next)
	if err != nil {
		return err
	}
	if err := wantErr("a new move while the old one is open", next.Begin(ctx, record("m2", "f")), move.ErrOpenMove); err != nil {
		return err
	}
	if err := next.Note(ctx, "m1", move.StepNote{App: "okta/0oa1", Phase: move.Verified}); err != nil {
		return fmt.Errorf("go on with the move: %w", err)
	}
	return sameJSON("the notes", r.Notes, []move.StepNote{planned("okta/0oa1", "one")})
}

func deposedIsRefused(ctx context.Context, w World) error {
	old, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	next, _, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	for what, err := range map[string]error{
		"begin by a deposed leader":  old.Begin(ctx, record("m2", "other")),
		"note by a deposed leader":   old.Note(ctx, "m1", planned("okta/0oa1", "late")),
		"finish by a deposed leader": old.Finish(ctx, "m1", result("m1")),
	} {
		if err := wantErr(what, err, move.ErrDeposed); err != nil {
			return err
		}
	}
	r, err := onlyOpen(ctx, next)
	if err != nil {
		return err
	}
	return sameJSON("the open move", r, record("m1", "f"))
}

func valuesAreCopies(ctx context.Context, w World) error {
	j, _, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	mine := record("m1", "f")
	if err := j.Begin(ctx, mine); err != nil {
		return err
	}
	mine.Steps[0].App.ID = "changed"
	got, err := onlyOpen(ctx, j)
	if err != nil {
		return err
	}
	got.Steps[1].App.ID = "changed too"
	again, err := onlyOpen(ctx, j)
	if err != nil {
		return err
	}
	return sameJSON("the open move", again, record("m1", "f"))
}

func manyNotesAtOnce(ctx context.Context, w World) error {
	j, _, err := begun(ctx, w)
	if err != nil {
		return err
	}
	const n = 16
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = j.Note(ctx, "m1", planned(fmt.Sprintf("okta/%d", i), "x")) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r, err := onlyOpen(ctx, j)
	if err == nil && len(r.Notes) != n {
		return fmt.Errorf("%d notes are kept, want %d", len(r.Notes), n)
	}
	return err
}
