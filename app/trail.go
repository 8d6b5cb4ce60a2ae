package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
)

// trail is the audit record of a service: the hash-chained file of this machine,
// which alone decides whether something may be done (spec 14), and while this
// controller leads a second copy in the store, for whoever leads next. That the
// second fails alarms and stops nothing: the journal, which a move cannot do
// without, is in the same store. Safe for concurrent use.
type trail struct {
	*recorder
	room func() // makes room on a disk that is nearly full
	log  *slog.Logger

	mu     sync.Mutex
	second control.Recorder // the store's, while this controller leads
	why    error            // why the last record is not in it, nil once one came through
}

// copyTo makes records go to a second place too; nil ends that.
func (t *trail) copyTo(second control.Recorder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.second = second
}

// Record implements control.Recorder.
func (t *trail) Record(ctx context.Context, actor, action, subject string, detail any) error {
	t.room()
	if err := t.recorder.Record(ctx, actor, action, subject, detail); err != nil {
		return err
	}
	t.mu.Lock()
	second := t.second
	t.mu.Unlock()
	if second == nil {
		return nil
	}
	err := second.Record(ctx, actor, action, subject, detail)
	if errors.Is(err, move.ErrDeposed) {
		return nil // not ours to write any more
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && t.why == nil {
		t.log.Error("an audit record is in this machine's file and could not be put into the store as well", "action", action, "error", err)
	}
	t.why = err
	return nil
}

// finding says that the store lacks records, nil while the last one came
// through.
func (t *trail) finding() *finding.Finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why == nil {
		return nil
	}
	return &finding.Finding{Code: finding.AuditCopy, Subject: "audit record", What: "the store lacks records that this machine's file has", Why: t.why.Error(),
		Remedy: "mend the store; the file " + t.path + " is complete: keep it"}
}
