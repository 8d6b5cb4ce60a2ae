package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// Observations is where vantages put what they see, for all to read.
type Observations interface {
	Observe(ctx context.Context, all []health.Observation) error
	Observations(ctx context.Context) ([]health.Observation, error)
	KeepBuckets(ctx context.Context, all []health.Bucket) error
	Buckets(ctx context.Context, region signin.Region, since time.Time) ([]health.Bucket, error)
}

// RunObservations holds Observations to their contract.
func RunObservations(t *testing.T, fresh func(t *testing.T) Observations) {
	t.Helper()
	run(t, ObservationChecks(), fresh)
}

// ObservationChecks returns the contract.
func ObservationChecks() []Check[Observations] {
	return []Check[Observations]{
		{"an empty store has none", observationsEmpty},
		{"the newest of each vantage and Region is kept", newestKept},
		{"many at once are all kept", manyObservations},
		{"one that names nothing is refused", namelessObservation},
		{"history comes back by Region and time, oldest first", bucketsKept},
		{"a bucket that grows is kept once", bucketGrows},
		{"history is a ring: a day later the slot is taken again", bucketsRing},
		{"a bucket that is none is refused", bucketRefused},
	}
}

func observation(vantage, region string, minute int) health.Observation {
	at := time.Date(2026, 11, 22, 7, minute, 0, 0, time.UTC)
	r := signin.MustRegion(region)
	return health.Observation{Vantage: vantage, Region: r, State: health.Healthy, Since: at, At: at, Reason: "answers",
		Last: []health.Result{{Vantage: vantage, Region: r, Kind: health.STS, Outcome: health.OK, Start: at, Took: 42 * time.Millisecond}}}
}

func bucket(vantage, region string, kind health.Kind, minute int) health.Bucket {
	return health.Bucket{Vantage: vantage, Region: signin.MustRegion(region), Kind: kind, Start: time.Date(2026, 11, 22, 7, minute, 0, 0, time.UTC),
		OK: 2, Failed: 1, Took: []time.Duration{40 * time.Millisecond, 50 * time.Millisecond}}
}

func observationsEmpty(ctx context.Context, x Observations) error {
	all, err1 := x.Observations(ctx)
	history, err2 := x.Buckets(ctx, signin.MustRegion("us-east-1"), time.Time{})
	if len(all)+len(history) > 0 {
		return fmt.Errorf("%d observations and %d buckets in an empty store", len(all), len(history))
	}
	return errors.Join(err1, err2)
}

func newestKept(ctx context.Context, x Observations) error {
	for minute := range 3 {
		err := x.Observe(ctx, []health.Observation{observation("v1", "us-east-1", minute), observation("v1", "us-west-2", minute), observation("v/2", "us-east-1", minute)})
		if err != nil {
			return err
		}
	}
	got, err := x.Observations(ctx)
	if err != nil {
		return err
	}
	want := map[string]health.Observation{}
	for _, o := range []health.Observation{observation("v1", "us-east-1", 2), observation("v1", "us-west-2", 2), observation("v/2", "us-east-1", 2)} {
		want[o.Vantage+o.Region.String()] = o
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d observations, want %d", len(got), len(want))
	}
	for _, o := range got {
		if err := same("an observation", o, want[o.Vantage+o.Region.String()]); err != nil {
			return err
		}
	}
	return nil
}

func manyObservations(ctx context.Context, x Observations) error {
	const n = 300 // more than one transaction holds
	var all []health.Observation
	for i := range n {
		all = append(all, observation(fmt.Sprintf("v%d", i), "us-east-1", 1))
	}
	if err := x.Observe(ctx, all); err != nil {
		return err
	}
	got, err := x.Observations(ctx)
	if err == nil && len(got) != n {
		return fmt.Errorf("%d observations are kept, want %d", len(got), n)
	}
	return err
}

func namelessObservation(ctx context.Context, x Observations) error {
	if x.Observe(ctx, []health.Observation{observation("", "us-east-1", 1)}) == nil || x.Observe(ctx, []health.Observation{{Vantage: "v"}}) == nil {
		return errors.New("an observation of nobody or of nothing is kept")
	}
	return nil
}

func bucketsKept(ctx context.Context, x Observations) error {
	all := []health.Bucket{bucket("v1", "us-east-1", health.STS, 10), bucket("v1", "us-east-1", health.STS, 5), bucket("v2", "us-east-1", health.SignIn, 15),
		bucket("v1", "us-east-2", health.STS, 10), bucket("v1", "us-east-1", health.STS, 0)}
	if err := x.KeepBuckets(ctx, all); err != nil {
		return err
	}
	got, err := x.Buckets(ctx, signin.MustRegion("us-east-1"), time.Date(2026, 11, 22, 7, 5, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	return same("the history", got, []health.Bucket{all[1], all[0], all[2]})
}

func bucketGrows(ctx context.Context, x Observations) error {
	b := bucket("v1", "us-east-1", health.STS, 10)
	if err := x.KeepBuckets(ctx, []health.Bucket{b}); err != nil {
		return err
	}
	b.Add(health.Result{Outcome: health.Failed})
	if err := x.KeepBuckets(ctx, []health.Bucket{b}); err != nil {
		return err
	}
	got, err := x.Buckets(ctx, b.Region, time.Time{})
	if err != nil {
		return err
	}
	return same("the history", got, []health.Bucket{b})
}

func bucketsRing(ctx context.Context, x Observations) error {
	b := bucket("v1", "us-east-1", health.STS, 0)
	const n = 24*12 + 1
	start := b.Start
	for i := range n + 40 {
		b.Start = start.Add(time.Duration(i) * health.BucketSpan)
		if err := x.KeepBuckets(ctx, []health.Bucket{b}); err != nil {
			return err
		}
	}
	got, err := x.Buckets(ctx, b.Region, time.Time{})
	if err != nil {
		return err
	}
	if len(got) != n || !got[0].Start.Equal(start.Add(40*health.BucketSpan)) || !got[n-1].Start.Equal(b.Start) {
		return fmt.Errorf("%d buckets are kept, want the newest %d", len(got), n)
	}
	return nil
}

func bucketRefused(ctx context.Context, x Observations) error {
	odd := bucket("v1", "us-east-1", health.STS, 10)
	odd.Start = odd.Start.Add(time.Second)
	for _, b := range []health.Bucket{odd, bucket("", "us-east-1", health.STS, 10), bucket("v1", "us-east-1", "", 10), {Vantage: "v", Kind: health.STS, Start: odd.Start.Add(-time.Second)}} {
		if x.KeepBuckets(ctx, []health.Bucket{b}) == nil {
			return fmt.Errorf("a bucket of vantage %q, kind %q that starts at %s is kept", b.Vantage, b.Kind, b.Start)
		}
	}
	return nil
}
