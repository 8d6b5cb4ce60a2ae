package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/control"
)

var midnight = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func TestMeter(t *testing.T) {
	t.Parallel()
	at := func(seconds float64) time.Time { return midnight.Add(time.Duration(seconds * float64(time.Second))) }
	steady := func(upTo, each int) []mark { // one mark a second
		var out []mark
		for i := 0; i <= upTo; i++ {
			out = append(out, mark{at(float64(i)), i * each})
		}
		return out
	}
	for _, c := range []struct {
		why   string
		marks []mark
		now   float64
		total int
		rate  float64
		left  float64 // seconds, -1 = not known
	}{
		{"nothing has begun", nil, 5, 100, 0, -1},
		{"one moment has no speed", []mark{{at(0), 1}}, 5, 100, 0, -1},
		{"half a second is too short to say", []mark{{at(0), 0}, {at(0.5), 50}}, 0.5, 100, 0, -1},
		{"a steady pace", steady(10, 5), 10, 100, 5, 10},
		{"what was done before the first mark counts for nothing", []mark{{at(0), 90}, {at(10), 95}}, 10, 100, 0.5, 10},
		{"it has stood still for as long again", steady(10, 5), 20, 100, 2.5, 20},
		{"nothing was done at all", []mark{{at(0), 3}, {at(20), 3}}, 20, 100, 0, -1},
		{"it became slower: only the window counts", append(steady(10, 100), mark{at(40), 1030}, mark{at(70), 1060}), 70, 1090, 1, 30},
		{"the total is not known", steady(10, 5), 10, 0, 5, -1},
		{"it is done", steady(10, 5), 10, 50, 5, 0},
		{"more was done than was to do", steady(10, 5), 10, 40, 5, 0},
	} {
		var m meter
		for _, k := range c.marks {
			m.note(k.at, k.done)
		}
		left, known := m.left(at(c.now), c.total)
		if got := m.rate(at(c.now)); math.Abs(got-c.rate) > 1e-9 {
			t.Errorf("%s: rate %g, want %g", c.why, got, c.rate)
		}
		if known != (c.left >= 0) || known && math.Abs(left.Seconds()-c.left) > 1e-6 {
			t.Errorf("%s: %s left (known %v), want %g s", c.why, left, known, c.left)
		}
	}
}

// The window keeps a bounded number of marks at any speed of the work that a log
// of hours may have.
func TestMeterForgets(t *testing.T) {
	t.Parallel()
	var m meter
	for i := range 100_000 {
		m.note(midnight.Add(time.Duration(i)*100*time.Millisecond), i)
	}
	if len(m.marks) > 400 {
		t.Errorf("%d marks of %s are kept", len(m.marks), rateWindow)
	}
}

// followed runs work of n steps at so many a second and returns what is told.
func followed(f follower, n int, perSecond float64, stages ...string) []step {
	var out []step
	f.show = func(s step) { out = append(out, s) }
	now := midnight
	for _, stage := range stages {
		for i := 1; i <= n; i++ {
			now = now.Add(time.Duration(float64(time.Second) / perSecond))
			f.take(control.TrustProgress{Stage: stage, Done: i, Total: n}, now)
		}
	}
	return out
}

func TestFollowerIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why       string
		pause     time.Duration
		lastAlone bool
		n         int
		perSecond float64
		stages    []string
		want      int
	}{
		{"short work says nothing", lineEvery, false, 50, 10, []string{"scan", "plan"}, 0},
		{"a program is told the end of each stage all the same", eventEvery, true, 5, 10, []string{"scan", "plan"}, 2},
		{"long work says so now and then, and its end", lineEvery, false, 6000, 100, []string{"apply"}, 6},
		{"each stage begins anew", lineEvery, false, 1500, 100, []string{"scan", "apply"}, 4},
		{"slow work is told step by step", lineEvery, false, 10, 0.05, []string{"apply"}, 9},
	} {
		f := follower{pause: c.pause, lastAlone: c.lastAlone}
		got := followed(f, c.n, c.perSecond, c.stages...)
		if len(got) != c.want {
			t.Errorf("%s: told %d times, want %d", c.why, len(got), c.want)
		}
		for i, s := range got {
			if s.Event != "progress" || i > 0 && s.Stage == got[i-1].Stage && s.Done < got[i-1].Done {
				t.Errorf("%s: step %d is %+v", c.why, i, s)
			}
		}
	}
	last := followed(follower{pause: eventEvery, lastAlone: true}, 1000, 100, "apply")
	if mid := last[len(last)/2]; mid.LeftSeconds == nil || math.Abs(*mid.LeftSeconds-float64(mid.Total-mid.Done)/100) > 0.2 {
		t.Errorf("in the middle: %+v", mid)
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	left := 65.0
	s := step{TrustProgress: control.TrustProgress{Stage: "apply", Done: 50, Total: 100, Text: "role\x1b[31m red"}, Rate: 1.5, LeftSeconds: &left}
	for _, c := range []struct {
		why   string
		s     step
		width int
		want  []string
	}{
		{"half is done", s, 200, []string{"[############------------]", "apply: 50 of 100 roles, 50 %", "1.5/s", "1m5s left", "red"}},
		{"a narrow terminal", s, 30, []string{"[############------------] ap"}},
		{"accounts are scanned", step{TrustProgress: control.TrustProgress{Stage: "scan", Done: 1, Total: 3}}, 200, []string{"1 of 3 accounts"}},
		{"nobody knows how many", step{TrustProgress: control.TrustProgress{Stage: "plan", Done: 7}}, 200, []string{"plan: 7 roles"}},
		{"it is done", step{TrustProgress: control.TrustProgress{Stage: "plan", Done: 7, Total: 7}, Rate: 1, LeftSeconds: &left}, 200, []string{"[########################]", "100 %"}},
	} {
		got := c.s.bar(c.width)
		if utf8.RuneCountInString(got) >= c.width || strings.ContainsRune(got, '\x1b') {
			t.Errorf("%s: %q in %d columns", c.why, got, c.width)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", c.why, got, want)
			}
		}
		if c.s.Done == c.s.Total && strings.Contains(got, "left") {
			t.Errorf("%s: %q", c.why, got)
		}
	}
}

// The contract of --output json: events, then the result, one object a line.
func TestTrustEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stages := func(r ran) (stages []string, result map[string]json.RawMessage) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(r.out), "\n")
		for i, l := range lines {
			var v map[string]json.RawMessage
			if err := json.Unmarshal([]byte(l), &v); err != nil {
				t.Fatalf("line %d: %v: %s", i, err, l)
			}
			if i == len(lines)-1 {
				return stages, v
			}
			var s step
			if err := json.Unmarshal([]byte(l), &s); err != nil || s.Event != "progress" {
				t.Fatalf("line %d is no event: %s", i, l)
			}
			if s.Done == s.Total {
				stages = append(stages, s.Stage)
			}
		}
		return nil, nil
	}
	r := cli(t, w.env, "trust", "scan", "--output", "json")
	r.wants(t, exitDone)
	if got, result := stages(r); fmt.Sprint(got) != "[scan]" || result["accounts"] == nil || result["event"] != nil || r.err != "" {
		t.Errorf("scan: %v, then %s; %s", got, r.out, r.err)
	}
	r = cli(t, w.env, "trust", "apply", "--yes", "--max-roles", "2", "--output", "json")
	if got, result := stages(r); fmt.Sprint(got) != "[scan plan apply scan]" || result["outcomes"] == nil || result["event"] != nil {
		t.Errorf("apply: %v, then %v", got, result)
	}
	r = cli(t, w.env, "trust", "plan", "--output", "json")
	if n := strings.Count(r.out, "\n"); n != 1 {
		t.Errorf("plan prints %d lines: a plan file has one value", n)
	}
}
