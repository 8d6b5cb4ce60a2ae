package move_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// shelf keeps snapshots in memory. block makes every call wait for the end of its
// context.
type shelf struct {
	mu      sync.Mutex
	kept    map[string]idp.Document
	dropped int
	err     error
	block   bool
}

func (s *shelf) wait(ctx context.Context) error {
	if s.block {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.err
}

func (s *shelf) Keep(ctx context.Context, one move.Snapshot) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]idp.Document{}
	}
	s.kept[one.Federation+"/"+string(one.Move)+"/"+one.App.String()] = one.Document
	return nil
}

func (s *shelf) Drop(ctx context.Context, _ string) error {
	s.mu.Lock()
	s.dropped++
	s.mu.Unlock()
	return s.wait(ctx)
}

func (s *shelf) Kept(_ context.Context, federationName string, id failover.MoveID, app federation.AppRef) (idp.Document, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	doc, ok := s.kept[federationName+"/"+string(id)+"/"+app.String()]
	return doc, ok, s.err
}

// spec 4.2: what is kept is each app as it was before this move's first write,
// also when the first try's write was sent, what became of it was not known, and
// somebody's edit makes the second try write again.
func TestSnapshotIsOfBeforeTheMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(), &shelf{}
		lost, began := true, time.Now()
		w.fail = func(op string, id idp.AppID) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if op == "read" && id == "b" && w.writes["b"] == 1 && lost {
				if time.Since(began) < 16*time.Second { // longer than the read-back lasts
					return busy()
				}
				lost = false
				w.docs["b"] = bytes.Replace(w.docs["b"], []byte("us-west-2.console"), []byte("us-east-1.console"), 1)
			}
			return nil
		}
		before := map[idp.AppID]string{}
		for id, raw := range w.docs {
			before[id] = string(raw)
		}
		c := w.config()
		c.Snapshots = s
		res := mustRun(t, newMover(t, c), w.plan(t, nil))
		if len(s.kept) != 3 || s.dropped != 1 || lost || w.writes["b"] != 2 {
			t.Fatalf("%d kept, dropped %d times, lost %v, b written %d times", len(s.kept), s.dropped, lost, w.writes["b"])
		}
		for _, a := range w.fed.Apps {
			if doc, ok, _ := s.Kept(t.Context(), "corp", res.ID, a); !ok || string(doc.Raw) != before[idp.AppID(a.ID)] {
				t.Errorf("app %s: kept is %s, before was %s", a.Name, doc.Raw, before[idp.AppID(a.ID)])
			}
		}
	})
}

// A store that refuses, or does not answer, costs each app one bounded call; the
// move and its undo need no snapshot, and the result says what is missing.
func TestMoveNeedsNoSnapshot(t *testing.T) {
	t.Parallel()
	for why, s := range map[string]*shelf{"it refuses": {err: errors.New("full")}, "it does not answer": {block: true}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			c := w.config()
			plain := time.Now()
			mustRun(t, newMover(t, c), w.plan(t, nil))
			without := time.Since(plain)
			w = newWorld()
			c = w.config()
			c.Snapshots = s
			m := newMover(t, c)
			began := time.Now()
			res := mustRun(t, m, w.plan(t, nil))
			if took := time.Since(began) - without; res.Moved() != 3 || took > 4*time.Second {
				t.Errorf("%s: %d moved, %s longer", why, res.Moved(), took)
			}
			for _, a := range res.Apps {
				if !slices.ContainsFunc(a.Notes, func(f finding.Finding) bool { return f.Code == finding.SnapshotMissing }) {
					t.Errorf("%s: nothing says that app %s has no snapshot: %+v", why, a.App.Name, a.Notes)
				}
			}
			past, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
			if err != nil || len(past) == 0 {
				t.Fatal(err)
			}
			if back, err := m.Undo(t.Context(), past[0], failover.Request{Reason: "back"}); err != nil || back.Moved() != 3 {
				t.Errorf("%s: undo: %+v, %v", why, back, err)
			}
		})
	}
}

