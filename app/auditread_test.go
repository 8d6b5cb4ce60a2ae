package app_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/audit"
)

// recordOf writes a chain with these subjects; every third action is move.start.
func recordOf(t *testing.T, subjects ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range subjects {
		if err := l.Record(t.Context(), "ann", []string{"move.start", "pause.set", "movement"}[i%3], s, map[string]string{"reason": s}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func seqs(records []app.AuditRecord) string {
	var out []string
	for _, r := range records {
		out = append(out, strconv.FormatUint(r.Seq, 10))
	}
	return strings.Join(out, " ")
}

func TestReadAudit(t *testing.T) {
	t.Parallel()
	path := recordOf(t, "federation corp", "app okta/1", "federation corp", "federation labs", "app okta/2", "x")
	all, err := app.ReadAudit(path, app.AuditQuery{})
	if err != nil || seqs(all) != "1 2 3 4 5 6" {
		t.Fatalf("%s, %v", seqs(all), err)
	}
	for _, c := range []struct {
		why  string
		q    app.AuditQuery
		want string
	}{
		{"the newest two", app.AuditQuery{Limit: 2}, "5 6"},
		{"an action and what is below it, not what only begins so", app.AuditQuery{Action: "move"}, "1 4"},
		{"the whole action", app.AuditQuery{Action: "pause.set"}, "2 5"},
		{"part of a subject", app.AuditQuery{Subject: "corp"}, "1 3"},
		{"since a record's own time", app.AuditQuery{Since: all[3].Time}, "4 5 6"},
		{"the newest of an action", app.AuditQuery{Action: "move", Limit: 1}, "4"},
		{"nothing", app.AuditQuery{Action: "none"}, ""},
	} {
		if got, err := app.ReadAudit(path, c.q); err != nil || seqs(got) != c.want || got == nil {
			t.Errorf("%s: %q, %v, want %q", c.why, seqs(got), err, c.want)
		}
	}
	// The saboteur changes a record: what stands before it is still shown.
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte("labs"), []byte("lads"), 2), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := app.ReadAudit(path, app.AuditQuery{}); err == nil || seqs(got) != "1 2 3" {
		t.Errorf("a changed record: %q, %v", seqs(got), err)
	}
}

// A whole export verifies like the record itself, and a changed one does not.
func TestExportVerifies(t *testing.T) {
	t.Parallel()
	all, err := app.ReadAudit(recordOf(t, "a\u202e<b>", "app <okta>/1", "plain"), app.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := app.WriteAuditLines(&b, all); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "export.jsonl")
	for _, c := range []struct {
		text  []byte
		whole bool
	}{{b.Bytes(), true}, {bytes.Replace(b.Bytes(), []byte("plain"), []byte("plane"), 1), false}} {
		if err := os.WriteFile(path, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if st, err := app.VerifyAudit(path); (err == nil) != c.whole || c.whole && st.Records != 3 {
			t.Errorf("the export verifies as %+v, %v", st, err)
		}
	}
}

// spec 13.7: no cell of a CSV acts in a spreadsheet or a terminal.
func TestCSVIsEscaped(t *testing.T) {
	t.Parallel()
	nasty := []string{"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\x1b[2J\u202eb,\"c\"\nd", strings.Repeat("x", 3000)}
	all, err := app.ReadAudit(recordOf(t, nasty...), app.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := app.WriteAuditCSV(&b, all); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != len(nasty)+1 || len(rows[0]) != 7 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) || strings.ContainsAny(cell, "\x1b\n\u202e\t\r") || len([]rune(cell)) > 2100 {
				t.Errorf("cell %q acts", cell)
			}
		}
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{"": {}, "90m": now.Add(-90 * time.Minute), "2026-11-20": time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-22T08:00:00+01:00": time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)} {
		if got, err := app.ParseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
	for _, bad := range []string{"yesterday", "-2h", "2026-13-01", "12:00"} {
		if got, err := app.ParseSince(bad, now); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}
