package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// write is one write of an app as an identity provider saw it. By is the
// controller that sent it.
type write struct {
	by, app      string
	began, ended time.Time
	stored       bool
}

// judge returns what is wrong with the writes of one move of all these apps to
// one Region. at is where each app is afterwards. Controllers may follow one
// another, but none may begin a write after its successor has begun one; only
// what it had begun before may still end.
func judge(writes []write, apps []string, at map[string]string, target string) []string {
	var wrong []string
	writes = slices.Clone(writes)
	slices.SortStableFunc(writes, func(a, b write) int { return a.began.Compare(b.began) })
	var deposed []string
	for i, w := range writes {
		if slices.Contains(deposed, w.by) {
			wrong = append(wrong, fmt.Sprintf("two movers: %s began to write %s after its successor had begun", w.by, w.app))
		}
		if i > 0 && writes[i-1].by != w.by {
			deposed = append(deposed, writes[i-1].by)
		}
		for _, o := range writes[:i] {
			if o.by != w.by && o.app == w.app && o.ended.After(w.began) {
				wrong = append(wrong, fmt.Sprintf("two movers: %s and %s wrote %s at once", o.by, w.by, w.app))
			}
		}
	}
	for _, app := range apps {
		n := 0
		for _, w := range writes {
			if w.app == app && w.stored {
				n++
			}
		}
		switch {
		case n == 0:
			wrong = append(wrong, app+" was forgotten: nobody wrote it")
		case n > 1:
			wrong = append(wrong, fmt.Sprintf("%s was written %d times", app, n))
		}
		if at[app] != target {
			wrong = append(wrong, fmt.Sprintf("%s is at %q, not at %s", app, at[app], target))
		}
	}
	return wrong
}

// Saboteurs: logs of controllers that do not agree must be refused.
func TestJudge(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)
	w := func(by, app string, from, to int) write {
		return write{by, app, began.Add(time.Duration(from) * time.Second), began.Add(time.Duration(to) * time.Second), true}
	}
	lost := func(x write) write { x.stored = false; return x }
	there := map[string]string{"1": "b", "2": "b", "3": "b"}
	rows := []struct {
		name   string
		writes []write
		at     map[string]string
		want   string // "" = nothing is wrong
	}{
		{"one mover", []write{w("x", "1", 0, 1), w("x", "2", 1, 2), w("x", "3", 1, 2)}, there, ""},
		{"a successor", []write{w("x", "1", 0, 1), w("x", "2", 1, 2), w("y", "3", 8, 9)}, there, ""},
		{"a call that the deposed one had begun", []write{w("x", "1", 0, 1), w("x", "2", 1, 9), w("y", "3", 8, 9)}, there, ""},
		{"a call that stored nothing is made again", []write{w("x", "1", 0, 1), lost(w("x", "2", 1, 2)), w("y", "2", 8, 9), w("y", "3", 8, 9)}, there, ""},
		{"two interleaving movers", []write{w("x", "1", 0, 1), w("y", "2", 8, 9), w("x", "3", 10, 11)}, there, "two movers: x began to write 3"},
		{"a third of three comes back", []write{w("x", "1", 0, 1), w("y", "2", 8, 9), w("z", "3", 10, 11), lost(w("y", "3", 12, 13))}, there, "two movers: y began"},
		{"two at one app at once", []write{w("x", "1", 0, 1), lost(w("x", "2", 1, 9)), w("y", "2", 8, 9), w("y", "3", 9, 10)}, there, "wrote 2 at once"},
		{"a double write", []write{w("x", "1", 0, 1), w("x", "2", 1, 2), w("y", "2", 8, 9), w("y", "3", 8, 9)}, there, "2 was written 2 times"},
		{"a forgotten app", []write{w("x", "1", 0, 1), w("x", "2", 1, 2)}, there, "3 was forgotten"},
		{"an app that is elsewhere", []write{w("x", "1", 0, 1), w("x", "2", 1, 2), w("y", "3", 8, 9)}, map[string]string{"1": "b", "2": "a", "3": "b"}, `2 is at "a"`},
		{"an empty log", nil, there, "1 was forgotten"},
	}
	for _, row := range rows {
		got := strings.Join(judge(row.writes, []string{"1", "2", "3"}, row.at, "b"), "; ")
		if (row.want == "") != (got == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
