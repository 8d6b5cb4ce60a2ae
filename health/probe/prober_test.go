package probe_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/signin"
)

const patience = 30 * time.Second // of tests that are not about time

// check compares a result with what one row wants, and that every result
// explains itself.
func check(t *testing.T, r health.Result, outcome health.Outcome, phase health.Phase, code, says string) {
	t.Helper()
	if r.Outcome != outcome || r.Phase != phase || r.Code != code || !strings.Contains(r.Reason, says) {
		t.Errorf("got %s in phase %s, code %s: %q\nwant %s in phase %s, code %s, saying %q", r.Outcome, r.Phase, r.Code, r.Reason, outcome, phase, code, says)
	}
	if r.Vantage != "test" || r.URL == "" || r.Start.IsZero() {
		t.Errorf("incomplete result %+v", r)
	}
	text := probe.Explain(r)
	for _, part := range []string{r.Region.String(), string(r.Kind), r.Code, r.Reason, r.URL} {
		if !strings.Contains(text, part) {
			t.Errorf("the explanation does not say %q:\n%s", part, text)
		}
	}
}

func TestFaultsDirect(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	good := ca.leaf(t, signinHost, -time.Hour, time.Hour)
	serve := answerWith(200, "", metadata)
	cases := []struct {
		name    string
		dial    outbound.DialFunc
		outcome health.Outcome
		phase   health.Phase
		code    string
		says    string
		expiry  bool
	}{
		{"serving", to(listen(t, https(good, serve))), health.OK, health.Content, "serving", "serves its SAML metadata", true},
		{"no such name", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: signinHost, IsNotFound: true}}
		}, health.Failed, health.DNS, "dns-failed", "does not resolve", false},
		{"no name server", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "server misbehaving", Name: signinHost, IsTemporary: true}
		}, health.Failed, health.DNS, "dns-failed", "name server", false},
		{"refused", to(closedPort(t)), health.Failed, health.Connect, "connect-refused", "refused the connection", false},
		{"certificate expired", to(listen(t, https(ca.leaf(t, signinHost, -2*time.Hour, -time.Hour), serve))), health.Failed, health.TLS, "tls-expired", "expired on", true},
		{"certificate of the future", to(listen(t, https(ca.leaf(t, signinHost, time.Hour, 2*time.Hour), serve))), health.Failed, health.TLS, "tls-not-yet-valid", "is our clock right", true},
		{"certificate of another host", to(listen(t, https(ca.leaf(t, "other.aws.amazon.com", -time.Hour, time.Hour), serve))), health.Failed, health.TLS, "tls-wrong-name", "not for " + signinHost, true},
		{"certificate of a stranger", to(listen(t, https(stranger.leaf(t, signinHost, -time.Hour, time.Hour), serve))), health.Failed, health.TLS, "tls-untrusted", "network.ca_file", true},
		{"no TLS at all", to(listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp.example.com ESMTP\r\n") })), health.Failed, health.TLS, "tls-handshake", "not TLS", false},
		{"closed in the handshake", to(listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })), health.Failed, health.TLS, "", "", false},
		{"closed after the request", to(listen(t, https(good, hijacked("")))), health.Failed, health.FirstByte, "reset", "without a full answer", true},
		{"not HTTP", to(listen(t, https(good, hijacked("hello there\r\n\r\n")))), health.Failed, health.Body, "failed", "not HTTP", true},
		{"cut short", to(listen(t, https(good, hijacked("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<Entity")))), health.Failed, health.Body, "truncated", "ended too early", true},
		{"server error", to(listen(t, https(good, answerWith(503, "", "busy")))), health.Failed, health.Content, "http-5xx", "503", true},
		{"too large", to(listen(t, https(good, answerWith(200, "", metadata+strings.Repeat(" ", 1<<20))))), health.Failed, health.Content, "too-large", "more than 1048576", true},
		{"block page", to(listen(t, https(good, answerWith(403, "", "<html>blocked</html>")))), health.Blocked, health.Content, "blocked-403", "block page", true},
		{"throttled", to(listen(t, https(good, answerWith(429, "", "")))), health.Blocked, health.Content, "throttled", "429", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ca.prober(t, "direct", patience, c.dial).Probe(t.Context(), virginia, health.SignIn)
			if c.code == "" { // the system decides between a reset and an end of file
				c.code, c.says = r.Code, ""
				if r.Code != "reset" && r.Code != "tls-handshake" {
					t.Errorf("code %s", r.Code)
				}
			}
			check(t, r, c.outcome, c.phase, c.code, c.says)
			if got := !r.CertExpiry.IsZero(); got != c.expiry && c.phase != health.FirstByte && c.phase != health.Body {
				t.Errorf("certificate expiry known: %v, want %v", got, c.expiry)
			}
			if r.Proxied {
				t.Error("marked as proxied")
			}
		})
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// hijacked writes raw bytes in place of an answer and closes.
func hijacked(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, raw)
		_ = c.Close()
	}
}

