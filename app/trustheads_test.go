package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
)

// The head of a run enters the main record once it is quiet, and at most once a
// minute while it goes on. Saboteurs: a run that is replaced by a shorter or
// another one, changed, or taken away is told, and audit verify names it.
// spec 14
func TestTrustHeads(t *testing.T) {
	t.Parallel()
	begun := [3]any{control.TrustBegun, "corp", nil}
	write, ended := wrote(control.TrustWritten, "a", "x"), [3]any{control.TrustEnded, "corp", nil}
	for _, c := range []struct {
		why   string
		spoil func(dir string)
		want  string // what is wrong, "" = nothing
	}{
		{"left as it was", func(string) {}, ""},
		{"it goes on", func(dir string) { chain(t, dir, "1-trust", begun) }, ""},
		{"killed in the middle of a line", func(dir string) { add(t, filepath.Join(dir, "1-trust", runAudit), `{"seq":4,`) }, ""},
		{"taken away", func(dir string) { remove(t, filepath.Join(dir, "1-trust")) }, "gone"},
		{"replaced by another one", func(dir string) {
			remove(t, filepath.Join(dir, "1-trust"))
			chain(t, dir, "1-trust", begun, ended, begun)
		}, "replaced"},
		{"replaced by a shorter one", func(dir string) { remove(t, filepath.Join(dir, "1-trust")); chain(t, dir, "1-trust", begun) }, "replaced"},
		{"changed", func(dir string) {
			path := filepath.Join(dir, "1-trust", runAudit)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"After":"x"`, `"After":"y"`, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "hash"},
	} {
		data := t.TempDir()
		main, dir := filepath.Join(data, AuditFile), runsDir(data)
		file, err := openRecorder(main)
		if err != nil {
			t.Fatal(err)
		}
		log := &logText{}
		start := func() *trustHeads {
			heads, err := newTrustHeads(main, dir, file, slog.New(slog.NewTextHandler(log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			return heads
		}
		now := time.Now()
		heads := start()
		heads.look(t.Context(), now) // no folder yet
		chain(t, dir, "1-trust", begun, write, ended)
		heads.look(t.Context(), now)
		if got := recorded(t, main); len(got) != 0 {
			t.Errorf("%s: a run that may go on is recorded at the first look: %v", c.why, got)
		}
		for range 3 {
			heads.look(t.Context(), now)
		}
		if got := recorded(t, main); len(got) != 1 || got["1-trust"].Seq != 3 || heads.heads["1-trust"] != got["1-trust"] || file.Head().Seq != 1 {
			t.Fatalf("%s: recorded %v, head %v", c.why, got, file.Head())
		}
		c.spoil(dir)
		for _, h := range []*trustHeads{heads, start()} { // a new leader sees it too
			for range 3 {
				h.look(t.Context(), now.Add(time.Hour))
			}
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if alarms := log.count("page:"); (alarms == 2) != (c.want != "") || alarms == 1 {
			t.Errorf("%s: %d alarms: %s", c.why, alarms, log.b.String())
		}
		runs, err := VerifyRuns(main)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: audit verify says %v, want %q", c.why, err, c.want)
		}
		if len(runs) != 1 || runs[0].Covered < 3 || (runs[0].Broken != "") != (c.want != "") {
			t.Errorf("%s: %+v", c.why, runs)
		}
	}
}

// A long run is recorded while it goes on, and not with every line.
func TestTrustHeadsOfALongRun(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	main, dir := filepath.Join(data, AuditFile), runsDir(data)
	file, err := openRecorder(main)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	heads, err := newTrustHeads(main, dir, file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for range 90 { // three minutes
		chain(t, dir, "1-trust", wrote(control.TrustWritten, "a", "x"))
		now = now.Add(mirrorEvery)
		heads.look(t.Context(), now)
	}
	if n := file.Head().Seq; n < 2 || n > 4 {
		t.Errorf("%d heads of a run of three minutes", n)
	}
}

func recorded(t *testing.T, main string) map[string]audit.Head {
	t.Helper()
	got, err := recordedHeads(main)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
