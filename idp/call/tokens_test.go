package call_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
)

var errDown = errors.New("token endpoint refused")

// keeper is what a keeper of tokens does; call.Tokens and the saboteurs.
type keeper interface {
	Get(context.Context) (call.Token, error)
	Warm(context.Context) error
}

// fresh holds a keeper to its promise: warmed every minute, with the token
// endpoint refused at any moment, a move in the next 29 minutes finds a valid
// token and makes no fetch.
func fresh(t *testing.T, make func(*mint) keeper, down time.Duration) (err error) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{}
		k := make(m)
		begun := time.Now()
		for time.Since(begun) < down {
			if e := k.Warm(t.Context()); e != nil {
				err = e
			}
			time.Sleep(time.Minute)
		}
		m.fail(errDown)
		for range 29 {
			_ = k.Warm(t.Context()) // may fail beside it
			fetches := m.fetches()
			token, e := k.Get(t.Context())
			switch {
			case e != nil:
				err = fmt.Errorf("after %v: %w", time.Since(begun), e)
			case !token.Expires.After(time.Now()):
				err = fmt.Errorf("after %v: a token that is over", time.Since(begun))
			case m.fetches() != fetches:
				err = fmt.Errorf("after %v: a fetch on the path of a move", time.Since(begun))
			}
			time.Sleep(time.Minute)
		}
	})
	return err
}

// spec 9.2
func TestTokensStayFresh(t *testing.T) {
	t.Parallel()
	for minutes := 1; minutes < 200; minutes += 7 {
		if err := fresh(t, func(m *mint) keeper { return call.NewTokens(m.fetch) }, time.Duration(minutes)*time.Minute); err != nil {
			t.Errorf("down after %d minutes: %v", minutes, err)
		}
	}
}

// Saboteurs: keepers that look the same in calm times.
type (
	lazyKeeper  struct{ *call.Tokens } // warms only what is over
	eagerKeeper struct {
		*call.Tokens
		m *mint
	} // fetches whenever asked
)

func (k lazyKeeper) Warm(ctx context.Context) error { _, err := k.Get(ctx); return err }
func (k eagerKeeper) Get(ctx context.Context) (call.Token, error) {
	if token, err := k.m.fetch(ctx); err == nil {
		return token, nil
	}
	return k.Tokens.Get(ctx)
}

func TestSaboteurKeepers(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*mint) keeper{
		"lazy":  func(m *mint) keeper { return lazyKeeper{call.NewTokens(m.fetch)} },
		"eager": func(m *mint) keeper { return eagerKeeper{call.NewTokens(m.fetch), m} },
	} {
		if err := fresh(t, make, 50*time.Minute); err == nil {
			t.Errorf("the %s keeper passes", name)
		}
	}
}

// Several who need a token at once cause one fetch, and its failure is theirs.
func TestOneFetchForAll(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{nil, errDown} {
		synctest.Test(t, func(t *testing.T) {
			m := &mint{delay: time.Second, err: failure}
			k := call.NewTokens(m.fetch)
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if _, err := k.Get(t.Context()); !errors.Is(err, failure) {
						t.Errorf("got %v", err)
					}
				})
			}
			all.Wait()
			if m.fetches() != 1 {
				t.Errorf("%d fetches", m.fetches())
			}
		})
	}
}

// Whoever waits for another one's fetch is bound by its own deadline only, and
// does not take over that one's.
func TestWaitersKeepTheirOwnDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{delay: 10 * time.Second}
		k := call.NewTokens(m.fetch)
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		shorter, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := k.Get(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the fetcher got %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := k.Get(shorter); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one got %v", err)
			}
		})
		all.Go(func() {
			if _, err := k.Get(t.Context()); err != nil {
				t.Errorf("the patient one got %v", err)
			}
		})
		all.Wait()
	})
}

// A move does not take over that calm-time traffic was held back.
func TestCalmFailureIsNotAMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := call.NewTokens(func(ctx context.Context) (call.Token, error) {
			time.Sleep(time.Second)
			if idp.IsCalm(ctx) {
				return call.Token{}, errDown
			}
			return (&mint{}).fetch(ctx)
		})
		var all sync.WaitGroup
		all.Go(func() {
			if err := k.Warm(idp.Calm(t.Context())); !errors.Is(err, errDown) {
				t.Errorf("warm: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := k.Get(t.Context()); err != nil {
				t.Errorf("a move: %v", err)
			}
		})
		all.Wait()
	})
}

func TestDrop(t *testing.T) {
	t.Parallel()
	m := &mint{}
	k := call.NewTokens(m.fetch)
	first, _ := k.Get(t.Context())
	k.Drop(first)
	second, err := k.Get(t.Context())
	if err != nil || second.Value == first.Value {
		t.Fatalf("after a drop: the same token, %v", err)
	}
	k.Drop(first) // late news about the old one
	if third, _ := k.Get(t.Context()); third.Value != second.Value || m.fetches() != 2 {
		t.Errorf("a late drop threw away the new token")
	}
	if err := k.Warm(t.Context()); err != nil || m.fetches() != 2 {
		t.Errorf("warm of a fresh token: %d fetches, %v", m.fetches(), err)
	}
}

// In its last moments a token is replaced, and used if that fails; after its
// end it is never used.
func TestLastMoments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &mint{}
		k := call.NewTokens(m.fetch)
		first, _ := k.Get(t.Context())
		m.fail(errDown)
		time.Sleep(time.Hour - 10*time.Second)
		if got, err := k.Get(t.Context()); err != nil || got.Value != first.Value || m.fetches() != 2 {
			t.Errorf("10 s before its end: %v, %d fetches", err, m.fetches())
		}
		time.Sleep(10 * time.Second)
		if _, err := k.Get(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("at its end: %v", err)
		}
	})
}

func TestATokenThatIsOverAlready(t *testing.T) {
	t.Parallel()
	k := call.NewTokens((&mint{life: -time.Minute}).fetch)
	if _, err := k.Get(t.Context()); !finding.Is(err, finding.IdPAnswer) {
		t.Errorf("got %v", err)
	}
}

// Whatever the life of tokens, the rhythm of warming and the endpoint's
// moods: what Get returns is valid, and it fails only if fetching failed.
func TestTokensProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			m := &mint{life: time.Duration(rapid.IntRange(1, 7200).Draw(rt, "life")) * time.Second}
			k := call.NewTokens(m.fetch)
			for range rapid.IntRange(1, 30).Draw(rt, "steps") {
				time.Sleep(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "pause")) * time.Second)
				down := rapid.Bool().Draw(rt, "down")
				m.fail(nil)
				if down {
					m.fail(errDown)
				}
				if rapid.Bool().Draw(rt, "warm") {
					if err := k.Warm(t.Context()); err != nil && !down {
						t.Errorf("warm: %v", err)
					}
				}
				token, err := k.Get(t.Context())
				if err != nil && !down || err == nil && !token.Expires.After(time.Now()) {
					t.Errorf("down %v: token until %v at %v, %v", down, token.Expires, time.Now(), err)
				}
			}
		})
	})
}
