package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
)

// siteConn is the server's end of a connection to a site, before TLS. opened is
// the newest fault's number at its beginning.
type siteConn struct {
	net.Conn
	early  *bufio.Reader // what the client sent before it was told to, or nil
	site   *site
	opened uint64
}

// Read returns early bytes first.
func (c *siteConn) Read(b []byte) (int, error) {
	if c.early != nil && c.early.Buffered() > 0 {
		return c.early.Read(b)
	}
	return c.Conn.Read(b)
}

// stallTime is how long a stalled connection is held at most.
const stallTime = time.Minute

// serve speaks TLS and HTTP/1.1 as c's site, in goroutines that p.Close joins,
// and returns at once. It owns c from here on.
func (p *Proxy) serve(c *siteConn, effects fault.Effects) error {
	cert, err := p.ca.leaf(c.site.Host, flavourOf(effects))
	if err != nil {
		_ = c.Close()
		return err
	}
	if !p.enter(c) {
		_ = c.Close()
		return errWorldClosed
	}
	conn := tls.Server(c, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{*cert},
		NextProtos:   []string{"http/1.1"},
		// Tickets would be written before the client reads: a pipe has no room.
		SessionTicketsDisabled: true,
	})
	if effects.Has(fault.Stall) {
		go p.stall(conn, c)
		return nil
	}
	one := &oneConn{conn: conn}
	if err := p.inner.Serve(one); !errors.Is(err, errOneConn) {
		_ = c.Close()
	}
	if !one.taken.Load() {
		p.leave(c)
	}
	return nil
}

// stall sets up TLS and then leaves the client alone.
func (p *Proxy) stall(conn *tls.Conn, c *siteConn) {
	defer p.leave(c)
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(p.ctx, stallTime)
	defer cancel()
	if conn.HandshakeContext(ctx) == nil {
		<-ctx.Done()
	}
}

func flavourOf(effects fault.Effects) flavour {
	switch {
	case effects.Has(fault.TLSExpired):
		return expired
	case effects.Has(fault.TLSWrongName):
		return wrongName
	}
	return sound
}

var (
	errOneConn     = errors.New("the listener's only connection was accepted")
	errWorldClosed = fmt.Errorf("the sandbox is closed: %w", net.ErrClosed)
)

// oneConn is a listener that hands out one connection, so that http.Server
// serves a connection that came from elsewhere.
type oneConn struct {
	conn  net.Conn
	taken atomic.Bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.taken.Swap(true) {
		return nil, errOneConn
	}
	return l.conn, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// connKey is the context key under which a request finds its siteConn.
type connKey struct{}

// newInner is the server that answers as the sites.
func (p *Proxy) newInner(logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(p.answer),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, siteConnOf(c))
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				p.leave(siteConnOf(c))
			}
		},
	}
}

// siteConnOf returns what lies under the TLS of a connection that serve made.
func siteConnOf(c net.Conn) *siteConn {
	return c.(*tls.Conn).NetConn().(*siteConn)
}
