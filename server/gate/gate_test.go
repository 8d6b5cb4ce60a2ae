package gate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// adasToken and the like must never be in a log or an answer.
const (
	adasToken = "ada-token-marker"
	badToken  = "wrong-token-marker"
)

// folk are people as tests know them.
type folk struct{}

var operator = people.Grants{people.Everywhere: people.Admin}

func (folk) Token(t string) (people.Caller, bool) {
	return people.Caller{Person: "ada", Name: "ada", Way: people.Token, ID: "token 1", Grants: operator}, t == adasToken
}

func (folk) OIDC(issuer, subject string, groups []string) (people.Caller, bool) {
	return people.Caller{Name: subject + strings.Join(groups, ","), Way: people.OIDC, ID: subject, Grants: operator}, subject != "stranger"
}

func (folk) Certificate(fingerprint, subject string) (people.Caller, bool) {
	return people.Caller{Name: subject, Way: people.Certificate, ID: fingerprint, Grants: operator}, strings.Contains(subject, "ada")
}

// journal is a log that tests read, as the program writes it.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: escape.Attr}))
}

// echo answers with who asks and what was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s sent %d bytes", CallerOf(r.Context()), len(b))
}

// stand is a gate before echo.
func stand(t testing.TB, change func(*Options)) (http.Handler, *journal) {
	t.Helper()
	log := &journal{}
	o := Options{Callers: folk{}, Hosts: []string{"failover.example", "127.0.0.1"}, Log: log.logger(), Limits: Limits{Body: 1 << 20},
		Open: map[string]http.Handler{"/healthz": http.HandlerFunc(echo), MetricsPath: http.HandlerFunc(echo)}}
	if change != nil {
		change(&o)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g.Wrap(http.HandlerFunc(echo)), log
}

// knock sends a good request but for what change makes bad.
func knock(h http.Handler, method, path, body string, change func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, "http://failover.example"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1:40000"
	r.Header.Set("Authorization", "Bearer "+adasToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// problemIn reads a refusal and checks its form.
func problemIn(t *testing.T, res *http.Response) problem.Problem {
	t.Helper()
	var p problem.Problem
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Content-Type") != problem.ContentType || json.Unmarshal(raw, &p) != nil {
		t.Fatalf("no problem: %d %s %v", res.StatusCode, raw, err)
	}
	if p.Status != res.StatusCode || p.Detail == "" || p.Next == "" || p.Request != res.Header.Get(RequestHeader) || !strings.HasPrefix(p.Type, problem.Prefix) {
		t.Errorf("the problem is incomplete: %+v", p)
	}
	for _, secret := range []string{adasToken, badToken} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the problem shows a credential: %s", raw)
		}
	}
	return p
}

