package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/config"
)

// clockwork runs jobs in virtual time until end is called.
type clockwork struct {
	calm atomic.Bool
	log  logText
	end  func() error
}

// logText is a log that several goroutines write.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// wind starts the jobs; call it in a bubble, whose clock starts at midnight UTC.
func wind(t *testing.T, all ...job) *clockwork {
	c := &clockwork{}
	c.calm.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- jobs{calm: c.calm.Load, log: slog.New(slog.NewTextHandler(&c.log, nil))}.run(ctx, all) }()
	c.end = func() error {
		cancel()
		synctest.Wait() // cron's own goroutine is one step behind
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// times are moments at which something happened.
type times struct {
	mu sync.Mutex
	at []time.Time
}

func (x *times) mark() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at = append(x.at, time.Now().UTC())
}

func (x *times) all() []time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.at)
}

// counted is a job that notes its runs.
func counted(when string, runs *times) job {
	return job{name: "count", when: when, run: func(context.Context) error { runs.mark(); return nil }}
}

func TestJobsRunInUTC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ran, off times
		c := wind(t, counted("30 5 * * *", &ran), counted(config.Off, &off))
		time.Sleep(49 * time.Hour)
		synctest.Wait()
		if err := c.end(); err != nil {
			t.Error(err)
		}
		runs, never := ran.all(), off.all()
		if len(runs) != 2 || runs[0].Format("15:04:05") != "05:30:00" || runs[1].Sub(runs[0]) != 24*time.Hour || len(never) != 0 {
			t.Errorf("ran at %v; the one that is off at %v", runs, never)
		}
	})
}

func TestJobsBadSchedule(t *testing.T) {
	t.Parallel()
	err := jobs{log: slog.New(slog.DiscardHandler)}.run(t.Context(), []job{{name: "trust_scan", when: "whenever"}})
	if err == nil || !strings.Contains(err.Error(), "trust_scan") {
		t.Errorf("error %v", err)
	}
}

// spec 9.2: nothing runs while a Region is suspect or a move is open; what fell
// due is made up for once, when calm is back.
func TestJobsWaitForCalm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs times
		c := wind(t, counted("@hourly", &runs))
		c.calm.Store(false)
		time.Sleep(3*time.Hour + time.Minute)
		synctest.Wait()
		if len(runs.all()) != 0 {
			t.Fatalf("ran at %v although it was not calm", runs.all())
		}
		c.calm.Store(true)
		time.Sleep(waitStep + time.Second)
		synctest.Wait()
		if len(runs.all()) != 1 {
			t.Errorf("%d runs after calm came back, want 1", len(runs.all()))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(runs.all()) != 2 {
			t.Errorf("%d runs an hour later, want 2", len(runs.all()))
		}
		if n := c.log.count("a scheduled job waits"); n != 1 {
			t.Errorf("the wait is logged %d times", n)
		}
		if n := c.log.count("skipped"); n != 2 {
			t.Errorf("%d skipped runs are logged, want 2", n)
		}
	})
}

// spec 9.2: a run that is under way stops at once when calm ends, and is made
// again afterwards.
func TestJobsAreInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var halted times
		var runs atomic.Int32
		c := wind(t, job{name: "scan", when: "@hourly", run: func(ctx context.Context) error {
			if runs.Add(1) > 1 {
				return nil
			}
			<-ctx.Done()
			halted.mark()
			return ctx.Err()
		}})
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		c.calm.Store(false)
		ended := time.Now()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if stopped := halted.all(); len(stopped) != 1 || stopped[0].Sub(ended) > interruptStep || runs.Load() != 1 {
			t.Fatalf("calm ended at %v, stopped at %v, %d runs", ended, stopped, runs.Load())
		}
		c.calm.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if runs.Load() != 2 || c.log.count("was interrupted") != 1 || c.log.count("failed") != 0 {
			t.Errorf("%d runs; log %s", runs.Load(), c.log.b.String())
		}
	})
}

// A run that ended well just as calm did is not made again.
func TestJobsFinishedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs times
		c := wind(t, job{name: "report", when: "@hourly", run: func(ctx context.Context) error {
			runs.mark()
			<-ctx.Done()
			return nil
		}})
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		c.calm.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		c.calm.Store(true)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n := len(runs.all()); n != 1 {
			t.Errorf("%d runs", n)
		}
	})
}

// Never two runs of one job at a time; what falls due meanwhile is skipped.
func TestJobsDoNotOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most, runs atomic.Int32
		c := wind(t, job{name: "slow", when: "@every 1m", run: func(ctx context.Context) error {
			runs.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(150 * time.Second)
			return nil
		}})
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if most.Load() != 1 || runs.Load() != 4 || c.log.count("skipped") != 6 {
			t.Errorf("%d at a time, %d runs, %d skipped", most.Load(), runs.Load(), c.log.count("skipped"))
		}
	})
}

// A job that panics or fails is logged, and runs again when it is due: the
// process and the job live on.
func TestJobsPanicAndFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		c := wind(t, job{name: "bad", when: "@every 1m", run: func(context.Context) error {
			if runs.Add(1) == 1 {
				panic("ouch")
			}
			return errors.New("no luck")
		}})
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		if runs.Load() != 3 || c.log.count("panic: ouch") != 1 || c.log.count("no luck") != 2 {
			t.Errorf("%d runs; log %s", runs.Load(), c.log.b.String())
		}
	})
}

// The end of the service ends a job that waits and one that runs, without a
// word, and both are joined.
func TestJobsEnd(t *testing.T) {
	t.Parallel()
	for _, calm := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var ended atomic.Bool
			c := wind(t, job{name: "long", when: "@every 1m", run: func(ctx context.Context) error {
				<-ctx.Done()
				ended.Store(true)
				return ctx.Err()
			}})
			c.calm.Store(calm)
			time.Sleep(90 * time.Second)
			synctest.Wait()
			if err := c.end(); err != nil || ended.Load() != calm || c.log.count("failed")+c.log.count("interrupted") != 0 {
				t.Errorf("calm %v: ended %v, %v; log %s", calm, ended.Load(), err, c.log.b.String())
			}
		})
	}
}
