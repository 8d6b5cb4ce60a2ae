package failovertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
)

// BrakesWorld is one store of pauses and locks under test; Lead as in World.
type BrakesWorld interface {
	LeadBrakes(ctx context.Context) (move.Brakes, error)
}

// BrakesCheck is one rule of the contract of move.Brakes.
type BrakesCheck struct {
	Name string
	Run  func(ctx context.Context, w BrakesWorld) error
}

// RunBrakes holds move.Brakes to its contract; fresh returns an empty store.
func RunBrakes(t *testing.T, fresh func(t *testing.T) BrakesWorld) {
	t.Helper()
	for _, c := range BrakesChecks() {
		t.Run(c.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.Run(ctx, fresh(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// BrakesChecks returns the contract of move.Brakes.
func BrakesChecks() []BrakesCheck {
	return []BrakesCheck{
		{"an empty store has none", brakesEmpty},
		{"what is set is listed as it was set, oldest first", brakesListed},
		{"the same id again takes the place of the former", brakesReplaced},
		{"what is released is gone, and nothing else", brakesReleased},
		{"releasing what is not there is refused", brakesUnknown},
		{"what has run out stays listed", brakesRunOut},
		{"the next leader finds them", brakesKept},
		{"a deposed leader is refused every write", brakesDeposed},
		{"many at once are all kept", brakesAtOnce},
		{"what was handed over can be changed without harm", brakesCopied},
	}
}

// brake returns one that was set so many minutes after seven.
func brake(id string, minute int) failover.Brake {
	return failover.Brake{ID: id, Kind: failover.BrakeLock, Federation: "f", App: "okta/0oa1", By: "ann", Reason: "change " + id,
		Since: time.Date(2026, 11, 22, 7, minute, 0, 0, time.UTC), Until: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)}
}

// withBrakes leads and sets them.
func withBrakes(ctx context.Context, w BrakesWorld, all ...failover.Brake) (move.Brakes, error) {
	b, err := w.LeadBrakes(ctx)
	if err != nil {
		return nil, fmt.Errorf("lead: %w", err)
	}
	for _, x := range all {
		if err := b.Put(ctx, x); err != nil {
			return nil, fmt.Errorf("put %s: %w", x.ID, err)
		}
	}
	return b, nil
}

// wantBrakes compares what is listed; none and an empty list are the same.
func wantBrakes(ctx context.Context, b move.Brakes, want ...failover.Brake) error {
	got, err := b.Brakes(ctx)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if len(got) == 0 && len(want) == 0 {
		return nil
	}
	return sameJSON("the list of brakes", got, want)
}

func brakesEmpty(ctx context.Context, w BrakesWorld) error {
	b, err := withBrakes(ctx, w)
	if err != nil {
		return err
	}
	return wantBrakes(ctx, b)
}

func brakesListed(ctx context.Context, w BrakesWorld) error {
	pause := failover.Brake{ID: "p", Kind: failover.BrakePause, By: "bob", Reason: "maintenance", Since: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	b, err := withBrakes(ctx, w, brake("z", 1), brake("a", 2), pause)
	if err != nil {
		return err
	}
	return wantBrakes(ctx, b, brake("z", 1), brake("a", 2), pause)
}

func brakesReplaced(ctx context.Context, w BrakesWorld) error {
	longer := brake("a", 1)
	longer.Reason, longer.Until = "longer", time.Time{}
	b, err := withBrakes(ctx, w, brake("a", 1), brake("b", 2), longer)
	if err != nil {
		return err
	}
	return wantBrakes(ctx, b, longer, brake("b", 2))
}

func brakesReleased(ctx context.Context, w BrakesWorld) error {
	b, err := withBrakes(ctx, w, brake("a", 1), brake("b", 2), brake("c", 3))
	if err != nil {
		return err
	}
	if err := b.Release(ctx, "b"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return wantBrakes(ctx, b, brake("a", 1), brake("c", 3))
}

func brakesUnknown(ctx context.Context, w BrakesWorld) error {
	b, err := withBrakes(ctx, w, brake("a", 1))
	if err != nil {
		return err
	}
	if err := wantErr("release of what was never set", b.Release(ctx, "b"), move.ErrNoBrake); err != nil {
		return err
	}
	if err := b.Release(ctx, "a"); err != nil {
		return err
	}
	return wantErr("a second release", b.Release(ctx, "a"), move.ErrNoBrake)
}

func brakesRunOut(ctx context.Context, w BrakesWorld) error {
	old := brake("a", 1)
	old.Until = old.Since.Add(time.Second)
	b, err := withBrakes(ctx, w, old)
	if err != nil {
		return err
	}
	return wantBrakes(ctx, b, old)
}

func brakesKept(ctx context.Context, w BrakesWorld) error {
	if _, err := withBrakes(ctx, w, brake("a", 1)); err != nil {
		return err
	}
	next, err := w.LeadBrakes(ctx)
	if err != nil {
		return fmt.Errorf("lead after the crash: %w", err)
	}
	return wantBrakes(ctx, next, brake("a", 1))
}

func brakesDeposed(ctx context.Context, w BrakesWorld) error {
	old, err := withBrakes(ctx, w, brake("a", 1))
	if err != nil {
		return err
	}
	next, err := w.LeadBrakes(ctx)
	if err != nil {
		return err
	}
	if err := wantErr("put by a deposed leader", old.Put(ctx, brake("b", 2)), move.ErrDeposed); err != nil {
		return err
	}
	if err := wantErr("release by a deposed leader", old.Release(ctx, "a"), move.ErrDeposed); err != nil {
		return err
	}
	return wantBrakes(ctx, next, brake("a", 1))
}

func brakesAtOnce(ctx context.Context, w BrakesWorld) error {
	b, err := withBrakes(ctx, w)
	if err != nil {
		return err
	}
	const n = 8
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = b.Put(ctx, brake(fmt.Sprint(i), i)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	got, err := b.Brakes(ctx)
	if err == nil && len(got) != n {
		return fmt.Errorf("%d brakes are kept, want %d", len(got), n)
	}
	return err
}

func brakesCopied(ctx context.Context, w BrakesWorld) error {
	b, err := withBrakes(ctx, w, brake("a", 1))
	if err != nil {
		return err
	}
	got, err := b.Brakes(ctx)
	if err != nil {
		return err
	}
	if len(got) != 1 {
		return fmt.Errorf("%d brakes are listed, want 1", len(got))
	}
	got[0].Reason = "changed"
	return wantBrakes(ctx, b, brake("a", 1))
}
