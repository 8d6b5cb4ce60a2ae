package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
)

// second is a place for copies of records.
type second struct {
	err  error
	seen []string
}

func (s *second) Record(_ context.Context, _, action, _ string, _ any) error {
	if s.err == nil {
		s.seen = append(s.seen, action)
	}
	return s.err
}

// spec 11.4: the file of this machine decides; a second place that fails alarms
// once and stops nothing, and one that was taken over by another is none of our
// business.
func TestTrail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	file, err := openRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	log := &logText{}
	tr := &trail{recorder: file, room: func() {}, log: slog.New(slog.NewTextHandler(log, nil))}
	ok := func(action string) {
		t.Helper()
		if err := tr.Record(t.Context(), "ann", action, "x", nil); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
	ok("alone")
	store := &second{}
	tr.copyTo(store)
	ok("both")
	store.err = move.ErrDeposed
	ok("deposed")
	if tr.finding() != nil || log.count("could not") != 0 {
		t.Errorf("a leadership that is over alarms: %v", tr.finding())
	}
	store.err = errors.New("no majority")
	ok("file-only")
	ok("file-only-too")
	if f := tr.finding(); f == nil || f.Code != finding.AuditCopy || !strings.Contains(f.Error(), path) || log.count("could not be put into the store") != 1 {
		t.Errorf("finding %v, log %s", tr.finding(), log.b.String())
	}
	store.err = nil
	ok("again")
	if tr.finding() != nil || len(store.seen) != 2 {
		t.Errorf("finding %v, the second place has %v", tr.finding(), store.seen)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	records, err := ReadAudit(path, AuditQuery{})
	if err != nil || len(records) != 6 {
		t.Errorf("the file has %d records, %v", len(records), err)
	}
	gone := &trail{recorder: &recorder{path: filepath.Join(path, "no-folder")}, room: func() {}, log: tr.log}
	gone.copyTo(store)
	if err := gone.Record(t.Context(), "ann", "nowhere", "x", nil); err == nil || len(store.seen) != 2 {
		t.Errorf("without the file: %v; the second place has %v", err, store.seen)
	}
}
