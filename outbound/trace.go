package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// Phase is a part of one exchange. Each begins where the one before it ends.
type Phase string

// The phases in order. Through a proxy, PhaseProxy stands in place of PhaseDNS
// and PhaseConnect: from the dial to the proxy until its tunnel is open.
const (
	PhaseDNS       Phase = "dns"
	PhaseConnect   Phase = "connect"
	PhaseProxy     Phase = "proxy"
	PhaseTLS       Phase = "tls"
	PhaseRequest   Phase = "request"
	PhaseFirstByte Phase = "first_byte"
	PhaseBody      Phase = "body"
)

func order(p Phase) int {
	switch p {
	case PhaseDNS:
		return 1
	case PhaseConnect:
		return 2
	case PhaseProxy:
		return 3
	case PhaseTLS:
		return 4
	case PhaseRequest:
		return 5
	case PhaseFirstByte:
		return 6
	case PhaseBody:
		return 7
	}
	return 0
}

// Trace follows one exchange through its phases. Make one per exchange with
// NewTrace, put it into the request's context, and set the transport's
// OnProxyConnectResponse to NoteProxyAnswer. Safe for concurrent use.
type Trace struct {
	mu        sync.Mutex
	ctx       context.Context // of the request; what happens after its end is aftermath
	proxied   bool
	tunnel    bool // the proxy's tunnel is open
	dialed    bool // a connection to the first hop stood
	remote    string
	phase     Phase
	since     time.Time
	durations map[Phase]time.Duration
	ended     bool
}

type traceKey struct{}

// NewTrace starts following an exchange that goes through a proxy or not.
func NewTrace(proxied bool) *Trace {
	t := &Trace{ctx: context.Background(), proxied: proxied, phase: PhaseDNS, since: time.Now(), durations: map[Phase]time.Duration{}}
	if proxied {
		t.phase = PhaseProxy
	}
	return t
}

// Context attaches t to the context of the exchange's request.
func (t *Trace) Context(ctx context.Context) context.Context {
	t.mu.Lock()
	t.ctx = ctx
	t.mu.Unlock()
	return httptrace.WithClientTrace(context.WithValue(ctx, traceKey{}, t), &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.hop(PhaseDNS) },
		ConnectStart:         func(string, string) { t.hop(PhaseConnect) },
		TLSHandshakeStart:    t.handshake,
		TLSHandshakeDone:     func(tls.ConnectionState, error) {},
		GotConn:              t.gotConn,
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.enter(PhaseFirstByte) },
		GotFirstResponseByte: func() { t.enter(PhaseBody) },
	})
}

// hop notes a step towards the first hop; towards a proxy all of it is the
// phase "proxy".
func (t *Trace) hop(p Phase) {
	if !t.proxied {
		t.enter(p)
	}
}

// handshake notes a TLS handshake with the far host; one with an https proxy
// comes before the tunnel.
func (t *Trace) handshake() {
	t.mu.Lock()
	far := !t.proxied || t.tunnel
	t.mu.Unlock()
	if far {
		t.enter(PhaseTLS)
	}
}

func (t *Trace) gotConn(info httptrace.GotConnInfo) {
	t.mu.Lock()
	t.dialed = true
	if !t.proxied && info.Conn != nil && info.Conn.RemoteAddr() != nil {
		t.remote = info.Conn.RemoteAddr().String()
	}
	t.mu.Unlock()
	t.enter(PhaseRequest)
}

// enter moves forward to p; going back is ignored, and so is everything after
// the request's end: closing the connection may still make the far host talk.
func (t *Trace) enter(p Phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.ctx.Err() != nil || order(p) <= order(t.phase) {
		return
	}
	now := time.Now()
	t.durations[t.phase] += now.Sub(t.since)
	t.phase, t.since = p, now
}

// End closes the last phase and returns it with the time spent in each phase
// that was entered. Later events are ignored.
func (t *Trace) End() (last Phase, spent map[Phase]time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.durations[t.phase] += time.Since(t.since)
		t.ended = true
	}
	spent = make(map[Phase]time.Duration, len(t.durations))
	for p, d := range t.durations {
		spent[p] = d
	}
	return t.phase, spent
}

// Remote returns the address of the far host, "" before a connection stands and
// through a proxy (which hides it).
func (t *Trace) Remote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remote
}

func (t *Trace) state() (phase Phase, proxied, dialed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase, t.proxied, t.dialed
}

// tracedDial tells the exchange's trace, if there is one, what became of the
// dial. A custom dialer sends no events of its own, so its whole call counts as
// connecting unless it reports a name that does not resolve.
func tracedDial(dial DialFunc, custom bool) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		t, _ := ctx.Value(traceKey{}).(*Trace)
		if t == nil {
			return dial(ctx, network, addr)
		}
		begun := time.Now()
		conn, err := dial(ctx, network, addr)
		t.mu.Lock()
		t.dialed = t.dialed || err == nil
		direct := !t.proxied
		if custom && direct && t.phase == PhaseDNS && !t.ended {
			var dns *net.DNSError
			if !errors.As(err, &dns) {
				t.durations[PhaseDNS] += begun.Sub(t.since)
				t.phase, t.since = PhaseConnect, begun
			}
		}
		t.mu.Unlock()
		return conn, err
	}
}

// NoteProxyAnswer belongs into http.Transport.OnProxyConnectResponse: it marks
// an open tunnel in the trace, and turns every other answer into a
// *ProxyAnswer.
func NoteProxyAnswer(ctx context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return proxyAnswerOf(answer)
	}
	if t, _ := ctx.Value(traceKey{}).(*Trace); t != nil {
		t.mu.Lock()
		t.tunnel = true
		t.mu.Unlock()
		t.enter(PhaseTLS)
	}
	return nil
}
