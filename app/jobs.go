package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/samlfailover/samlfailover/config"
)

// waitStep is how often a scheduled job looks whether it may start.
const waitStep = 5 * time.Second

// longestWait is how long a scheduled job waits for calm before its run is
// skipped; the next one comes by itself.
const longestWait = 30 * time.Minute

// job is work by the clock.
type job struct {
	name string
	when string // config.ParseSchedule
	run  func(context.Context) error
}

// jobs runs work by the clock, in UTC, never two runs of one job at a time, and
// only in calm times: calm is asked before each run, and a run in progress is
// told to stop when calm ends.
type jobs struct {
	calm func() bool
	log  *slog.Logger
}

// run starts the clock and stops it, and what runs, when ctx ends.
func (j jobs) run(ctx context.Context, all []job) error {
	clock := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(cron.DiscardLogger),
		cron.WithChain(cron.Recover(cronLog{j.log}), cron.SkipIfStillRunning(cron.DiscardLogger)))
	for _, work := range all {
		if work.when == config.Off {
			continue
		}
		when, err := config.ParseSchedule(work.when)
		if err != nil {
			return fmt.Errorf("schedule of %s: %w", work.name, err)
		}
		clock.Schedule(when, cron.FuncJob(func() { j.once(ctx, work) }))
	}
	clock.Start()
	<-ctx.Done()
	<-clock.Stop().Done()
	return nil
}

// once runs a job when it is calm; a run that does not find calm is skipped.
func (j jobs) once(ctx context.Context, work job) {
	if !j.await(ctx) {
		if ctx.Err() == nil {
			j.log.Warn("a scheduled job was skipped: a Region is suspect or a move is open", "job", work.name)
		}
		return
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.interrupt(running, stop)
	}()
	err := work.run(running)
	interrupted := running.Err() != nil
	stop()
	<-done
	switch {
	case ctx.Err() != nil:
	case interrupted:
		j.log.Warn("a scheduled job was interrupted: a Region is suspect or a move is open", "job", work.name)
	case err != nil:
		j.log.Error("a scheduled job failed", "job", work.name, "error", err)
	}
}

// await waits until it is calm.
func (j jobs) await(ctx context.Context) bool {
	deadline := time.Now().Add(longestWait)
	for !j.calm() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(waitStep):
		}
		if time.Now().After(deadline) {
			return false
		}
	}
	return ctx.Err() == nil
}

// interruptStep is how fast a running job notices that calm has ended: a scan
// must not ask IAM while a Region is being confirmed as down.
const interruptStep = 100 * time.Millisecond

func (j jobs) interrupt(ctx context.Context, stop context.CancelFunc) {
	tick := time.NewTicker(interruptStep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !j.calm() {
				stop()
				return
			}
		}
	}
}

// cronLog tells what a job's panic left behind.
type cronLog struct{ log *slog.Logger }

func (l cronLog) Info(string, ...any) {}

func (l cronLog) Error(err error, msg string, kv ...any) {
	l.log.Error("a scheduled job panicked", append([]any{"error", err, "what", msg}, kv...)...)
}
