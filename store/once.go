package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// onceFolder is where the keys lie.
const onceFolder = "once"

// longestOnce bounds how long a used key is remembered.
const longestOnce = 24 * time.Hour

// Once tells what was used before, for all controllers together and over their
// restarts: the replay cache of signed requests. Safe for concurrent use.
type Once struct{ s *Store }

// onceBody is a key that was used.
type onceBody struct {
	By string    `json:"by"` // the controller
	At time.Time `json:"at"`
}

// Once returns what was used before.
func (s *Store) Once() *Once { return &Once{s: s} }

// First reports whether nobody, on any controller, has asked for this key within
// keep (from 1 s to 24 h), and takes it. Only its digest is stored. Any
// controller may ask; it needs a majority. After an error it is not known
// whether the key is taken: refuse what asked for it.
func (o *Once) First(ctx context.Context, kind, key string, keep time.Duration) (bool, error) {
	first, err := o.first(ctx, kind, key, keep)
	if err != nil {
		return false, fmt.Errorf("ask whether a %s was seen before: %w", kind, err)
	}
	return first, nil
}

func (o *Once) first(ctx context.Context, kind, key string, keep time.Duration) (bool, error) {
	if kind == "" || key == "" || keep < time.Second || keep > longestOnce {
		return false, fmt.Errorf("a kind, a key and a time from 1s to %s are needed (%q, %d bytes, %s)", longestOnce, kind, len(key), keep)
	}
	ctx, cancel := o.s.within(ctx)
	defer cancel()
	digest := sha256.Sum256([]byte(key))
	name := under(onceFolder, kind, hex.EncodeToString(digest[:]))
	lease, err := o.s.client.Grant(ctx, int64((keep+time.Second-1)/time.Second))
	if err != nil {
		return false, o.s.explain(err)
	}
	op, _, err := o.s.putSigned(name, onceBody{By: o.s.opts.Name, At: time.Now().UTC()}, clientv3.WithLease(lease.ID))
	if err != nil {
		return false, err
	}
	free := clientv3.Compare(clientv3.CreateRevision(o.s.key(name)), "=", 0)
	resp, err := o.s.client.Txn(ctx).If(free).Then(op).Commit()
	if err != nil {
		return false, o.s.explain(err)
	}
	if !resp.Succeeded {
		_, _ = o.s.client.Revoke(ctx, lease.ID) // else it ends by itself
	}
	return resp.Succeeded, nil
}