// full compares app b with its document of before a move.
func full(t *testing.T, w *world, s *shelf, past move.Record) (move.Comparison, error) {
	t.Helper()
	return move.Wholes{Documents: s, Vendors: w.vendors()}.Compare(t.Context(), past, w.fed.Apps[1])
}

// restorable makes the small IdP's codec put back every value.
type restorable struct{ codec }

func (restorable) Restorable(p idp.Pointer) bool { return p != "" }

// spec 4.2: the mover puts exactly the compared values back, through the journal
// and the record, and any change of the app changes what the comparison is bound
// to.
func TestFullRestoreMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(), &shelf{}
		c := w.config()
		vs := w.vendors()
		for name, v := range vs {
			v.Codec = restorable{}
			vs[name] = v
		}
		c.Apps, c.Snapshots = vs, s
		m := newMover(t, c)
		mustRun(t, m, w.plan(t, nil))
		all, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
		if err != nil || len(all) != 1 {
			t.Fatal(err)
		}
		compare := func() move.Comparison {
			got, err := move.Wholes{Documents: s, Vendors: vs}.Compare(t.Context(), all[0], w.fed.Apps[1])
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		first := compare()
		w.put("b", west, "edited by somebody")
		second := compare()
		if second.Stored != first.Stored || second.Seen == first.Seen || second.To != east {
			t.Errorf("an edit is not seen: %+v %+v", first, second)
		}
		u := second.Undoing()
		res, err := m.Undo(t.Context(), all[0], failover.Request{Undoes: &u, Reason: "mistake"})
		if err != nil || res.Moved() != 1 || len(s.kept) != 3 {
			t.Fatalf("%+v %v, %d kept", res, err, len(s.kept))
		}
		w.wantAt(t, "b", east, "untouched")
		w.wantAt(t, "a", west, "untouched")
		if third := compare(); len(third.Differences) != 0 {
			t.Errorf("after it differ %+v", third.Differences)
		}
		u.Whole.Back = nil
		if _, err := m.Undo(t.Context(), all[0], failover.Request{Undoes: &u}); !errors.Is(err, failover.ErrNothingToMove) {
			t.Errorf("nothing to put back: %v", err)
		}
		open := all[0]
		open.Result = nil
		if _, err := m.Undo(t.Context(), open, failover.Request{Undoes: &u}); !errors.Is(err, move.ErrOpenMove) {
			t.Errorf("of a move that runs: %v", err)
		}
	})
}

// Saboteurs: no document, one with a foreign endpoint, one of another app, and
// values that are not ours to show.
func TestFullRestoreCompareRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(), &shelf{}
		c := w.config()
		c.Snapshots = s
		mustRun(t, newMover(t, c), w.plan(t, nil))
		all, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
		if err != nil {
			t.Fatal(err)
		}
		got, err := full(t, w, s, all[0]) // the plain codec restores nothing: all stays
		if err != nil || len(got.Differences) == 0 || len(got.Notes) != 1 || got.Notes[0].Code != finding.LaterEdit {
			t.Fatalf("%+v %v", got, err)
		}
		for _, d := range got.Differences {
			if !d.Stays || d.Stored != nil || d.Live != nil || d.Wrote != nil {
				t.Errorf("a value that stays is shown: %+v", d)
			}
		}
		key := "corp/" + string(all[0].ID) + "/t1/b"
		good := s.kept[key]
		for why, change := range map[string]func(){
			"foreign": func() {
				s.kept[key] = idp.Document{ID: "b", Raw: []byte(strings.Replace(string(good.Raw), "https://signin.aws.amazon.com", "https://evil.example", 1))}
			},
			"another app's": func() { s.kept[key] = idp.Document{ID: "c", Raw: good.Raw} },
			"not kept":      func() { delete(s.kept, key) },
			"unreadable":    func() { s.kept[key], s.err = good, errors.New("damaged") },
		} {
			s.err = nil
			change()
			_, err := full(t, w, s, all[0])
			if err == nil || (why == "foreign") != finding.Is(err, finding.ForeignACS) || (why == "not kept") != errors.Is(err, move.ErrNotKept) {
				t.Errorf("%s: %v", why, err)
			}
		}
	})
}
