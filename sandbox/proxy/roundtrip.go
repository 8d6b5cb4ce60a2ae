package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// RoundTripper returns the plane without a network: a request is a call of the
// site's handler in the caller's goroutine. Faults become the errors and the
// answers that a client over a network would see.
func (p *Proxy) RoundTripper() http.RoundTripper { return direct{p} }

type direct struct{ *Proxy }

// RoundTrip answers r or fails like http.Transport. It closes r.Body.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	host := strings.ToLower(strings.TrimSuffix(r.URL.Host, ":443"))
	s := d.sites[host]
	if s == nil || r.URL.Scheme != "https" {
		d.recordUnknown(host, 0)
		return nil, dialError("tcp", host, noSuchHost(host))
	}
	tlsState, err := d.reach(r.Context(), s, r)
	if err != nil {
		return nil, err
	}
	server := asServerSees(r, s, tlsState)
	effects := d.requestEffects(s, server, d.faults.Newest())
	a, err := d.reply(server, s, effects)
	if errors.Is(err, errCut) {
		return nil, &net.OpError{Op: "read", Net: "tcp", Addr: hostAddr{"tcp", host}, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	if err != nil {
		return nil, err
	}
	return a.response(r, tlsState), nil
}

// reach does what connecting and TLS would do: it fails like them, or returns
// the state that TLS would have reached.
func (d direct) reach(ctx context.Context, s *site, r *http.Request) (*tls.ConnectionState, error) {
	effects, _ := d.connectEffects(s)
	err := d.unreachable(ctx, s.Host, effects)
	if err == nil && effects.Has(fault.Stall) {
		err = d.wait(ctx)
	}
	if err != nil {
		d.record(s, reqlog.Entry{Kind: reqlog.Request, Method: r.Method, Path: r.URL.Path, Note: faultNote(effects)})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, dialError("tcp", s.Host, err)
	}
	cert, err := d.ca.leaf(s.Host, flavourOf(effects))
	if err != nil {
		return nil, err
	}
	chain := []*x509.Certificate{cert.Leaf, d.ca.cert}
	if flavourOf(effects) != sound {
		_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: d.ca.Pool(), DNSName: s.Host, CurrentTime: time.Now()})
		d.record(s, reqlog.Entry{Kind: reqlog.Request, Method: r.Method, Path: r.URL.Path, Note: faultNote(effects)})
		return nil, &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: s.Host,
		NegotiatedProtocol: "http/1.1", PeerCertificates: chain}, nil
}

// asServerSees turns a client's request into what a server would have read.
func asServerSees(r *http.Request, s *site, state *tls.ConnectionState) *http.Request {
	out := r.Clone(r.Context())
	out.RequestURI = r.URL.RequestURI()
	u := *r.URL
	u.Scheme, u.Host, u.User = "", "", nil
	out.URL = &u
	out.Host = s.Host
	out.Proto, out.ProtoMajor, out.ProtoMinor = "HTTP/1.1", 1, 1
	out.RemoteAddr = "192.0.2.1:49152"
	out.TLS = &tls.ConnectionState{Version: state.Version, HandshakeComplete: true, ServerName: s.Host}
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "Go-http-client/1.1")
	}
	if out.Body == nil {
		out.Body = http.NoBody
	}
	if r.ContentLength > 0 {
		out.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return out
}

// response turns an answer into what a client would have read.
func (a *reply) response(r *http.Request, state *tls.ConnectionState) *http.Response {
	if a.header.Get("Date") == "" {
		a.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	out := &http.Response{
		Status: strconv.Itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, ContentLength: int64(len(a.body)), Request: r, TLS: state, Body: http.NoBody,
	}
	if bodyAllowed(a.status) {
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
		if r.Method != http.MethodHead {
			out.Body = &body{ctx: r.Context(), journey: a.travel()}
		}
	}
	return out
}

// body reads an answer's body as it arrives. Like the body of any response it
// is read by one goroutine.
type body struct {
	ctx     context.Context // of the request, as in http.Transport
	journey *journey
	rest    []byte
	err     error
}

func (b *body) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && b.err == nil {
		b.rest, b.err = b.journey.next(b.ctx)
		if errors.Is(b.err, errCut) {
			b.err = io.ErrUnexpectedEOF
		}
	}
	if b.err != nil {
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close makes further reads fail.
func (b *body) Close() error {
	b.rest, b.err = nil, errors.New("read of a closed body")
	return nil
}