func TestFaultsBehindAProxy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	serve := answerWith(200, "", metadata)
	good := listen(t, https(ca.leaf(t, signinHost, -time.Hour, time.Hour), serve))
	expired := listen(t, https(ca.leaf(t, signinHost, -2*time.Hour, -time.Hour), serve))
	broken := listen(t, https(ca.leaf(t, signinHost, -time.Hour, time.Hour), answerWith(500, "", "")))
	refusal := func(status, proxyStatus string) string {
		head := ""
		if proxyStatus != "" {
			head = "Proxy-Status: " + proxyStatus + "\r\n"
		}
		return "HTTP/1.1 " + status + "\r\n" + head + "Content-Length: 0\r\n\r\n"
	}
	cases := []struct {
		name    string
		proxy   string
		outcome health.Outcome
		phase   health.Phase
		code    string
		says    string
	}{
		{"serving", listen(t, connectProxy(good, "")), health.OK, health.Content, "serving", "serves"},
		{"target expired", listen(t, connectProxy(expired, "")), health.Failed, health.TLS, "tls-expired", "expired on"},
		{"target 5xx", listen(t, connectProxy(broken, "")), health.Failed, health.Content, "http-5xx", "500"},
		{"refused", listen(t, connectProxy("", refusal("502 Bad Gateway", "sandbox; error=connection_refused"))), health.Failed, health.Proxy, "connect-refused", "could not connect to " + signinHost + ": refused"},
		{"name unknown", listen(t, connectProxy("", refusal("502 Bad Gateway", `p; error=dns_error; rcode="NXDOMAIN"`))), health.Failed, health.Proxy, "dns-failed", "could not resolve"},
		{"target silent", listen(t, connectProxy("", refusal("504 Gateway Timeout", "p; error=connection_timeout"))), health.Failed, health.Proxy, "connect-timeout", "in time"},
		{"target unreachable", listen(t, connectProxy("", refusal("503 Service Unavailable", "p; error=destination_unavailable"))), health.Failed, health.Proxy, "connect-failed", "no way to"},
		{"target hung up", listen(t, connectProxy("", refusal("502 Bad Gateway", "p; error=connection_terminated"))), health.Failed, health.Proxy, "reset", "closed by the other side"},
		{"no cause given", listen(t, connectProxy("", refusal("502 Bad Gateway", ""))), health.Failed, health.Proxy, "proxy-refused", "502"},
		{"an unknown cause", listen(t, connectProxy("", refusal("502 Bad Gateway", "p; error=moon_phase"))), health.Failed, health.Proxy, "proxy-refused", "502"},
		{"forbidden by the proxy", listen(t, connectProxy("", refusal("403 Forbidden", "p; error=http_request_denied"))), health.Blocked, health.Proxy, "proxy-denied", "does not allow"},
		{"forbidden without a cause", listen(t, connectProxy("", refusal("403 Forbidden", ""))), health.Blocked, health.Proxy, "proxy-denied", "does not allow"},
		{"proxy wants a password", listen(t, connectProxy("", refusal("407 Proxy Authentication Required", ""))), health.Blocked, health.Proxy, "proxy-denied", "credentials"},
		{"proxy out of order", listen(t, connectProxy("", refusal("500 Oops", "p; error=proxy_internal_error"))), health.Blocked, health.Proxy, "proxy-unreachable", "out of order"},
		{"proxy hangs up", listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1000)) }), health.Failed, health.Proxy, "proxy-refused", "broke off"},
		{"proxy gone", closedPort(t), health.Blocked, health.Proxy, "proxy-unreachable", "our own proxy"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ca.prober(t, "http://"+c.proxy, patience, nil).Probe(t.Context(), virginia, health.SignIn)
			check(t, r, c.outcome, c.phase, c.code, c.says)
			if !r.Proxied || r.Remote != "" {
				t.Errorf("proxied %v, remote %q", r.Proxied, r.Remote)
			}
			if _, ok := r.Phases[health.Connect]; ok {
				t.Errorf("phases %v: behind a proxy there is no connect of our own", r.Phases)
			}
		})
	}
}

