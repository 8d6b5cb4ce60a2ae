package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/store/seal"
)

// freshWithin is how long is waited for an answer that a majority stands behind,
// before the own member's last knowledge has to do.
const freshWithin = 2 * time.Second

// getter asks the store; a leader's asks as the leader only.
type getter func(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error)

// Reads are what anybody may ask, leader or not. Everything one Reads answers is
// of one moment. Take a new one for each question that must be up to date. Safe
// for concurrent use.
type Reads struct {
	// Stale says that no majority stood behind the answers: they are what the own
	// member knew last, and must be shown as such.
	Stale bool
	// At is when the moment was asked for; Revision is etcd's number of it.
	At       time.Time
	Revision int64

	s   *Store
	get getter
}

// Reads returns the store as it is now. Without a majority an embedded member
// still answers from its own copy: see Stale. An error means that nothing can be
// read at all.
func (s *Store) Reads(ctx context.Context) (Reads, error) {
	r := Reads{s: s, At: time.Now().UTC()}
	if s.life.Err() != nil {
		return r, fmt.Errorf("read the store: it is closed: %w", ErrUnavailable)
	}
	fresh, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	resp, freshErr := s.client.Get(fresh, s.key(rootKey), clientv3.WithKeysOnly())
	if freshErr == nil {
		r.Revision = resp.Header.Revision
		moment := []clientv3.OpOption{clientv3.WithRev(r.Revision)}
		if s.member != nil {
			// The own member has just said that it is up to date to this revision.
			moment = append(moment, clientv3.WithSerializable())
		}
		r.get = s.getter(moment...)
		return r, nil
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	own, cancel := s.within(ctx)
	defer cancel()
	resp, err := s.client.Get(own, s.key(rootKey), clientv3.WithKeysOnly(), clientv3.WithSerializable())
	if err != nil {
		return r, fmt.Errorf("read the store: %w", s.explain(errors.Join(freshErr, err)))
	}
	r.Stale, r.Revision = true, resp.Header.Revision
	r.get = s.getter(clientv3.WithRev(r.Revision), clientv3.WithSerializable())
	return r, nil
}

// getter returns one that adds options to every question.
func (s *Store) getter(always ...clientv3.OpOption) getter {
	return func(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
		ctx, cancel := s.within(ctx)
		defer cancel()
		resp, err := s.client.Get(ctx, s.key(key), append(opts, always...)...)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.key(key), s.explain(err))
		}
		return resp, nil
	}
}

// page is how many values one answer may hold: each is below maxValue.
const page = 200

// list returns every value under a prefix, in the order of the keys.
func (r Reads) list(ctx context.Context, prefix string) ([]*mvccpb.KeyValue, error) {
	return r.span(ctx, prefix, clientv3.GetPrefixRangeEnd(r.s.key(prefix)))
}

// between returns the values from one name to before another, in order.
func (r Reads) between(ctx context.Context, from, to string) ([]*mvccpb.KeyValue, error) {
	return r.span(ctx, from, r.s.key(to))
}

func (r Reads) span(ctx context.Context, from, end string) ([]*mvccpb.KeyValue, error) {
	var out []*mvccpb.KeyValue
	for {
		resp, err := r.get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page))
		if err != nil {
			return nil, err
		}
		out = append(out, resp.Kvs...)
		if !resp.More || len(resp.Kvs) == 0 {
			return out, nil
		}
		from = strings.TrimPrefix(string(resp.Kvs[len(resp.Kvs)-1].Key), r.s.opts.Prefix) + "\x00"
	}
}

// rootBody is what the root record holds. Born names the bound records that
// exist: one that is missing was deleted.
type rootBody struct {
	ID    string    `json:"id"`
	Made  time.Time `json:"made"`
	Epoch uint64    `json:"epoch"`
	Born  []string  `json:"born,omitempty"`
	// Restored is the digest of the backup that the store was last restored from.
	Restored   string    `json:"restored,omitempty"`
	RestoredAt time.Time `json:"restored_at,omitzero"`
}

func (r Reads) root(ctx context.Context) (rootBody, error) {
	b, _, err := r.rootSlot(ctx)
	return b, err
}

// rootSlot reads the root record. A store without one is new, and then nothing
// that a leader writes can be in it.
func (r Reads) rootSlot(ctx context.Context) (rootBody, slot, error) {
	var b rootBody
	resp, err := r.get(ctx, rootKey)
	if err != nil {
		return b, slot{}, err
	}
	at, err := r.s.openBound(rootKey, one(resp), &b)
	if err != nil || at.version > 1 {
		return b, at, err
	}
	for _, prefix := range []string{"journal/", "inventory/", "audit/", "moves/", "box/", brakesKey} {
		resp, err := r.get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly())
		if err != nil {
			return b, at, err
		}
		if kv := one(resp); kv != nil {
			return b, at, seal.Refuse(r.s.key(rootKey), "it is missing, and "+string(kv.Key)+" exists")
		}
	}
	return b, at, nil
}

// bound reads a bound record into body; one that does not exist yet leaves body
// as it is.
func (r Reads) bound(ctx context.Context, name string, body any) (slot, error) {
	resp, err := r.get(ctx, name)
	if err != nil {
		return slot{}, err
	}
	at, err := r.s.openBound(name, one(resp), body)
	if err != nil || at.version > 1 {
		return at, err
	}
	root, err := r.root(ctx)
	if err != nil {
		return at, err
	}
	if slices.Contains(root.Born, name) {
		return at, seal.Refuse(r.s.key(name), "it was deleted")
	}
	return at, nil
}

// Epoch counts the restores of this store. What was proposed or approved in an
// earlier epoch is void (spec 11.1).
func (r Reads) Epoch(ctx context.Context) (uint64, error) {
	b, err := r.root(ctx)
	return b.Epoch, err
}

// Leader returns the name of the controller that leads, "" if none does.
func (r Reads) Leader(ctx context.Context) (string, error) {
	resp, err := r.get(ctx, electionPrefix+"/", clientv3.WithFirstCreate()...)
	if err != nil {
		return "", err
	}
	if kv := one(resp); kv != nil {
		return string(kv.Value), nil
	}
	return "", nil
}
