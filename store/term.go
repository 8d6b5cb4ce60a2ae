package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/samlfailover/samlfailover/failover/move"
)

// between is how long a campaign waits after the store could not be asked.
const between = 500 * time.Millisecond

// Term is one leadership: from Campaign until Lost is closed. Its views
// (Journal, Brakes, Inventory, Audit) write for this leadership only; once it is
// over they refuse with move.ErrDeposed, for ever: campaign again for a new one.
type Term struct {
	s       *Store
	session *concurrency.Session
	elect   *concurrency.Election
	// key and rev are the election key and its revision, as they were when this
	// leadership began: the election forgets them when it resigns.
	key   string
	rev   int64
	fence clientv3.Cmp
	reads Reads

	lostOnce sync.Once
	lost     chan struct{}

	rootMu   sync.Mutex
	journal  *Journal
	brakes   *Brakes
	recorder *AuditLog
	boxes    map[string]*Box
}

var _ move.Term = (*Term)(nil)

// Campaign waits until this controller is the leader, and returns its term. It
// goes on through times in which the store cannot be asked. It returns an error
// when ctx ends, when the store is closed or has failed, or when the store's own
// record cannot be trusted (ErrIntegrity). A new leader waits out the time limit
// of one outside call before it acts: its predecessor may have one on its way.
func (s *Store) Campaign(ctx context.Context) (*Term, error) {
	told := false
	for {
		t, err := s.campaign(ctx)
		switch {
		case err == nil:
			return t, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("campaign: %w", ctx.Err())
		case s.Err() != nil || s.life.Err() != nil:
			return nil, fmt.Errorf("campaign: %w", s.explain(errors.Join(err, s.life.Err())))
		case errors.Is(err, ErrIntegrity):
			return nil, err
		}
		if !told {
			s.log.Warn("store: cannot campaign for the leadership; trying again", "error", err)
			told = true
		}
		pause := time.NewTimer(between)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		case <-s.life.Done():
			pause.Stop()
		}
	}
}

// campaign tries once, with a session and an election key of its own: an old key
// is never used again.
func (s *Store) campaign(ctx context.Context) (*Term, error) {
	session, err := s.session(ctx, s.opts.LeaseTTL)
	if err != nil {
		return nil, err
	}
	t := &Term{s: s, session: session, elect: concurrency.NewElection(session, s.key(electionPrefix)), lost: make(chan struct{})}
	// A lease that ends while we wait takes our key with it; without this the
	// election would take an empty place for a victory.
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(session.Ctx(), cancel)()
	if err := t.elect.Campaign(waiting, s.opts.Name); err != nil {
		t.discard()
		return nil, s.explain(err)
	}
	t.key, t.rev = t.elect.Key(), t.elect.Rev()
	t.fence = clientv3.Compare(clientv3.CreateRevision(t.key), "=", t.rev)
	t.reads = Reads{s: s, get: t.get}
	t.journal, t.brakes, t.recorder = newJournal(t), &Brakes{t: t}, &AuditLog{t: t}
	if err := t.begin(ctx); err != nil {
		t.discard()
		return nil, err
	}
	if !s.run(t.watch) {
		t.discard()
		return nil, s.life.Err()
	}
	return t, nil
}

// session grants a lease within ctx and keeps it alive until the store closes.
func (s *Store) session(ctx context.Context, ttl time.Duration) (*concurrency.Session, error) {
	limited, cancel := s.within(ctx)
	defer cancel()
	lease, err := s.client.Grant(limited, int64(ttl/time.Second))
	if err != nil {
		return nil, s.explain(err)
	}
	session, err := concurrency.NewSession(s.client, concurrency.WithLease(lease.ID), concurrency.WithTTL(int(ttl/time.Second)), concurrency.WithContext(s.life))
	if err != nil {
		return nil, s.explain(err)
	}
	if session == nil {
		return nil, fmt.Errorf("keep a lease: %w", ErrUnavailable)
	}
	return session, nil
}

// begin makes sure that the store has a root record, and carries out what a
// restore has left to do.
func (t *Term) begin(ctx context.Context) error {
	root, at, err := t.reads.rootSlot(ctx)
	if err != nil {
		return err
	}
	if at.version <= 1 {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		root = rootBody{ID: hex.EncodeToString(id), Made: time.Now().UTC()}
		if err := t.replace(ctx, &at, root, nil, nil); err != nil {
			return err
		}
	}
	if t.s.folder != nil {
		if err := t.s.folder.writeJSON(identityFile, identity{Store: root.ID}); err != nil {
			return fmt.Errorf("remember the store in its folder: %w", err)
		}
	}
	return t.afterRestore(ctx, root, at)
}

// Lost implements move.Term.
func (t *Term) Lost() <-chan struct{} { return t.lost }

func (t *Term) lose(why string) {
	t.lostOnce.Do(func() {
		t.s.log.Warn("store: the leadership is over", "why", why)
		close(t.lost)
	})
}

func (t *Term) over() bool {
	select {
	case <-t.lost:
		return true
	default:
		return false
	}
}

