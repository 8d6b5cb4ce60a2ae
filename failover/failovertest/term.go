package failovertest

import (
	"context"
	"errors"
	"fmt"
)

// TermChecks returns the contract of move.Term.
func TermChecks() []Check {
	return []Check{
		{"a new leader holds a lease", leaderHolds},
		{"the next leader deposes the former", nextDeposes},
		{"a deposed leader has no lease left", deposedHasNone},
		{"asking with an ended context is an error", endedContext},
	}
}

func leaderHolds(ctx context.Context, w World) error {
	_, t, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	select {
	case <-t.Lost():
		return errors.New("the leadership is lost at once")
	default:
	}
	left, err := t.Remaining(ctx)
	if err != nil {
		return fmt.Errorf("a fresh lease: %w", err)
	}
	if left <= 0 {
		return fmt.Errorf("the lease has %s left, want more than nothing", left)
	}
	return nil
}

func nextDeposes(ctx context.Context, w World) error {
	_, old, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	_, next, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	select {
	case <-old.Lost():
	case <-ctx.Done():
		return errors.New("the former leader is never told")
	}
	select {
	case <-next.Lost():
		return errors.New("the new leader is told that it is deposed")
	default:
		return nil
	}
}

func deposedHasNone(ctx context.Context, w World) error {
	_, old, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	if _, _, err := w.Lead(ctx); err != nil {
		return err
	}
	if left, err := old.Remaining(ctx); err == nil && left > 0 {
		return fmt.Errorf("a deposed leader still has %s", left)
	}
	return nil
}

func endedContext(ctx context.Context, w World) error {
	_, t, err := w.Lead(ctx)
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := t.Remaining(ended); err == nil {
		return errors.New("no error, although nobody can have been asked")
	}
	return nil
}
