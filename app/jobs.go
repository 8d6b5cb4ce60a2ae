package app

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
)

// waitStep is how often a scheduled job looks whether it may start.
const waitStep = 5 * time.Second

// longWait is how long a job waits for calm before it runs in an outage that is
// settled: every Region that is not healthy is confirmed to be down, and no move
// is open. What it cannot reach then, it says.
const longWait = time.Hour

// job is work by the clock. always means that it runs in an outage as well.
type job struct {
	name   string
	when   string // config.ParseSchedule
	always bool
	run    func(context.Context) error
}

// jobs runs work by the clock, in UTC, never two runs of one job at a time, and
// only in calm times: a run waits for calm, is told to stop when calm ends, and
// is then made again. What falls due meanwhile is skipped. A nil settled means
// that no outage ever is; ledger may be nil.
type jobs struct {
	calm    func() bool
	settled func() bool
	log     *slog.Logger
	ledger  *ledger
}

// run starts the clock and stops it, and what runs, when ctx ends.
func (j jobs) run(ctx context.Context, all []job) error {
	clock := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(cron.DiscardLogger))
	for _, work := range all {
		j.ledger.add(work.name, work.when)
		if work.when == config.Off {
			continue
		}
		when, err := config.ParseSchedule(work.when, config.AnyTimes)
		if err != nil {
			return fmt.Errorf("schedule of %s: %w", work.name, err)
		}
		var running sync.Mutex
		id := clock.Schedule(when, cron.FuncJob(func() {
			if !running.TryLock() {
				j.log.Warn("a scheduled job was skipped: its last run has not ended", "job", work.name)
				j.ledger.skips(ctx, work.name)
				return
			}
			defer running.Unlock()
			j.once(ctx, work)
		}))
		j.ledger.clocked(work.name, func() time.Time { return clock.Entry(id).Next })
	}
	clock.Start()
	<-ctx.Done()
	<-clock.Stop().Done()
	return nil
}

// once runs a job to its end, while it may run.
func (j jobs) once(ctx context.Context, work job) {
	for {
		may, ok := j.await(ctx, work)
		if !ok {
			return
		}
		j.ledger.starts(work.name)
		interrupted, err := j.try(ctx, work, may)
		switch {
		case ctx.Err() != nil:
		case interrupted:
			j.log.Warn("a scheduled job was interrupted and will be run again: a Region is suspect or a move is open", "job", work.name)
			j.ledger.ends(ctx, work.name, control.JobInterrupted, err)
			continue
		case err != nil:
			j.log.Error("a scheduled job failed", "job", work.name, "error", err)
			j.ledger.ends(ctx, work.name, control.JobFailed, err)
		default:
			j.ledger.ends(ctx, work.name, control.JobDone, nil)
		}
		return
	}
}

// await waits until a job may run and returns what must stay so while it does;
// ok is false when ctx has ended.
func (j jobs) await(ctx context.Context, work job) (may func() bool, ok bool) {
	if work.always {
		return func() bool { return true }, ctx.Err() == nil
	}
	began := time.Now()
	for told := false; !j.calm(); {
		if !told {
			j.log.Warn("a scheduled job waits: a Region is suspect or a move is open", "job", work.name)
			j.ledger.waits(work.name, true)
			told = true
		}
		if j.settled != nil && time.Since(began) >= longWait && j.settled() {
			j.log.Warn("a scheduled job has waited long enough and runs although a Region is down; what it cannot reach stays as it was last seen", "job", work.name)
			return j.settled, ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(waitStep):
		}
	}
	return j.calm, ctx.Err() == nil
}

// try runs a job once and stops it when it may run no more. A panic is an error:
// probes and moves go on.
func (j jobs) try(ctx context.Context, work job, may func() bool) (interrupted bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	var cut bool
	watch.Go(func() { cut = interrupt(ctx, stop, may) })
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		stop()
		watch.Wait()
		interrupted = cut && err != nil
	}()
	return false, work.run(ctx)
}

// interruptStep is how fast a running job notices that calm has ended: a scan
// must not ask IAM while a Region is being confirmed as down.
const interruptStep = 100 * time.Millisecond

// interrupt stops a run that may run no more; it returns whether it did.
func interrupt(ctx context.Context, stop context.CancelFunc, may func() bool) bool {
	tick := time.NewTicker(interruptStep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if !may() {
				stop()
				return true
			}
		}
	}
}
