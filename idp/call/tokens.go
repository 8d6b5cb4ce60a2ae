package call

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/secret"
)

// lastMoments is when a valid token is better replaced before it is used: it
// might end on its way. For tokens of a short life it is a tenth of that.
const lastMoments = 30 * time.Second

// Token is an access token. Issued and Expires are on our own clock: a fetcher
// that gets the vendor's times corrects them by the answer's Date.
type Token struct {
	Value   secret.Value
	Type    string // as the vendor calls it: "Bearer", "DPoP"
	Issued  time.Time
	Expires time.Time
}

// left is how long the token is valid from now on.
func (t Token) left(now time.Time) time.Duration {
	if t.Value.IsZero() {
		return 0
	}
	return t.Expires.Sub(now)
}

func (t Token) life() time.Duration { return t.Expires.Sub(t.Issued) }

// margin is the end of the token's life in which Get would rather have another.
func (t Token) margin() time.Duration { return min(lastMoments, t.life()/10) }

// Tokens keeps one access token. Safe for concurrent use; several who need a
// new token at once cause one fetch.
type Tokens struct {
	fetch func(context.Context) (Token, error)

	mu     sync.Mutex
	token  Token
	flight *flight
}

// flight is a fetch under way.
type flight struct {
	done chan struct{}
	err  error
	// cut: the error is the fetcher's own deadline. calm: it fetched as
	// calm-time traffic.
	cut, calm bool
}

// NewTokens returns an empty keeper. fetch gets a new token; an error that
// another try may cure carries *idp.RetryError, as Caller.Send returns it.
func NewTokens(fetch func(context.Context) (Token, error)) *Tokens {
	return &Tokens{fetch: fetch}
}

// Get returns a valid token. It makes a call only if there is none, or if the
// one kept is about to end; the latter is used even if no new one is to be had.
func (t *Tokens) Get(ctx context.Context) (Token, error) {
	kept := t.kept()
	now := time.Now()
	if kept.left(now) > kept.margin() {
		return kept, nil
	}
	err := t.renew(ctx, kept)
	kept = t.kept()
	if kept.left(time.Now()) > 0 {
		return kept, nil
	}
	return Token{}, err
}

// Warm fetches a new token when the one kept has less than three fifths of its
// life left: then more than half is left until the next Warm, a minute or two
// later, so that a move in the next half needs none. On an error the old one
// stays.
func (t *Tokens) Warm(ctx context.Context) error {
	kept := t.kept()
	if left := kept.left(time.Now()); left > 0 && left >= kept.life()*3/5 {
		return nil
	}
	return t.renew(ctx, kept)
}

// Drop forgets a token that the vendor refused. One that was fetched meanwhile
// stays.
func (t *Tokens) Drop(refused Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token.Value == refused.Value {
		t.token = Token{}
	}
}

func (t *Tokens) kept() Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token
}

// renew fetches a token in place of old, or waits for whoever does so already.
// That one's failure counts for all who wait, unless it was its own deadline,
// or calm-time traffic that was held back.
func (t *Tokens) renew(ctx context.Context, old Token) error {
	for {
		f, mine := t.board(old)
		if f == nil {
			return nil // somebody else has just brought a new one
		}
		if mine {
			t.fly(ctx, f)
			return f.err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a new access token: %w", ctx.Err())
		case <-f.done:
		}
		if f.err == nil || !(f.cut || f.calm && !idp.IsCalm(ctx)) {
			return f.err
		}
	}
}

// board joins the fetch under way or begins one; nil when old is not the token
// kept any more.
func (t *Tokens) board(old Token) (f *flight, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.token != old && !t.token.Value.IsZero():
		return nil, false
	case t.flight != nil:
		return t.flight, false
	}
	t.flight = &flight{done: make(chan struct{})}
	return t.flight, true
}

// fly makes the fetch and tells everybody who waits.
func (t *Tokens) fly(ctx context.Context, f *flight) {
	token, err := t.fetch(ctx)
	if err == nil && token.left(time.Now()) <= 0 {
		err = finding.Finding{Code: finding.IdPAnswer, Subject: "access token", What: "the access token that was just given out is over already",
			Why: fmt.Sprintf("it ended %v ago by this machine's clock", -token.left(time.Now()).Round(time.Second)), Remedy: "compare this machine's clock with the true time"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.token = token
	}
	f.err, f.cut, f.calm = err, ctx.Err() != nil, idp.IsCalm(ctx)
	t.flight = nil
	close(f.done)
}
