package signon_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/signon"
	"github.com/samlfailover/samlfailover/outbound"
)

// site answers by path and notes who came with which cookie.
type site struct {
	answers map[string]func(http.Header) (int, string)
	came    []string
}

func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.came = append(s.came, r.URL.Host+r.URL.Path+" "+r.Header.Get("Cookie"))
	h := http.Header{}
	status, body := 404, ""
	if f := s.answers[r.URL.Path]; f != nil {
		status, body = f(h)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func visit(t *testing.T, s *site) *signon.Visit {
	t.Helper()
	n, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: s})
	if err != nil {
		t.Fatal(err)
	}
	c, err := signon.Client(n, outbound.OriginOptions{Name: "tenant t", Origin: "https://idp.example"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := signon.Begin("The IdP", "app1", c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func redirect(to string, cookies ...string) func(http.Header) (int, string) {
	return func(h http.Header) (int, string) {
		h.Set("Location", to)
		h["Set-Cookie"] = cookies
		return http.StatusFound, ""
	}
}

// spec 2.6
func TestFollow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, from string
		code      finding.Code // "" = there is a page
		last      string
	}{
		{"cookies go along, on the way too", "/a", "", "idp.example/c one=1; two=2"},
		{"another host", "/out", finding.ForeignLink, "idp.example/out "},
		{"the same host over http", "/plain", finding.ForeignLink, "idp.example/plain "},
		{"a host that only begins like ours", "/like", finding.ForeignLink, "idp.example/like "},
		{"a circle", "/circle", finding.ProofMissing, "idp.example/circle "},
	} {
		s := &site{answers: map[string]func(http.Header) (int, string){
			"/a": redirect("/b", "one=1; Path=/"), "/b": redirect("https://idp.example/c?x=1", "two=2; Path=/", "elsewhere=3; Domain=evil.example"),
			"/c":   func(http.Header) (int, string) { return 200, "<p>there" },
			"/out": redirect("https://evil.example/?token=secret"), "/plain": redirect("http://idp.example/"), "/like": redirect("https://idp.example.evil.example/"),
			"/circle": redirect("/circle"),
		}}
		_, err := visit(t, s).Follow(t.Context(), c.from)
		if f, _ := finding.From(err); f.Code != c.code {
			t.Errorf("%s: %v", c.why, err)
		}
		if got := s.came[len(s.came)-1]; got != c.last {
			t.Errorf("%s: came last to %q", c.why, got)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows a query: %v", c.why, err)
		}
	}
}

// Only what may pass by itself may be tried again.
func TestPassing(t *testing.T) {
	t.Parallel()
	for status, passing := range map[int]bool{200: false, 404: false, 429: true, 500: true, 503: true} {
		s := &site{answers: map[string]func(http.Header) (int, string){"/": func(http.Header) (int, string) { return status, "" }}}
		_, err := visit(t, s).Ask(t.Context(), http.MethodGet, "/", nil, nil)
		if _, got := errors.AsType[*idp.RetryError](err); got != passing {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// Rows are pages; want is part of the reason, "" = the form is found.
func TestAssertion(t *testing.T) {
	t.Parallel()
	const good = `<form method="POST" action="/saml"><input type=hidden name=SAMLResponse value="PHg+&#10;PC94Pg=="><input name=RelayState value="a&amp;b"></form>`
	for _, c := range []struct{ why, page, want string }{
		{"a form", "<html>" + good, ""},
		{"beside another form", `<form><input name=q></form>` + good, ""},
		{"in a comment", "<!--" + good + "-->", "no form"},
		{"in a script", "<script>" + good + "</script>", "no form"},
		{"in a text area", "<textarea>" + good + "</textarea>", "no form"},
		{"twice", good + good, "several forms"},
		{"not base64", strings.Replace(good, "PHg+", "%%", 1), "cannot be understood"},
		{"two responses in one form", strings.Replace(good, "<input name=RelayState", "<input name=SAMLResponse", 1), "cannot be understood"},
		{"not posted", strings.Replace(good, "POST", "GET", 1), "cannot be understood"},
		{"the sign-in page", `<form><input type=Password></form>`, "asks for the password"},
		{"nothing", "", "no form"},
		{"nested far too deep", strings.Repeat("<div>", 100_000) + good, "cannot be read"},
	} {
		s := &site{answers: map[string]func(http.Header) (int, string){"/": func(http.Header) (int, string) { return 200, c.page }}}
		v := visit(t, s)
		a, err := v.Follow(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Assertion(a)
		switch {
		case c.want == "" && (err != nil || got.Response.Reveal() != "<x></x>" || got.RelayState != "a&b" || got.Action != "https://idp.example/saml" || !got.Posts):
			t.Errorf("%s: %+v %v", c.why, got, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
