package move

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// tries runs an app's step until it is verified or cannot be helped, at most
// Limits.Attempts times. An error ends the run.
func (x *run) tries(ctx context.Context, a *appRun) error {
	pace := backoff.NewExponentialBackOff()
	pace.InitialInterval, pace.MaxInterval = x.m.Limits.FirstWait, x.m.Limits.LongestWait
	for {
		a.result.Attempts++
		err := x.try(ctx, a)
		switch {
		case a.fatal != nil:
			return a.fatal
		case err == nil:
			return nil
		case isFatal(ctx, err):
			return err
		case a.result.Attempts >= x.m.Limits.Attempts || !curable(err):
			x.fail(a, err)
			return nil
		}
		pause := max(pace.NextBackOff(), asked(err))
		x.m.emit(x.r, Event{Kind: EventRetry, App: a.step.App.Name, Text: fmt.Sprintf("%s: try %d failed, next in %s: %v",
			a.step.App.Name, a.result.Attempts, pause.Round(100*time.Millisecond), err)})
		a.trouble.Do(func() { close(a.troubled) })
		if !wait(ctx, x.m.Term.Lost(), pause) {
			return x.m.stopped(ctx)
		}
	}
}

// try runs the step once.
func (x *run) try(ctx context.Context, a *appRun) error {
	if err := x.m.fence(ctx); err != nil {
		return err
	}
	sctx, cancel := context.WithTimeout(ctx, x.m.Limits.StepTimeout)
	defer cancel()
	res, err := x.step(sctx, a)
	a.last = res
	if a.fatal != nil || err != nil && ctx.Err() != nil {
		return err
	}
	if err != nil && res.Sent {
		a.wrote = join(a.wrote, res.Changes)
		a.fatal = x.note(ctx, a, StepNote{Phase: Written, Finding: asFinding(a.step.App, finding.MoveIncomplete, "the write was sent and is not verified", err)},
			"was written, and what became of it is not known")
		return err
	}
	if err != nil {
		return err
	}
	a.result.Notes = res.Findings
	if a.unkept != nil {
		a.result.Notes = append(slices.Clone(a.result.Notes), *a.unkept)
	}
	if why := x.elsewhere(a); why != nil {
		return *why
	}
	text := "is read back at " + a.step.target(x.r).String()
	if _, ok := x.f.Standby(a.step.App); ok {
		text = "is read back with its tile " + string(tileWord(res.App))
	}
	if res.Already {
		text += "; it was there already"
	}
	if a.fatal = x.note(ctx, a, StepNote{Phase: Verified}, text); a.fatal != nil {
		return a.fatal
	}
	a.result.Moved, a.result.Proof = true, failover.P1
	x.m.after(ctx, x.r, "move.app-verified", map[string]any{"app": a.step.App, "calls": res.Calls, "findings": res.Findings})
	return nil
}

func tileWord(app idp.App) failover.Tile {
	if app.Hidden {
		return failover.TileHidden
	}
	return failover.TileShown
}

// step calls the IdP for one app, forward or back.
func (x *run) step(ctx context.Context, a *appRun) (idp.StepResult, error) {
	hooks := idp.Hooks{
		Planned: func(ctx context.Context, before idp.Document, changes []idp.Change) error {
			return x.planned(ctx, a, before, changes)
		},
		Writing: func(ctx context.Context) error { return x.unlocked(ctx, a) },
		Bound: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			call, cancel, err := x.m.bound(ctx)
			return call, cancel, a.keep(err)
		},
	}
	if x.r.Undoes != "" {
		return x.m.Apps.Undo(ctx, a.step.App, a.step.Undo, hooks)
	}
	if s, ok := x.f.Standby(a.step.App); ok {
		return x.m.Apps.Publish(ctx, s.App, idp.Tile{Region: s.Region, Show: failover.TileOf(s, x.r.To) == failover.TileShown, Ours: s.Unhide}, hooks)
	}
	return x.m.Apps.Step(ctx, a.step.App, signin.Target{From: a.step.From, To: x.r.To, Relay: x.f.Policy.Relay}, hooks)
}

// unlocked refuses an app that a person has locked, also in the middle of the
// move. An override counts for the locks that stood when it was given.
func (x *run) unlocked(ctx context.Context, a *appRun) error {
	if x.m.Brakes == nil {
		return nil
	}
	brakes, err := x.m.Brakes.Brakes(ctx)
	if err != nil {
		return a.keep(fmt.Errorf("read the locks before app %s is written: %w", a.step.App.Name, err))
	}
	if slices.Contains(x.r.Overrides, failover.Locked) {
		brakes = slices.DeleteFunc(slices.Clone(brakes), func(b failover.Brake) bool { return b.Since.Before(x.r.Started) })
	}
	of := []federation.AppRef{a.step.App}
	if s, ok := x.f.Standby(a.step.App); ok {
		of = append(of, s.For)
	}
	for _, app := range of {
		if lock, ok := failover.LockOn(brakes, x.f.Name, app, time.Now()); ok {
			return failover.LockFinding(app, lock)
		}
	}
	return nil
}

// keep remembers an error that ends the run although it passes through the
// step. A try that took too long ends only itself.
func (a *appRun) keep(err error) error {
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		a.fatal = err
	}
	return err
}

// write is the audit detail of one write.
type write struct {
	App     string       `json:"app"`
	Before  string       `json:"before_sha256"`
	Changes []idp.Change `json:"changes"`
}

// planned records and journals the changes before they are made. Without the
// record the app is not written; without the journal nothing is.
func (x *run) planned(ctx context.Context, a *appRun, before idp.Document, changes []idp.Change) error {
	if err := a.keep(x.m.fence(ctx)); err != nil {
		return err
	}
	if err := x.unlocked(ctx, a); err != nil {
		return err
	}
	sum := sha256.Sum256(before.Raw)
	detail := write{App: a.step.App.String(), Before: hex.EncodeToString(sum[:]), Changes: changes}
	if err := x.m.record(ctx, x.r, "move.write", detail); err != nil {
		return err
	}
	if err := a.keep(x.note(ctx, a, StepNote{Phase: Planned, Changes: join(a.wrote, changes)}, "is about to be written")); err != nil {
		return err
	}
	x.snapshot(ctx, a, before)
	return nil
}

// curable reports whether another try may help. Nothing of somebody else's is
// lost by it: every try reads first.
func curable(err error) bool {
	var retry *idp.RetryError
	if errors.As(err, &retry) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	f, ok := finding.From(err)
	if !ok {
		return false
	}
	switch f.Code {
	case finding.IdPThrottled, finding.IdPReadOnly, finding.IdPUnreachable, finding.ChangedMeanwhile, finding.NotVisible:
		return true
	}
	return false
}

// asked is how long the vendor wants us to wait.
func asked(err error) time.Duration {
	var retry *idp.RetryError
	if errors.As(err, &retry) {
		return retry.After
	}
	return 0
}
