package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/samlfailover/samlfailover/finding"
)

// Guard keeps a client whose URL an operator wrote from reaching what is not on
// the internet (spec 7.8): loopback, link-local, metadata services, private and
// other special ranges are reached only if Allow lists them. The address is
// checked when it is dialled, after the name was looked up, so a name that
// changes its address between check and use gains nothing. Behind a proxy the
// name is looked up there, and the proxy's own rules hold; an address that is
// written out is checked all the same.
type Guard struct{ Allow []netip.Prefix }

// special are ranges that are not the public internet (IANA's registries of
// special-purpose addresses). The metadata services of the clouds live in
// 169.254.0.0/16, 100.64.0.0/10 and fc00::/7.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this machine itself"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a provider's own network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "this machine itself"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where metadata services answer"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private network"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a test network"},
	{netip.MustParsePrefix("224.0.0.0/3"), "multicast or reserved"},
	{netip.MustParsePrefix("::/127"), "this machine itself"},
	{netip.MustParsePrefix("fc00::/7"), "a private network"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "a private network"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// The ranges of IPv6 in which an IPv4 address is wrapped (RFC 6052, 3056), and
// where in the address it stands.
var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixToIV = netip.MustParsePrefix("2002::/16")
)

// unwrapped is the IPv4 address in an IPv6 one that leads to it.
func unwrapped(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToIV.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// Check returns a finding with code address-refused for an address that the
// guard keeps away from.
func (g Guard) Check(a netip.Addr) error {
	a = unwrapped(a)
	for _, p := range g.Allow {
		if p.Contains(a) {
			return nil
		}
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return finding.Finding{Code: finding.AddressRefused, Subject: a.String(), What: "a URL of the config leads to this address, and nothing was sent there",
				Why: "it is " + s.what, Remedy: "if that is meant, list the address or its network in allow, beside the URL; otherwise find out who answers for that name"}
		}
	}
	return nil
}

// checkHost checks a host that is an address written out. "localhost" is one:
// no proxy ever gets to look it up.
func (g Guard) checkHost(host string) error {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return g.Check(netip.IPv6Loopback())
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return g.Check(a)
	}
	return nil
}

// control is net.Dialer.Control: it sees the address that is really dialled.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("check the address before dialling: %w", err)
	}
	return g.Check(at.Addr())
}

// dialGuarded is the network's dialer with the guard in it. A custom dialer is
// checked by the address that it has reached.
func (n *Network) dialGuarded(g Guard) DialFunc {
	if n.dialer != nil {
		d := *n.dialer
		d.Control = g.control
		return tracedDial(d.DialContext, false)
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := n.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if at, isTCP := conn.RemoteAddr().(*net.TCPAddr); isTCP {
			if err := g.Check(at.AddrPort().Addr()); err != nil {
				_ = conn.Close()
				return nil, err
			}
		}
		return conn, nil
	}
}
