package move_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// leased is a term over a lease of some length that is renewed every third of
// it, until renewals stop; then it runs out.
type leased struct {
	mu    sync.Mutex
	end   time.Time
	lost  chan struct{}
	dead  bool
	extra time.Duration // a saboteur's: how much too long it says the lease is
}

func newLease(ctx context.Context, ttl time.Duration, renewals int) *leased {
	l := &leased{end: time.Now().Add(ttl), lost: make(chan struct{})}
	go func() {
		for n := 0; ; n++ {
			every := time.NewTimer(ttl / 3)
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
			l.mu.Lock()
			if n < renewals {
				l.end = time.Now().Add(ttl)
			}
			if !time.Now().Before(l.end) && !l.dead {
				l.dead = true
				close(l.lost)
			}
			l.mu.Unlock()
		}
	}()
	return l
}

func (l *leased) Lost() <-chan struct{} { return l.lost }

func (l *leased) Remaining(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return time.Until(l.ends()) + l.extra, nil
}

func (l *leased) ends() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// watched is a tenant that hangs on writes as long as it is let, and remembers
// those that could have outlasted the lease that stood when they began.
type watched struct {
	tenant
	term *leased
	hang time.Duration
	mu   sync.Mutex
	late int
	n    int
}

func (t *watched) Write(ctx context.Context, d idp.Document, cs []idp.Change) error {
	end := t.term.ends()
	deadline, bounded := ctx.Deadline()
	t.mu.Lock()
	t.n++
	if !bounded || deadline.After(end) {
		t.late++
	}
	t.mu.Unlock()
	wait := time.NewTimer(t.hang)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return &idp.RetryError{Err: ctx.Err()}
	case <-wait.C:
	}
	return t.tenant.Write(ctx, d, cs)
}

// unbound is a saboteur: steps that leave out the deadline of the write.
type unbound struct{ move.Apps }

func (u unbound) Step(ctx context.Context, app federation.AppRef, target signin.Target, h idp.Hooks) (idp.StepResult, error) {
	h.Bound = nil
	return u.Apps.Step(ctx, app, target, h)
}

// underLease runs a move under a lease; hang is how long each write takes.
func underLease(t *testing.T, ttl time.Duration, renewals int, hang time.Duration, spoil func(*move.Config, *leased)) (failover.Result, *watched, *world, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := newWorld()
	c := w.config()
	term := newLease(ctx, ttl, renewals)
	tn := &watched{tenant: tenant{w}, term: term, hang: hang}
	v := move.Vendor{Tenant: tn, Codec: codec{}}
	c.Term, c.Apps = term, move.Vendors{"t1": v, "t2": v}
	if spoil != nil {
		spoil(&c, term)
	}
	res, err := newMover(t, c).Run(ctx, w.plan(t, nil), failover.Request{})
	cancel()
	synctest.Wait()
	return res, tn, w, err
}

// spec 9.5: under a lease of 5 s, as an embedded store has it, a move goes
// through, and no write could have outlasted the lease that stood when it began,
// however long the vendor takes.
func TestWritesStayInsideTheLease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   string
		ttl   time.Duration
		hang  time.Duration
		moved int
	}{
		{"a lease of 5 s and a quick vendor", 5 * time.Second, 50 * time.Millisecond, 3},
		{"a lease of 5 s and a vendor that takes 2 s", 5 * time.Second, 2 * time.Second, 3},
		{"a lease of 5 s and a vendor that never answers", 5 * time.Second, time.Hour, 0},
		{"a lease of 2 s", 2 * time.Second, 50 * time.Millisecond, 3},
		{"a long lease", time.Minute, 10 * time.Second, 3},
		{"a long lease and a vendor that never answers", time.Minute, time.Hour, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			res, tn, _, err := underLease(t, c.ttl, 1<<30, c.hang, nil)
			if err != nil || res.Moved() != c.moved || tn.late > 0 || tn.n < 3 {
				t.Errorf("%s: %d moved, %d of %d writes could outlast the lease, %v", c.why, res.Moved(), tn.late, tn.n, err)
			}
		})
	}
}

// The saboteurs: a mover whose writes have no deadline of their own, and a term
// that says it lasts longer than it does. The check above must see both.
func TestLeaseSaboteurs(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*move.Config, *leased){
		"writes without a deadline": func(c *move.Config, _ *leased) { c.Apps = unbound{c.Apps} },
		"a term that overstates":    func(_ *move.Config, l *leased) { l.extra = time.Minute },
		"a term counted from after": func(_ *move.Config, l *leased) { l.extra = 2 * time.Second },
	} {
		synctest.Test(t, func(t *testing.T) {
			if _, tn, _, _ := underLease(t, 5*time.Second, 1<<30, 50*time.Millisecond, spoil); tn.late == 0 {
				t.Errorf("%s: not seen in %d writes", name, tn.n)
			}
		})
	}
}

// spec 9.5: a lease that is too short for a write is waited for; when it runs
// out instead, nothing is written and the move stays open.
func TestShortLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// 1.2 s minus the margin is less than a write may take; each renewal gives
		// 1.2 s again, so no write ever starts, and the last one lets it run out.
		_, tn, w, err := underLease(t, 1200*time.Millisecond, 20, time.Millisecond, nil)
		if !errors.Is(err, move.ErrDeposed) || tn.n != 0 {
			t.Errorf("%d writes under a lease that is too short, %v", tn.n, err)
		}
		open, err := w.config().Journal.Open(t.Context())
		if err != nil || len(open) != 1 {
			t.Errorf("%d moves are open, %v", len(open), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// Renewals stop: what began before goes on, nothing begins in the last second.
		res, tn, _, err := underLease(t, 3*time.Second, 0, 1900*time.Millisecond, nil)
		if !errors.Is(err, move.ErrDeposed) || tn.late > 0 || tn.n != 1 || res.Moved() != 1 {
			t.Errorf("%d moved with %d writes, %d of them late, %v", res.Moved(), tn.n, tn.late, err)
		}
	})
}
