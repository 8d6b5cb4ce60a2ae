package app

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/store/memory"
)

func snapshotOf(federationName, id, app, text string) move.Snapshot {
	return move.Snapshot{Federation: federationName, Move: failover.MoveID(id), App: federation.AppRef{Name: app, Tenant: "t1", ID: app},
		Document: idp.Document{ID: idp.AppID(app), Raw: json.RawMessage(`{"label":` + string(idp.QuoteJSON(text)) + `}`)}}
}

// The newest three moves of each federation are kept, and what is kept comes back
// byte for byte.
func TestSnapshotsKeepTheNewest(t *testing.T) {
	t.Parallel()
	s := snapshots{&memory.Box{}}
	ids := []string{"20261101-100000-b", "20261102-100000-a", "20261103-100000-z", "20261104-100000-c"}
	for _, id := range ids {
		for _, app := range []string{"a", "b"} {
			if err := s.Keep(t.Context(), snapshotOf("corp", id, app, id+app)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Keep(t.Context(), snapshotOf("corp-two", ids[0], "a", "other")); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), "corp"); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		one := snapshotOf("corp", id, "b", id+"b")
		doc, ok, err := s.Kept(t.Context(), "corp", one.Move, one.App)
		if err != nil || ok != (i > 0) || ok && string(doc.Raw) != string(one.Document.Raw) {
			t.Errorf("%s: %v %s %v", id, ok, doc.Raw, err)
		}
	}
	if _, ok, err := s.Kept(t.Context(), "corp-two", failover.MoveID(ids[0]), federation.AppRef{Tenant: "t1", ID: "a"}); !ok || err != nil {
		t.Errorf("another federation's document is dropped: %v", err)
	}
	if keys, err := s.box.Keys(t.Context()); err != nil || len(keys) != 7 {
		t.Errorf("%q %v", keys, err)
	}
}

// What is too large or one too many is refused in words; nothing else is lost by
// it.
func TestSnapshotsAreBounded(t *testing.T) {
	t.Parallel()
	box := &memory.Box{}
	s := snapshots{box}
	noise := make([]byte, 2*snapshotSize)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	for why, text := range map[string]string{"noise": fmt.Sprintf("%x", noise), "long": strings.Repeat("x", documentSize)} {
		if err := s.Keep(t.Context(), snapshotOf("corp", "m", "a", text)); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: %v", why, err)
		}
	}
	if err := s.Keep(t.Context(), snapshotOf("corp", "m", "a", strings.Repeat("an ordinary text ", 20_000))); err != nil {
		t.Errorf("what compresses well: %v", err)
	}
	for i := range snapshotMost - 1 { // of older moves, and of one that is newer than all
		key := fmt.Sprintf("x/k%03d/t1/a%d", i/2, i)
		if i >= snapshotMost-3 {
			key = fmt.Sprintf("x/z/t1/a%d", i)
		}
		if err := box.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Keep(t.Context(), snapshotOf("corp", "m", "a", "again")); err != nil {
		t.Errorf("in place of one that is there: %v", err)
	}
	has := func(want int, there string, gone ...string) {
		t.Helper()
		keys, err := box.Keys(t.Context())
		if err != nil || len(keys) != want || !slices.Contains(keys, there) || slices.ContainsFunc(gone, func(k string) bool { return slices.Contains(keys, k) }) {
			t.Errorf("%d keys, want %d, %v", len(keys), want, err)
		}
	}
	has(snapshotMost, "x/k000/t1/a0")
	if err := s.Keep(t.Context(), snapshotOf("corp", "m", "b", "the oldest move's go for it")); err != nil {
		t.Errorf("one more: %v", err)
	}
	has(snapshotMost-1, "corp/m/t1/b", "x/k000/t1/a0", "x/k000/t1/a1")
	// A move of more apps than there is room for: all but the last ones are kept.
	box = &memory.Box{}
	s = snapshots{box}
	for i := range snapshotMost - 2 {
		if err := box.Put(t.Context(), snapshotKey("corp", "m2", federation.AppRef{Tenant: "t1", ID: fmt.Sprint("c", i)}), nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := snapshotMost - 2; i < snapshotMost+2; i++ {
		err := s.Keep(t.Context(), snapshotOf("corp", "m2", fmt.Sprint("c", i), ""))
		if full := i >= snapshotMost; full != (err != nil) || full && !strings.Contains(err.Error(), "the most") {
			t.Errorf("app %d of one move: %v", i, err)
		}
	}
	has(snapshotMost, "corp/m2/t1/c0")
}

// A saboteur: a record that is not what Keep wrote is no document.
func TestSnapshotDamaged(t *testing.T) {
	t.Parallel()
	box := &memory.Box{}
	app := federation.AppRef{Tenant: "t1", ID: "a"}
	if err := box.Put(t.Context(), snapshotKey("corp", "m", app), []byte("no gzip")); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := (snapshots{box}).Kept(t.Context(), "corp", "m", app); ok || err == nil {
		t.Error("a damaged record passes")
	}
}
