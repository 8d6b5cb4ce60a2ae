package move_test

import (
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// movedWest is a world after a move to us-west-2, with the move's record.
func movedWest(t *testing.T) (*world, move.Record) {
	t.Helper()
	w := newWorld()
	mustRun(t, newMover(t, w.config()), w.plan(t, nil))
	return w, w.newest(t)
}

// newest is the record of the move that ended last.
func (w *world) newest(t *testing.T) move.Record {
	t.Helper()
	past, err := w.config().Journal.(move.Archive).Past(t.Context(), "corp")
	if err != nil || len(past) == 0 {
		t.Fatalf("%d past moves, %v", len(past), err)
	}
	return past[0]
}

// spec 4.1: an app that somebody moved on since is left there and never called
// undone, with what to do by hand; the others go back.
func TestUndoOfAnAppThatWentOn(t *testing.T) {
	t.Parallel()
	w, past := movedWest(t)
	w.put("b", ohio, "theirs")
	before := w.writes["b"]
	res, err := newMover(t, w.config()).Undo(t.Context(), past, failover.Request{By: "ann", Reason: "ticket 8"})
	if err != nil || res.Moved() != 2 || res.Status != failover.Incomplete || w.writes["b"] != before {
		t.Fatalf("undo ended as %+v (%v), %d writes to b", res, err, w.writes["b"]-before)
	}
	w.wantAt(t, "b", ohio, "theirs")
	if f := res.Apps[1].Finding; f == nil || f.Code != finding.LaterEdit || !strings.Contains(f.Error(), "us-east-2") || len(res.HandSteps) == 0 {
		t.Errorf("app b ended as %+v, hand steps %+v", res.Apps[1], res.HandSteps)
	}
}

// What an undo would do is told field by field for people too; an undo itself
// has nothing to take back.
func TestHandBack(t *testing.T) {
	t.Parallel()
	w, past := movedWest(t)
	got := past.HandBack(func(a federation.AppRef) string { return "https://admin/" + a.ID })
	if len(got) != 6 || got[0].AdminURL != "https://admin/a" || !strings.Contains(got[0].Current, "us-west-2") || strings.Contains(got[0].Target, "us-west-2") || strings.Contains(got[0].Target, `"`) {
		t.Errorf("%+v", got)
	}
	mustUndo(t, w, past)
	if got := w.newest(t).HandBack(func(federation.AppRef) string { return "" }); got != nil {
		t.Errorf("of an undo: %+v", got)
	}
}

func mustUndo(t *testing.T, w *world, past move.Record) {
	t.Helper()
	if _, err := newMover(t, w.config()).Undo(t.Context(), past, failover.Request{By: "ann", Reason: "ticket 8"}); err != nil {
		t.Fatal(err)
	}
}

// An undo that is asked for twice changes nothing the second time.
func TestUndoTwice(t *testing.T) {
	t.Parallel()
	w, past := movedWest(t)
	for n := range 2 {
		res, err := newMover(t, w.config()).Undo(t.Context(), past, failover.Request{By: "ann", Reason: "ticket 8"})
		if err != nil || res.Moved() != 3 || w.totalWrites() != 6 {
			t.Fatalf("undo %d ended as %+v (%v) after %d writes", n, res, err, w.totalWrites())
		}
	}
	if _, err := move.UndoOf(w.newest(t), failover.Request{}); err == nil || !strings.Contains(err.Error(), "samlfailover move --to") {
		t.Errorf("the undo of an undo gives %v", err)
	}
}

// spec 4.1: an undo takes back what the move wrote, not what it only planned or
// found in place already.
func TestUndoOfAMoveThatCameHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.put("b", west, "theirs") // was in place before the move
	p := w.plan(t, nil)
	w.fail = func(op string, id idp.AppID) error {
		if id == "c" {
			return finding.Finding{Code: finding.IdPRejected, What: "no"}
		}
		return nil
	}
	mustRun(t, newMover(t, w.config()), p)
	w.fail = nil
	past := w.newest(t)
	u, to, err := past.Undoing()
	if err != nil || to != east || len(u.Apps) != 1 || u.Apps[0] != (failover.UndoApp{App: ref("t1", "a"), To: east}) {
		t.Fatalf("it would take back %+v, %s, %v", u, to, err)
	}
	res, err := newMover(t, w.config()).Undo(t.Context(), past, failover.Request{By: "ann", Reason: "ticket 8"})
	if err != nil || res.Moved() != 1 || res.Meant() != 1 {
		t.Errorf("undo ended as %+v (%v)", res, err)
	}
	w.wantAt(t, "b", west, "theirs")
}

// A preview says what would change and what is kept, and writes nothing.
func TestPreviewUndo(t *testing.T) {
	t.Parallel()
	w, past := movedWest(t)
	w.mu.Lock()
	w.docs["b"] = []byte(strings.Replace(string(w.docs["b"]), "us-west-2.console", "us-east-2.console", 1))
	w.mu.Unlock()
	w.fail = func(op string, id idp.AppID) error {
		if id == "c" || op == "write" {
			return busy()
		}
		return nil
	}
	records := len(w.recorded)
	got, err := newMover(t, w.config()).PreviewUndo(t.Context(), past)
	if err != nil || len(got) != 3 || w.totalWrites() != 3 || len(w.recorded) != records {
		t.Fatalf("%+v (%v), %d writes, %d records", got, err, w.totalWrites()-3, len(w.recorded)-records)
	}
	if a := got[0]; len(a.Changes) != 2 || len(a.Notes) != 0 || a.Error != nil || a.To != east {
		t.Errorf("app a: %+v", a)
	}
	if b := got[1]; len(b.Changes) != 1 || len(b.Notes) != 1 || b.Notes[0].Code != finding.LaterEdit {
		t.Errorf("app b: %+v", b)
	}
	if c := got[2]; c.Error == nil || c.Error.Code != finding.IdPReadOnly {
		t.Errorf("app c, which cannot be read: %+v", c)
	}
}
