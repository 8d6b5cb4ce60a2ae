package outbound_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

// origin is a server that answers as https://example.com (the name in
// httptest's certificate) to a client bound to it.
func origin(t *testing.T, o outbound.OriginOptions, h http.HandlerFunc) *outbound.Client {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	n, err := outbound.New(outbound.Settings{Proxy: "direct", CAFile: write(t, "ca.pem", certPEM(server.Certificate())),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server.Listener.Addr().String())
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	if o.Origin == "" {
		o.Origin = "https://example.com"
	}
	o.Name = "tenant test"
	c, err := n.Origin(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	cases := []struct {
		origin string
		ok     bool
	}{
		{"https://example.okta.com", true},
		{"https://example.okta.com/", true},
		{"https://EXAMPLE.okta.com:443", true},
		{"https://127.0.0.1:8443", true},
		{"http://127.0.0.1:8080", true},
		{"http://localhost:8080", true},
		{"http://example.okta.com", false},
		{"https://user:" + marker + "@example.okta.com", false},
		{"https://example.okta.com/api", false},
		{"https://example.okta.com?x=1", false},
		{"example.okta.com", false},
		{"ftp://example.okta.com", false},
		{"https://", false},
		{"", false},
	}
	n, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		_, err := n.Origin(outbound.OriginOptions{Origin: c.origin})
		if (err == nil) != c.ok {
			t.Errorf("origin %q: error %v, want ok %v", c.origin, err, c.ok)
		}
		if err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

var foreignLinks = []string{
	"https://evil.example.net/", "//evil.example.net/x", "http://example.com/", "https://example.com:8443/",
	"https://example.com.evil.net/", "https://user@example.com/", "https://example.com@evil.net/", "https://example.com./",
	"javascript:alert(1)", "https:example.com/x", "https:///x", "https://[::1]/", "https://example.com%2eevil.net/",
}

// spec 2.6
func TestForeignLinks(t *testing.T) {
	t.Parallel()
	c := origin(t, outbound.OriginOptions{}, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	for _, link := range foreignLinks {
		_, err := c.Do(t.Context(), outbound.Request{Method: "GET", Path: link})
		if !finding.Is(err, finding.ForeignLink) {
			t.Errorf("link %q: error %v, want %s", link, err, finding.ForeignLink)
		}
	}
}

func FuzzResolve(f *testing.F) {
	n, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		f.Fatal(err)
	}
	c, err := n.Origin(outbound.OriginOptions{Origin: "https://example.com"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range append(foreignLinks, "/api/v1/apps?limit=1", "https://example.com/x?y#z", "apps", "") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, link string) {
		u, err := c.Resolve(link)
		if err == nil && (u.Scheme != "https" || u.Host != "example.com" || u.User != nil || u.Fragment != "" || !strings.HasPrefix(u.String(), "https://example.com")) {
			t.Errorf("link %q resolved to %s", link, u)
		}
	})
}

// recorder is a foreign host that notes what reaches it.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, fmt.Sprint(req.Header))
}

// leaks runs a client against an origin that redirects to the recorder, and
// reports what reached it.
func leaks(t *testing.T, do func(origin string, h http.Header) error) []string {
	t.Helper()
	foreign := &recorder{}
	other := httptest.NewServer(foreign)
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL+"/take", http.StatusTemporaryRedirect))
	defer first.Close()
	h := http.Header{"Authorization": {"SSWS " + marker}, "Dpop": {marker}}
	if err := do(first.URL, h); err == nil {
		t.Log("the client saw no error")
	}
	foreign.mu.Lock()
	defer foreign.mu.Unlock()
	return foreign.seen
}

// spec 2.6
func TestForeignRedirectLeaksNothing(t *testing.T) {
	t.Parallel()
	ours := func(origin string, h http.Header) error {
		n, err := outbound.New(outbound.Settings{Proxy: "direct"})
		if err != nil {
			return err
		}
		defer n.Close()
		c, err := n.Origin(outbound.OriginOptions{Origin: origin, Name: "tenant"})
		if err != nil {
			return err
		}
		for _, method := range []string{"GET", "PUT"} {
			_, err = c.Do(t.Context(), outbound.Request{Method: method, Path: "/apps", Header: h, Body: []byte("{}")})
			if !finding.Is(err, finding.ForeignLink) || strings.Contains(err.Error(), marker) {
				t.Errorf("%s: error %v, want %s without the token", method, err, finding.ForeignLink)
			}
		}
		return err
	}
	if got := leaks(t, ours); len(got) != 0 {
		t.Errorf("our client reached the foreign host: %v", got)
	}
	// The saboteur: a client that follows redirects, as net/http's does.
	saboteur := func(origin string, h http.Header) error {
		req, err := http.NewRequestWithContext(t.Context(), "GET", origin+"/apps", nil)
		if err != nil {
			return err
		}
		req.Header = h
		resp, err := (&http.Client{}).Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if got := leaks(t, saboteur); len(got) == 0 || !strings.Contains(got[0], marker) {
		t.Error("the check does not notice a client that follows a foreign redirect with its headers")
	}
}

func TestRedirectsOnTheSameOrigin(t *testing.T) {
	t.Parallel()
	c := origin(t, outbound.OriginOptions{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a":
			http.Redirect(w, r, "/b?x=1", http.StatusFound)
		case "/b":
			_, _ = io.WriteString(w, r.Header.Get("Authorization")+r.URL.RawQuery)
		case "/loop":
			http.Redirect(w, r, "https://example.com/loop", http.StatusFound)
		}
	})
	r, err := c.Do(t.Context(), outbound.Request{Method: "GET", Path: "/a", Header: http.Header{"Authorization": {"A"}}})
	if err != nil || string(r.Body) != "Ax=1" {
		t.Errorf("got %q, %v", r.Body, err)
	}
	if _, err = c.Do(t.Context(), outbound.Request{Method: "GET", Path: "/loop"}); !finding.Is(err, finding.IdPAnswer) {
		t.Errorf("a redirect loop gave %v", err)
	}
	r, err = c.Do(t.Context(), outbound.Request{Method: "POST", Path: "/a"})
	if err != nil || r.Status != http.StatusFound {
		t.Errorf("a redirect of a POST gave %d, %v; want it back unfollowed", r.Status, err)
	}
}

