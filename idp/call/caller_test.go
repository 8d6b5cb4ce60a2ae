package call_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// A read is repeated for what may pass, a write never: it comes back as an
// error that says whether another try makes sense.
func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		reads  int
		again  bool
		code   finding.Code
	}{
		{"permission", func(*http.Request) (*http.Response, error) { return reply(403) }, 1, false, finding.IdPPermission},
		{"throttled", func(*http.Request) (*http.Response, error) { return reply(429, "Retry-After", "3") }, 8, true, finding.IdPThrottled},
		{"throttled for an hour", func(*http.Request) (*http.Response, error) { return reply(429, "Retry-After", "3600") }, 1, false, finding.IdPThrottled},
		{"server fault", func(*http.Request) (*http.Response, error) { return reply(500) }, 4, true, finding.IdPUnreachable},
		{"read-only", func(*http.Request) (*http.Response, error) { return reply(503) }, 4, false, finding.IdPReadOnly},
		{"no connection", func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") }, 4, true, finding.IdPUnreachable},
		{"hangs", func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, 4, true, finding.IdPUnreachable},
		{"foreign link", func(*http.Request) (*http.Response, error) { return reply(302, "Location", "https://evil.example/") }, 1, false, finding.ForeignLink},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: tt.answer}
				c := caller(t, s, vendor())
				_, err := c.Get(t.Context(), call.Request{Subject: "app 1", Path: "/apps/1"})
				if n := len(s.requests()); n != tt.reads || !finding.Is(err, tt.code) {
					t.Errorf("read: %d requests, want %d; %v", n, tt.reads, err)
				}
				if f, _ := finding.From(err); !strings.HasPrefix(f.Subject, "app 1") || f.Remedy == "" {
					t.Errorf("finding %+v", f)
				}
				_, err = c.Send(t.Context(), call.Request{Subject: "app 1", Method: http.MethodPut, Path: "/apps/1", Body: []byte("{}")})
				var again *idp.RetryError
				if n := len(s.requests()) - tt.reads; n != 1 || errors.As(err, &again) != tt.again || !finding.Is(err, tt.code) {
					t.Errorf("write: %d requests, again %v; %v", n, again != nil, err)
				}
			})
		})
	}
}

func TestEveryTwoHundredIsASuccessOfAWrite(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 204} {
		s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(status) }}
		c := caller(t, s, vendor())
		if _, err := c.Send(t.Context(), call.Request{Method: http.MethodPost, Path: "/x", Body: []byte("{}")}); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if got := s.requests()[0].Header; got.Get("Content-Type") != "application/json" || got.Get("Accept") != "application/json" {
			t.Errorf("header %v", got)
		}
	}
}

// A wait that does not fit into the caller's deadline is not begun.
func TestWaitsStayWithinTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(429, "Retry-After", "30") }}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := caller(t, s, vendor()).Get(ctx, call.Request{Path: "/x"})
		if !finding.Is(err, finding.IdPThrottled) || time.Since(begun) != 0 {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestRequestIDsAreKept(t *testing.T) {
	t.Parallel()
	s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(403, "X-Request", "req-7") }}
	c := caller(t, s, vendor())
	resp, err := c.Get(t.Context(), call.Request{Path: "/x"})
	if f, _ := finding.From(err); f.Evidence["request id"] != "req-7" || f.Evidence["status"] != "403" || c.RequestID(resp) != "req-7" {
		t.Errorf("%+v", f)
	}
}

// After a 401 the token is dropped and one more try is made with a new one,
// then no further.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	bearer := func(h http.Header, token call.Token, _, _ string) error {
		h.Set("Authorization", token.Type+" "+token.Value.Reveal())
		return nil
	}
	for _, tt := range []struct {
		name    string
		good    string // the token that the server takes
		fault   func(outbound.Response) bool
		want    []string
		fetches int
		ok      bool
	}{
		{"revoked", "Bearer t2", nil, []string{"Bearer t1", "Bearer t2"}, 2, true},
		{"no token is good", "", nil, []string{"Bearer t1", "Bearer t2"}, 2, false},
		{"a 401 that is not about the token", "", func(outbound.Response) bool { return false }, []string{"Bearer t1"}, 1, false},
	} {
		for _, write := range []bool{false, true} {
			m := &mint{}
			s := &server{answer: func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Authorization") == tt.good {
					return reply(200)
				}
				return reply(401)
			}}
			v := vendor()
			v.Tokens, v.Sign, v.TokenFault = call.NewTokens(m.fetch), bearer, tt.fault
			c := caller(t, s, v)
			var err error
			if write {
				_, err = c.Send(t.Context(), call.Request{Method: http.MethodPut, Path: "/x", Body: []byte("{}")})
			} else {
				_, err = c.Get(t.Context(), call.Request{Path: "/x"})
			}
			var sent []string
			for _, r := range s.requests() {
				sent = append(sent, r.Header.Get("Authorization"))
			}
			if strings.Join(sent, ",") != strings.Join(tt.want, ",") || m.fetches() != tt.fetches || (err == nil) != tt.ok {
				t.Errorf("%s, write %v: sent %v, %d fetches, %v", tt.name, write, sent, m.fetches(), err)
			}
			if err != nil && !finding.Is(err, finding.IdPAuth) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// A challenge is answered once; a server that challenges for ever gets no
