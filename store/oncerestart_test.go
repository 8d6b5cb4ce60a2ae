package store

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// known reports how often a request that was used before a restart is taken for a
// new one after it.
func known(ctx context.Context, s *Store, used ...string) error {
	for _, key := range used {
		first, err := s.Once().First(ctx, "slack", key, time.Hour)
		if err != nil {
			return err
		}
		if first {
			return fmt.Errorf("%s is taken for new", key)
		}
	}
	return nil
}

// What was used before a restart of a lone controller cannot be used again after
// it; what its dead predecessor held as leader ends all the same.
//
// spec 13.1
func TestUsedStaysKnownOverARestart(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), private(t)
	s, err := Open(ctx, single(t, dir))
	must(t, err)
	for _, key := range []string{"one", "two"} {
		first, err := s.Once().First(ctx, "slack", key, time.Hour)
		must(t, err)
		if !first {
			t.Fatalf("%s is not the first", key)
		}
	}
	idle, err := s.client.Grant(ctx, 3600) // as of a leader that was killed
	must(t, err)
	must(t, s.Close())

	s = open(t, single(t, dir))
	if err := known(ctx, s, "one", "two"); err != nil {
		t.Error(err)
	}
	leases, err := s.client.Leases(ctx)
	must(t, err)
	for _, l := range leases.Leases {
		if l.ID == idle.ID {
			t.Error("a lease of the process before is still there")
		}
	}
	// Saboteur: a restart that ends every lease.
	for _, l := range leases.Leases {
		_, err := s.client.Revoke(ctx, l.ID)
		must(t, err)
	}
	if known(ctx, s, "one", "two") == nil {
		t.Error("the check does not see that everything was forgotten")
	}
}
