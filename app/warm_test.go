package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/idp"
)

// warmed counts how often a tenant was asked to keep its token fresh.
type warmed struct {
	idp.Tenant
	fail  func(context.Context) error
	mu    sync.Mutex
	count int
}

func (w *warmed) Warm(ctx context.Context) error {
	w.mu.Lock()
	w.count++
	w.mu.Unlock()
	return w.fail(ctx)
}

// spec 2.5, 9.2: every tenant is warmed once a minute, whatever the others do.
func TestWarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tenants := map[string]*warmed{
			"fine":  {fail: func(context.Context) error { return nil }},
			"sick":  {fail: func(context.Context) error { return errors.New("refused") }},
			"hangs": {fail: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		}
		vendors := move.Vendors{}
		for name, w := range tenants {
			vendors[name] = move.Vendor{Tenant: w}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		warm(ctx, vendors, slog.New(slog.DiscardHandler))
		for name, w := range tenants {
			if least := 5; w.count < least || w.count > 11 {
				t.Errorf("%s was warmed %d times in ten minutes", name, w.count)
			}
		}
	})
}
