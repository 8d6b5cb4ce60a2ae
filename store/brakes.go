package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
)

// maxBrakes bounds the one record that holds all pauses and locks.
const maxBrakes = 1000

// Brakes are the pauses and locks as one leadership writes them. They stand in
// one bound record, so that none can be taken out or put back unseen.
type Brakes struct {
	t  *Term
	mu sync.Mutex
}

var _ move.Brakes = (*Brakes)(nil)

// Brakes are the pauses and locks as this leadership writes them.
func (t *Term) Brakes() *Brakes { return t.brakes }

// Brakes implements the reading half of move.Brakes for those who do not lead.
func (r Reads) Brakes(ctx context.Context) ([]failover.Brake, error) {
	out, _, err := r.brakes(ctx)
	return out, err
}

func (r Reads) brakes(ctx context.Context) ([]failover.Brake, slot, error) {
	var out []failover.Brake
	at, err := r.bound(ctx, brakesKey, &out)
	if err != nil {
		return nil, at, fmt.Errorf("read the pauses and locks: %w", err)
	}
	slices.SortStableFunc(out, func(a, b failover.Brake) int { return a.Since.Compare(b.Since) })
	return out, at, nil
}

// Brakes implements move.Brakes.
func (b *Brakes) Brakes(ctx context.Context) ([]failover.Brake, error) {
	return b.t.reads.Brakes(ctx)
}

// Put implements move.Brakes.
func (b *Brakes) Put(ctx context.Context, brake failover.Brake) error {
	if brake.ID == "" {
		return errors.New("set a pause or lock: it needs an id")
	}
	err := b.change(ctx, func(all []failover.Brake) ([]failover.Brake, error) {
		i := slices.IndexFunc(all, func(o failover.Brake) bool { return o.ID == brake.ID })
		if i >= 0 {
			all[i] = brake
			return all, nil
		}
		if len(all) >= maxBrakes {
			return nil, fmt.Errorf("there are %d already: release some first", len(all))
		}
		return append(all, brake), nil
	})
	if err != nil {
		return fmt.Errorf("set the %s %s: %w", brake.Kind, brake.ID, err)
	}
	return nil
}

// Release implements move.Brakes.
func (b *Brakes) Release(ctx context.Context, id string) error {
	err := b.change(ctx, func(all []failover.Brake) ([]failover.Brake, error) {
		i := slices.IndexFunc(all, func(o failover.Brake) bool { return o.ID == id })
		if i < 0 {
			return nil, move.ErrNoBrake
		}
		return slices.Delete(all, i, i+1), nil
	})
	if err != nil {
		return fmt.Errorf("release %s: %w", id, err)
	}
	return nil
}

func (b *Brakes) change(ctx context.Context, f func([]failover.Brake) ([]failover.Brake, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, at, err := b.t.reads.brakes(ctx)
	if err != nil {
		return err
	}
	if all, err = f(all); err != nil {
		return err
	}
	return b.t.replace(ctx, &at, all, nil, nil)
}