// TestSlowFaults runs in virtual time: each fault ends at the probe's time
// limit, in its own phase.
func TestSlowFaults(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	// Bubbles begin in the year 2000; the certificates have to be valid there.
	old := func(t *testing.T) tls.Certificate {
		return ca.leaf(t, signinHost, -40*365*24*time.Hour, 40*365*24*time.Hour)
	}
	wait := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	cases := []struct {
		name  string
		proxy string
		talk  conversation // nil: the dial itself hangs
		phase health.Phase
		code  string
		says  string
	}{
		{"connect", "direct", nil, health.Connect, "connect-timeout", "nothing answered"},
		{"handshake", "direct", wait, health.TLS, "tls-timeout", "did not finish the TLS handshake"},
		{"first byte", "direct", https(old(t), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), health.FirstByte, "no-answer", "sent no answer in time"},
		{"body", "direct", https(old(t), func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "<Entity")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), health.Body, "slow-body", "did not finish"},
		{"proxy takes the connection and stays silent", "http://proxy:3128", wait, health.Proxy, "connect-timeout", "did not get through"},
		{"proxy cannot be reached", "http://proxy:3128", nil, health.Proxy, "proxy-unreachable", "our own proxy"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
					if c.talk == nil {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					near, far := net.Pipe()
					go func() {
						defer func() { _ = far.Close() }()
						c.talk(far)
					}()
					return near, nil
				}
				r := ca.prober(t, c.proxy, 0, dial).Probe(t.Context(), virginia, health.SignIn)
				want := health.Failed
				if c.code == "proxy-unreachable" {
					want = health.Blocked
				}
				check(t, r, want, c.phase, c.code, c.says)
				if r.Took != 5*time.Second {
					t.Errorf("took %s, want the time limit of 5s", r.Took)
				}
				if r.Phases[r.Phase] != 5*time.Second {
					t.Errorf("phases %v", r.Phases)
				}
				synctest.Wait()
			})
		})
	}
}

func TestCancelledProbesDoNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newAuthority(t).prober(t, "direct", 0, func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		})
		check(t, p.Probe(ctx, virginia, health.SignIn), health.Discarded, health.Connect, "cancelled", "our side")
	})
}

func TestKindsAndSweep(t *testing.T) {
	t.Parallel()
	n, err := outbound.New(outbound.Settings{RoundTripper: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"https://signin.aws.amazon.com/"}}, Body: http.NoBody, Request: r}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	p := probe.New(probe.Options{Network: n, Vantage: "test"})
	all := signin.Catalogue()
	var regions []signin.Region
	want := 0
	for _, e := range all {
		regions = append(regions, e.Region)
		want += 2
		if e.ConsoleHost != "" {
			want++
		}
	}
	got := p.Sweep(t.Context(), regions)
	if len(got) != want {
		t.Fatalf("%d results, want %d", len(got), want)
	}
	for i, r := range got {
		ok := r.Outcome == health.OK
		if ok != (r.Kind == health.Console) || r.Region.IsZero() {
			t.Errorf("result %d: %s %s is %s (%s) on a redirect", i, r.Region, r.Kind, r.Outcome, r.Code)
		}
	}
	iso := signin.Regions(signin.ISO, true)[0]
	if r := p.Probe(t.Context(), iso, health.Console); r.Outcome != health.Discarded {
		t.Errorf("the console of %s has no known host, but the probe is %s", iso, r.Outcome)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
