package control

import (
	"context"
	"slices"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
)

// HistoryRequest narrows the history; zero fields do not. Limit is per answer.
type HistoryRequest struct {
	Federation string
	Move       string
	Limit      int
}

// History are moves, newest first; those without a result have not ended.
type History struct {
	Moves []PastMove `json:"moves"`
	More  int        `json:"more,omitempty"` // how many older ones the limit left out
}

// PastMove is one move as the journal keeps it. Remaining are the hand steps
// that somebody still has to do: those of the federation's newest move for apps
// that were not read at its target since.
type PastMove struct {
	move.Record
	Remaining []failover.HandStep `json:"remaining,omitempty"`
}

// defaultHistory is how many moves are shown when nobody says.
const defaultHistory = 20

// History lists open and past moves of a federation or of all, or one move.
func (c *Control) History(ctx context.Context, actor Actor, r HistoryRequest) (History, error) {
	if r.Move != "" {
		f, rec, err := c.find(ctx, actor, r.Federation, r.Move)
		if err != nil {
			return History{}, err
		}
		all, err := c.moves(ctx, f.Name)
		if err != nil {
			return History{}, err
		}
		return History{Moves: []PastMove{c.pastMove(rec, all[0].ID == rec.ID)}}, nil
	}
	in, err := c.within(actor, r.Federation)
	if err != nil {
		return History{}, err
	}
	out := History{Moves: []PastMove{}}
	for _, f := range in {
		all, err := c.moves(ctx, f.Name)
		if err != nil {
			return History{}, err
		}
		for i, rec := range all {
			out.Moves = append(out.Moves, c.pastMove(rec, i == 0))
		}
	}
	slices.SortStableFunc(out.Moves, func(a, b PastMove) int { return b.Started.Compare(a.Started) })
	if r.Limit <= 0 {
		r.Limit = defaultHistory
	}
	if out.More = len(out.Moves) - r.Limit; out.More > 0 {
		out.Moves = out.Moves[:r.Limit]
	}
	out.More = max(out.More, 0)
	return out, nil
}

// pastMove adds to a record what still has to be done by hand.
func (c *Control) pastMove(r move.Record, newest bool) PastMove {
	out := PastMove{Record: r}
	loop := c.Loops[r.Federation]
	if !newest || r.Result == nil || loop == nil {
		return out
	}
	st := loop.Status()
	for _, h := range r.Result.HandSteps {
		if !readThere(st, r, h) {
			out.Remaining = append(out.Remaining, h)
		}
	}
	return out
}

// readThere reports whether the app of a hand step was read, after the move had
// ended, at the Region to which the step leads.
func readThere(st controller.Status, r move.Record, h failover.HandStep) bool {
	to := r.To
	if r.Undoes != "" {
		for _, s := range r.Steps {
			if s.App == h.App {
				to = s.From
			}
		}
	}
	return slices.ContainsFunc(st.Apps, func(a failover.AppState) bool {
		return a.Ref.Same(h.App) && a.ReadAt.After(r.Result.Finished) && a.App.Region() == to
	})
}
