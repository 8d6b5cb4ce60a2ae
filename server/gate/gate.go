package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/problem"
)

// Callers know people by what they show. *people.Directory is one. Safe for
// concurrent use.
type Callers interface {
	Token(presented string) (people.Caller, bool)
	OIDC(issuer, subject string, groups []string) (people.Caller, bool)
	Certificate(fingerprint, subject string) (people.Caller, bool)
}

// Limits bound what is asked. The zero value of a field is its default.
type Limits struct {
	Body         int64         // bytes of a request's body; 1 MiB
	Depth        int           // nesting of a JSON body; 32
	Rate         int           // requests per second of one address; 500
	Concurrent   int           // requests at the same time; 512
	FailedLogins int           // refused credentials in a row; 20
	BodyTime     time.Duration // for the body to arrive; 15 s
}

func (l Limits) filled() Limits {
	fill := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	fill(&l.Depth, 32)
	fill(&l.Rate, 500)
	fill(&l.Concurrent, 512)
	fill(&l.FailedLogins, 20)
	if l.Body <= 0 {
		l.Body = 1 << 20
	}
	if l.BodyTime <= 0 {
		l.BodyTime = 15 * time.Second
	}
	return l
}

// Options make a Gate.
type Options struct {
	Callers Callers
	Issuers []*Issuer // of OIDC bearer tokens
	Hosts   []string  // names in the Host header, in lower case, without a port
	Proxies []netip.Prefix
	// MetricsFrom may read /metrics without a credential.
	MetricsFrom []netip.Prefix
	Limits      Limits
	Log         *slog.Logger
	// Seen hears of every answer; nil: nobody.
	Seen func(Seen)
	// Doors check by themselves who asks (signed webhooks): by the prefix of
	// their path, such as "/hooks/". Limits and the list of hosts hold for them.
	Doors map[string]http.Handler
	// Open are answered to everybody who reaches the server: they must tell
	// nothing that is not for everybody. By their whole path.
	Open map[string]http.Handler
}

// Seen is one answer, as metrics count it. Route is the pattern of the route,
// "" for none.
type Seen struct {
	Route, Method string
	Status        int
	Took          time.Duration
}

// Gate is what stands before the routes. Safe for concurrent use.
type Gate struct {
	o       Options
	limits  Limits
	rates   *addresses // requests
	fails   *addresses // refused credentials
	origins *http.CrossOriginProtection

	retired chan struct{}
	retire  sync.Once

	mu    sync.Mutex
	under map[netip.Addr]int // requests under way, by source
	total int
}

// New checks the options.
func New(o Options) (*Gate, error) {
	if o.Callers == nil || o.Log == nil || len(o.Hosts) == 0 {
		return nil, errors.New("a gate needs to know people, the names of its host, and a log")
	}
	l := o.Limits.filled()
	return &Gate{o: o, limits: l, retired: make(chan struct{}), under: map[netip.Addr]int{}, origins: http.NewCrossOriginProtection(),
		rates: newAddresses(float64(l.Rate), 2*l.Rate), fails: newAddresses(1, l.FailedLogins)}, nil
}

// passage is what the gate knows of a request on its way.
type passage struct {
	id       string
	source   netip.Addr
	caller   people.Caller
	still    func() bool // whether the credential still counts; nil: none was shown
	route    string
	draining <-chan struct{}
	retired  <-chan struct{}
}

type passageKey struct{}

func passageOf(ctx context.Context) *passage {
	if p, ok := ctx.Value(passageKey{}).(*passage); ok {
		return p
	}
	return &passage{}
}

// CallerOf returns who asks; the zero value, which may do nothing, for a request
// that has not passed a gate.
func CallerOf(ctx context.Context) people.Caller { return passageOf(ctx).caller }

// RequestOf returns the id that this request has in the log.
func RequestOf(ctx context.Context) string { return passageOf(ctx).id }

// Draining is closed once the server lets requests end and takes no new ones;
// long answers end then. Nil for a server that never does.
func Draining(ctx context.Context) <-chan struct{} { return passageOf(ctx).draining }

// Retire says that another gate has taken this one's place: whom it has let in,
// the other one may not.
func (g *Gate) Retire() { g.retire.Do(func() { close(g.retired) }) }

// Retired is closed once whoever asks has to be looked at anew; long answers end
// then. Nil for a request that has not passed a gate.
func Retired(ctx context.Context) <-chan struct{} { return passageOf(ctx).retired }

// Still reports whether what the caller has shown still counts: tokens and
// certificates end. Long answers ask now and then, and end when it does not.
func Still(ctx context.Context) bool {
	still := passageOf(ctx).still
	return still == nil || still()
}

// Routed notes the pattern of the route that answers, for the metrics.
func Routed(ctx context.Context, pattern string) { passageOf(ctx).route = pattern }