// Each abuse is refused with its own problem, reaches no use case, and leaves no
// credential and no line of its own in the log.
//
// spec 13.6 spec 13.7
func TestAbuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why          string
		method, path string
		body         string
		change       func(*http.Request)
		status       int
		code         problem.Code
	}{
		{"nobody says who asks, from loopback", "GET", "/x", "", func(r *http.Request) { r.Header.Del("Authorization"); r.RemoteAddr = "127.0.0.1:9" }, 401, problem.NoCredential},
		{"a wrong token", "GET", "/x", "", auth("Bearer " + badToken), 401, problem.BadCredential},
		{"a token in the wrong scheme", "GET", "/x", "", auth("Basic " + adasToken), 401, problem.BadCredential},
		{"no token behind the scheme", "GET", "/x", "", auth("Bearer "), 401, problem.BadCredential},
		{"a token with a space", "GET", "/x", "", auth("Bearer " + adasToken + " x"), 401, problem.BadCredential},
		{"a token of 9,000 bytes", "GET", "/x", "", auth("Bearer " + strings.Repeat("a", 9000)), 401, problem.BadCredential},
		{"two credentials", "GET", "/x", "", func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+badToken) }, 401, problem.BadCredential},
		{"a token in the query", "GET", "/x?access_token=" + adasToken, "", func(r *http.Request) { r.Header.Del("Authorization") }, 401, problem.NoCredential},
		{"a token of no issuer", "GET", "/x", "", auth("Bearer a.b.c"), 401, problem.BadCredential},
		{"another host", "GET", "/x", "", func(r *http.Request) { r.Host = "evil.example" }, 421, problem.UnknownHost},
		{"another host with a port", "GET", "/healthz", "", func(r *http.Request) { r.Host = "evil.example:8443" }, 421, problem.UnknownHost},
		{"no host", "GET", "/x", "", func(r *http.Request) { r.Host = "" }, 421, problem.UnknownHost},
		{"a host that ends like ours", "GET", "/x", "", func(r *http.Request) { r.Host = "evil-failover.example" }, 421, problem.UnknownHost},
		{"a body of 10 MB that says so", "POST", "/x", strings.Repeat(" ", 10<<20), nil, 413, problem.TooLarge},
		{"a body of 10 MB that does not", "POST", "/x", strings.Repeat(" ", 10<<20), func(r *http.Request) { r.ContentLength = -1 }, 413, problem.TooLarge},
		{"a JSON bomb of arrays", "POST", "/x", strings.Repeat("[", 10000) + strings.Repeat("]", 10000), nil, 400, problem.Unreadable},
		{"a JSON bomb of objects", "POST", "/x", strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), nil, 400, problem.Unreadable},
		{"a bomb behind a quoted quote", "POST", "/x", `{"a":"\"","b":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", nil, 400, problem.Unreadable},
		{"a form", "POST", "/x", "to=us-west-2", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, problem.Unreadable},
		{"text that a page may send without asking", "POST", "/x", `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, problem.Unreadable},
		{"a page of another site", "POST", "/x", `{}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, problem.CrossOrigin},
		{"a page of a sister site", "POST", "/x", `{}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403, problem.CrossOrigin},
		{"an old browser's page of another site", "POST", "/x", `{}`, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, problem.CrossOrigin},
		{"a page without an origin", "DELETE", "/x", "", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403, problem.CrossOrigin},
		{"metrics from an address that is not listed", "GET", MetricsPath, "", func(r *http.Request) { r.Header.Del("Authorization") }, 401, problem.NoCredential},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			h, log := stand(t, nil)
			res := knock(h, c.method, c.path, c.body, c.change)
			p := problemIn(t, res)
			if res.StatusCode != c.status || p.Code() != c.code {
				t.Errorf("%d %s, want %d %s", res.StatusCode, p.Code(), c.status, c.code)
			}
			if c.status == 401 && res.Header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			for _, secret := range []string{adasToken, badToken} {
				if strings.Contains(log.text(), secret) {
					t.Errorf("the log holds a credential:\n%s", log.text())
				}
			}
		})
	}
}

