package proxy

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"context"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

var planes = []plane{handlerPlane, dialPlane, socketPlane}

func TestEveryPlaneServesTheSameSites(t *testing.T) {
	t.Parallel()
	for _, pl := range planes {
		t.Run(string(pl), func(t *testing.T) {
			t.Parallel()
			p := newProxy(t)
			c := pl.client(t, p)
			for _, host := range p.Hosts() {
				resp, body, err := get(t.Context(), c, "https://"+host+"/a/b?q=1")
				if err != nil {
					t.Fatal(err)
				}
				if got := resp.Header.Get("X-Site"); got != host || resp.Header.Get("X-Host") != host {
					t.Errorf("%s was answered by %s, which saw Host %s", host, got, resp.Header.Get("X-Host"))
				}
				if body != "GET /a/b?q=1 " {
					t.Errorf("%s saw the request as %q", host, body)
				}
				if resp.TLS == nil || resp.TLS.PeerCertificates[0].VerifyHostname(host) != nil {
					t.Errorf("%s: no TLS with a certificate for it", host)
				}
			}
			resp, err := c.Post("https://"+iamHost+"/", "application/x-www-form-urlencoded", strings.NewReader("Action=ListRoles&Secret=hush"))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(text) != "POST / Action=ListRoles&Secret=hush" {
				t.Errorf("the handler saw %q", text)
			}
			if resp, _, err = get(t.Context(), c, "https://"+stsHost+"/missing"); err != nil || resp.StatusCode != http.StatusNotFound {
				t.Errorf("/missing: %v, %v", resp, err)
			}
		})
	}
}

func TestEveryPlaneRecordsRequestsWithoutSecrets(t *testing.T) {
	t.Parallel()
	for _, pl := range planes {
		t.Run(string(pl), func(t *testing.T) {
			t.Parallel()
			p := newProxy(t)
			c := pl.client(t, p)
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+iamHost+"/path?q=marker-in-query",
				strings.NewReader("Action=ListRoles&Password=marker-in-body"))
			r.Header.Set("Authorization", "marker-in-header")
			resp, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			want := reqlog.Entry{Kind: reqlog.Request, Host: iamHost, Service: "iam", Region: "us-east-1", Method: "POST", Path: "/path", Status: 200, Note: "ListRoles",
				Client: map[plane]string{handlerPlane: "192.0.2.1", socketPlane: "127.0.0.1"}[pl]}
			entries := waitForRequest(t, p.log)
			got := entries[len(entries)-1]
			if got.Began.IsZero() || got.Began.After(got.Time) {
				t.Errorf("the request began at %s and ended at %s", got.Began, got.Time)
			}
			got.Seq, got.Time, got.Began = 0, time.Time{}, time.Time{}
			if got != want {
				t.Errorf("recorded %+v, want %+v", got, want)
			}
			for _, e := range entries {
				if strings.Contains(e.Path+e.Note+e.Host+e.Method, "marker") {
					t.Errorf("the log holds a secret: %+v", e)
				}
			}
			if pl != handlerPlane && entries[0].Kind != reqlog.Connect {
				t.Errorf("the connection is not recorded: %+v", entries)
			}
		})
	}
}

// waitForRequest returns the log once it holds a request: the entry is written
// after the answer.
func waitForRequest(t *testing.T, l *reqlog.Log) []reqlog.Entry {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting && l.Count(0, func(e reqlog.Entry) bool { return e.Kind == reqlog.Request }) == 0; {
		select {
		case <-tick.C:
		case <-limit:
			waiting = false
		}
	}
	entries, _ := l.Since(0)
	if len(entries) == 0 {
		t.Fatal("nothing was recorded")
	}
	return entries
}

// spec 15.5
func TestHostsThatAreNotSimulatedAreNeverReached(t *testing.T) {
	t.Parallel()
	// The saboteur: a real listener. Whoever dials reaches it and the test fails.
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := real.Accept(); err == nil {
			_ = c.Close()
			reached <- struct{}{}
		}
	}()
	t.Cleanup(func() { _ = real.Close(); <-done })
	for _, host := range []string{"example.com", "localhost", real.Addr().String(), "127.0.0.1", "signin.aws.amazon.com.evil.example", stsHost + ".", "169.254.169.254"} {
		for _, pl := range planes {
			p := newProxy(t)
			_, _, err := get(t.Context(), pl.client(t, p), "https://"+host+"/")
			var ce connectError
			if pl == socketPlane && (!errors.As(err, &ce) || ce.status != 502 || !strings.Contains(ce.why, "error=destination_not_found")) {
				t.Errorf("%s through CONNECT: %v, want 502 destination_not_found", host, err)
			}
			var dns *net.DNSError
			if pl != socketPlane && (!errors.As(err, &dns) || !dns.IsNotFound) {
				t.Errorf("%s through %s: %v, want that no such host exists", host, pl, err)
			}
			if n := p.log.Count(0, func(e reqlog.Entry) bool { return e.Note == "not simulated" }); n != 1 {
				t.Errorf("%s through %s: recorded %d times, want once", host, pl, n)
			}
		}
	}
	select {
	case <-reached:
		t.Error("the sandbox dialled a real address")
	default:
	}
}

