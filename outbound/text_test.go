package outbound

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
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
		if got := deeperThan(text, limit); got != (depth > limit) {
			t.Fatalf("%s has depth %d: deeperThan(%d) = %v", text, depth, limit, got)
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
