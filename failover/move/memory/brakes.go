package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
)

var _ move.Brakes = (*Journal)(nil)

// Brakes implements move.Brakes. Reading needs no leadership.
func (j *Journal) Brakes(ctx context.Context) ([]failover.Brake, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	out := slices.Clone(j.store.brakes)
	slices.SortStableFunc(out, func(a, b failover.Brake) int { return a.Since.Compare(b.Since) })
	return out, nil
}

// Put implements move.Brakes.
func (j *Journal) Put(ctx context.Context, b failover.Brake) error {
	return j.write(ctx, func() error {
		if i := j.store.brake(b.ID); i >= 0 {
			j.store.brakes[i] = b
		} else {
			j.store.brakes = append(j.store.brakes, b)
		}
		return nil
	})
}

// Release implements move.Brakes.
func (j *Journal) Release(ctx context.Context, id string) error {
	return j.write(ctx, func() error {
		i := j.store.brake(id)
		if i < 0 {
			return fmt.Errorf("release %s: %w", id, move.ErrNoBrake)
		}
		j.store.brakes = slices.Delete(j.store.brakes, i, i+1)
		return nil
	})
}

func (s *Store) brake(id string) int {
	return slices.IndexFunc(s.brakes, func(b failover.Brake) bool { return b.ID == id })
}
