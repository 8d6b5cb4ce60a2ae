package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
)

// lostSoon waits for a term to end.
func lostSoon(t *testing.T, term *Term) {
	t.Helper()
	select {
	case <-term.Lost():
	case <-time.After(patience):
		t.Fatal("the leader is never told that it is deposed")
	}
}

// spec 9.5: the lease is renewed by asking, and counted from before.
func TestRemaining(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	term := lead(t, s)
	left, err := term.Remaining(t.Context())
	if err != nil || left > s.LeaseTTL() || left < s.LeaseTTL()-2*time.Second {
		t.Errorf("%s left of %s: %v", left, s.LeaseTTL(), err)
	}
	if name, err := readNow(t, s).Leader(t.Context()); err != nil || name != "one" {
		t.Errorf("the leader is %q: %v", name, err)
	}
}

func readNow(t *testing.T, s *Store) Reads {
	t.Helper()
	r, err := s.Reads(t.Context())
	must(t, err)
	return r
}

// spec 9.5: the leader's key can go in several ways; in each the leader is told
// and nothing that it writes is taken, whatever it has not been told yet.
func TestDeposed(t *testing.T) {
	t.Parallel()
	ways := map[string]func(ctx context.Context, s *Store, term *Term) error{
		"its lease is revoked": func(ctx context.Context, s *Store, term *Term) error {
			_, err := s.client.Revoke(ctx, term.session.Lease())
			return err
		},
		"its key is deleted": func(ctx context.Context, s *Store, term *Term) error {
			_, err := s.client.Delete(ctx, term.key)
			return err
		},
		"its key is deleted and made again": func(ctx context.Context, s *Store, term *Term) error {
			if _, err := s.client.Delete(ctx, term.key); err != nil {
				return err
			}
			_, err := s.client.Put(ctx, term.key, "one")
			return err
		},
		"it resigns": func(ctx context.Context, _ *Store, term *Term) error { return term.Resign(ctx) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			s := fresh(t)
			term := lead(t, s)
			must(t, term.Journal().Begin(ctx, record("m1", "corp", 1)))
			must(t, way(ctx, s, term))
			for what, err := range map[string]error{
				"begin":   term.Journal().Begin(ctx, record("m2", "other", 1)),
				"note":    term.Journal().Note(ctx, "m1", note(record("m1", "corp", 1).Steps[0].App, move.Planned)),
				"finish":  term.Journal().Finish(ctx, "m1", ended(record("m1", "corp", 1))),
				"put":     term.Brakes().Put(ctx, failover.Brake{ID: "p"}),
				"release": term.Brakes().Release(ctx, "p"),
				"save":    term.Inventory().SaveApps(appsOf("corp")),
				"record":  term.Audit().Record(ctx, "a", "b", "c", nil),
			} {
				if !errors.Is(err, move.ErrDeposed) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := term.Journal().Open(ctx); !errors.Is(err, move.ErrDeposed) {
				t.Errorf("open: %v", err)
			}
			if _, err := term.Remaining(ctx); !errors.Is(err, move.ErrDeposed) {
				t.Errorf("remaining: %v", err)
			}
			lostSoon(t, term)
			must(t, term.Resign(ctx)) // once more changes nothing
			if got := readNow(t, s); got.Stale {
				t.Error("reads are stale")
			} else if all, err := got.Open(ctx); err != nil || len(all) != 1 || len(all[0].Notes) != 0 {
				t.Errorf("open are %v: %v", all, err)
			}
		})
	}
}

// A hand-over does not wait for the lease; who waits gets it, and only one.
func TestHandOver(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	first := lead(t, s)
	type result struct {
		term *Term
		err  error
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := make(chan result, 2)
	for range 2 {
		go func() {
			term, err := s.Campaign(ctx)
			next <- result{term, err}
		}()
	}
	until(t, "two wait", func() bool {
		resp, err := s.client.Get(ctx, s.key(electionPrefix), clientPrefix())
		return err == nil && resp.Count == 3
	})
	select {
	case r := <-next:
		t.Fatalf("a second leader beside the first: %v", r.err)
	default:
	}
	began := time.Now()
	must(t, first.Resign(ctx))
	r := <-next
	must(t, r.err)
	if took := time.Since(began); took > s.LeaseTTL()-time.Second {
		t.Errorf("the hand-over took %s", took)
	}
	must(t, r.term.Journal().Begin(ctx, record("m1", "corp", 1)))
	select {
	case other := <-next:
		t.Fatalf("two leaders: %v", other.err)
	default:
	}
	must(t, r.term.Resign(ctx))
	other := <-next
	must(t, other.err)
	must(t, other.term.Resign(ctx))
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			t.Fatalf("it never happens that %s", what)
		case <-tick.C:
		}
	}
}