func auth(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

// What is right passes, with a caller and headers that keep an answer to itself.
func TestPasses(t *testing.T) {
	t.Parallel()
	h, log := stand(t, func(o *Options) { o.MetricsFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")} })
	for _, c := range []struct {
		why, method, path, body string
		change                  func(*http.Request)
		want                    string
	}{
		{"a token", "GET", "/x", "", nil, "ada via token sent 0 bytes"},
		{"a body", "POST", "/x", `{"a":[1,2,"[[["]}`, nil, "ada via token sent 17 bytes"},
		{"a charset", "POST", "/x", `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, "ada via token sent 2 bytes"},
		{"the host in capitals, with a port and a dot", "GET", "/x", "", func(r *http.Request) { r.Host = "Failover.Example.:8443" }, "ada via token sent 0 bytes"},
		{"a scheme in small letters", "GET", "/x", "", auth("bearer " + adasToken), "ada via token sent 0 bytes"},
		{"health needs nobody", "GET", "/healthz", "", func(r *http.Request) { r.Header.Del("Authorization") }, "unknown via  sent 0 bytes"},
		{"metrics from a listed address", "GET", MetricsPath, "", func(r *http.Request) { r.Header.Del("Authorization"); r.RemoteAddr = "192.0.2.7:1" }, "unknown via  sent 0 bytes"},
		{"metrics with a token", "GET", MetricsPath, "", nil, "ada via token sent 0 bytes"},
		{"our own page", "POST", "/x", `{}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, "ada via token sent 2 bytes"},
	} {
		res := knock(h, c.method, c.path, c.body, c.change)
		raw, _ := io.ReadAll(res.Body)
		if res.StatusCode != 200 || string(raw) != c.want {
			t.Errorf("%s: %d %q, want %q", c.why, res.StatusCode, raw, c.want)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
			if res.Header.Get(name) != want {
				t.Errorf("%s: header %s is %q", c.why, name, res.Header.Get(name))
			}
		}
	}
	if strings.Contains(log.text(), adasToken) {
		t.Errorf("the log holds a credential:\n%s", log.text())
	}
}

// spec 13.6: 5,000 wrong tokens from one address; it has to wait, and a right
// token from elsewhere works all the time.
func TestFlood(t *testing.T) {
	t.Parallel()
	h, log := stand(t, func(o *Options) { o.Limits.Rate = 100000 })
	counts := map[int]int{}
	for i := range 5000 {
		res := knock(h, "GET", "/x", "", func(r *http.Request) {
			r.Header.Set("Authorization", fmt.Sprintf("Bearer %s-%d", badToken, i))
			r.RemoteAddr = "192.0.2.66:1"
		})
		counts[res.StatusCode]++
		if res.StatusCode == 429 && res.Header.Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
		if i%500 == 499 {
			if res := knock(h, "GET", "/x", "", nil); res.StatusCode != 200 {
				t.Fatalf("after %d wrong tokens from elsewhere a right one gets %d", i+1, res.StatusCode)
			}
		}
	}
	if counts[401] < 20 || counts[401] > 200 || counts[401]+counts[429] != 5000 {
		t.Errorf("answers by status: %v, want 20 tries and a few more, then 429", counts)
	}
	if n := strings.Count(log.text(), "has to wait"); n == 0 || n > 200 || strings.Contains(log.text(), badToken) {
		t.Errorf("the log says %d times that an address waits, or holds a token", n)
	}
	if res := knock(h, "GET", "/x", "", func(r *http.Request) { r.RemoteAddr = "192.0.2.66:2" }); res.StatusCode != 429 {
		t.Errorf("from the same address a right token gets %d at once, want 429: guessing must be slow", res.StatusCode)
	}
}

// A door never reads more than the limit, whatever it does with a body itself.
func TestDoorBodyIsBounded(t *testing.T) {
	t.Parallel()
	read := int64(0)
	h, _ := stand(t, func(o *Options) {
		o.Doors = map[string]http.Handler{"/door/": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { read, _ = io.Copy(io.Discard, r.Body) })}
	})
	knock(h, "POST", "/door/x", strings.Repeat(" ", 10<<20), func(r *http.Request) { r.ContentLength = -1 })
	if read > 1<<20 {
		t.Errorf("it has read %d bytes", read)
	}
}

// Who asks more often than an address may has to wait, with a right credential
// too and at every door; others do not.
//
// spec 13.6
func TestRate(t *testing.T) {
	t.Parallel()
	h, _ := stand(t, func(o *Options) {
		o.Limits.Rate = 1
		o.Doors = map[string]http.Handler{"/door/": http.HandlerFunc(echo)}
	})
	for i := range 2 { // twice a second's worth at once
		if res := knock(h, "GET", "/x", "", nil); res.StatusCode != 200 {
			t.Fatalf("request %d: %d", i+1, res.StatusCode)
		}
	}
	for _, path := range []string{"/x", "/door/x", MetricsPath} {
		res := knock(h, "GET", path, "", nil)
		if p := problemIn(t, res); res.StatusCode != 429 || p.Code() != problem.TooMany || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %+v", path, res.StatusCode, p)
		}
	}
	if res := knock(h, "GET", "/x", "", func(r *http.Request) { r.RemoteAddr = "192.0.2.9:1" }); res.StatusCode != 200 {
		t.Errorf("another address gets %d", res.StatusCode)
	}
}

// A request's words do not write lines of their own into the log, nor headers
// into the answer.
//
// spec 13.7
func TestInjection(t *testing.T) {
	t.Parallel()
	h, log := stand(t, nil)
	evil := "x\r\nlevel=ERROR msg=forged\x1b[31m\u202e"
	res := knock(h, "GET", "/x", "", func(r *http.Request) {
		r.URL.Path = "/" + evil
		r.Header.Set(RequestHeader, evil)
		r.Header.Set("User-Agent", evil)
	})
	if id := res.Header.Get(RequestHeader); strings.Contains(id, "x\r") || len(id) != 16 {
		t.Errorf("the request's id is %q", id)
	}
	if n := strings.Count(log.text(), "\n"); n != 1 || strings.ContainsAny(log.text(), "\x1b\u202e\r") || strings.Contains(log.text(), "\nlevel=ERROR") {
		t.Errorf("%d lines: %q", n, log.text())
	}
	if strings.Contains(log.text(), "client_request=x") {
		t.Errorf("an id that is no plain word is noted: %s", log.text())
	}
	knock(h, "GET", "/x", "", func(r *http.Request) { r.Header.Set(RequestHeader, "deploy-42.a_b") })
	if !strings.Contains(log.text(), "client_request=deploy-42.a_b") {
		t.Errorf("a plain id is not noted: %s", log.text())
	}
}

// spec 13.6: forwarded addresses count from named proxies only.
func TestSource(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.9.9.9/32")}
	for _, c := range []struct {
		why, remote string
		forwarded   []string
		want        string
	}{
		{"no proxy", "192.0.2.1:5", nil, "192.0.2.1"},
		{"a stranger's word does not count", "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"a proxy's does", "10.0.0.3:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"what the client wrote itself stands to the left", "10.0.0.3:5", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies in a row", "10.0.0.3:5", []string{"198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		{"two headers", "10.0.0.3:5", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"nothing that can be read", "10.0.0.3:5", []string{"evil\", admin"}, "10.0.0.3"},
		{"nothing at all", "10.0.0.3:5", nil, "10.0.0.3"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"IPv6 by its /64", "[2001:db8::1:2:3:4]:5", nil, "2001:db8::"},
		{"IPv6 loopback", "[::1]:5", nil, "::1"},
		{"no address", "@", nil, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := source(r, proxies).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}

// Tries by address are bounded, and a flood from many addresses frees none that
// is blocked for long.
func TestAddressesAreBounded(t *testing.T) {
	t.Parallel()
	a := newAddresses(1, 2)
	for i := range 3 * maxAddresses {
		a.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(a.all) > maxAddresses {
		t.Errorf("%d addresses are kept", len(a.all))
	}
}

// One address gets at most half of what is answered at the same time, and a
// full server says so.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	g, err := New(Options{Callers: folk{}, Hosts: []string{"h"}, Log: slog.New(slog.DiscardHandler), Limits: Limits{Concurrent: 4}})
	if err != nil {
		t.Fatal(err)
	}
	one, two, three := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	var releases []func()
	for _, a := range []netip.Addr{one, one, two, two} {
		release, ok := g.enter(a)
		if !ok {
			t.Fatal("refused while there is room")
		}
		releases = append(releases, release)
		if a == one && len(releases) == 2 {
			if _, ok := g.enter(one); ok {
				t.Error("one address gets more than half")
			}
		}
	}
	if _, ok := g.enter(three); ok {
		t.Error("more than the limit are let in")
	}
	for _, r := range releases {
		r()
	}
	if g.total != 0 || len(g.under) != 0 {
		t.Errorf("left behind: %d, %v", g.total, g.under)
	}
}

// A panic of a use case is one answer of 500 with an id, and one line of log.
func TestPanic(t *testing.T) {
	t.Parallel()
	log := &journal{}
	g, err := New(Options{Callers: folk{}, Hosts: []string{"failover.example"}, Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the inside of the controller") }))
	res := knock(h, "GET", "/x", "", nil)
	if p := problemIn(t, res); p.Code() != problem.Failed || strings.Contains(p.Detail, "inside") || !strings.Contains(log.text(), p.Request) {
		t.Errorf("%+v, log %s", p, log.text())
	}
}

// A door checks by itself who asks; host and rate hold for it too.
func TestDoors(t *testing.T) {
	t.Parallel()
	h, _ := stand(t, func(o *Options) {
		o.Doors = map[string]http.Handler{"/hooks/": http.HandlerFunc(echo)}
	})
	if res := knock(h, "POST", "/hooks/a", "x", func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("Content-Type", "text/plain") }); res.StatusCode != 200 {
		t.Errorf("a door: %d", res.StatusCode)
	}
	anybody := func(r *http.Request) { r.Header.Del("Authorization") }
	for path, want := range map[string]int{"/hooks": 200, "/hooks/": 200, "/hooksx": 401, "/hook": 401, "/x/hooks/": 401} {
		if res := knock(h, "POST", path, "x", anybody); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if res := knock(h, "POST", "/hooks/a", "x", func(r *http.Request) { r.Host = "evil.example" }); res.StatusCode != 421 {
		t.Errorf("a door under another host: %d", res.StatusCode)
	}
	never, _ := stand(t, func(o *Options) {
		o.Doors = map[string]http.Handler{"/hooks/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })}
	})
	last := 0
	for range 30 {
		last = knock(never, "POST", "/hooks/a", "x", nil).StatusCode
	}
	if last != 429 {
		t.Errorf("the 30th wrong signature of one address gets %d", last)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a gate that knows nobody is made")
	}
}

// A connection outlives the certificate that it was made with; its requests do
// not, nor do long answers.
//
// spec 13.5
func TestCertificateEndsOnItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaf := &x509.Certificate{Raw: []byte("leaf"), Subject: pkix.Name{CommonName: "ada"}, NotAfter: time.Now().Add(time.Minute)}
		var before, after bool
		g, err := New(Options{Callers: folk{}, Hosts: []string{"failover.example"}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			before = Still(r.Context())
			time.Sleep(2 * time.Minute)
			after = Still(r.Context())
		}))
		shown := func(r *http.Request) {
			r.Header.Del("Authorization")
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}
		}
		if res := knock(h, http.MethodGet, "/x", "", shown); res.StatusCode != http.StatusOK || !before || after {
			t.Errorf("%d, good before %v, after %v", res.StatusCode, before, after)
		}
		res := knock(h, http.MethodGet, "/x", "", shown)
		if p := problemIn(t, res); res.StatusCode != http.StatusUnauthorized || p.Code() != problem.BadCredential {
			t.Errorf("after its end: %d %+v", res.StatusCode, p)
		}
	})
}