// headers that every answer has.
func secure(h http.Header, tls bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// RequestHeader is the header with the id of a request: in an answer ours, in a
// request the caller's own, which is only noted beside it.
const RequestHeader = "X-Request-Id"

// Wrap puts the gate before routes.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		p := &passage{id: strings.ToLower(rand.Text()[:16]), source: source(r, g.o.Proxies), retired: g.retired}
		if d, ok := r.Context().Value(drainKey{}).(<-chan struct{}); ok {
			p.draining = d
		}
		r = r.WithContext(context.WithValue(r.Context(), passageKey{}, p))
		g.hurry(w, r)
		out := &counted{ResponseWriter: w}
		w.Header().Set(RequestHeader, p.id)
		secure(w.Header(), r.TLS != nil)
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler { //nolint:errorlint // the very value
					panic(v)
				}
				g.o.Log.Error("a request panicked", "request", p.id, "path", cut(r.URL.Path), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				if out.status == 0 {
					g.refuse(out, r, problem.New(problem.Failed, http.StatusInternalServerError, "a fault in the controller itself", "look for the request's id in the controller's log"))
				}
			}
			g.done(r, p, out, time.Since(begun))
		}()
		g.pass(out, r, p, next)
	})
}

// pass checks in an order in which the cheap and the blunt come first.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, p *passage, next http.Handler) {
	if !slices.Contains(g.o.Hosts, hostName(r.Host)) {
		g.refuse(w, r, problem.New(problem.UnknownHost, http.StatusMisdirectedRequest, "this server is not called by the name in the Host header", "use one of the names under server.hosts in the config, or add this one there"))
		return
	}
	if open, ok := g.o.Open[r.URL.Path]; ok && (r.URL.Path != MetricsPath || within(g.o.MetricsFrom, p.source)) {
		Routed(r.Context(), r.URL.Path)
		open.ServeHTTP(w, r)
		return
	}
	if wait, ok := g.rates.take(p.source); !ok {
		g.refuse(w, r, tooMany("this address asks more often than it may", wait))
		return
	}
	release, ok := g.enter(p.source)
	if !ok {
		g.refuse(w, r, problem.New(problem.Busy, http.StatusServiceUnavailable, "as many requests are being answered as may be", "try again in a moment; the local socket on the controller's machine has a limit of its own").With("Retry-After", "1"))
		return
	}
	defer release()
	for prefix, door := range g.o.Doors {
		if strings.HasPrefix(r.URL.Path+"/", prefix) {
			Routed(r.Context(), prefix)
			g.through(w, r, p, door)
			return
		}
	}
	if err := g.origins.Check(r); err != nil {
		g.refuse(w, r, problem.New(problem.CrossOrigin, http.StatusForbidden, "a page of another site has sent this request", "call the API from a program, not from a web page"))
		return
	}
	if refused := g.identify(r, p); refused != nil {
		g.refuse(w, r, refused)
		return
	}
	if open, ok := g.o.Open[r.URL.Path]; ok {
		Routed(r.Context(), r.URL.Path)
		open.ServeHTTP(w, r)
		return
	}
	if refused := g.readBody(w, r); refused != nil {
		g.refuse(w, r, refused)
		return
	}
	next.ServeHTTP(w, r)
}

// through lets a door answer, which checks by itself who asks. A body is bounded
// for it, and what it refuses with 401 counts as a credential that does not.
func (g *Gate) through(w http.ResponseWriter, r *http.Request, p *passage, door http.Handler) {
	if wait, ok := g.fails.left(p.source); !ok {
		g.refuse(w, r, tooMany("this address has shown too many credentials that do not count", wait))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, g.limits.Body)
	out := &counted{ResponseWriter: w}
	door.ServeHTTP(out, r)
	if out.status == http.StatusUnauthorized {
		g.fails.take(p.source)
	}
}

// MetricsPath is open to the addresses of Options.MetricsFrom only; everybody
// else needs a credential.
const MetricsPath = "/metrics"

// enter counts a request in, if there is room: one address gets at most half of
// it.
func (g *Gate) enter(from netip.Addr) (release func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total >= g.limits.Concurrent || g.under[from] >= max(1, g.limits.Concurrent/2) {
		return nil, false
	}
	g.total++
	g.under[from]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.total--
		if g.under[from]--; g.under[from] <= 0 {
			delete(g.under, from)
		}
	}, true
}

// refuse sends a problem with the request's id.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	p.Request = RequestOf(r.Context())
	p.Write(w)
}

func tooMany(detail string, wait time.Duration) *problem.Problem {
	seconds := int((wait + time.Second - 1) / time.Second)
	return problem.New(problem.TooMany, http.StatusTooManyRequests, detail, fmt.Sprintf("wait %d s; a right credential from another address works meanwhile", max(1, seconds))).
		With("Retry-After", fmt.Sprint(max(1, seconds)))
}

// done logs an answer and tells who counts them. Neither query nor headers are
// logged: they may hold what is nobody's business.
func (g *Gate) done(r *http.Request, p *passage, w *counted, took time.Duration) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	level := slog.LevelDebug
	if w.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	g.o.Log.Log(r.Context(), level, "answered", "request", p.id, "client_request", clientID(r), "from", p.source.String(), "who", p.caller.String(),
		"method", cut(r.Method), "path", cut(r.URL.Path), "status", w.status, "took", took.Round(time.Microsecond).String())
	if g.o.Seen != nil {
		g.o.Seen(Seen{Route: p.route, Method: r.Method, Status: w.status, Took: took})
	}
}

// clientID is the caller's own id of the request, if it is a plain word.
func clientID(r *http.Request) string {
	id := r.Header.Get(RequestHeader)
	if len(id) > 64 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return ""
	}
	return id
}

// cut keeps a log line short.
func cut(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// counted is a ResponseWriter that knows the status it has sent.
type counted struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (c *counted) WriteHeader(status int) {
	if c.status == 0 && status >= http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counted) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b) //nolint:wrapcheck // the writer's own error
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
