package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// Controller is what a controller says of itself while it lives. Digest is that
// of its config: `auto` holds while two differ (spec 11.5).
type Controller struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Digest  string    `json:"digest"`
	Since   time.Time `json:"since"`
}

// Announce tells the others of this controller, and goes on telling them until
// ctx or the store ends. It returns once they have been told. Call it again with
// a new context after a reload, and end the former one.
func (s *Store) Announce(ctx context.Context, c Controller) error {
	c.Name = s.opts.Name
	session, err := s.announce(ctx, c)
	if err != nil {
		return err
	}
	s.run(func() { s.keepAnnouncing(ctx, c, session) })
	return nil
}

func (s *Store) announce(ctx context.Context, c Controller) (*concurrency.Session, error) {
	session, err := s.leases.lease(ctx)
	if err != nil {
		return nil, fmt.Errorf("announce this controller: %w", err)
	}
	op, _, err := s.putSigned(under("controllers", c.Name), c, clientv3.WithLease(session.Lease()))
	if err != nil {
		return nil, err
	}
	return session, s.putAll(ctx, "announce this controller", []clientv3.Op{op})
}

// keepAnnouncing tells again whenever the lease has ended.
func (s *Store) keepAnnouncing(ctx context.Context, c Controller, session *concurrency.Session) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.life.Done():
			return
		case <-session.Done():
		}
		next, err := s.announce(ctx, c)
		for err != nil {
			pause := time.NewTimer(between)
			select {
			case <-pause.C:
			case <-ctx.Done():
				return
			case <-s.life.Done():
				return
			}
			next, err = s.announce(ctx, c)
		}
		session = next
	}
}

// Controllers returns the controllers that live, by name.
func (r Reads) Controllers(ctx context.Context) ([]Controller, error) {
	kvs, err := r.list(ctx, "controllers/")
	if err != nil {
		return nil, fmt.Errorf("read the controllers: %w", err)
	}
	var out []Controller
	for _, kv := range kvs {
		var c Controller
		if _, err := r.s.openSigned(kv, &c); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Agree reports whether all controllers run with the same config.
func Agree(all []Controller) bool {
	return !slices.ContainsFunc(all, func(c Controller) bool { return c.Digest != all[0].Digest })
}