// endless stream of calls.
func TestChallenge(t *testing.T) {
	t.Parallel()
	nonce := ""
	s := &server{answer: func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Proof") == "POST https://api.example/x n1" {
			return reply(200)
		}
		return reply(400, "Nonce", "n1")
	}}
	v := vendor()
	v.Challenge = func(r outbound.Response) bool {
		nonce = r.Header.Get("Nonce")
		return nonce != ""
	}
	v.Sign = func(h http.Header, _ call.Token, method, url string) error {
		h.Set("Proof", method+" "+url+" "+nonce)
		return nil
	}
	if _, err := caller(t, s, v).Send(t.Context(), call.Request{Method: http.MethodPost, Path: "/x"}); err != nil || len(s.requests()) != 2 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
	s.answer = func(*http.Request) (*http.Response, error) { return reply(400, "Nonce", "other") }
	if _, err := caller(t, s, v).Send(t.Context(), call.Request{Method: http.MethodPost, Path: "/x"}); err == nil || len(s.requests()) != 4 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
}

// A signature over the whole call sees what leaves: method, URL and body, each
// time anew, after Sign. Where it cannot be made, nothing leaves.
func TestSignBody(t *testing.T) {
	t.Parallel()
	s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(200) }}
	v := vendor()
	v.Sign = func(h http.Header, _ call.Token, _, _ string) error { h.Set("Proof", "key "); return nil }
	var fault error
	v.SignBody = func(h http.Header, method, url string, body []byte) error {
		h.Set("Proof", h.Get("Proof")+method+" "+url+" "+string(body))
		return fault
	}
	c := caller(t, s, v)
	if _, err := c.Send(t.Context(), call.Request{Method: http.MethodPut, Path: "/x", Body: []byte("text")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), call.Request{Path: "/y"}); err != nil {
		t.Fatal(err)
	}
	all := s.requests()
	if a, b := all[0].Header.Get("Proof"), all[1].Header.Get("Proof"); a != "key PUT https://api.example/x text" || b != "key GET https://api.example/y " {
		t.Errorf("%q, %q", a, b)
	}
	fault = finding.Finding{Code: finding.IdPAuth, What: "no key", Remedy: "r"}
	if _, err := c.Send(t.Context(), call.Request{Method: http.MethodPut, Path: "/x"}); !finding.Is(err, finding.IdPAuth) || len(s.requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(s.requests()))
	}
}

// A token endpoint that is down is a fault like any other: a read waits a
// little, a write may be tried again, and nothing goes out without a credential.
func TestNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := finding.Finding{Code: finding.IdPAuth, Subject: "token", What: "no", Remedy: "r"}
		for _, tt := range []struct {
			err     error
			fetches int
			again   bool
		}{{refused, 1, false}, {&idp.RetryError{After: time.Second, Err: refused}, 4, true}} {
			m := &mint{err: tt.err}
			s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(200) }}
			v := vendor()
			v.Tokens = call.NewTokens(m.fetch)
			c := caller(t, s, v)
			_, err := c.Get(t.Context(), call.Request{Path: "/x"})
			if !finding.Is(err, finding.IdPAuth) || m.fetches() != tt.fetches {
				t.Errorf("read: %v after %d fetches", err, m.fetches())
			}
			_, err = c.Send(t.Context(), call.Request{Method: http.MethodPut, Path: "/x"})
			var again *idp.RetryError
			if errors.As(err, &again) != tt.again || m.fetches() != tt.fetches+1 {
				t.Errorf("write: %v after %d fetches", err, m.fetches())
			}
			if len(s.requests()) > 0 {
				t.Error("a call went out without a credential")
			}
		}
	})
}

// spec 2.5: a dead tenant is spared by calm-time traffic, never by a move, and
// one call looks from time to time whether it is back.
func TestCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dead := true
		s := &server{answer: func(*http.Request) (*http.Response, error) {
			if dead {
				return nil, errors.New("reset")
			}
			return reply(200)
		}}
		c := caller(t, s, vendor())
		get := func(ctx context.Context) (int, error) {
			before := len(s.requests())
			_, err := c.Get(ctx, call.Request{Path: "/x"})
			return len(s.requests()) - before, err
		}
		calm := idp.Calm(t.Context())
		_, _ = get(calm)
		if n, _ := get(calm); n != 1 { // the fifth failure in a row
			t.Errorf("%d calls in the second calm read", n)
		}
		if n, err := get(calm); n != 0 || !finding.Is(err, finding.IdPUnreachable) {
			t.Errorf("a calm read of a dead tenant: %d calls, %v", n, err)
		}
		if n, err := get(t.Context()); n != 4 || err == nil {
			t.Errorf("a move's read of a dead tenant: %d calls, %v", n, err)
		}
		dead = false
		if n, err := get(t.Context()); n != 1 || err != nil {
			t.Errorf("a move's read after it came back: %d calls, %v", n, err)
		}
		time.Sleep(31 * time.Second)
		if n, err := get(calm); n != 1 || err != nil {
			t.Errorf("a calm read after a while: %d calls, %v", n, err)
		}
		if n, err := get(calm); n != 1 || err != nil {
			t.Errorf("and the next: %d calls, %v", n, err)
		}
	})
}