// A campaign that nobody wants any more leaves nothing behind that could lead.
func TestCampaignEnds(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	first := lead(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Campaign(ctx)
		done <- err
	}()
	until(t, "one waits", func() bool {
		resp, err := s.client.Get(t.Context(), s.key(electionPrefix), clientPrefix())
		return err == nil && resp.Count == 2
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the campaign ends with %v", err)
	}
	must(t, first.Resign(t.Context()))
	until(t, "no key is left", func() bool {
		resp, err := s.client.Get(t.Context(), s.key(electionPrefix), clientPrefix())
		return err == nil && resp.Count == 0
	})
}

// Only the newest moves are kept, and what is gone can be begun again.
func TestRetention(t *testing.T) {
	t.Parallel()
	o := fresh(t).opts
	o.KeepMoves = 3
	s := attach(t, o)
	term := lead(t, s)
	ctx := t.Context()
	for i := range 8 {
		r := record(failover.MoveID(fmt.Sprintf("m%d", i)), "corp", 2)
		must(t, term.Journal().Begin(ctx, r), term.Journal().Note(ctx, r.ID, note(r.Steps[0].App, move.Planned)), term.Journal().Finish(ctx, r.ID, ended(r)))
	}
	past, err := s.Past(ctx, "corp")
	if err != nil || len(past) != 3 || past[0].ID != "m7" || past[2].ID != "m5" || len(past[0].Notes) != 1 || past[0].Result == nil {
		t.Errorf("kept are %v: %v", past, err)
	}
	recent, err := readNow(t, s).Recent(ctx, "corp", 1)
	if err != nil || len(recent) != 1 || recent[0].ID != "m7" {
		t.Errorf("the newest is %v: %v", recent, err)
	}
	if found := verify(t, s); len(found) > 0 {
		t.Errorf("reported are %v", found)
	}
	for name := range values(t, s) {
		if name == moveKey("m4") || name == moveKey("m0") {
			t.Errorf("%s is left behind", name)
		}
	}
	if err := term.Journal().Begin(ctx, record("m7", "corp", 1)); !errors.Is(err, move.ErrOpenMove) {
		t.Errorf("an id twice: %v", err)
	}
	other := ended(record("m7", "corp", 2))
	other.Status = failover.Incomplete
	if err := term.Journal().Finish(ctx, "m7", other); !errors.Is(err, move.ErrNoMove) {
		t.Errorf("another result: %v", err)
	}
	must(t, term.Journal().Begin(ctx, record("m4", "corp", 1)))
}

// A move of very many apps is too large for one value of etcd, and comes back
// whole.
func TestLargeMove(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	term := lead(t, s)
	ctx := t.Context()
	r := record("m1", "corp", 2)
	state := uint32(1)
	must(t, term.Journal().Begin(ctx, r))
	for i := range 60 {
		text := make([]byte, 40000)
		for n := range text {
			state = state*1664525 + 1013904223
			text[n] = 'a' + byte(state>>24)%26
		}
		n := note(r.Steps[0].App, move.Planned)
		n.App = fmt.Sprint("app", i)
		n.Changes[0].Before = fmt.Appendf(nil, "%q", text)
		must(t, term.Journal().Note(ctx, "m1", n))
	}
	open, err := term.Journal().Open(ctx)
	must(t, err)
	must(t, term.Journal().Finish(ctx, "m1", ended(r)), term.Journal().Finish(ctx, "m1", ended(r)))
	past, err := s.Past(ctx, "corp")
	if err != nil || len(past) != 1 || !sameJSON(past[0].Notes, open[0].Notes) {
		t.Errorf("%d moves: %v", len(past), err)
	}
	if n := len(values(t, s)); n > 12 {
		t.Errorf("%d keys are left", n)
	}
}

// What a controller says of itself is seen by all, and goes when it does.
func TestControllers(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	two := attach(t, s.opts)
	two.opts.Name = "two"
	must(t, s.Announce(t.Context(), Controller{Version: "1", Digest: "same"}), two.Announce(t.Context(), Controller{Digest: "same"}))
	all, err := readNow(t, s).Controllers(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != "one" || all[0].Version != "1" || !Agree(all) || !Agree(nil) {
		t.Errorf("controllers are %v: %v", all, err)
	}
	must(t, two.Announce(t.Context(), Controller{Digest: "other"}))
	if all, err = readNow(t, s).Controllers(t.Context()); err != nil || Agree(all) {
		t.Errorf("different configs agree: %v: %v", all, err)
	}
	// A lease that ends by itself is taken anew, and everything is told again.
	session, err := two.leases.lease(t.Context())
	must(t, err)
	_, err = s.client.Revoke(t.Context(), session.Lease())
	must(t, err)
	until(t, "the second tells again", func() bool {
		all, err := readNow(t, s).Controllers(t.Context())
		return err == nil && len(all) == 2
	})
	two.quit()
	if all, err = readNow(t, s).Controllers(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("after the second is gone: %v: %v", all, err)
	}
}
