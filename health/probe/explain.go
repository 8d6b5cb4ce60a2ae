package probe

import (
	"fmt"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/health"
)

// phaseWords says in words what happens in each phase.
func phaseWords(p health.Phase) string {
	switch p {
	case health.DNS:
		return "looking up the name"
	case health.Connect:
		return "opening a TCP connection"
	case health.Proxy:
		return "asking the proxy for a tunnel"
	case health.TLS:
		return "TLS handshake and certificate check"
	case health.Request:
		return "sending the request"
	case health.FirstByte:
		return "waiting for the first byte of the answer"
	case health.Body:
		return "reading the answer"
	case health.Content:
		return "judging the content"
	}
	return string(p)
}

// Explain tells one probe in words, several lines, for `probe --explain`.
func Explain(r health.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s (%s)\n", r.Region, r.Kind, outcomeWords(r.Outcome), r.Code)
	fmt.Fprintf(&b, "  asked:    %s%s\n", r.URL, through(r))
	for _, p := range []health.Phase{health.DNS, health.Connect, health.Proxy, health.TLS, health.Request, health.FirstByte, health.Body, health.Content} {
		took, entered := r.Phases[p]
		switch {
		case p == r.Phase && r.Outcome == health.OK:
			fmt.Fprintf(&b, "  %-10s %s: good\n", string(p), phaseWords(p))
		case p == r.Phase:
			fmt.Fprintf(&b, "  %-10s %s: stopped here after %s\n", string(p), phaseWords(p), round(r.Took))
		case entered:
			fmt.Fprintf(&b, "  %-10s %s: %s\n", string(p), phaseWords(p), round(took))
		}
	}
	fmt.Fprintf(&b, "  because:  %s\n", r.Reason)
	if r.Proves != "" {
		fmt.Fprintf(&b, "  proves:   %s\n", r.Proves)
	}
	if !r.CertExpiry.IsZero() {
		fmt.Fprintf(&b, "  certificate valid until %s\n", r.CertExpiry.Format(time.RFC3339))
	}
	return b.String()
}

func outcomeWords(o health.Outcome) string {
	switch o {
	case health.OK:
		return "serves"
	case health.Failed:
		return "does not serve"
	case health.Blocked:
		return "cannot tell, something on our side of AWS is in the way"
	}
	return "cannot tell, the sample does not count"
}

func through(r health.Result) string {
	if r.Proxied {
		return " (through the proxy)"
	}
	if r.Remote != "" {
		return " (at " + r.Remote + ")"
	}
	return ""
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
