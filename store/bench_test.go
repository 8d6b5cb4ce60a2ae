package store

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
)

// synced opens a single member that syncs to the disk, as in production.
func synced(b *testing.B) *Store {
	b.Helper()
	o := single(b, private(b))
	o.Embedded.UnsafeNoSync = false
	return open(b, o)
}

// BenchmarkOpen: from nothing to a leader, and the same on a folder that exists.
func BenchmarkOpen(b *testing.B) {
	for _, again := range []bool{false, true} {
		b.Run(fmt.Sprintf("again=%v", again), func(b *testing.B) {
			dir := private(b)
			for range b.N {
				if !again {
					dir = private(b)
				}
				o := single(b, dir)
				o.Embedded.UnsafeNoSync = false
				s, err := Open(context.Background(), o)
				must(b, err)
				lead(b, s)
				b.StopTimer()
				must(b, s.Close())
				b.StartTimer()
			}
		})
	}
}

func BenchmarkObserve(b *testing.B) {
	s := synced(b)
	op, _, err := s.putSigned("bench", "value")
	must(b, err)
	b.ResetTimer()
	for range b.N {
		_, err := s.client.Do(b.Context(), op)
		must(b, err)
	}
}

func BenchmarkNote(b *testing.B) {
	s := synced(b)
	t := lead(b, s)
	r := record("m1", "corp", 20)
	must(b, t.Journal().Begin(b.Context(), r))
	b.ResetTimer()
	for i := range b.N {
		must(b, t.Journal().Note(b.Context(), "m1", note(r.Steps[i%20].App, move.Planned)))
	}
}

func BenchmarkRemaining(b *testing.B) {
	t := lead(b, synced(b))
	b.ResetTimer()
	for range b.N {
		_, err := t.Remaining(b.Context())
		must(b, err)
	}
}

func BenchmarkAudit(b *testing.B) {
	t := lead(b, synced(b))
	b.ResetTimer()
	for range b.N {
		must(b, t.Audit().Record(b.Context(), "controller", "move.app", "okta/0oa1", map[string]string{"phase": "verified"}))
	}
}

// BenchmarkCycle is what a decision cycle of 100 federations with 2 past moves
// each asks the store for.
func BenchmarkCycle(b *testing.B) {
	s := open(b, single(b, private(b)))
	t := lead(b, s)
	for f := range 100 {
		for m := range 2 {
			wholeMove(b, t, fmt.Sprintf("m%d-%d", f, m), fmt.Sprintf("f%d", f))
		}
	}
	b.ResetTimer()
	for range b.N {
		_, err := t.Journal().Open(b.Context())
		must(b, err)
		for f := range 100 {
			_, err := t.Journal().Past(b.Context(), fmt.Sprintf("f%d", f))
			must(b, err)
		}
		_, err = t.Brakes().Brakes(b.Context())
		must(b, err)
	}
}

// wholeMove journals a move of 20 apps from its begin to its end.
func wholeMove(b *testing.B, t *Term, id, name string) {
	r := record(failover.MoveID(id), name, 20)
	must(b, t.Journal().Begin(b.Context(), r))
	res := ended(r)
	for _, s := range r.Steps {
		for _, p := range []move.Phase{move.Planned, move.Written, move.Verified, move.Proved} {
			must(b, t.Journal().Note(b.Context(), r.ID, note(s.App, p)))
		}
		res.Apps = append(res.Apps, failover.AppResult{App: s.App, Moved: true, Proof: failover.P1, Attempts: 1})
	}
	must(b, t.Journal().Finish(b.Context(), r.ID, res))
}

// BenchmarkThousandMoves measures the disk after 1,000 moves of 20 apps each,
// one after the other, and after the maintenance that follows by itself. Run it
// with -benchtime=1x.
func BenchmarkThousandMoves(b *testing.B) {
	for range b.N {
		dir := private(b)
		s := open(b, single(b, dir))
		t := lead(b, s)
		for m := range 1000 {
			wholeMove(b, t, fmt.Sprint("m", m), "corp")
			if m%100 == 99 {
				must(b, s.Maintain(b.Context()))
			}
		}
		b.ReportMetric(float64(used(b, dir))/1e6, "MB")
		must(b, s.Maintain(b.Context()))
		b.ReportMetric(float64(used(b, dir))/1e6, "MB-after")
		past, err := s.Past(b.Context(), "corp")
		must(b, err)
		if len(past) != 1000 {
			b.Fatalf("%d moves are kept", len(past))
		}
	}
}

// used is the size of all files in a folder.
func used(b *testing.B, dir string) int64 {
	var out int64
	must(b, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out += info.Size()
		}
		return err
	}))
	return out
}
