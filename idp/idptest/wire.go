package idptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Style is how one vendor's API looks from outside, for the faults that do not
// come from its simulator.
type Style struct {
	// Throttled is a 429 whose limit ends in ahead, said in the vendor's header.
	Throttled func(ahead time.Duration) *http.Response
	// Fault is the body of the vendor's 500.
	Fault string
	// ForeignNext is a list that continues on ForeignHost; nil = no answer of
	// this vendor names the address of a next one.
	ForeignNext func() *http.Response
	// Token says whether a request asks for an access token; nil = there are
	// none.
	Token func(*http.Request) bool
}

// Call is one request that reached a simulated host.
type Call struct {
	Host, Method, Path, Query string
	Header                    http.Header
	Body                      []byte
	Write                     bool // it would change something
	Token                     bool // it asks for an access token
	Credential                bool // it carries a credential, or may
}

// Wire is the network between an adapter and simulated hosts: HTTP/1.1 as
// net/http speaks it, over pipes instead of sockets, so that it works in virtual
// time and bodies, compression and broken connections are real. It notes every
// call and deals the faults that are armed. It implements http.RoundTripper.
// Safe for concurrent use.
type Wire struct {
	hosts     map[string]http.Handler
	style     Style
	contract  *Contract
	transport *http.Transport
	server    *http.Server
	// Answer, set between calls, answers instead of the hosts, also where there
	// is none; where it returns nil they answer themselves.
	Answer func(*http.Request) *http.Response

	log     lines
	mu      sync.Mutex
	armed   []Fault
	calls   []Call
	refused bool  // token requests get no answer
	poured  int64 // bytes of endless bodies that were taken
	// Exchanges with the hosts, if there is a contract for them.
	exchanges []exchange
}

// NewWire returns the network of these hosts; the test ends it. A contract, if
// there is one, must hold for every exchange with a host in a conformance case.
func NewWire(t testing.TB, hosts map[string]http.Handler, style Style, contract *Contract) *Wire {
	w := &Wire{hosts: maps.Clone(hosts), style: style, contract: contract}
	ln := newPipes()
	w.transport = &http.Transport{DialTLSContext: ln.dial, MaxIdleConnsPerHost: 100}
	w.server = &http.Server{Handler: w}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("idptest: serve the simulated hosts: %v", err))
		}
	}()
	t.Cleanup(func() {
		w.transport.CloseIdleConnections()
		_ = w.server.Close()
		<-done
	})
	return w
}

// AddHost makes another name lead to a handler.
func (w *Wire) AddHost(name string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[name] = h
}

// Host returns what answers at a host.
func (w *Wire) Host(name string) http.Handler {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[name]
}

// Arm makes the next calls of any kind answer with these faults, one each.
func (w *Wire) Arm(faults ...Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = append(w.armed, faults...)
}

// RefuseTokens cuts every token request off while on.
func (w *Wire) RefuseTokens(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = on
}

// Calls returns what reached any host so far, in order.
func (w *Wire) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// Count counts the calls for which f holds.
func (w *Wire) Count(f func(Call) bool) int {
	n := 0
	for _, c := range w.Calls() {
		if f(c) {
			n++
		}
	}
	return n
}

// Forget drops the calls noted so far.
func (w *Wire) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = nil
}

// Poured is how much of endless bodies was taken, in bytes.
func (w *Wire) Poured() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.poured
}

// Logger writes what the adapter logs, at debug level, for the case that looks
// for secrets in it.
func (w *Wire) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, ok := r.Context().Value(pathKey{}).(*Path); ok {
		p.note(w.style.Token != nil && w.style.Token(r))
	}
	return w.transport.RoundTrip(r)
}

// ServeHTTP is the far end: what arrives at any host.
func (w *Wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	r.URL.Scheme, r.URL.Host = "https", r.Host
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away in the middle of it
	}
	fault, token := w.note(r, body)
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case token && w.refuses():
		panic(http.ErrAbortHandler)
	case fault != "":
		w.deal(out, in, body, fault)
		return
	}
	if w.Answer != nil {
		if resp := w.Answer(in); resp != nil {
			send(out, resp)
			return
		}
	}
	send(out, w.serve(in, body))
}

func (w *Wire) refuses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

// note records the call and takes the fault armed for it.
func (w *Wire) note(r *http.Request, body []byte) (f Fault, token bool) {
	token = w.style.Token != nil && w.style.Token(r)
	c := Call{Host: r.Host, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body, Token: token,
		Write: r.Method != http.MethodGet && r.Method != http.MethodHead && !token, Credential: len(body) > 0}
	for _, name := range []string{"Authorization", "Dpop", "Cookie", "Samlfailover-Signature"} {
		c.Credential = c.Credential || r.Header.Get(name) != ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, c)
	if len(w.armed) > 0 {
		f, w.armed = w.armed[0], w.armed[1:]
	}
	return f, token
}

// serve asks the host and keeps the exchange for the contract. A host that cuts
// the connection, or is not there, does so here as well.
func (w *Wire) serve(r *http.Request, body []byte) *http.Response {
	h := w.Host(r.Host)
	if h == nil {
		panic(http.ErrAbortHandler)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if w.contract != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.exchanges = append(w.exchanges, exchange{r.Method, r.URL.String(), r.Header.Clone(), body, rec.Code, rec.Header().Clone(), bytes.Clone(rec.Body.Bytes())})
	}
	return rec.Result()
}

// send writes an answer as it is.
func send(out http.ResponseWriter, resp *http.Response) {
	maps.Copy(out.Header(), resp.Header)
	out.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(out, resp.Body)
}

// Reply is a JSON answer; headers are names and values in turn.
func Reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// Path collects what is asked for on behalf of one piece of work.
type Path struct {
	mu            sync.Mutex
	calls, tokens int
}

type pathKey struct{}

// Follow returns a context whose calls are counted, whoever else makes calls
// meanwhile.
func Follow(ctx context.Context) (context.Context, *Path) {
	p := &Path{}
	return context.WithValue(ctx, pathKey{}, p), p
}

func (p *Path) note(token bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls++; token {
		p.tokens++
	}
}

// Tokens is how many of the calls asked for an access token.
func (p *Path) Tokens() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tokens
}

// pipes is a listener whose connections never leave the process.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

// dial opens a connection to whatever host.
func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error { p.once.Do(func() { close(p.ended) }); return nil }

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "simulated" }
