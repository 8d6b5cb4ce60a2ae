package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/samlfailover/samlfailover/audit/copies"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
)

// trail is the audit record of a service: the hash-chained file of this machine,
// which alone decides whether something may be done (spec 14), while this
// controller leads a second copy in the store, for whoever leads next, and
// copies in the sinks of the config. That one of these fails alarms and stops nothing: the journal, which a move cannot do
// without, is in the same store. Safe for concurrent use.
type trail struct {
	*recorder
	room func() // makes room on a disk that is nearly full
	log  *slog.Logger

	mu     sync.Mutex
	second control.Recorder // the store's, while this controller leads
	why    error            // why the last record is not in it, nil once one came through
	sinks  []*copies.Copier // to places outside, by the config in force
	news   []chan struct{}  // of each sink
}

// copyOutside runs the copiers until ctx ends. What they do or do not, nobody
// waits for it.
func (t *trail) copyOutside(ctx context.Context, sinks []*copies.Copier) {
	news := make([]chan struct{}, len(sinks))
	var all sync.WaitGroup
	for i, s := range sinks {
		news[i] = make(chan struct{}, 1)
		all.Go(func() { s.Run(ctx, news[i]) })
	}
	t.mu.Lock()
	t.sinks, t.news = sinks, news
	t.mu.Unlock()
	all.Wait()
}

// tell says that there is a new record. The caller holds the lock.
func (t *trail) tell() {
	for _, c := range t.news {
		select {
		case c <- struct{}{}:
		default:
		}
	}
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
	t.tell()
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

// outside says what a person should know of the copies outside.
func (t *trail) outside() []finding.Finding {
	t.mu.Lock()
	sinks := t.sinks
	t.mu.Unlock()
	var out []finding.Finding
	for _, s := range sinks {
		out = append(out, s.Findings()...)
	}
	return out
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
