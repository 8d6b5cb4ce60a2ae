package idptest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/idp"
)

const (
	// freshFor is how long a move needs no token after every token endpoint has
	// begun to refuse (spec 9.2).
	freshFor = 29 * time.Minute
	// warmEvery is the rhythm in which every controller calls Warm.
	warmEvery = time.Minute
	// Tried are so many random moments of a day, and the ends of the first minutes.
	randomMoments, minutes = 24, 62
)

// Freshness is an adapter whose access tokens end.
type Freshness struct {
	// Harness has a warm token that was given out at this moment.
	Harness func(*testing.T) Harness
	Life    time.Duration // of a token
	// Exempt are the moves that may need a token, and do: refused is when the
	// token endpoint began to refuse, moved when the move began, both counted
	// from the first token. nil = none.
	Exempt func(refused, moved time.Duration) bool
}

// moment is when the token endpoint begins to refuse, and when the move begins,
// both counted from the first token.
type moment struct{ refused, moved time.Duration }

// drawn returns the moments of one run: random ones from its seed, and the
// worst there is, which is a refusal that begins right before a Warm and a move
// at the very end of what is promised.
func (f Freshness) drawn(seed uint64) []moment {
	r := rand.New(rand.NewPCG(seed, 0))
	var out []moment
	for range randomMoments {
		refused := time.Duration(r.Int64N(int64(24 * time.Hour)))
		out = append(out, moment{refused, refused + time.Duration(r.Int64N(int64(freshFor)))})
	}
	for i := range minutes {
		refused := time.Duration(i+1)*warmEvery - 1
		out = append(out, moment{refused, refused + freshFor})
	}
	for _, before := range []time.Duration{freshFor + 31*time.Second, freshFor, time.Minute} { // the end of the first token
		out = append(out, moment{f.Life - before, f.Life - before + freshFor})
	}
	return out
}

// RunFreshness refuses every token request from a random moment of a day on and
// wants a move in the next 29 minutes to succeed without one, while Warm fails
// beside it. A keeper that renews too late must fail the same.
func RunFreshness(t *testing.T, f Freshness) {
	t.Helper()
	seed := rand.Uint64()
	exempt := 0
	for _, m := range f.drawn(seed) {
		if f.Exempt != nil && f.Exempt(m.refused, m.moved) {
			exempt++
			if f.needsNone(t, m, untouched) == nil {
				t.Errorf("seed %d: tokens refused at %v, move at %v: exempt, and no token was needed: the exemption is too wide", seed, m.refused, m.moved)
			}
			continue
		}
		if err := f.needsNone(t, m, untouched); err != nil {
			t.Errorf("seed %d: tokens refused at %v, move at %v: %v", seed, m.refused, m.moved, err)
		}
	}
	if f.Exempt != nil && exempt == 0 {
		t.Errorf("seed %d: nothing was exempt: leave the exemption out", seed)
	}
	t.Logf("seed %d: %d of the moments are exempt", seed, exempt)
	for _, m := range f.drawn(seed) {
		if f.needsNone(t, m, f.late) != nil {
			return
		}
	}
	t.Errorf("seed %d: a keeper that renews too late is not caught", seed)
}

func untouched(h Harness) Harness { return h }

// late is the saboteur: it renews after almost the whole life of a token.
func (f Freshness) late(h Harness) Harness {
	return h.tenant(&late{Tenant: h.Tenant, every: f.Life * 19 / 20, last: time.Now()})
}

type late struct {
	idp.Tenant
	every time.Duration
	last  time.Time
}

func (s *late) Warm(ctx context.Context) error {
	if time.Since(s.last) < s.every {
		return nil
	}
	s.last = time.Now()
	return s.Tenant.Warm(ctx)
}

// needsNone says why a move needs a token, or fails; nil = it does neither.
func (f Freshness) needsNone(t *testing.T, m moment, wrap func(Harness) Harness) (err error) {
	synctest.Test(t, func(t *testing.T) {
		h := wrap(f.Harness(t))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go h.keepWarm(ctx)
		time.Sleep(m.refused)
		h.Wire.RefuseTokens(true)
		time.Sleep(m.moved - m.refused)
		onPath, path := Follow(ctx)
		_, err = h.step(onPath)
		if n := path.Tokens(); n > 0 {
			err = errors.Join(fmt.Errorf("%d token requests on the path of the move", n), err)
		}
	})
	return err
}

// keepWarm is what a controller does all the time.
func (h Harness) keepWarm(ctx context.Context) {
	tick := time.NewTicker(warmEvery)
	defer tick.Stop()
	for {
		_ = h.Tenant.Warm(ctx) // may fail
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
