package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/store/seal"
)

var _ move.Archive = (*Store)(nil)

// parts cuts a value that is too large for one key.
func parts(sealed []byte) [][]byte {
	var out [][]byte
	for len(sealed) > maxValue {
		out, sealed = append(out, sealed[:maxValue]), sealed[maxValue:]
	}
	return append(out, sealed)
}

func partKey(key string, i int) string { return fmt.Sprintf("%s/%04d", key, i) }

// Past implements move.Archive from a fresh Reads. The records are shared with
// other callers and must not be changed.
func (s *Store) Past(ctx context.Context, federation string) ([]move.Record, error) {
	r, err := s.Reads(ctx)
	if err != nil {
		return nil, err
	}
	return r.Past(ctx, federation)
}

// Past implements move.Archive: the ended moves that are kept, newest first. The
// records are shared with other callers and must not be changed.
func (r Reads) Past(ctx context.Context, federation string) ([]move.Record, error) {
	return r.Recent(ctx, federation, 0)
}

// Recent returns the newest n ended moves, newest first; n = 0 means all that
// are kept.
func (r Reads) Recent(ctx context.Context, federation string, n int) ([]move.Record, error) {
	var head headBody
	if _, err := r.bound(ctx, journalHead(federation), &head); err != nil {
		return nil, fmt.Errorf("read the past moves of %s: %w", federation, err)
	}
	first := head.First
	if count := head.Next - head.First; n > 0 && count > uint64(n) {
		first = head.Next - uint64(n)
	}
	out, missing := r.s.past.get(federation, first, head.Next)
	if missing {
		var err error
		if out, err = r.readPast(ctx, federation, first, head.Next); err != nil {
			return nil, fmt.Errorf("read the past moves of %s: %w", federation, err)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// readPast reads past moves from first to before next, oldest first.
func (r Reads) readPast(ctx context.Context, federation string, first, next uint64) ([]move.Record, error) {
	kvs, err := r.between(ctx, pastKey(federation, first), pastKey(federation, next))
	if err != nil {
		return nil, err
	}
	byKey := map[string][]byte{}
	for _, kv := range kvs {
		key, _, _ := cutLast(string(kv.Key))
		byKey[key] = append(byKey[key], kv.Value...)
	}
	var out []move.Record
	for seq := first; seq < next; seq++ {
		key := r.s.key(pastKey(federation, seq))
		sealed, ok := byKey[key]
		if !ok {
			return nil, seal.Refuse(key, "it was deleted")
		}
		m, size, err := r.s.openPast(key, sealed)
		if err != nil {
			return nil, err
		}
		r.s.past.put(federation, seq, m, size)
		out = append(out, m)
	}
	return out, nil
}

func (s *Store) openPast(key string, sealed []byte) (move.Record, int, error) {
	var m move.Record
	raw, _, err := s.opts.Seal.Verify(key, sealed)
	if err != nil {
		return m, 0, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, 0, seal.Refuse(key, "it does not hold what it should: "+err.Error())
	}
	return m, len(raw), nil
}

func (r Reads) pastMove(ctx context.Context, federation string, seq uint64) (move.Record, error) {
	out, err := r.readPast(ctx, federation, seq, seq+1)
	if err != nil {
		return move.Record{}, err
	}
	return out[0], nil
}

func cutLast(key string) (before, after string, ok bool) {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return key, "", false
	}
	return key[:i], key[i+1:], true
}

func unescape(part string) (string, error) { return url.PathUnescape(part) }

// pastCache keeps past moves that were read and verified: they never change, and
// the controller asks for them in every cycle.
type pastCache struct {
	mu   sync.Mutex
	byID map[pastID]move.Record
	size int
}

type pastID struct {
	federation string
	seq        uint64
}

// maxPastCache bounds the cache, in bytes of JSON.
const maxPastCache = 8 << 20

func (c *pastCache) get(federation string, first, next uint64) (out []move.Record, missing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for seq := first; seq < next; seq++ {
		m, ok := c.byID[pastID{federation, seq}]
		if !ok {
			return nil, true
		}
		out = append(out, m)
	}
	return out, false
}

func (c *pastCache) put(federation string, seq uint64, m move.Record, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil || c.size+size > maxPastCache {
		c.byID, c.size = map[pastID]move.Record{}, 0
	}
	c.byID[pastID{federation, seq}] = m
	c.size += size
}