// spec 2.7
func TestLimits(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	cases := []struct {
		name string
		body string
		gzip bool
		want finding.Code
	}{
		{"at the size limit", strings.Repeat("a", 1000), false, ""},
		{"one byte more", strings.Repeat("a", 1001), false, finding.TooLarge},
		{"small on the wire, large unpacked", strings.Repeat("a", 1<<20), true, finding.TooLarge},
		{"at the depth limit", nested(64), false, ""},
		{"deeper", nested(66), false, finding.TooDeep},
		{"brackets in a string do not nest", `["` + strings.Repeat("[", 200) + `\"` + strings.Repeat("{", 200) + `"]`, false, ""},
		{"deep but not JSON", "text " + strings.Repeat("[", 200), false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := origin(t, outbound.OriginOptions{MaxBody: 1000}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				if !c.gzip {
					_, _ = io.WriteString(w, c.body)
					return
				}
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				_, _ = io.WriteString(z, c.body)
				_ = z.Close()
			})
			r, err := client.Do(t.Context(), outbound.Request{Method: "GET", Path: "/"})
			switch {
			case c.want == "" && (err != nil || string(r.Body) != c.body):
				t.Errorf("got %d bytes, %v", len(r.Body), err)
			case c.want != "" && !finding.Is(err, c.want):
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

type tripFunc func(*http.Request) (*http.Response, error)

func (f tripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answering(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func virtual(t *testing.T, o outbound.OriginOptions, trip tripFunc) *outbound.Client {
	t.Helper()
	n, err := outbound.New(outbound.Settings{RoundTripper: trip})
	if err != nil {
		t.Fatal(err)
	}
	o.Origin, o.Name = "https://example.com", "tenant test"
	c, err := n.Origin(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := virtual(t, outbound.OriginOptions{RatePerSecond: 0.1, Burst: 2}, answering)
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		begun := time.Now()
		for i := range 3 {
			if _, err := c.Do(ctx, outbound.Request{Method: "GET", Path: "/"}); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("three calls with a burst of 2 at 0.1/s took %s, want 10s", took)
		}
		begun = time.Now()
		_, err := c.Do(ctx, outbound.Request{Method: "GET", Path: "/"})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 0 {
			t.Errorf("a call that cannot be paced in time took %s and gave %v; want an error at once", time.Since(begun), err)
		}
	})
}

func TestEveryCallHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := virtual(t, outbound.OriginOptions{}, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		begun := time.Now()
		_, err := c.Do(context.Background(), outbound.Request{Method: "GET", Path: "/"})
		if took := time.Since(begun); took != 30*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call without a deadline ended after %s with %v", took, err)
		}
	})
}

// spec 15.1
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	for name, trip := range map[string]tripFunc{
		"refused":  func(*http.Request) (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: io.EOF} },
		"echoed":   func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("malformed %s", r.URL) },
		"mid-body": func(r *http.Request) (*http.Response, error) { return brokenBody(r), nil },
	} {
		c := virtual(t, outbound.OriginOptions{}, trip)
		_, err := c.Do(t.Context(), outbound.Request{Method: "POST", Path: "/hook/" + marker + "?token=" + marker,
			Header: http.Header{"Authorization": {marker}}, Body: []byte(marker)})
		var call *outbound.CallError
		if !errors.As(err, &call) || call.Host != "example.com" {
			t.Fatalf("%s: error %v is no CallError", name, err)
		}
		if text := fmt.Sprintf("%v %s", err, err); strings.Contains(text, marker) {
			t.Errorf("%s: the error shows a secret: %s", name, text)
		}
	}
}

func brokenBody(r *http.Request) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r,
		Body: io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCallErrors(t *testing.T) {
	t.Parallel()
	c := origin(t, outbound.OriginOptions{}, func(w http.ResponseWriter, r *http.Request) {
		hijack, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			if r.URL.Path == "/cut" {
				_, _ = io.WriteString(hijack, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
			}
			_ = hijack.Close()
		}
	})
	for path, want := range map[string]string{"/close": outbound.CodeReset, "/cut": outbound.CodeTruncated} {
		_, err := c.Do(t.Context(), outbound.Request{Method: "PUT", Path: path})
		var call *outbound.CallError
		if !errors.As(err, &call) || call.Diagnosis.Code != want {
			t.Errorf("%s: %v, want code %s", path, err, want)
		}
	}
}
