package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/signin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	stsHost  = "sts.us-west-2.amazonaws.com"
	iamHost  = "iam.amazonaws.com"
	oktaHost = "acme.okta.com"
)

// echo answers with what it was asked, so that a test sees that the right site
// got the right request.
func echo(host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Site", host)
		w.Header().Set("X-Host", r.Host)
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+string(body))
	})
}

func sites() []Site {
	return []Site{
		{Host: stsHost, Service: "sts", Region: signin.MustRegion("us-west-2"), Handler: echo(stsHost), ReadOnly: says(http.StatusServiceUnavailable, "reads only")},
		{Host: iamHost, Service: "iam", Region: signin.MustRegion("us-east-1"), Handler: echo(iamHost)},
		{Host: oktaHost, Service: "okta", Tenant: "acme", Handler: echo(oktaHost), Throttled: says(http.StatusTooManyRequests, "E0000047")},
	}
}

// says answers always the same.
func says(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// newProxy makes a network over sites; closed at the end of the test.
func newProxy(t testing.TB, s ...Site) *Proxy {
	t.Helper()
	if s == nil {
		s = sites()
	}
	p, err := New(Options{Sites: s, Log: reqlog.New(0), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// breaks sets a fault as its text says.
func breaks(t testing.TB, p *Proxy, target, kind string) {
	t.Helper()
	e, err := fault.ParseEffect(kind)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Faults().Set(fault.Fault{Target: target, Effect: e}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// plane is a way into a world.
type plane string

const (
	handlerPlane plane = "handler"
	dialPlane    plane = "dial"
	socketPlane  plane = "socket"
)

// client returns a client that enters through the plane.
func (pl plane) client(t testing.TB, p *Proxy) *http.Client {
	t.Helper()
	switch pl {
	case handlerPlane:
		return &http.Client{Transport: p.RoundTripper()}
	case dialPlane:
		return transportClient(t, &http.Transport{DialContext: p.DialContext, TLSClientConfig: tlsConfig(p)})
	}
	u := serveSocket(t, p)
	return transportClient(t, &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: tlsConfig(p),
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode != http.StatusOK {
				return connectError{r.StatusCode, r.Header.Get("Proxy-Status")}
			}
			return nil
		}})
}

// connectError is a CONNECT that the proxy refused.
type connectError struct {
	status int
	why    string
}

func (e connectError) Error() string { return http.StatusText(e.status) + ": " + e.why }

func transportClient(t testing.TB, tr *http.Transport) *http.Client {
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func tlsConfig(p *Proxy) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.Authority().Pool()}
}

// serveSocket serves p on a loopback port and returns its URL.
func serveSocket(t testing.TB, p *Proxy) *url.URL {
	t.Helper()
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &http.Server{Handler: p, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		cancel()
		_ = s.Close()
		<-done
	})
	return &url.URL{Scheme: "http", Host: ln.Addr().String()}
}

// get fetches a URL and returns what came of it.
func get(ctx context.Context, c *http.Client, u string) (resp *http.Response, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, "", err
	}
	if resp, err = c.Do(r); err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}
