// Package memory is for a controller without a store, and for tests: boxes, the
// observations and the probe history of one process, in its memory. It keeps
// them as JSON, so that what comes back is what a real store would give.
//
// It must never be taken for something that others can see, or that outlives
// the process.
package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// slots is how many buckets there are for each vantage, Region and kind.
const slots = int64(24*time.Hour/health.BucketSpan) + 1

// Observations keeps what vantages see. The zero value is empty. Safe for
// concurrent use.
type Observations struct {
	mu      sync.Mutex
	newest  map[string]json.RawMessage
	buckets map[string]json.RawMessage
}

// Observe keeps observations, each in place of the former of its vantage and
// Region.
func (o *Observations) Observe(ctx context.Context, all []health.Observation) error {
	return put(ctx, o, &o.newest, all, func(x health.Observation) (string, error) {
		if x.Vantage == "" || x.Region.IsZero() {
			return "", errors.New("keep the observations: one names no vantage or no Region")
		}
		return x.Vantage + "/" + x.Region.String(), nil
	})
}

// Observations returns the newest observation of every vantage and Region.
func (o *Observations) Observations(ctx context.Context) ([]health.Observation, error) {
	return all[health.Observation](ctx, o, &o.newest)
}

// KeepBuckets keeps probe history, each bucket in place of the one of a day
// before.
func (o *Observations) KeepBuckets(ctx context.Context, buckets []health.Bucket) error {
	return put(ctx, o, &o.buckets, buckets, func(b health.Bucket) (string, error) {
		if b.Vantage == "" || b.Region.IsZero() || b.Kind == "" || !b.Start.Equal(health.BucketStart(b.Start)) || b.Start.Unix() <= 0 {
			return "", errors.New("keep the probe history: a bucket names no vantage, Region or kind, or does not start where one does")
		}
		slot := b.Start.Unix() / int64(health.BucketSpan/time.Second) % slots
		return strings.Join([]string{b.Vantage, b.Region.String(), string(b.Kind), fmt.Sprintf("%03d", slot)}, "/"), nil
	})
}

// Buckets returns the probe history of a Region since a time, oldest first.
func (o *Observations) Buckets(ctx context.Context, region signin.Region, since time.Time) ([]health.Bucket, error) {
	out, err := all[health.Bucket](ctx, o, &o.buckets)
	out = slices.DeleteFunc(out, func(b health.Bucket) bool { return b.Region != region || b.Start.Before(since) })
	slices.SortStableFunc(out, func(a, b health.Bucket) int { return a.Start.Compare(b.Start) })
	return out, err
}

func put[T any](ctx context.Context, o *Observations, into *map[string]json.RawMessage, values []T, key func(T) (string, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	encoded := map[string]json.RawMessage{}
	for _, v := range values {
		k, err := key(v)
		if err != nil {
			return err
		}
		if encoded[k], err = json.Marshal(v); err != nil {
			return fmt.Errorf("keep %s: %w", k, err)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if *into == nil {
		*into = map[string]json.RawMessage{}
	}
	for k, v := range encoded {
		(*into)[k] = v
	}
	return nil
}

func all[T any](ctx context.Context, o *Observations, from *map[string]json.RawMessage) ([]T, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	keys := make([]string, 0, len(*from))
	for k := range *from {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var out []T
	for _, k := range keys {
		var v T
		if err := json.Unmarshal((*from)[k], &v); err != nil {
			return nil, fmt.Errorf("read %s: %w", k, err)
		}
		out = append(out, v)
	}
	return out, nil
}