// watch ends the term when its lease is not renewed in time (by this machine's
// own clock too), or its key is gone.
func (t *Term) watch() {
	ctx, cancel := context.WithCancel(t.s.life)
	defer cancel()
	gone := t.s.client.Watch(clientv3.WithRequireLeader(ctx), t.key, clientv3.WithRev(t.rev+1))
	for {
		select {
		case <-t.session.Done():
			t.lose("the lease was not renewed in time")
		case <-t.s.Failed():
			t.lose("the embedded member has failed")
		case <-t.s.life.Done():
			t.lose("the store was closed")
		case <-t.lost:
		case w, ok := <-gone:
			if !ok || w.Err() != nil {
				gone = nil // the lease tells
				continue
			}
			if !slices.ContainsFunc(w.Events, func(e *clientv3.Event) bool { return e.Type == clientv3.EventTypeDelete }) {
				continue
			}
			t.lose("the leader's key was deleted")
		}
		if t.over() {
			t.session.Orphan()
			return
		}
	}
}

// Remaining implements move.Term: it renews the lease, makes sure that the key
// still stands, and counts from before it asked.
func (t *Term) Remaining(ctx context.Context) (time.Duration, error) {
	if t.over() {
		return 0, fmt.Errorf("ask for the lease: %w", move.ErrDeposed)
	}
	ctx, cancel := t.s.within(ctx)
	defer cancel()
	asked := time.Now()
	lease, err := t.s.client.KeepAliveOnce(ctx, t.session.Lease())
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		t.lose("the lease has run out")
		return 0, fmt.Errorf("ask for the lease: %w", move.ErrDeposed)
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the lease: %w", t.s.explain(err))
	}
	if _, err := t.commit(ctx, nil, nil); err != nil {
		return 0, fmt.Errorf("ask for the lease: %w", err)
	}
	left := time.Duration(lease.TTL)*time.Second - time.Since(asked)
	if left <= 0 {
		return 0, fmt.Errorf("ask for the lease: the answer took longer than it lasts: %w", move.ErrDeposed)
	}
	return left, nil
}

// Resign hands the leadership over: the next in the queue leads at once, not
// after the lease. It ends the term in every case.
func (t *Term) Resign(ctx context.Context) error {
	if t.over() {
		return nil
	}
	ctx, cancel := t.s.within(ctx)
	defer cancel()
	// The election key goes first: the views must refuse before another leads.
	t.lose("it was handed over")
	err := t.elect.Resign(ctx)
	t.session.Orphan()
	if _, revokeErr := t.s.client.Revoke(ctx, t.session.Lease()); err == nil {
		err = revokeErr
	}
	if err != nil {
		return fmt.Errorf("resign (the lease ends by itself within %s): %w", t.s.opts.LeaseTTL, t.s.explain(err))
	}
	return nil
}

// discard drops a term that never began.
func (t *Term) discard() {
	t.session.Orphan()
	ctx, cancel := context.WithTimeout(t.s.life, freshWithin)
	defer cancel()
	_, _ = t.s.client.Revoke(ctx, t.session.Lease()) // else it ends by itself
}

// errChanged says that a record is not as it was when this leader saw it last.
var errChanged = errors.New("the record was changed by somebody else")

// commit carries out operations if this leadership still holds and everything
// compares: move.ErrDeposed and errChanged say which does not.
func (t *Term) commit(ctx context.Context, same []clientv3.Cmp, ops []clientv3.Op) (*clientv3.TxnResponse, error) {
	if t.over() {
		return nil, move.ErrDeposed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(ops) > 0 {
		t.s.MakeRoom()
	}
	ctx, cancel := t.s.within(ctx)
	defer cancel()
	resp, err := t.s.client.Txn(ctx).If(append([]clientv3.Cmp{t.fence}, same...)...).Then(ops...).Else(clientv3.OpGet(t.key)).Commit()
	if err != nil {
		return nil, t.s.explain(err)
	}
	if resp.Succeeded {
		return resp, nil
	}
	if kv := one((*clientv3.GetResponse)(resp.Responses[0].GetResponseRange())); kv == nil || kv.CreateRevision != t.rev {
		t.lose("another controller leads")
		return nil, move.ErrDeposed
	}
	return nil, errChanged
}

// get asks as the leader: a deposed one gets no answer.
func (t *Term) get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	resp, err := t.commit(ctx, nil, []clientv3.Op{clientv3.OpGet(t.s.key(key), opts...)})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.s.key(key), err)
	}
	return (*clientv3.GetResponse)(resp.Responses[0].GetResponseRange()), nil
}

// replace writes a bound record together with other operations, and brings at up
// to date. A record that is born with it is added to the root record. After an
// error at is not known any more: read it again.
func (t *Term) replace(ctx context.Context, at *slot, body any, same []clientv3.Cmp, ops []clientv3.Op) error {
	if at.version == 0 {
		cmps, op, err := t.s.putBound(*at, nil)
		if err != nil {
			return err
		}
		resp, err := t.commit(ctx, cmps, []clientv3.Op{op})
		if err != nil {
			return fmt.Errorf("write %s: %w", t.s.key(at.name), err)
		}
		at.created, at.version = resp.Header.Revision, 1
	}
	cmps, op, err := t.s.putBound(*at, body)
	if err != nil {
		return err
	}
	cmps, ops = append(cmps, same...), append(ops, op)
	if at.version == 1 && at.name != rootKey {
		t.rootMu.Lock()
		defer t.rootMu.Unlock()
		root, rootAt, err := t.reads.rootSlot(ctx)
		if err != nil {
			return err
		}
		root.Born = append(root.Born, at.name)
		more, birth, err := t.s.putBound(rootAt, root)
		if err != nil {
			return err
		}
		cmps, ops = append(cmps, more...), append(ops, birth)
	}
	if _, err := t.commit(ctx, cmps, ops); err != nil {
		return fmt.Errorf("write %s: %w", t.s.key(at.name), err)
	}
	at.version++
	return nil
}