// outcome is what a fault must look like on one plane.
type outcome func(t *testing.T, resp *http.Response, body string, err error)

func status(want int) outcome {
	return func(t *testing.T, resp *http.Response, _ string, err error) {
		t.Helper()
		if err != nil || resp.StatusCode != want {
			t.Errorf("got %v, %v; want status %d", resp, err, want)
		}
	}
}

func fails(what string, is func(error) bool) outcome {
	return func(t *testing.T, _ *http.Response, _ string, err error) {
		t.Helper()
		if err == nil || !is(err) {
			t.Errorf("got %v; want %s", err, what)
		}
	}
}

func bodyIs(what string, is func(string) bool) outcome {
	return func(t *testing.T, resp *http.Response, body string, err error) {
		t.Helper()
		if err != nil || resp.StatusCode != 200 || !is(body) {
			t.Errorf("got %v, %.60q, %v; want %s", resp, body, err, what)
		}
	}
}

// through is the outcome for all three planes, with the CONNECT answer apart.
func through(direct outcome, proxyError string) map[plane]outcome {
	viaProxy := fails("CONNECT to fail with "+proxyError, func(err error) bool {
		var ce connectError
		return errors.As(err, &ce) && ce.status == 502 && strings.Contains(ce.why, "samlfailover-sandbox; error="+proxyError)
	})
	return map[plane]outcome{handlerPlane: direct, dialPlane: direct, socketPlane: viaProxy}
}

func everywhere(o outcome) map[plane]outcome {
	return map[plane]outcome{handlerPlane: o, dialPlane: o, socketPlane: o}
}

func broken(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	refusal := fails("connection refused", func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) })
	timeout := everywhere(fails("the deadline", func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }))
	rows := []struct {
		kind string
		want map[plane]outcome
	}{
		{"down", through(refusal, "connection_refused")},
		{"refuse", through(refusal, "connection_refused")},
		{"flap=9m", through(refusal, "connection_refused")},
		{"dns", through(fails("no such host", func(err error) bool {
			var e *net.DNSError
			return errors.As(err, &e) && e.IsNotFound
		}), "dns_error")},
		{"blackhole", timeout},
		{"stall", timeout},
		{"latency=9m", timeout},
		{"tls-expired", everywhere(fails("an expired certificate", func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		}))},
		{"tls-wrong-name", everywhere(fails("a certificate for another name", func(err error) bool {
			var e x509.HostnameError
			return errors.As(err, &e)
		}))},
		{"5xx", everywhere(status(503))},
		{"throttle", everywhere(status(400))},  // sts: 400 Throttling
		{"read-only", everywhere(status(503))}, // as the site's own mode answers
		{"html", everywhere(bodyIs("a stranger's page", func(b string) bool { return strings.Contains(b, "guest network") }))},
		{"wrong-body", everywhere(bodyIs("another body", func(b string) bool { return !strings.Contains(b, "GET /") }))},
		{"oversized", everywhere(bodyIs("16 MiB", func(b string) bool { return len(b) == 16<<20 && strings.HasPrefix(b, "GET /") }))},
		{"slow=20ms", everywhere(bodyIs("the whole body", func(b string) bool { return b == "GET / " }))},
		{"reset", everywhere(fails("a broken connection", broken))},
		{"answer-lost", everywhere(fails("a broken connection", broken))},
		{"truncated", everywhere(fails("half a body", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }))},
	}
	if len(rows) != len(fault.Help()) {
		t.Errorf("%d kinds are tested, there are %d", len(rows), len(fault.Help()))
	}
	for _, row := range rows {
		for pl, want := range row.want {
			t.Run(row.kind+"/"+string(pl), func(t *testing.T) {
				t.Parallel()
				p := newProxy(t)
				c := pl.client(t, p)
				breaks(t, p, "sts", row.kind)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				if row.want[pl] != nil && (row.kind == "blackhole" || row.kind == "stall" || row.kind == "latency=9m") {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
				}
				defer cancel()
				resp, body, err := get(ctx, c, "https://"+stsHost+"/")
				want(t, resp, body, err)
				if _, _, err := get(t.Context(), c, "https://"+iamHost+"/"); err != nil {
					t.Errorf("another host is hit as well: %v", err)
				}
				if _, err := p.Faults().Heal("all", time.Now()); err != nil {
					t.Fatal(err)
				}
				status(200)(t, first(get(t.Context(), c, "https://"+stsHost+"/")), "", nil)
			})
		}
	}
}

