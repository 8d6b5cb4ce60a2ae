package control

import (
	"context"
	"errors"
	"slices"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/people"
)

// UndoRequest asks to take a finished move back; without a Move the newest of
// the federation.
type UndoRequest struct {
	Federation string   `json:"federation,omitempty"`
	Move       string   `json:"move,omitempty"`
	Reason     string   `json:"reason"`
	Overrides  []string `json:"overrides,omitempty"`
	DryRun     bool     `json:"dry_run,omitempty"`
}

// Undoer says what an undo would change; *move.Mover is one.
type Undoer interface {
	PreviewUndo(ctx context.Context, past move.Record) ([]move.UndoPreview, error)
}

// Undo takes a move back, unless a rule holds it or others have to approve it; follow is as in Move. A dry
// run reads every app and writes nothing; its answer has a Preview.
func (c *Control) Undo(ctx context.Context, actor Actor, r UndoRequest, follow func(move.Event)) (MoveAnswer, error) {
	if r.DryRun && r.Reason == "" {
		r.Reason = "a question, not yet an undo"
	}
	if err := checkReason(r.Reason); err != nil {
		return MoveAnswer{}, err
	}
	if err := checkOverrides(r.Overrides); err != nil {
		return MoveAnswer{}, err
	}
	if !r.DryRun {
		if err := c.mayAct(); err != nil { // a follower may not have heard of the move yet
			return MoveAnswer{}, err
		}
	}
	f, past, err := c.undoable(ctx, actor, r)
	if err != nil {
		return MoveAnswer{}, err
	}
	if !r.DryRun {
		if err := c.mayWrite(actor, f.Name); err != nil {
			return MoveAnswer{}, err
		}
		if err := mayOverride(actor, f, r.Overrides); err != nil {
			return MoveAnswer{}, err
		}
	}
	u, to, err := past.Undoing()
	if err != nil {
		return MoveAnswer{}, fail(Invalid, "%s", err)
	}
	req := failover.Request{To: to, By: actor.String(), Reason: r.Reason, Overrides: r.Overrides, Undoes: &u}
	if r.DryRun {
		_, d, err := c.Loops[f.Name].Consider(ctx, &req)
		if err != nil {
			return MoveAnswer{}, err
		}
		preview, err := c.Undoer.PreviewUndo(ctx, past)
		return MoveAnswer{Decision: d, Preview: preview}, err
	}
	r.Move = string(past.ID)
	return c.submit(ctx, actor, f, "undo.requested", r, req, follow)
}

// undoable finds the move to take back.
func (c *Control) undoable(ctx context.Context, actor Actor, r UndoRequest) (federation.Federation, move.Record, error) {
	if r.Move == "" {
		f, _, err := c.federation(actor, people.Viewer, r.Federation)
		if err != nil {
			return f, move.Record{}, err
		}
		past, err := c.Moves.Past(ctx, f.Name)
		switch {
		case err != nil:
			return f, move.Record{}, err
		case len(past) == 0:
			return f, move.Record{}, fail(NotFound, "federation %s has no finished move that could be taken back; see: samlfailover history", f.Name)
		case past[0].Undoes != "":
			return f, move.Record{}, fail(Invalid, "the newest move of %s, %s, is the undo of %s; to go on name the move to take back, or use: samlfailover move --to REGION", f.Name, past[0].ID, past[0].Undoes)
		}
		return f, past[0], nil
	}
	f, rec, err := c.find(ctx, actor, r.Federation, r.Move)
	if err == nil && rec.Result == nil {
		err = fail(Held, "move %s is still running; it can be taken back once it has ended", rec.ID)
	}
	return f, rec, err
}

// find looks a move up by its id, in one federation or in all.
func (c *Control) find(ctx context.Context, actor Actor, federationName, id string) (federation.Federation, move.Record, error) {
	in, err := c.within(actor, federationName)
	if err != nil {
		return federation.Federation{}, move.Record{}, err
	}
	for _, f := range in {
		all, err := c.moves(ctx, f.Name)
		if err != nil {
			return f, move.Record{}, err
		}
		if i := slices.IndexFunc(all, func(r move.Record) bool { return string(r.ID) == id }); i >= 0 {
			return f, all[i], nil
		}
	}
	return federation.Federation{}, move.Record{}, fail(NotFound, "no move has the id %.60q; see: samlfailover history", id)
}

// moves returns the open and the ended moves of a federation, newest first.
func (c *Control) moves(ctx context.Context, name string) ([]move.Record, error) {
	open, err1 := c.Moves.Open(ctx)
	past, err2 := c.Moves.Past(ctx, name)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	open = slices.DeleteFunc(slices.Clone(open), func(r move.Record) bool {
		return r.Federation != name || slices.ContainsFunc(past, func(p move.Record) bool { return p.ID == r.ID })
	})
	slices.Reverse(open)
	return append(open, past...), nil
}
