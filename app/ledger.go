package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
)

// ledger keeps how the scheduled jobs stand, for people. What did not run as it
// should is in the audit record too. Safe for concurrent use; a nil ledger keeps
// nothing.
type ledger struct {
	record control.Recorder
	log    *slog.Logger
	mu     sync.Mutex
	jobs   []*control.JobStatus
	next   map[string]func() time.Time // by job: when the clock will run it
}

// shownRuns is how many of a job's next runs are shown.
const shownRuns = 3

// add lists a job.
func (l *ledger) add(name, when string) {
	l.set(name, func(*control.JobStatus) {})
	l.set(name, func(s *control.JobStatus) { s.Schedule = when })
}

// clocked tells when the clock will run a job next: what @every counts from is
// known to the clock alone.
func (l *ledger) clocked(name string, next func() time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = map[string]func() time.Time{}
	}
	l.next[name] = next
}

// set changes a job's status.
func (l *ledger) set(name string, change func(*control.JobStatus)) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.jobs, func(s *control.JobStatus) bool { return s.Name == name })
	if i < 0 {
		l.jobs = append(l.jobs, &control.JobStatus{Name: name})
		i = len(l.jobs) - 1
	}
	change(l.jobs[i])
}

func (l *ledger) waits(name string, yes bool) {
	l.set(name, func(s *control.JobStatus) { s.Waiting = yes })
}

func (l *ledger) starts(name string) {
	l.set(name, func(s *control.JobStatus) { s.Waiting, s.Running, s.LastStart = false, true, time.Now().UTC() })
}

// ends notes the outcome of a run; err is why it did not do all of its work.
func (l *ledger) ends(ctx context.Context, name string, outcome control.JobOutcome, err error) {
	text := ""
	var why *finding.Finding
	if err != nil {
		text = err.Error()
		if f, ok := finding.From(err); ok {
			why = &f
		}
	}
	l.set(name, func(s *control.JobStatus) {
		s.Running, s.LastEnd, s.LastOutcome, s.LastError, s.Finding = false, time.Now().UTC(), outcome, text, why
	})
	if outcome != control.JobDone {
		l.tell(ctx, name, outcome, text)
	}
}

// skips notes a run that was not made because the one before had not ended.
func (l *ledger) skips(ctx context.Context, name string) {
	l.set(name, func(s *control.JobStatus) { s.Skipped, s.LastSkip = s.Skipped+1, time.Now().UTC() })
	l.tell(ctx, name, control.JobSkipped, "its last run had not ended")
}

// tell records what a person should find later. That it cannot be recorded
// stops no job: a job that changes anything records that by itself first.
func (l *ledger) tell(ctx context.Context, name string, outcome control.JobOutcome, why string) {
	if l == nil || l.record == nil || ctx.Err() != nil {
		return
	}
	if err := l.record.Record(ctx, failover.Controller, "schedule."+string(outcome), "job "+name, map[string]string{"why": why}); err != nil {
		l.log.Error("a scheduled job's fate is not in the audit record", "job", name, "error", err)
	}
}

// list returns every job with its next runs.
func (l *ledger) list() []control.JobStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []control.JobStatus
	for _, j := range l.jobs {
		s := *j
		if when, err := config.ParseSchedule(s.Schedule, config.AnyTimes); err == nil && when != nil && l.next[s.Name] != nil {
			for next := l.next[s.Name](); !next.IsZero() && len(s.Next) < shownRuns; next = when.Next(next) {
				s.Next = append(s.Next, next.UTC())
			}
		}
		out = append(out, s)
	}
	return out
}
