package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// chain writes an audit record of a run: action, subject, detail.
func chain(t *testing.T, dir, run string, entries ...[3]any) string {
	t.Helper()
	path := filepath.Join(dir, run, runAudit)
	l, err := audit.Open(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := l.Record(t.Context(), "ada", e[0].(string), e[1].(string), e[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func wrote(action, role, after string) [3]any {
	return [3]any{action, role, fleet.Write{Role: role, Before: "before", After: after}}
}

// What was written last is known over all runs, those of restores too, and
// whether it was read back. A broken chain is named and hides no other run.
// spec 14
func TestLastWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chain(t, dir, "1-trust", wrote(control.TrustWritten, "a", "one"), wrote(control.TrustWritten, "b", "one"))
	chain(t, dir, "2-trust", wrote(control.TrustWritten, "a", "two"), [3]any{control.TrustEnded, "corp", nil})
	chain(t, dir, "3-trust", wrote(control.TrustRestored, "b", "three"))
	j := trustJournal{filepath.Join(dir, "2-trust", trustJournalName)}
	for _, l := range []trustLine{{Plan: &fleet.TrustPlan{Federation: "corp"}}, {Outcome: &fleet.Outcome{Role: "a", State: fleet.Written}}} {
		if err := j.append(l); err != nil {
			t.Fatal(err)
		}
	}
	got, err := lastWrites(dir)()
	if err != nil || len(got) != 2 || got["a"].After != "two" || !got["a"].Done || got["a"].Run != "2-trust" || got["b"].After != "three" || got["b"].Done || got["b"].At.IsZero() {
		t.Fatalf("%v: %+v", err, got)
	}
	path := filepath.Join(dir, "2-trust", runAudit)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte("two"), []byte("owt"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = lastWrites(dir)(); !errors.Is(err, audit.ErrBroken) || got["b"].After != "three" {
		t.Errorf("a changed chain: %v, %+v", err, got)
	}
	if got, err := lastWrites(filepath.Join(dir, "none"))(); err != nil || len(got) != 0 {
		t.Errorf("no run yet: %v, %v", got, err)
	}
}

// A run is cut off if its record says that it began and not how it ended.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	begun, ended := [3]any{control.TrustBegun, "corp", nil}, [3]any{control.TrustEnded, "corp", nil}
	chain(t, dir, "1-ended", begun, wrote(control.TrustWritten, "a", "x"), ended)
	chain(t, dir, "2-cut-off", begun, wrote(control.TrustWritten, "a", "x"))
	chain(t, dir, "3-of-another", [3]any{control.TrustBegun, "labs", nil})
	chain(t, dir, "4-resumed-and-cut-off-again", begun, ended, begun)
	chain(t, dir, "5-restore", wrote(control.TrustRestored, "a", "x"))
	if err := os.MkdirAll(filepath.Join(dir, "6-beginning"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := unfinished(dir, "corp")
	if want := []string{"2-cut-off", "4-resumed-and-cut-off-again"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// Rounds that fail come later each time, half an hour apart at most, and never
// end the watch; it ends when it is told to.
func TestTrustWatchGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		var at []time.Duration
		var log strings.Builder
		w := TrustWatch{Setup: func() (Setup, error) {
			at = append(at, time.Since(began))
			if len(at) == 10 {
				stop()
			}
			return Setup{}, errors.New("the config is being edited")
		}, Next: func(now time.Time) time.Time { t.Error("the schedule was asked"); return now }, Log: slog.New(slog.NewTextHandler(&log, nil))}
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
		var waits []time.Duration
		for i := 1; i < len(at); i++ {
			waits = append(waits, at[i]-at[i-1])
		}
		m := time.Minute
		if want := []time.Duration{m / 2, m, 2 * m, 4 * m, 8 * m, 16 * m, 30 * m, 30 * m, 30 * m}; !slices.Equal(waits, want) {
			t.Errorf("it waited %v, want %v", waits, want)
		}
		if n := strings.Count(log.String(), "being edited"); n != 9 {
			t.Errorf("%d failures are told", n)
		}
	})
	w := TrustWatch{Next: func(now time.Time) time.Time { return now.Add(time.Hour) }}
	if got := w.wait(time.Now(), 0); got != time.Hour {
		t.Errorf("after a good round it waits %s", got)
	}
}

// What the scheduled scan tells is news: changes by others that were told at the
// scan before are not told again, unless they were changed again.
func TestDrifted(t *testing.T) {
	t.Parallel()
	scan := func(difference string) inventory.Snapshot {
		out := inventory.Snapshot{Accounts: make([]inventory.AccountScan, 1)}
		if difference != "" {
			out.Accounts[0].Notes = []finding.Finding{{Code: finding.TrustForeign, Subject: "role", Evidence: map[string]string{"difference": difference}}}
		}
		return out
	}
	for _, c := range []struct {
		why           string
		before, after inventory.Snapshot
		want          int
	}{
		{"nothing", scan(""), scan(""), 0},
		{"new", scan(""), scan("x"), 1},
		{"told before", scan("x"), scan("x"), 0},
		{"changed again", scan("x"), scan("y"), 1},
		{"put right", scan("x"), scan(""), 0},
		{"no scan before", inventory.Snapshot{}, scan("x"), 1},
	} {
		if got := drifted(c.before, c.after); len(got) != c.want {
			t.Errorf("%s: %v", c.why, got)
		}
	}
}
