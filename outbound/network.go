package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 60 * time.Second
	maxHeader        = 256 << 10
)

// DialFunc opens a connection; see net.Dialer.DialContext.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Settings is everything that decides how the product reaches other hosts.
type Settings struct {
	// Proxy is "" (take it from Env), "direct" (none, whatever Env says), or
	// the URL of an HTTP proxy for everything but loopback; then NO_PROXY does
	// not count.
	Proxy string
	// CAFile is a PEM file of CA certificates that REPLACES the system's: a
	// network that intercepts TLS names exactly what it wants trusted. Without
	// it SSL_CERT_FILE and SSL_CERT_DIR count, and for AWS hosts AWS_CA_BUNDLE
	// (see ForAWS); without those, the system's own CAs.
	CAFile string
	// Env is the environment as read once by the caller. HTTPS_PROXY,
	// HTTP_PROXY and NO_PROXY (either case), SSL_CERT_FILE, SSL_CERT_DIR and
	// AWS_CA_BUNDLE are looked at.
	Env map[string]string
	// DialContext replaces the dialer (tests in virtual time).
	DialContext DialFunc
	// RoundTripper replaces the whole network (simulations). Proxy and CA
	// settings are still checked and described.
	RoundTripper http.RoundTripper
	// Logger receives debug events; nil discards them.
	Logger *slog.Logger
}

// Network makes transports and clients that all share one proxy and one set of
// CAs. Safe for concurrent use; made by New only.
type Network struct {
	proxy    proxyChoice
	roots    trust // for every host
	awsRoots trust // for AWS hosts
	dial     DialFunc
	dialer   *net.Dialer // behind dial, unless dial is a custom one
	replaced http.RoundTripper
	log      *slog.Logger

	idle *idleClosers
}

// idleClosers remembers the transports of origin clients, so that Close can
// drop their idle connections.
type idleClosers struct {
	mu  sync.Mutex
	all []*http.Transport
}

// New checks the settings. An error carries a finding with code network-setup:
// a CA file that is missing, a directory, not PEM or without certificates, or a
// proxy that cannot be used. Credentials of a proxy URL are never in it.
func New(s Settings) (*Network, error) {
	proxy, err := chooseProxy(s.Proxy, s.Env)
	if err != nil {
		return nil, err
	}
	roots, awsRoots, err := chooseTrust(s.CAFile, s.Env)
	if err != nil {
		return nil, err
	}
	n := &Network{proxy: proxy, roots: roots, awsRoots: awsRoots, dial: s.DialContext,
		replaced: s.RoundTripper, log: s.Logger, idle: &idleClosers{}}
	custom := n.dial != nil
	if !custom {
		n.dialer = &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
		n.dial = n.dialer.DialContext
	}
	n.dial = tracedDial(n.dial, custom)
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	return n, nil
}

// ForAWS returns the same network as AWS hosts are to be reached through it:
// AWS_CA_BUNDLE, if set, decides the CAs there (unless CAFile is set), as in
// every AWS SDK.
func (n *Network) ForAWS() *Network {
	other := *n
	other.roots = n.awsRoots
	return &other
}

// Transport returns a fresh transport with the network's proxy, CAs (a pool of
// its own) and dialer: TLS 1.2 or newer, HTTP/1.1. The caller may change it and
// closes its idle connections. It ignores a replaced RoundTripper: ask Replaced
// first.
func (n *Network) Transport() *http.Transport {
	var protocols http.Protocols
	// One connection carries one request at a time: a connection that a
	// failing network swallowed then takes one call with it, not all.
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               n.proxy.forRequest,
		DialContext:         n.dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: n.roots.clonePool()},
		TLSHandshakeTimeout: handshakeTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: 8,
		Protocols:           &protocols,

		MaxResponseHeaderBytes: maxHeader,
	}
}

// Replaced returns the RoundTripper that stands in for the network, if any.
func (n *Network) Replaced() (http.RoundTripper, bool) { return n.replaced, n.replaced != nil }

// RoundTripper returns what one exchange without redirects, cookies and retries
// goes through: the replacement if there is one, else a fresh transport after
// adjust (which may be nil) has changed it. Probes use it.
func (n *Network) RoundTripper(adjust func(*http.Transport)) http.RoundTripper {
	if n.replaced != nil {
		return n.replaced
	}
	t := n.Transport()
	if adjust != nil {
		adjust(t)
	}
	return t
}

// Roots returns a copy of the CAs in force, or nil for the system's.
func (n *Network) Roots() *x509.CertPool { return n.roots.clonePool() }

// ProxyFor reports whether an https request to host goes through a proxy, and
// its address ("proxy.corp:3128").
func (n *Network) ProxyFor(host string) (addr string, proxied bool) {
	u, err := n.proxy.choose(&url.URL{Scheme: "https", Host: host})
	if err != nil || u == nil {
		return "", false
	}
	return u.Host, true
}

// Close drops the idle connections of all origin clients. They stay usable.
func (n *Network) Close() {
	n.idle.mu.Lock()
	defer n.idle.mu.Unlock()
	for _, t := range n.idle.all {
		t.CloseIdleConnections()
	}
}

// Shared returns what calls that keep connections go through: the replacement if
// there is one, else a transport of its own whose idle connections Close drops.
func (n *Network) Shared() http.RoundTripper { return n.shared(nil) }

// shared is Shared with another dialer; nil is the network's own.
func (n *Network) shared(dial DialFunc) http.RoundTripper {
	if n.replaced != nil {
		return n.replaced
	}
	t := n.Transport()
	if dial != nil {
		t.DialContext = dial
	}
	t.OnProxyConnectResponse = NoteProxyAnswer
	n.idle.mu.Lock()
	defer n.idle.mu.Unlock()
	n.idle.all = append(n.idle.all, t)
	return t
}

// Local returns a client for the controller's own Unix socket; host names in
// its URLs do not matter. It has no time limit of its own (answers may stream):
// pass a context with a deadline.
func Local(socketPath string) *http.Client {
	var d net.Dialer
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return d.DialContext(ctx, "unix", socketPath)
			},
			MaxIdleConns:    4,
			IdleConnTimeout: idleTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
