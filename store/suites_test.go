package store

import (
	"context"
	"testing"

	"github.com/samlfailover/samlfailover/audit"
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
