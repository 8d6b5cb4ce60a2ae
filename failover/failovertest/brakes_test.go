package failovertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
)

// LeadBrakes makes inMemory a BrakesWorld.
func (w inMemory) LeadBrakes(context.Context) (move.Brakes, error) {
	j, _ := w.s.Lead()
	return j, nil
}

func TestMemoryBrakes(t *testing.T) {
	t.Parallel()
	RunBrakes(t, func(*testing.T) BrakesWorld { return inMemory{memory.New()} })
}

// sabotaged is a world whose brakes are wrong in one way.
type sabotaged struct {
	BrakesWorld
	wrong func(move.Brakes) move.Brakes
}

func (s sabotaged) LeadBrakes(ctx context.Context) (move.Brakes, error) {
	b, err := s.BrakesWorld.LeadBrakes(ctx)
	return s.wrong(b), err
}

// kept is the right one inside a wrong one.
type kept = move.Brakes

type (
	neverHolds  struct{ kept }
	neverLetsGo struct{ kept }
	letsAllGo   struct{ kept }
	keepsBoth   struct{ kept }
	dropsOld    struct{ kept }
	backwards   struct{ kept }
	obeysAnyone struct{ kept }
)

func (neverHolds) Put(context.Context, failover.Brake) error { return nil }

func (neverLetsGo) Release(context.Context, string) error { return nil }

func (b letsAllGo) Release(ctx context.Context, id string) error {
	all, err := b.kept.Brakes(ctx)
	for _, x := range all {
		err = errors.Join(err, b.kept.Release(ctx, x.ID))
	}
	return err
}

func (b keepsBoth) Put(ctx context.Context, x failover.Brake) error {
	x.ID += x.Reason
	return b.kept.Put(ctx, x)
}

func (b dropsOld) Brakes(ctx context.Context) ([]failover.Brake, error) {
	all, err := b.kept.Brakes(ctx)
	var out []failover.Brake
	for _, x := range all {
		if x.Until.IsZero() || x.Until.Sub(x.Since) > time.Minute {
			out = append(out, x)
		}
	}
	return out, err
}

func (b backwards) Brakes(ctx context.Context) ([]failover.Brake, error) {
	all, err := b.kept.Brakes(ctx)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all, err
}

func (b obeysAnyone) Put(ctx context.Context, x failover.Brake) error {
	if err := b.kept.Put(ctx, x); !errors.Is(err, move.ErrDeposed) {
		return err
	}
	return nil
}

// The suite refuses every saboteur, and by the check that is meant for it.
func TestBrakesSaboteursAreRefused(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		wrong   func(move.Brakes) move.Brakes
		refused string
	}{
		{"holds nothing", func(b move.Brakes) move.Brakes { return neverHolds{b} }, "what is set is listed"},
		{"lets nothing go", func(b move.Brakes) move.Brakes { return neverLetsGo{b} }, "what is released is gone"},
		{"lets everything go", func(b move.Brakes) move.Brakes { return letsAllGo{b} }, "what is released is gone"},
		{"keeps the former too", func(b move.Brakes) move.Brakes { return keepsBoth{b} }, "the same id again"},
		{"forgets what has run out", func(b move.Brakes) move.Brakes { return dropsOld{b} }, "what has run out"},
		{"newest first", func(b move.Brakes) move.Brakes { return backwards{b} }, "what is set is listed"},
		{"obeys a deposed leader", func(b move.Brakes) move.Brakes { return obeysAnyone{b} }, "a deposed leader"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			found := false
			for _, c := range BrakesChecks() {
				w := sabotaged{inMemory{memory.New()}, row.wrong}
				if err := c.Run(t.Context(), w); err != nil && strings.HasPrefix(c.Name, row.refused) {
					found = true
				}
			}
			if !found {
				t.Errorf("check %q lets the saboteur pass", row.refused)
			}
		})
	}
}