// A tenant that refuses, throttles or is read-only lives.
func TestCircuitStaysClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{401, 403, 404, 429, 503} {
			s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(status) }}
			c := caller(t, s, vendor())
			for range 4 {
				_, _ = c.Get(idp.Calm(t.Context()), call.Request{Path: "/x"})
			}
			before := len(s.requests())
			if _, _ = c.Get(idp.Calm(t.Context()), call.Request{Path: "/x"}); len(s.requests()) == before {
				t.Errorf("%d opened the circuit", status)
			}
		}
	})
}

// What says that it is no JSON is not taken for an answer, whatever stands in
// it; who asks for something else judges that himself.
func TestTypesOfAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		says, accept string
		taken        bool
	}{
		{"application/json", "", true},
		{"application/json;charset=UTF-8", "", true},
		{"application/hal+json", "", true},
		{"", "", true}, // nothing is said
		{"text/html; charset=utf-8", "", false},
		{"text/plain", "application/json", false},
		{"application/jsonp", "", false},
		{"application/xml;charset=ISO-8859-1", "application/xml", true},
		{";", "", false},
	} {
		s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(200, "Content-Type", tt.says) }}
		header := http.Header{}
		if tt.accept != "" {
			header.Set("Accept", tt.accept)
		}
		_, err := caller(t, s, vendor()).Get(t.Context(), call.Request{Subject: "app 1", Path: "/x", Header: header})
		if tt.taken && err != nil || !tt.taken && !finding.Is(err, finding.IdPAnswer) {
			t.Errorf("type %q where %q was asked for: %v", tt.says, tt.accept, err)
		}
	}
}

// spec 15.1: what we sent as a credential does not come back in an answer's
// words, in whatever form the vendor repeats it; a success is left as it is.
func TestRepeatedCredentialsAreHidden(t *testing.T) {
	t.Parallel()
	const pass = "p+ss/w rd of the client"
	basic := base64.StdEncoding.EncodeToString([]byte("id:" + url.QueryEscape(pass)))
	form := url.Values{"client_secret": {pass}, "client_assertion": {"head.body.signature"}, "scope": {"harmless-scope"}}.Encode()
	for _, status := range []int{400, 200} {
		s := &server{answer: func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			words := strings.Join([]string{r.Header.Get("Authorization"), pass, string(body), "head.body.signature", r.Header.Get("DPoP")}, " | ")
			resp, err := reply(status, "X-Request", words)
			resp.Body = io.NopCloser(strings.NewReader(words))
			return resp, err
		}}
		v := vendor()
		v.Sign = func(h http.Header, _ call.Token, _, _ string) error {
			h.Set("Authorization", "Basic "+basic)
			h.Set("DPoP", "proof-of-possession")
			return nil
		}
		resp, _ := caller(t, s, v).Send(t.Context(), call.Request{Subject: "token", Method: http.MethodPost, Path: "/x",
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form)})
		shown := string(resp.Body) + resp.Header.Get("X-Request")
		for _, secret := range []string{basic, pass, url.QueryEscape(pass), "head.body.signature", "proof-of-possession"} {
			if strings.Contains(shown, secret) != (status == 200) {
				t.Errorf("%d: %q in %q", status, secret, shown)
			}
		}
		if !strings.Contains(shown, "harmless-scope") {
			t.Errorf("%d: too much is hidden: %q", status, shown)
		}
	}
}

// spec 15.1: a secret in a JSON body does not come back either, however the
// vendor's encoder writes it.
func TestRepeatedSecretsOfABodyAreHidden(t *testing.T) {
	t.Parallel()
	const pass = `p"a/s\s<w>ord`
	for name, said := range map[string]string{
		"as it is":     pass,
		"as Go":        `p\"a/s\\s\u003cw\u003eord`,
		"as most":      `p\"a/s\\s<w>ord`,
		"as PHP":       `p\"a\/s\\s<w>ord`,
		"in a query":   url.QueryEscape(pass),
		"two at once":  pass + pass,
		"among others": "refused: " + pass + "!",
	} {
		s := &server{answer: func(*http.Request) (*http.Response, error) {
			resp, err := reply(401, "X-Why", said)
			resp.Body = io.NopCloser(strings.NewReader(`{"message":"` + said + `, harmless"}`))
			return resp, err
		}}
		body, _ := json.Marshal(map[string]string{"password": pass})
		resp, _ := caller(t, s, vendor()).Send(t.Context(), call.Request{Subject: "app 1", Method: http.MethodPost, Path: "/x", Body: body,
			Secrets: []secret.Value{secret.New(pass)}})
		if got := string(resp.Body) + resp.Header.Get("X-Why"); strings.Contains(got, "ord") || !strings.Contains(got, "harmless") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
