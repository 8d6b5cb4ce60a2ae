package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// DialContext opens an in-memory connection to the simulated host of addr
// ("sts.us-west-2.amazonaws.com:443"). It has the form of net.Dialer's, for
// http.Transport. Faults act as a network's would: a refused connection wraps
// syscall.ECONNREFUSED, a name that does not resolve is a *net.DNSError, a
// black hole blocks until ctx ends. Hosts that are not simulated do not resolve.
func (p *Proxy) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s in the sandbox: %w", addr, err)
	}
	s := p.sites[strings.ToLower(host)]
	if s == nil {
		p.recordUnknown(host, 0)
		return nil, dialError(network, host, noSuchHost(host))
	}
	if port != "443" {
		p.record(s, reqlog.Entry{Kind: reqlog.Connect, Note: "port " + port})
		return nil, dialError(network, host, refused())
	}
	effects, after := p.connectEffects(s)
	p.record(s, reqlog.Entry{Kind: reqlog.Connect, Note: faultNote(effects)})
	if err := p.unreachable(ctx, host, effects); err != nil {
		return nil, dialError(network, host, err)
	}
	near, far := net.Pipe()
	if err := p.serve(&siteConn{Conn: far, site: s, opened: after}, effects); err != nil {
		_ = near.Close()
		return nil, dialError(network, host, err)
	}
	return near, nil
}

// unreachable returns the error with which effects keep a connection from being
// made, or nil. In a black hole it waits for the end of ctx or of the world.
func (p *Proxy) unreachable(ctx context.Context, host string, effects fault.Effects) error {
	e, hit := effects.First(fault.DNS, fault.Down, fault.Refuse, fault.Blackhole)
	switch {
	case p.ctx.Err() != nil:
		return errWorldClosed
	case !hit:
		return ctx.Err()
	case e.Kind == fault.DNS:
		return noSuchHost(host)
	case e.Kind == fault.Blackhole:
		return p.wait(ctx)
	}
	return refused()
}

// wait blocks until ctx or the world ends, and says which.
func (p *Proxy) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ctx.Done():
		return errWorldClosed
	}
}

func noSuchHost(host string) error {
	return &net.DNSError{Err: "no such host in the sandbox", Name: host, IsNotFound: true}
}

func refused() error { return os.NewSyscallError("connect", syscall.ECONNREFUSED) }

func dialError(network, host string, err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: hostAddr{network, host}, Err: err}
}

// hostAddr is a simulated host as a net.Addr.
type hostAddr struct{ network, host string }

func (a hostAddr) Network() string { return a.network }
func (a hostAddr) String() string  { return net.JoinHostPort(a.host, "443") }
