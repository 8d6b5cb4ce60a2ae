package outbound

import (
	"fmt"
	"net/http"
	"strings"
)

// ProxyAnswer is a proxy's answer to CONNECT other than "the tunnel is open".
type ProxyAnswer struct {
	Status int
	// Cause is the error type of the Proxy-Status field (RFC 9209 section 2.3),
	// such as "connection_refused"; "" when the proxy gave none.
	Cause string
}

// Error says what the proxy answered.
func (p *ProxyAnswer) Error() string {
	if p.Cause != "" {
		return fmt.Sprintf("the proxy answered %d (%s)", p.Status, p.Cause)
	}
	return fmt.Sprintf("the proxy answered %d", p.Status)
}

func proxyAnswerOf(answer *http.Response) *ProxyAnswer {
	return &ProxyAnswer{Status: answer.StatusCode, Cause: proxyStatusError(strings.Join(answer.Header.Values("Proxy-Status"), ","))}
}

// proxyStatusError returns the error parameter of the first list member that
// has one: members stand in the order from the origin to us (RFC 9209 section
// 2), so it is the proxy nearest to the far host. Text that is not a structured
// field gives "".
func proxyStatusError(field string) string {
	for _, member := range splitOutsideQuotes(field, ',') {
		for i, param := range splitOutsideQuotes(member, ';') {
			name, value, ok := strings.Cut(strings.TrimSpace(param), "=")
			if i > 0 && ok && name == "error" && isToken(value) {
				return value
			}
		}
	}
	return ""
}

// isToken accepts what the registered error types look like.
func isToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

func splitOutsideQuotes(s string, sep byte) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}
