package controller

import (
	"errors"
	"slices"
	"testing"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
)

// spec 4.1: an undo is decided by the rules on fresh reads, runs inside the
// loop, and takes back the record in the journal, not what the request says.
func TestUndoThroughTheLoop(t *testing.T) {
	story(t, federation.Approve, nil, func(t *testing.T, w *world, c *Controller) {
		_, _, err := c.Submit(t.Context(), failover.Request{To: west, By: "ann", Reason: "test"})
		if err != nil || w.see().at["a"] != west {
			t.Fatalf("the move: %v", err)
		}
		undo := failover.Request{To: east, By: "ann", Reason: "back", Undoes: &failover.Undoing{Move: "m1", Apps: []failover.UndoApp{
			{App: federation.AppRef{Name: "a", Tenant: "okta", ID: "0oa1"}, To: east}}}}
		w.set(east, health.Unhealthy, false)
		d, res, err := c.Submit(t.Context(), undo)
		if err != nil || res != nil || d.Rule != failover.NoCandidate {
			t.Fatalf("toward an unhealthy Region: %s by %s, %+v, %v", d.Outcome, d.Rule, res, err)
		}
		w.set(east, health.Healthy, false)
		reads := w.see().reads
		d, res, err = c.Submit(t.Context(), undo)
		if err != nil || d.Outcome != failover.Move || res == nil || res.Undoes != "m1" || !slices.Equal(w.undone, []failover.MoveID{"m1"}) || w.see().reads == reads {
			t.Errorf("undo: %s by %s, %+v, %v; undone %v", d.Outcome, d.Rule, res, err, w.undone)
		}
		if last := c.Status().LastMove; last == nil || last.Undoes != "m1" || w.see().at["a"] != east {
			t.Errorf("the last move is %+v", last)
		}
		undo.Undoes.Move = "m9"
		if _, res, err := c.Submit(t.Context(), undo); !errors.Is(err, move.ErrNoMove) || res != nil {
			t.Errorf("a move that never was: %+v, %v", res, err)
		}
	})
}
