package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/samlfailover/samlfailover/control"
)

const (
	// fresh is how long one look at everything answers everybody who may see the
	// same. Two hundred people who look once a second during an outage must not
	// take the processor from the move.
	fresh = 100 * time.Millisecond
	// sights bounds the looks that are kept, one for each set of roles.
	sights = 64
)

// look is one look at everything, as those with the same roles see it. It is
// read-only, so safe for concurrent use.
type look struct {
	control.Status
	encoded func() ([]byte, error) // the status as JSON, put together once

	of       *UseCases
	at       time.Time
	news     int    // the newest event before it
	changing uint64 // the changes before it
}

// looks keep the newest look of each set of roles until something is known to
// have happened: an event in the feed, or a request that may change something,
// before it is answered. So nobody is shown less than what they were told
// before. Safe for concurrent use.
type looks struct {
	changing atomic.Uint64

	mu   sync.Mutex
	kept map[string]*look
}

// look returns a look that is fresh, taking one if need be. It holds no lock
// meanwhile: the store may be slow. There are use cases, as ask has seen to.
func (a *API) look(ctx context.Context, who control.Actor) *look {
	l, of := &a.looks, a.use.Load()
	u, key := *of, who.Grants.String()
	now := &look{of: of, at: time.Now(), changing: l.changing.Load(), news: u.News(who, -1).Last}
	l.mu.Lock()
	was := l.kept[key]
	l.mu.Unlock()
	if was != nil && was.stillTrue(now) {
		return was
	}
	now.Status = u.Status(ctx, who)
	now.encoded = sync.OnceValues(func() ([]byte, error) {
		var out bytes.Buffer
		err := huma.DefaultJSONFormat.Marshal(&out, now.Status)
		return out.Bytes(), err //nolint:wrapcheck // said by the caller
	})
	if ctx.Err() != nil {
		return now // it may say that it could not be read, which is this caller's alone
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil || len(l.kept) >= sights && l.kept[key] == nil {
		l.kept = map[string]*look{}
	}
	l.kept[key] = now
	return now
}

// stillTrue reports whether nothing is known to have happened between a look and
// one that would be taken now.
func (l *look) stillTrue(now *look) bool {
	return l.of == now.of && l.changing == now.changing && l.news == now.news && now.at.Sub(l.at) < fresh
}

// watch notes every change before its answer can reach anybody.
func (l *looks) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w = &answering{w, &l.changing}
		}
		next.ServeHTTP(w, r)
	})
}

// answering counts each piece of an answer before it is written.
type answering struct {
	http.ResponseWriter
	n *atomic.Uint64
}

func (a *answering) WriteHeader(status int) {
	a.n.Add(1)
	a.ResponseWriter.WriteHeader(status)
}

func (a *answering) Write(p []byte) (int, error) {
	a.n.Add(1)
	return a.ResponseWriter.Write(p) //nolint:wrapcheck // a writer in between
}

// Unwrap lets http.ResponseController reach what it needs.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Schema describes a look as what it shows.
func (*look) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[control.Status](), true, "")
}

// asJSON is huma's form of answers, but for a look, which is encoded already.
func asJSON() huma.Format {
	f := huma.DefaultJSONFormat
	usual := f.Marshal
	f.Marshal = func(w io.Writer, v any) error {
		l, ok := v.(*look)
		if !ok {
			return usual(w, v)
		}
		text, err := l.encoded()
		if err != nil {
			return fmt.Errorf("encode the status: %w", err)
		}
		_, err = w.Write(text)
		return err //nolint:wrapcheck // huma's to say
	}
	return f
}
