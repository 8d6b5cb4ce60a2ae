package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/store"
)

// How observations travel.
const (
	shareGap    = 100 * time.Millisecond // between two writes, at least
	shareLong   = 2 * time.Second        // in calm times what is seen is written so often
	fetchEvery  = 500 * time.Millisecond // how often the others' are read
	bucketEvery = time.Minute            // how often the probe history is written
)

// exchange carries what this vantage sees into the store, and what the others
// see onto the board. Probes never wait for it. Safe for concurrent use.
type exchange struct {
	store  *store.Store
	board  *board
	own    string
	others []string // the other configured vantages; nobody else's word counts
	log    *slog.Logger
	// distrust is called when a record of another vantage is not what it stored.
	distrust func()
	// probed hears of each probe of this vantage; it must not block.
	probed func(health.Result)

	mu      sync.Mutex
	newest  map[signin.Region]health.Observation // not yet written
	before  map[signin.Region]health.State
	buckets map[bucketID]*health.Bucket
	counted map[bucketID]time.Time // start of the newest result in a bucket; Start is zero
	wake    chan struct{}
}

type bucketID struct {
	region signin.Region
	kind   health.Kind
	start  int64
}

func newExchange(s *store.Store, b *board, own string, names []string, distrust func(), log *slog.Logger) *exchange {
	others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == own })
	return &exchange{store: s, board: b, own: own, others: others, distrust: distrust, log: log, newest: map[signin.Region]health.Observation{},
		before: map[signin.Region]health.State{}, buckets: map[bucketID]*health.Bucket{}, counted: map[bucketID]time.Time{}, wake: make(chan struct{}, 1)}
}

// publish takes what this vantage sees; it never blocks.
func (x *exchange) publish(o health.Observation) {
	x.board.publish(o)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.newest[o.Region] = o
	x.count(o)
	if x.before[o.Region] == o.State && o.State == health.Healthy {
		return
	}
	x.before[o.Region] = o.State
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// count adds results that are new to the probe history; the caller holds the
// lock.
func (x *exchange) count(o health.Observation) {
	for _, r := range o.Last {
		id := bucketID{o.Region, r.Kind, 0}
		if !r.Start.After(x.counted[id]) {
			continue
		}
		x.counted[id] = r.Start
		if x.probed != nil {
			x.probed(r)
		}
		start := health.BucketStart(r.Start)
		id.start = start.Unix()
		b := x.buckets[id]
		if b == nil {
			b = &health.Bucket{Vantage: x.own, Region: o.Region, Kind: r.Kind, Start: start}
			x.buckets[id] = b
		}
		b.Add(r)
	}
}

// run writes and reads until ctx ends.
func (x *exchange) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { x.share(ctx) })
	all.Go(func() { x.keep(ctx) })
	if len(x.others) > 0 {
		all.Go(func() { x.fetch(ctx) })
	}
	all.Wait()
}

// share writes what is new: at once when it is news, else now and then.
func (x *exchange) share(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		calm := time.NewTimer(shareLong)
		select {
		case <-ctx.Done():
		case <-x.wake:
		case <-calm.C:
		}
		calm.Stop()
		if all := x.take(); len(all) > 0 {
			err := x.store.Observe(ctx, all)
			failed = x.told(ctx, err, failed, "what this vantage sees cannot be written to the store; the other controllers do not hear of it")
		}
		pauseFor(ctx, shareGap)
	}
}

// told says once that something fails, until it works again.
func (x *exchange) told(ctx context.Context, err error, before bool, what string) (failed bool) {
	if err != nil && !before && ctx.Err() == nil {
		x.log.Warn(what, "error", err)
	}
	return err != nil
}

// take returns what is to be written and forgets it: a write that fails is made
// up for by the next one.
func (x *exchange) take() []health.Observation {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := slices.Collect(maps.Values(x.newest))
	clear(x.newest)
	return out
}

// keep writes the probe history.
func (x *exchange) keep(ctx context.Context) {
	tick := time.NewTicker(bucketEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			err := x.store.KeepBuckets(ctx, x.due(now))
			failed = x.told(ctx, err, failed, "the probe history cannot be written to the store")
		}
	}
}

// due returns the buckets to write; those that are over are forgotten one span
// later, when they were surely written whole.
func (x *exchange) due(now time.Time) []health.Bucket {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []health.Bucket
	for id, b := range x.buckets {
		if now.Sub(b.Start) > 2*health.BucketSpan {
			delete(x.buckets, id)
			continue
		}
		copied := *b
		copied.Took = slices.Clone(b.Took)
		out = append(out, copied)
	}
	return out
}

// fetch puts what the other configured vantages see onto the board.
func (x *exchange) fetch(ctx context.Context) {
	tick := time.NewTicker(fetchEvery)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		all, err := x.store.Observations(ctx)
		failed = x.told(ctx, err, failed, "what the other vantages see cannot be read from the store")
		if finding.Is(err, finding.StoreIntegrity) {
			x.distrust()
		}
		for _, o := range all {
			if slices.Contains(x.others, o.Vantage) {
				x.board.publish(o)
			}
		}
	}
}
