package move_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

func lockOn(app string) failover.Brake {
	b := failover.Brake{ID: "lock-" + app, Kind: failover.BrakeLock, By: "ann", Reason: "audit", Since: time.Now()}
	if app != "" {
		b.Federation, b.App = "corp", app
	}
	return b
}

// braked is a leader's config whose store has these brakes.
func (w *world) braked(t testing.TB, brakes ...failover.Brake) (move.Config, move.Brakes) {
	t.Helper()
	c := w.config()
	kept := c.Journal.(move.Brakes)
	for _, b := range brakes {
		if err := kept.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	c.Brakes = kept
	return c, kept
}

// lockedOut wants that app b alone was left, with exact hand steps.
func (w *world) lockedOut(t testing.TB, res failover.Result) {
	t.Helper()
	if res.Status != failover.Incomplete || res.Moved() != 2 || w.writes["b"] != 0 {
		t.Errorf("the move ended as %+v", res)
	}
	f := res.Apps[1].Finding
	if f == nil || f.Code != finding.AppLocked || !strings.Contains(f.Error(), "ann locked app t1/b") || !strings.Contains(f.Error(), "samlfailover unlock lock-t1/b") {
		t.Errorf("the finding is %v", f)
	}
	if len(res.HandSteps) != 2 || res.HandSteps[0].Field != "/acs" || res.HandSteps[0].Target != "https://us-west-2.signin.aws.amazon.com/saml" {
		t.Errorf("hand steps are %+v", res.HandSteps)
	}
}

// A lock that was set after the plan was made is honoured, and the app is
// neither written nor recorded as about to be.
func TestLockIsHonoured(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := w.plan(t, nil)
	c, _ := w.braked(t, lockOn("t1/b"))
	w.lockedOut(t, mustRun(t, newMover(t, c), p))
	if strings.Contains(strings.Join(w.recorded, " "), "move.write b") {
		t.Errorf("the record says that b is about to be written: %v", w.recorded)
	}
	w.wantAt(t, "b", east, "untouched")
}

// A lock that comes between the record of a write and the write itself still
// stops it; a pause never stops a move that runs.
func TestLockInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c, kept := w.braked(t)
	reads := 0
	w.fail = func(op string, id idp.AppID) error {
		if id == "b" && op == "read" {
			if reads++; reads == 2 {
				pause := failover.Brake{ID: "p", Kind: failover.BrakePause, By: "ann"}
				return errors.Join(kept.Put(context.Background(), lockOn("t1/b")), kept.Put(context.Background(), pause))
			}
		}
		return nil
	}
	w.lockedOut(t, mustRun(t, newMover(t, c), w.plan(t, nil)))
}

// The saboteurs are locks that bind nothing here: of another app, of another
// federation, and one that has run out.
func TestLocksThatBindNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	elsewhere, over := lockOn("t1/b"), lockOn("t1/b")
	elsewhere.ID, elsewhere.Federation = "l1", "labs"
	over.ID, over.Until = "l2", time.Now().Add(-time.Second)
	c, _ := w.braked(t, elsewhere, over, lockOn("t2/b"))
	if res := mustRun(t, newMover(t, c), w.plan(t, nil)); res.Moved() != 3 {
		t.Errorf("the move ended as %+v", res)
	}
}

// An override counts for the locks that stood when it was given; a resumed move
// still honours those that came later.
func TestOverrideAndLaterLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p := w.plan(t, &failover.Request{To: west, By: "ann", Reason: "test", Overrides: []string{failover.Locked}})
		c, kept := w.braked(t, lockOn("t1/a"))
		<-time.After(time.Second)
		w.fail = func(op string, id idp.AppID) error {
			if id == "b" && op == "read" {
				return kept.Put(context.Background(), lockOn("t1/b"))
			}
			return nil
		}
		w.lockedOut(t, mustRun(t, newMover(t, c), p))
	})
}

// Undo leaves a locked app alone as well.
func TestUndoHonoursLocks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	mustRun(t, newMover(t, w.config()), w.plan(t, nil))
	c, _ := w.braked(t, lockOn("t1/b"))
	past, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
	if err != nil {
		t.Fatal(err)
	}
	res, err := newMover(t, c).Undo(t.Context(), past[0], failover.Request{By: "ann", Reason: "ticket 8"})
	if err != nil || res.Moved() != 2 || res.Status != failover.Incomplete || len(res.HandSteps) != 2 {
		t.Errorf("undo ended as %+v (%v)", res, err)
	}
	w.wantAt(t, "a", east, "untouched")
	w.wantAt(t, "b", west, "untouched")
}

// unreadable are brakes that nobody can read.
type unreadable struct{}

func (unreadable) Brakes(context.Context) ([]failover.Brake, error) {
	return nil, errors.New("the store does not answer")
}

// Where locks cannot be read nothing is written, and the move stays open.
func TestUnreadableLocksStopTheMove(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := w.config()
	c.Brakes = unreadable{}
	_, err := newMover(t, c).Run(t.Context(), w.plan(t, nil), failover.Request{})
	open, oerr := c.Journal.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "read the locks") || w.totalWrites() != 0 || oerr != nil || len(open) != 1 {
		t.Errorf("%d writes, %d open, error %v (%v)", w.totalWrites(), len(open), err, oerr)
	}
}
