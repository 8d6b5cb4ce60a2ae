package outbound

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/finding"
)

func TestProxyStatus(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, field, want string }{
		{"RFC 9209 example", `r34.example.net; error=connection_refused`, "connection_refused"},
		{"with details", `sandbox; error=dns_error; details="no, such; error=x"`, "dns_error"},
		{"the member nearest to the origin counts", `a; error=dns_timeout, b; error=connection_timeout`, "dns_timeout"},
		{"a member without an error is passed over", `a; received-status=200, b; error=tls_protocol_error`, "tls_protocol_error"},
		{"no error", `proxy; received-status=502`, ""},
		{"error as the name of the proxy", `error=connection_refused`, ""},
		{"quoted value is no token", `p; error="connection_refused"`, ""},
		{"garbage", `;;;,,"`, ""},
		{"empty", ``, ""},
	}
	for _, c := range cases {
		if got := proxyStatusError(c.field); got != c.want {
			t.Errorf("%s: %q gives %q, want %q", c.name, c.field, got, c.want)
		}
	}
}

func FuzzProxyStatus(f *testing.F) {
	f.Add(`a; error=dns_error; details="\"`)
	f.Fuzz(func(t *testing.T, field string) {
		if got := proxyStatusError(field); got != "" && !strings.Contains(field, "error="+got) {
			t.Errorf("%q gives %q", field, got)
		}
	})
}

// spec 2.7
func TestDepthAgreesWithTheParser(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v, depth := nestedValue(t, rapid.IntRange(0, 12).Draw(t, "depth"))
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		if got := DeeperThan(text, limit); got != (depth > limit) {
			t.Fatalf("%s has depth %d: DeeperThan(%d) = %v", text, depth, limit, got)
		}
	})
}

// nestedValue draws a JSON value and its exact depth.
func nestedValue(t *rapid.T, depth int) (any, int) {
	text := rapid.StringOf(rapid.SampledFrom([]rune(`[]{}"\a,:`))).Draw(t, "text")
	if depth == 0 {
		return text, 0
	}
	inner, d := nestedValue(t, depth-1)
	if rapid.Bool().Draw(t, "object") {
		return map[string]any{text: inner}, d + 1
	}
	return []any{text, inner, 1}, d + 1
}

// The network's own dialer looks at the address that a name has led to.
//
// spec 7.8
func TestDialerGuard(t *testing.T) {
	t.Parallel()
	n, err := New(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if _, err := n.dialGuarded(Guard{})(t.Context(), "tcp", net.JoinHostPort("localhost", port)); !finding.Is(err, finding.AddressRefused) {
		t.Errorf("a name that leads inside: %v", err)
	}
	conn, err := n.dialGuarded(Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})(t.Context(), "tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		t.Fatalf("a listed address: %v", err)
	}
	_ = conn.Close()
}
