package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// presenceTTL is how long what a controller says of itself outlives it.
const presenceTTL = 15 * time.Second

// presence is the lease of what a controller says of itself: its observations
// and its announcement go when it does. One session is used until it ends.
type presence struct {
	s       *Store
	mu      sync.Mutex
	session *concurrency.Session
}

// lease returns a lease that is alive, as far as this machine knows.
func (p *presence) lease(ctx context.Context) (*concurrency.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session != nil {
		select {
		case <-p.session.Done():
		default:
			return p.session, nil
		}
	}
	session, err := p.s.session(ctx, presenceTTL)
	if err != nil {
		return nil, err
	}
	p.session = session
	return session, nil
}

// end gives the lease back, so that others see at once that this controller is
// gone.
func (p *presence) end(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == nil {
		return
	}
	p.session.Orphan()
	_, _ = p.s.client.Revoke(ctx, p.session.Lease()) // else it ends by itself
	p.session = nil
}

func observationKey(vantage, region string) string { return under("observations", vantage, region) }

// Observe stores what this controller's vantage sees, in place of what it saw
// before. It is gone presenceTTL after the controller, or when it closes. A
// vantage needs no leadership to report.
func (s *Store) Observe(ctx context.Context, all []health.Observation) error {
	session, err := s.leases.lease(ctx)
	if err != nil {
		return fmt.Errorf("store the observations: %w", err)
	}
	var ops []clientv3.Op
	for _, o := range all {
		if o.Vantage == "" || o.Region.IsZero() {
			return errors.New("store the observations: one names no vantage or no Region")
		}
		op, _, err := s.putSigned(observationKey(o.Vantage, o.Region.String()), o, clientv3.WithLease(session.Lease()))
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	return s.putAll(ctx, "store the observations", ops)
}

// putAll writes without a leadership, in as many transactions as it takes.
func (s *Store) putAll(ctx context.Context, what string, ops []clientv3.Op) error {
	for batch := range slices.Chunk(ops, maxOps) {
		ctx, cancel := s.within(ctx)
		_, err := s.client.Txn(ctx).Then(batch...).Commit()
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", what, s.explain(err))
		}
	}
	return nil
}

// Observations returns the newest observation of every vantage and Region. One
// that is kept too long shows by its own times; a vantage that is gone is
// missing.
func (r Reads) Observations(ctx context.Context) ([]health.Observation, error) {
	kvs, err := r.list(ctx, "observations/")
	if err != nil {
		return nil, fmt.Errorf("read the observations: %w", err)
	}
	var out []health.Observation
	for _, kv := range kvs {
		var o health.Observation
		if _, err := r.s.openSigned(kv, &o); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// bucketSlots is how many buckets the ring of probe history has for each
// vantage, Region and kind: 24 hours before the present one (spec 8.3).
const bucketSlots = int64(24*time.Hour/health.BucketSpan) + 1

func bucketKey(b health.Bucket) string {
	slot := (b.Start.Unix() / int64(health.BucketSpan/time.Second)) % bucketSlots
	return under("probes", b.Vantage, b.Region.String(), string(b.Kind), fmt.Sprintf("%03d", slot))
}

// Observations returns the newest observations from a fresh Reads.
func (s *Store) Observations(ctx context.Context) ([]health.Observation, error) {
	r, err := s.Reads(ctx)
	if err != nil {
		return nil, err
	}
	return r.Observations(ctx)
}

// Buckets returns the probe history of a Region from a fresh Reads.
func (s *Store) Buckets(ctx context.Context, region signin.Region, since time.Time) ([]health.Bucket, error) {
	r, err := s.Reads(ctx)
	if err != nil {
		return nil, err
	}
	return r.Buckets(ctx, region, since)
}

// KeepBuckets stores buckets, each in place of the one of a day before. A bucket
// may be stored again as it grows: once a minute is enough.
func (s *Store) KeepBuckets(ctx context.Context, all []health.Bucket) error {
	var ops []clientv3.Op
	for _, b := range all {
		if b.Vantage == "" || b.Region.IsZero() || b.Kind == "" || !b.Start.Equal(health.BucketStart(b.Start)) || b.Start.Unix() <= 0 {
			return fmt.Errorf("store the probe history: a bucket names no vantage, Region or kind, or starts at %s", b.Start)
		}
		op, _, err := s.putSigned(bucketKey(b), b)
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	return s.putAll(ctx, "store the probe history", ops)
}

// Buckets returns the probe history of a Region since a time, oldest first. What
// is older than a day and not yet written over is left out by its own Start.
func (r Reads) Buckets(ctx context.Context, region signin.Region, since time.Time) ([]health.Bucket, error) {
	kvs, err := r.list(ctx, "probes/")
	if err != nil {
		return nil, fmt.Errorf("read the probe history: %w", err)
	}
	var out []health.Bucket
	for _, kv := range kvs {
		rest := strings.TrimPrefix(string(kv.Key), r.s.key("probes/"))
		if parts := strings.Split(rest, "/"); len(parts) != 4 || parts[1] != under(region.String()) {
			continue
		}
		var b health.Bucket
		if _, err := r.s.openSigned(kv, &b); err != nil {
			return nil, err
		}
		if b.Region == region && !b.Start.Before(since) {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, func(a, b health.Bucket) int { return a.Start.Compare(b.Start) })
	return out, nil
}
