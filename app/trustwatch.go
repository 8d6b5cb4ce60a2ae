package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/filelock"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// Bounds of the wait after a round that failed: AWS, our credentials or the
// network are in trouble, and the schedule may be a day long, or a minute.
const (
	firstRetry = 30 * time.Second
	lastRetry  = 30 * time.Minute
)

// TrustWatch is a process that keeps an eye on one federation's trust policies,
// and in mode enforce adds what they lack. It has an identity of its own: what
// serves needs no right to write IAM (spec 5.8).
type TrustWatch struct {
	// Setup is called before every round, so that a freeze or a role that was given
	// to others counts from the next one on. The process is started anew for
	// another network or other credentials' place.
	Setup      func() (Setup, error)
	Federation string
	Mode       control.WatchMode
	Actor      control.Actor
	Order      control.TrustOrder        // MaxRoles counts for each round
	Next       func(time.Time) time.Time // when the round after this moment is due
	Told       func(control.WatchRound)
	Log        *slog.Logger
}

// Run makes rounds until ctx ends: it ends between two roles then, and returns
// nil. A round that fails is told and made again, later each time.
func (w TrustWatch) Run(ctx context.Context) error {
	failures := 0
	for {
		round, err := w.Once(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if err != nil {
			failures++
			w.Log.Error("a round of the watch failed", "federation", w.Federation, "error", err, "again_in", retryAfter(failures).String())
		} else {
			failures = 0
			w.Told(round)
		}
		if !sleep(ctx, w.wait(time.Now(), failures)) {
			return nil
		}
	}
}

// wait is how long after now the next round begins, after so many failures in a
// row.
func (w TrustWatch) wait(now time.Time, failures int) time.Duration {
	if failures > 0 {
		return retryAfter(failures)
	}
	return w.Next(now).Sub(now)
}

// retryAfter doubles with every failure.
func retryAfter(failures int) time.Duration {
	wait := firstRetry
	for range failures - 1 {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}

// sleep waits unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Once makes one round. In mode enforce it first finishes runs that were cut off.
func (w TrustWatch) Once(ctx context.Context) (out control.WatchRound, err error) {
	s, err := w.Setup()
	if err != nil {
		return out, err
	}
	fed, err := control.Pick(s.Config.Federations(), w.Federation)
	if err != nil {
		return out, err
	}
	mode := w.Mode
	var resumed []string
	held := ""
	if mode == control.WatchEnforce {
		if resumed, held, err = w.finish(ctx, s, fed.Name); err != nil {
			return out, err
		}
		if held != "" {
			mode = control.WatchReport
		}
	}
	if out, err = w.round(ctx, s, fed.Name, mode); err != nil {
		return out, err
	}
	out.Mode, out.Resumed = w.Mode, resumed
	if held != "" && out.Held == "" {
		out.Held = held
	}
	if out.Unread() {
		return out, fmt.Errorf("no account could be read: %w", out.Findings[len(out.Findings)-1])
	}
	return out, nil
}

// round is a round as a run of its own.
func (w TrustWatch) round(ctx context.Context, s Setup, federation string, mode control.WatchMode) (out control.WatchRound, err error) {
	run, err := OpenTrust(s, federation, w.Actor, nil)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	out, err = run.Watch(ctx, mode, w.Order)
	if out.Report != nil {
		out.Run = run.ID
	}
	return out, err
}

// finish ends the runs that were cut off. Held says why nothing may be written
// now: another process is at it, or a freeze holds. A run whose plan is not of the
// config in force any more is left as it is: the round that follows plans anew.
func (w TrustWatch) finish(ctx context.Context, s Setup, federation string) (done []string, held string, err error) {
	open, err := unfinished(runsDir(s.Config.Store.Dir), federation)
	if err != nil {
		return nil, "", fmt.Errorf("look for runs that were cut off: %w", err)
	}
	for _, id := range open {
		report, err := w.resume(ctx, s, federation, id)
		var busy *filelock.Held
		var failed *control.Failure
		switch {
		case errors.As(err, &busy):
			return done, "run " + id + " is under way in another process", nil
		case errors.As(err, &failed) && failed.Kind == control.Held:
			return done, failed.Message, nil
		case ctx.Err() != nil:
			return done, "", ctx.Err()
		case err != nil && len(report.Outcomes) == 0:
			w.Log.Warn("a run that was cut off cannot be finished; what it lacks is planned anew", "run", id, "error", err)
		case err != nil:
			return done, "", err
		default:
			done = append(done, id)
		}
	}
	return done, "", nil
}

func (w TrustWatch) resume(ctx context.Context, s Setup, federation, id string) (report fleet.Report, err error) {
	run, err := ResumeTrust(s, federation, id, w.Actor, nil)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	order := w.Order
	order.Ticket, order.Earlier = run.Resumed.Ticket, run.Resumed.Earlier
	return run.Add(ctx, run.Resumed.Plan, order)
}
