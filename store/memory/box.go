package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Box keeps records by their keys. The zero value is empty. Safe for concurrent
// use.
type Box struct {
	mu  sync.Mutex
	all map[string][]byte
}

// Put keeps a record, in place of the one under the same key.
func (b *Box) Put(ctx context.Context, key string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key == "" {
		return errors.New("keep a record in a box: it needs a key")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[string][]byte{}
	}
	b.all[key] = bytes.Clone(value)
	return nil
}

// Delete drops records; those that are not there are no error.
func (b *Box) Delete(ctx context.Context, keys ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		delete(b.all, k)
	}
	return nil
}

// Get returns one record, and whether there is one under that key.
func (b *Box) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v, there := b.all[key]
	return bytes.Clone(v), there, nil
}

// All returns every record by its key.
func (b *Box) All(ctx context.Context) (map[string][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := maps.Clone(b.all)
	for k, v := range out {
		out[k] = bytes.Clone(v)
	}
	return out, nil
}

// Keys returns the keys of all records, sorted.
func (b *Box) Keys(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.all)), nil
}

// Once remembers what was used before. The zero value remembers nothing. Safe
// for concurrent use.
type Once struct {
	mu   sync.Mutex
	used map[string]time.Time // until when
}

// First reports whether nobody has asked for this key within keep, and takes it.
func (o *Once) First(ctx context.Context, kind, key string, keep time.Duration) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if kind == "" || key == "" || keep < time.Second || keep > 24*time.Hour {
		return false, fmt.Errorf("ask whether a %s was seen before: a kind, a key and a time from 1s to 24h are needed", kind)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(o.used, func(_ string, until time.Time) bool { return !now.Before(until) })
	name := kind + "\x00" + key
	if _, used := o.used[name]; used {
		return false, nil
	}
	if o.used == nil {
		o.used = map[string]time.Time{}
	}
	o.used[name] = now.Add(keep)
	return true, nil
}
