package move_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/idp"
)

var errCrashed = errors.New("the process is dead")

// fuse ends a process at its nth crossing of a boundary: before the effect or,
// with after, between the effect and its answer. Nothing has an effect later,
// which is all that the world can see of a killed process.
type fuse struct {
	mu    sync.Mutex
	n     int
	after bool
	blown bool
}

func (f *fuse) cross(effect func() error) error {
	f.mu.Lock()
	f.n--
	switch {
	case f.blown || f.n == 0 && !f.after:
		f.blown = true
		f.mu.Unlock()
		return errCrashed
	case f.n == 0:
		f.blown = true
		f.mu.Unlock()
		_ = effect()
		return errCrashed
	}
	f.mu.Unlock()
	return effect()
}

func (f *fuse) whole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.blown
}

type fusedJournal struct {
	move.Journal
	f *fuse
}

func (j fusedJournal) Begin(ctx context.Context, r move.Record) error {
	return j.f.cross(func() error { return j.Journal.Begin(ctx, r) })
}

func (j fusedJournal) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	return j.f.cross(func() error { return j.Journal.Note(ctx, id, n) })
}

func (j fusedJournal) Finish(ctx context.Context, id failover.MoveID, r failover.Result) error {
	return j.f.cross(func() error { return j.Journal.Finish(ctx, id, r) })
}

func (j fusedJournal) Open(ctx context.Context) (out []move.Record, err error) {
	err = j.f.cross(func() error { out, err = j.Journal.Open(ctx); return err })
	return out, err
}

type fusedTerm struct {
	move.Term
	f *fuse
}

func (t fusedTerm) Remaining(ctx context.Context) (d time.Duration, err error) {
	err = t.f.cross(func() error { d, err = t.Term.Remaining(ctx); return err })
	return d, err
}

type fusedRecorder struct {
	w *world
	f *fuse
}

func (r fusedRecorder) Record(ctx context.Context, actor, action, subject string, detail any) error {
	return r.f.cross(func() error { return r.w.Record(ctx, actor, action, subject, detail) })
}

type fusedTenant struct {
	tenant
	f *fuse
}

func (t fusedTenant) Read(ctx context.Context, id idp.AppID) (d idp.Document, err error) {
	err = t.f.cross(func() error { d, err = t.tenant.Read(ctx, id); return err })
	return d, err
}

func (t fusedTenant) Write(ctx context.Context, d idp.Document, cs []idp.Change) error {
	return t.f.cross(func() error { return t.tenant.Write(ctx, d, cs) })
}

// fused is a new leader that dies at the fuse.
func (w *world) fused(t testing.TB, f *fuse) *move.Mover {
	c := w.config()
	c.Journal, c.Term, c.Recorder = fusedJournal{c.Journal, f}, fusedTerm{c.Term, f}, fusedRecorder{w, f}
	v := move.Vendor{Tenant: fusedTenant{tenant{w}, f}, Codec: codec{}}
	c.Apps = move.Vendors{"t1": v, "t2": v}
	return newMover(t, c)
}

// wantFinished checks what must hold after the last leader has resumed.
func (w *world) wantFinished(t *testing.T, at string) {
	t.Helper()
	c := w.config()
	open, err := c.Journal.Open(t.Context())
	if err != nil || len(open) != 0 {
		t.Fatalf("%s: %d moves are forgotten in the journal (%v)", at, len(open), err)
	}
	past, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
	if err != nil {
		t.Fatal(err)
	}
	if len(past) == 0 {
		if w.totalWrites() != 0 {
			t.Fatalf("%s: written without a trace in the journal", at)
		}
		return
	}
	for _, id := range []string{"a", "b", "c"} {
		w.wantAt(t, id, west, "untouched")
		if n := w.writes[idp.AppID(id)]; n != 1 {
			t.Errorf("%s: app %s was written %d times", at, id, n)
		}
	}
	if res := past[0].Result; len(past) != 1 || res.Moved() != 3 || res.Status != failover.Partial {
		t.Errorf("%s: the move ended as %+v", at, res)
	}
	if len(w.unheard) > 0 {
		t.Errorf("%s: %v were written before they were recorded", at, w.unheard)
	}
}

// crash runs a move that dies at boundary n, a recovery that dies at m, and a
// last recovery. It reports whether each fuse was reached.
func crash(t *testing.T, n, m int, after bool) (died, diedAgain bool) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		first, second := &fuse{n: n, after: after}, &fuse{n: m, after: after}
		p := w.plan(t, nil)
		_, _ = w.fused(t, first).Run(t.Context(), p, failover.Request{})
		_, _ = w.fused(t, second).Resume(t.Context(), "corp")
		if _, err := newMover(t, w.config()).Resume(t.Context(), "corp"); err != nil {
			t.Fatalf("crash at %d and %d: the last recovery: %v", n, m, err)
		}
		w.wantFinished(t, fmt.Sprintf("crash at %d and %d", n, m))
		died, diedAgain = !first.whole(), !second.whole()
	})
	return died, diedAgain
}

// spec 9.3 spec 9.5: killed at any boundary, and again at any boundary of the
// recovery, no app is forgotten and none is written twice.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		pairs := 0
		for n := 1; ; n++ {
			var died bool
			for m := 1; ; m++ {
				var again bool
				died, again = crash(t, n, m, after)
				pairs++
				if !again || t.Failed() {
					break
				}
			}
			if !died || t.Failed() {
				break
			}
		}
		t.Logf("%d pairs of crashes", pairs)
		if pairs < 200 {
			t.Errorf("only %d pairs of crashes: the fuses are not where they should be", pairs)
		}
	}
}
