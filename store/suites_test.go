package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/store/storetest"
)

// spec 11.2
func TestInventory(t *testing.T) {
	t.Parallel()
	storetest.RunInventory(t, func(t *testing.T) storetest.Inventory { return lead(t, fresh(t)).Inventory() })
}

func TestObservations(t *testing.T) {
	t.Parallel()
	storetest.RunObservations(t, func(t *testing.T) storetest.Observations { return fresh(t) })
}

// spec 11.2
func TestBox(t *testing.T) {
	t.Parallel()
	storetest.RunBox(t, func(t *testing.T) storetest.Box { return lead(t, fresh(t)).Box("proposal") })
}

// spec 13.1: on one controller, and on two that share a store.
func TestOnce(t *testing.T) {
	t.Parallel()
	storetest.RunOnce(t, func(t *testing.T) storetest.Once { return fresh(t).Once() })
	storetest.RunOnce(t, func(t *testing.T) storetest.Once {
		one := fresh(t)
		two := attach(t, one.opts)
		return &inTurn{all: []*Once{one.Once(), two.Once()}}
	})
}

// inTurn asks another controller each time.
type inTurn struct {
	all  []*Once
	next atomic.Int64
}

func (o *inTurn) First(ctx context.Context, kind, key string, keep time.Duration) (bool, error) {
	return o.all[int(o.next.Add(1))%len(o.all)].First(ctx, kind, key, keep)
}

// A follower reads what the leader keeps, and a deposed leader keeps nothing.
func TestBoxOfOthers(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	term := lead(t, s)
	box := term.Box("outbox")
	must(t, box.Put(t.Context(), "a/b c", []byte("one")))
	if term.Box("outbox") != box {
		t.Error("a leadership has two boxes of one kind: their writes would not wait for each other")
	}
	other := attach(t, s.opts).Boxed("outbox")
	if v, there, err := other.Get(t.Context(), "a/b c"); err != nil || !there || string(v) != "one" {
		t.Errorf("a follower reads %q, %v, %v", v, there, err)
	}
	if all, err := s.Boxed("proposal").All(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("another box holds %v, %v", all, err)
	}
	must(t, term.Resign(t.Context()))
	if err := box.Put(t.Context(), "late", nil); !errors.Is(err, move.ErrDeposed) {
		t.Errorf("a deposed leader: %v", err)
	}
}

// chain is the store's audit record as the suite wants it.
type chain struct{ *AuditLog }

func (c chain) Read(ctx context.Context, visit func(audit.Record) error) error {
	return c.t.reads.Audit(ctx, 1, 0, visit)
}

// spec 14
func TestAudit(t *testing.T) {
	t.Parallel()
	storetest.RunAudit(t, func(t *testing.T) storetest.Audit { return chain{lead(t, fresh(t)).Audit()} })
}
