package outbound_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

// spec 7.8
func TestGuardedAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr, why string
		allowed   bool
	}{
		{"127.0.0.1", "loopback", false},
		{"127.8.8.8", "all of 127/8 is loopback", false},
		{"0.0.0.0", "connects to this machine on Linux", false},
		{"::1", "loopback", false},
		{"::", "the unspecified address", false},
		{"::ffff:127.0.0.1", "loopback in IPv6 clothes", false},
		{"::ffff:169.254.169.254", "metadata in IPv6 clothes", false},
		{"64:ff9b::a9fe:a9fe", "metadata through NAT64", false},
		{"2002:7f00:1::", "loopback through 6to4", false},
		{"169.254.169.254", "AWS's metadata service", false},
		{"fd00:ec2::254", "AWS's metadata service on IPv6", false},
		{"100.100.100.200", "another cloud's metadata service", false},
		{"fe80::1%eth0", "link-local with a zone", false},
		{"10.1.2.3", "private", false},
		{"172.16.0.1", "private", false},
		{"172.32.0.1", "just outside the private range", true},
		{"192.168.1.1", "private", false},
		{"224.0.0.1", "multicast", false},
		{"255.255.255.255", "broadcast", false},
		{"ff02::1", "multicast", false},
		{"8.8.8.8", "public", true},
		{"2600::1", "public", true},
	} {
		if err := (outbound.Guard{}).Check(netip.MustParseAddr(c.addr)); (err == nil) != c.allowed || err != nil && !finding.Is(err, finding.AddressRefused) {
			t.Errorf("%s (%s): %v", c.addr, c.why, err)
		}
	}
	listed := outbound.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")}}
	for addr, allowed := range map[string]bool{"10.1.2.3": true, "10.2.0.1": false, "::1": true, "127.0.0.1": false, "::ffff:10.1.2.3": true} {
		if err := listed.Check(netip.MustParseAddr(addr)); (err == nil) != allowed {
			t.Errorf("%s with a list: %v", addr, err)
		}
	}
}

// The address is checked when it is dialled: a name whose address changes after
// any earlier look gains nothing. A redirect is an answer.
//
// spec 7.8
func TestGuardAtTheDial(t *testing.T) {
	t.Parallel()
	reached := 0
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer inside.Close()
	guard := func(allow ...netip.Prefix) *outbound.Guard { return &outbound.Guard{Allow: allow} }
	ask := func(s outbound.Settings, origin string, g *outbound.Guard) (int, error) {
		n, err := outbound.New(s)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		c, err := n.Origin(outbound.OriginOptions{Name: "hook", Origin: origin, Guard: g})
		if err != nil {
			return 0, err
		}
		resp, err := c.Do(t.Context(), outbound.Request{Method: http.MethodGet, Path: "/secret-path"})
		return resp.Status, err
	}
	// A public name that leads inside: the dialer of the test stands for a name
	// server that says so.
	rebound := outbound.Settings{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, inside.Listener.Addr().String())
	}}
	for why, c := range map[string]struct {
		s      outbound.Settings
		origin string
	}{
		"an address written out":     {outbound.Settings{}, inside.URL},
		"localhost":                  {outbound.Settings{}, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1)},
		"a name that leads inside":   {rebound, "https://hooks.example"},
		"an address behind a proxy":  {outbound.Settings{Proxy: "http://proxy.example:3128"}, "https://169.254.169.254"},
		"localhost whatever a proxy": {outbound.Settings{Proxy: "http://proxy.example:3128"}, "https://localhost"},
	} {
		_, err := ask(c.s, c.origin, guard())
		if !finding.Is(err, finding.AddressRefused) || strings.Contains(err.Error(), "secret-path") {
			t.Errorf("%s: %v", why, err)
		}
	}
	if reached != 0 {
		t.Fatalf("%d requests got through the guard", reached)
	}
	status, err := ask(outbound.Settings{}, inside.URL, guard(netip.MustParsePrefix("127.0.0.0/8")))
	if err != nil || status != http.StatusFound || reached != 1 {
		t.Errorf("a listed address: status %d, %v, %d requests", status, err, reached)
	}
	// The saboteur: without a guard the same call gets through, so the guard is
	// what refuses.
	if _, err := ask(outbound.Settings{}, inside.URL, nil); finding.Is(err, finding.AddressRefused) || reached < 2 {
		t.Errorf("without a guard: %v, %d requests", err, reached)
	}
}
