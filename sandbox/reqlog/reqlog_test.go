package reqlog

import (
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestSinceAgainstAPlainList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 7).Draw(rt, "size")
		n := rapid.IntRange(0, 30).Draw(rt, "n")
		since := uint64(rapid.IntRange(0, 35).Draw(rt, "since"))
		l := New(size)
		for i := range n {
			if seq := l.Add(Entry{Status: i + 1}); seq != uint64(i+1) {
				rt.Fatalf("entry %d has number %d", i+1, seq)
			}
		}
		entries, missed := l.Since(since)
		oldest := max(1, n-size+1) // number of the oldest entry kept
		var want []int
		for i := max(oldest, int(since)+1); i <= n; i++ {
			want = append(want, i)
		}
		if len(entries) != len(want) || missed != uint64(max(0, min(n, oldest-1)-int(since))) {
			rt.Fatalf("size %d, n %d, since %d: %d entries, %d missed, want %v", size, n, since, len(entries), missed, want)
		}
		for i, e := range entries {
			if e.Status != want[i] || e.Seq != uint64(want[i]) {
				rt.Fatalf("entry %d is %+v, want number %d", i, e, want[i])
			}
		}
		if entries, missed := l.Since(1<<64 - 1); len(entries) != 0 || missed != 0 {
			rt.Fatalf("after the end of time: %d entries, %d missed", len(entries), missed)
		}
		if l.Last() != uint64(n) {
			rt.Fatalf("last is %d of %d", l.Last(), n)
		}
	})
}

func TestCount(t *testing.T) {
	t.Parallel()
	l := New(0)
	l.Add(Entry{Service: "iam"})
	mark := l.Last()
	l.Add(Entry{Service: "iam"})
	l.Add(Entry{Service: "sts"})
	if n := l.Count(mark, func(e Entry) bool { return e.Service == "iam" }); n != 1 {
		t.Errorf("%d, want 1", n)
	}
}

func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	l := New(1)
	l.Add(Entry{Path: strings.Repeat("/a", 10_000), Host: strings.Repeat("h", 10_000)})
	if e, _ := l.Since(0); len(e[0].Path) > maxText+3 || len(e[0].Host) > maxText+3 {
		t.Errorf("a path of %d bytes and a host of %d are kept", len(e[0].Path), len(e[0].Host))
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	l := New(100)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				l.Add(Entry{})
				l.Since(l.Last() - 1)
			}
		})
	}
	wg.Wait()
	if l.Last() != 4000 {
		t.Errorf("%d entries, want 4000", l.Last())
	}
}
