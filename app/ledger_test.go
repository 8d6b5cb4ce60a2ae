package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
)

// actions is a record that keeps action and subject.
type actions struct {
	mu  sync.Mutex
	got []string
}

func (a *actions) Record(_ context.Context, _, action, subject string, _ any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, action+" "+subject)
	return nil
}

func (a *actions) count(what string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, g := range a.got {
		if g == what {
			n++
		}
	}
	return n
}

// keep runs jobs with a ledger for so long and returns it.
func keep(t *testing.T, j jobs, d time.Duration, all ...job) (*ledger, *actions) {
	t.Helper()
	record := &actions{}
	j.log = slog.New(slog.DiscardHandler)
	j.ledger = &ledger{record: record, log: j.log}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.run(ctx, all) }()
	<-time.After(d)
	synctest.Wait()
	list := j.ledger.list()
	cancel()
	synctest.Wait()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return &ledger{jobs: pointers(list)}, record
}

func pointers(list []control.JobStatus) []*control.JobStatus {
	var out []*control.JobStatus
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}

func always() bool { return true }
func never() bool  { return false }

// Every job is listed with its line, its next runs in UTC, and how its last run
// ended; what did not go well is recorded too.
func TestLedger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, record := keep(t, jobs{calm: always}, 150*time.Second,
			job{name: "good", when: "@every 1m", run: func(context.Context) error { return nil }},
			job{name: "bad", when: "@every 1m", run: func(context.Context) error { return errors.New("no luck") }},
			job{name: "slow", when: "@every 1m", run: func(ctx context.Context) error { <-time.After(70 * time.Second); return nil }},
			job{name: "off", when: config.Off, run: func(context.Context) error { return nil }},
			job{name: "later", when: "30 5 * * *", run: func(context.Context) error { return nil }})
		for i, want := range []control.JobStatus{
			{Name: "good", Schedule: "@every 1m", LastOutcome: control.JobDone},
			{Name: "bad", Schedule: "@every 1m", LastOutcome: control.JobFailed, LastError: "no luck"},
			{Name: "slow", Schedule: "@every 1m", LastOutcome: control.JobDone, Skipped: 1},
			{Name: "off", Schedule: "off"},
			{Name: "later", Schedule: "30 5 * * *"},
		} {
			got := *l.jobs[i]
			if got.Name != want.Name || got.Schedule != want.Schedule || got.LastOutcome != want.LastOutcome || got.LastError != want.LastError || got.Skipped != want.Skipped {
				t.Errorf("%+v, want %+v", got, want)
			}
			switch ran := want.LastOutcome != ""; {
			case want.Name == "off" && len(got.Next) != 0, want.Name != "off" && len(got.Next) != shownRuns:
				t.Errorf("%s: next runs %v", got.Name, got.Next)
			case ran == got.LastStart.IsZero():
				t.Errorf("%s: last start %s", got.Name, got.LastStart)
			}
		}
		if next := l.jobs[0].Next; !next[0].Equal(time.Date(2000, 1, 1, 0, 3, 0, 0, time.UTC)) {
			t.Errorf("@every counts from its start, and its next run is shown as %s", next[0])
		}
		if next := l.jobs[4].Next; next[0].Format(time.DateTime) != "2000-01-01 05:30:00" || next[1].Sub(next[0]) != 24*time.Hour {
			t.Errorf("next runs %v", next)
		}
		if record.count("schedule.failed job bad") != 2 || record.count("schedule.skipped job slow") != 1 || len(record.got) != 3 {
			t.Errorf("recorded %v", record.got)
		}
	})
}

// A job that waits for calm in an outage that is settled runs after an hour; in
// one that is not, or that a move is part of, it waits on. Jobs that belong into
// an outage never wait.
func TestJobsInALongOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		job    job
		in     jobs
		within time.Duration
		runs   int32
	}{
		{"the outage is settled, and young", job{when: "@hourly"}, jobs{calm: never, settled: always}, time.Hour + 59*time.Minute, 0}, // due at 1:00
		{"the outage is settled, and old", job{when: "@hourly"}, jobs{calm: never, settled: always}, 2*time.Hour + time.Minute, 1},
		{"something is in doubt", job{when: "@hourly"}, jobs{calm: never, settled: never}, 72 * time.Hour, 0},
		{"nobody knows", job{when: "@hourly"}, jobs{calm: never}, 72 * time.Hour, 0},
		{"a job for outages too", job{when: "@hourly", always: true}, jobs{calm: never, settled: never}, 3*time.Hour + time.Minute, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			var runs atomic.Int32
			c.job.name, c.job.run = "count", func(context.Context) error { runs.Add(1); return nil }
			l, _ := keep(t, c.in, c.within, c.job)
			if runs.Load() != c.runs || c.runs == 0 && !l.jobs[0].Waiting {
				t.Errorf("%s: %d runs, want %d; %+v", c.why, runs.Load(), c.runs, l.jobs[0])
			}
		})
	}
}

// A run in a settled outage stops at once when a Region becomes suspect or a
// move opens, and that is recorded.
func TestLongOutageIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var settled atomic.Bool
		settled.Store(true)
		after := time.AfterFunc(130*time.Minute, func() { settled.Store(false) })
		defer after.Stop()
		var halted times
		l, record := keep(t, jobs{calm: never, settled: settled.Load}, 140*time.Minute, job{name: "scan", when: "@hourly", run: func(ctx context.Context) error {
			<-ctx.Done()
			halted.mark()
			return ctx.Err()
		}})
		if at := halted.all(); len(at) != 1 || record.count("schedule.interrupted job scan") != 1 || l.jobs[0].LastOutcome != control.JobInterrupted || !l.jobs[0].Waiting {
			t.Errorf("halted at %v, recorded %v, %+v", halted.all(), record.got, l.jobs[0])
		}
	})
}

// The heads that the schedule keeps prove a record up to the newest of them, and
// tell a record that was changed or cut together with its own head file.
func TestAuditHeads(t *testing.T) {
	t.Parallel()
	path, heads := filepath.Join(t.TempDir(), "audit.jsonl"), filepath.Join(t.TempDir(), "heads.jsonl")
	r, err := openRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := r.Record(t.Context(), "ann", "test", "x", i); err != nil {
			t.Fatal(err)
		}
		if i == 1 || i == 3 {
			if err := appendHead(heads, r.Head()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if from, _, err := CoverAudit(path, heads); err != nil || from != 5 {
		t.Errorf("nothing is proven from record %d on, want 5: %v", from, err)
	}
	if err := appendHead(heads, audit.Head{}); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("a head that is not known: %v", err)
	}
	if err := appendHead(filepath.Join(path, "no", "folder"), audit.Head{Seq: 1, Hash: "x"}); err == nil {
		t.Error("a head that went nowhere is called kept")
	}
	// The saboteur is another record, whole in itself.
	other := filepath.Join(t.TempDir(), "audit.jsonl")
	o, err := openRecorder(other)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := o.Record(t.Context(), "eve", "test", "y", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := CoverAudit(other, heads); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("another record is taken: %v", err)
	}
	if _, _, err := CoverAudit(path, filepath.Join(filepath.Dir(path), "none")); err == nil {
		t.Error("a file of heads that is not there")
	}
}