func first(resp *http.Response, _ string, _ error) *http.Response {
	if resp == nil {
		return &http.Response{}
	}
	return resp
}

func TestThrottleSpeaksTheServicesLanguage(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	c := handlerPlane.client(t, p)
	breaks(t, p, "okta", "throttle")
	resp, body, err := get(t.Context(), c, "https://"+oktaHost+"/")
	if err != nil || resp.StatusCode != 429 || body != "E0000047" {
		t.Errorf("Okta: %v %q %v", resp, body, err)
	}
	breaks(t, p, "iam", "throttle")
	if resp, body, err = get(t.Context(), c, "https://"+iamHost+"/"); err != nil || resp.StatusCode != 400 || !strings.Contains(body, "<Code>Throttling</Code>") {
		t.Errorf("IAM: %v %q %v", resp, body, err)
	}
}

// Tenants that share a host: each request's own is in the log, and a fault on
// one of them spares the others, on every plane.
func TestTenantsThatShareAHost(t *testing.T) {
	t.Parallel()
	for _, pl := range planes {
		t.Run(string(pl), func(t *testing.T) {
			t.Parallel()
			site := Site{Host: "api.example.com", Service: "vendor", Tenant: "org", Handler: echo("api.example.com"), Parts: []string{"one", "two"},
				Part: func(r *http.Request) string { return strings.Trim(r.URL.Path, "/") }}
			p := newProxy(t, site)
			c := pl.client(t, p)
			breaks(t, p, "one", "down")
			if _, _, err := get(t.Context(), c, "https://api.example.com/one"); !broken(err) {
				t.Errorf("the broken tenant: %v", err)
			}
			status(200)(t, first(get(t.Context(), c, "https://api.example.com/two")), "", nil)
			if n := p.log.Count(0, func(e reqlog.Entry) bool { return e.Kind == reqlog.Request && e.Tenant == "one" }); n != 1 {
				entries, _ := p.log.Since(0)
				t.Errorf("%d requests of tenant one on record: %+v", n, entries)
			}
		})
	}
}

func TestAnswerLostCarriesTheRequestOut(t *testing.T) {
	t.Parallel()
	done := 0
	site := sites()[0]
	site.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done++ })
	p := newProxy(t, site)
	breaks(t, p, stsHost, "answer-lost")
	if _, _, err := get(t.Context(), handlerPlane.client(t, p), "https://"+stsHost+"/"); !errors.Is(err, syscall.ECONNRESET) || done != 1 {
		t.Errorf("carried out %d times, error %v; want once, and a reset", done, err)
	}
}

func TestVirtualTime(t *testing.T) {
	t.Parallel()
	for _, pl := range []plane{handlerPlane, dialPlane} {
		t.Run(string(pl), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newProxy(t)
				c := pl.client(t, p)
				ask := func() (time.Duration, error) {
					begin := time.Now()
					_, _, err := get(t.Context(), c, "https://"+stsHost+"/")
					return time.Since(begin), err
				}
				breaks(t, p, "us-west-2", "latency=300ms")
				if took, err := ask(); err != nil || took != 300*time.Millisecond {
					t.Errorf("latency=300ms took %s, %v", took, err)
				}
				breaks(t, p, "us-west-2", "slow=10s")
				// The body has six bytes, so six drops, each a tenth of the time.
				if took, err := ask(); err != nil || took != 6300*time.Millisecond {
					t.Errorf("slow=10s and latency=300ms took %s, %v", took, err)
				}
				if _, err := p.Faults().Heal("", time.Now()); err != nil {
					t.Fatal(err)
				}
				breaks(t, p, "us-west-2", "flap=5s")
				for i, wantUp := range []bool{false, true, false, true} {
					if _, err := ask(); (err == nil) != wantUp {
						t.Errorf("flap, period %d: %v, want up = %v", i, err, wantUp)
					}
					time.Sleep(5 * time.Second)
				}
			})
		})
	}
}

func TestHeldConnectTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t)
		breaks(t, p, "sts", "blackhole")
		near, far := net.Pipe()
		s := &http.Server{Handler: p}
		_ = s.Serve(&oneConn{conn: far})
		defer func() { _ = near.Close(); _ = s.Close() }()
		_, _ = io.WriteString(near, "CONNECT "+stsHost+":443 HTTP/1.1\r\nHost: "+stsHost+":443\r\n\r\n")
		begin := time.Now()
		buf := make([]byte, 1024)
		n, err := near.Read(buf)
		if answer := string(buf[:n]); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 504 ") || !strings.Contains(answer, "error=connection_timeout") {
			t.Errorf("got %q, %v", answer, err)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("held for %s", took)
		}
	})
}
