package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/failover/move"
)

const (
	warmEvery  = time.Minute
	warmWithin = 45 * time.Second
)

// warm keeps the access token of every tenant at half its life or more until
// ctx ends, so that a move in an outage needs none (spec 9.2). A tenant whose
// token cannot be renewed is logged and tried again; it does not hold up the
// others.
func warm(ctx context.Context, vendors move.Vendors, log *slog.Logger) {
	var all sync.WaitGroup
	for name, v := range vendors {
		all.Go(func() {
			for ; ; pauseFor(ctx, warmEvery) {
				if ctx.Err() != nil {
					return
				}
				once, cancel := context.WithTimeout(ctx, warmWithin)
				if err := v.Tenant.Warm(once); err != nil && ctx.Err() == nil {
					log.WarnContext(ctx, "the access token of a tenant could not be renewed; the one at hand stays in use while it lasts", "tenant", name, "error", err)
				}
				cancel()
			}
		})
	}
	all.Wait()
}

// pauseFor waits, or less if the context ends.
func pauseFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// provenKinds are what the config claims of each tenant's kinds of app, for the
// audit record: a claim opens a kind to writes.
func provenKinds(tenants []config.Tenant) map[string][]string {
	out := map[string][]string{}
	for _, t := range tenants {
		for _, k := range t.ProvenKinds {
			out[t.Name] = append(out[t.Name], fmt.Sprintf("%s, by %s on %s", k.Kind, k.By, k.On))
		}
	}
	return out
}
