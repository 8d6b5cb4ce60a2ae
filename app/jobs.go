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
)

// waitStep is how often a scheduled job looks whether it may start.
const waitStep = 5 * time.Second

// job is work by the clock.
type job struct {
	name string
	when string // config.ParseSchedule
	run  func(context.Context) error
}

// jobs runs work by the clock, in UTC, never two runs of one job at a time, and
// only in calm times: a run waits for calm, is told to stop when calm ends, and
// is then made again. What falls due meanwhile is skipped.
type jobs struct {
	calm func() bool
	log  *slog.Logger
}

// run starts the clock and stops it, and what runs, when ctx ends.
func (j jobs) run(ctx context.Context, all []job) error {
	clock := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(cron.DiscardLogger))
	for _, work := range all {
		if work.when == config.Off {
			continue
		}
		when, err := config.ParseSchedule(work.when)
		if err != nil {
			return fmt.Errorf("schedule of %s: %w", work.name, err)
		}
		var running sync.Mutex
		clock.Schedule(when, cron.FuncJob(func() {
			if !running.TryLock() {
				j.log.Warn("a scheduled job was skipped: its last run has not ended", "job", work.name)
				return
			}
			defer running.Unlock()
			j.once(ctx, work)
		}))
	}
	clock.Start()
	<-ctx.Done()
	<-clock.Stop().Done()
	return nil
}

// once runs a job to its end, in calm times only.
func (j jobs) once(ctx context.Context, work job) {
	for j.await(ctx, work.name) {
		interrupted, err := j.try(ctx, work)
		switch {
		case ctx.Err() != nil:
		case interrupted:
			j.log.Warn("a scheduled job was interrupted and will be run again: a Region is suspect or a move is open", "job", work.name)
			continue
		case err != nil:
			j.log.Error("a scheduled job failed", "job", work.name, "error", err)
		}
		return
	}
}

// await waits until it is calm; it returns false when ctx has ended.
func (j jobs) await(ctx context.Context, name string) bool {
	for told := false; !j.calm(); {
		if !told {
			j.log.Warn("a scheduled job waits: a Region is suspect or a move is open", "job", name)
			told = true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(waitStep):
		}
	}
	return ctx.Err() == nil
}

// try runs a job once and stops it when calm ends. A panic is an error: probes
// and moves go on.
func (j jobs) try(ctx context.Context, work job) (interrupted bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	var cut bool
	watch.Go(func() { cut = j.interrupt(ctx, stop) })
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

// interrupt stops a run when calm ends; it returns whether it did.
func (j jobs) interrupt(ctx context.Context, stop context.CancelFunc) bool {
	tick := time.NewTicker(interruptStep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if !j.calm() {
				stop()
				return true
			}
		}
	}
}
