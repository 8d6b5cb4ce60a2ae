package portal_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/portal"
)

func decodeBase64(t *testing.T, s string) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const nasty = `<script>alert(1)</script>"'&`

// people is a directory with one person and one app.
type people struct{ form portal.Form }

func (people) Authenticate(login, password string) (string, bool) {
	return "ada", login == "ada" && password == "pw"
}
func (people) Tiles(string) []portal.Tile {
	return []portal.Tile{{ID: "1", Label: nasty, Href: "/open/1"}}
}
func (p people) Open(_, id string) (portal.Form, error) {
	if id != "1" {
		return portal.Form{}, &portal.Refusal{Status: http.StatusForbidden, Why: "No " + nasty}
	}
	return p.form, nil
}

type site struct {
	pages   *portal.Pages
	cookies []*http.Cookie
}

func newSite(t *testing.T) *site {
	t.Helper()
	p, err := portal.New(portal.Options{Title: nasty, SignInPath: "/login", HomePath: "/home", Directory: people{
		portal.Form{Label: nasty, Action: acs, Response: []byte("<xml/>"), RelayState: nasty}}})
	if err != nil {
		t.Fatal(err)
	}
	return &site{pages: p}
}

func (s *site) do(method, target string, fields url.Values, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "https://acme.okta.com"+target, strings.NewReader(fields.Encode()))
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	if id, ok := strings.CutPrefix(r.URL.Path, "/open/"); ok {
		s.pages.OpenTile(w, r, id)
	} else {
		s.pages.ServeHTTP(w, r)
	}
	return w.Result()
}

func (s *site) signIn(t *testing.T, from string) *http.Response {
	t.Helper()
	res := s.do("POST", "/login", url.Values{"username": {"ada"}, "password": {"pw"}, "fromURI": {from}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in answered %d", res.StatusCode)
	}
	s.cookies = res.Cookies()
	return res
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := res.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPagesNeedASession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/home", "/open/1"} {
		res := s.do("GET", path, nil)
		if to := res.Header.Get("Location"); to != "/login?fromURI="+url.QueryEscape(path) {
			t.Errorf("%s sends a stranger to %q", path, to)
		}
	}
	if res := s.do("POST", "/login", url.Values{"username": {"ada"}, "password": {"no"}}); res.StatusCode != http.StatusUnauthorized || !strings.Contains(text(t, res), `role="alert"`) {
		t.Errorf("a wrong password answered %d", res.StatusCode)
	}
	if to := s.signIn(t, "/open/1").Header.Get("Location"); to != "/open/1" {
		t.Errorf("after sign-in: %q", to)
	}
	c := s.cookies[0]
	if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("cookie: %v", c)
	}
	page := text(t, s.do("GET", "/open/1", nil))
	for _, want := range []string{`action="` + acs + `"`, `value="PHhtbC8&#43;"`, `name="RelayState"`, "<noscript><button>", "samlfailover sandbox"} {
		if !strings.Contains(page, want) {
			t.Errorf("the posting page lacks %s:\n%s", want, page)
		}
	}
	if res := s.do("POST", "/login/signout", url.Values{}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sign-out answered %d", res.StatusCode)
	}
	if res := s.do("GET", "/home", nil); res.StatusCode != http.StatusFound {
		t.Errorf("the old cookie still works after sign-out: %d", res.StatusCode)
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.signIn(t, "")
		time.Sleep(2*time.Hour - time.Second)
		if res := s.do("GET", "/home", nil); res.StatusCode != http.StatusOK {
			t.Errorf("just before its end: %d", res.StatusCode)
		}
		time.Sleep(time.Second)
		if res := s.do("GET", "/home", nil); res.StatusCode != http.StatusFound {
			t.Errorf("after its end: %d", res.StatusCode)
		}
	})
}

// spec 13.7: outside text is escaped on every page, and no page runs a script
// that it did not bring.
func TestPagesEscape(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stranger := text(t, s.do("POST", "/login", url.Values{"username": {nasty}, "fromURI": {`/x?"><script>`}}))
	s.signIn(t, "")
	for name, page := range map[string]string{
		"sign-in": stranger, "home": text(t, s.do("GET", "/home", nil)),
		"post": text(t, s.do("GET", "/open/1", nil)), "refusal": text(t, s.do("GET", "/open/2", nil)),
	} {
		if strings.Contains(page, "<script>") || strings.Contains(page, nasty) {
			t.Errorf("%s shows raw markup:\n%s", name, page)
		}
		if !strings.Contains(page, "Content-Security-Policy: default-src 'none'") {
			t.Errorf("%s has no content policy", name)
		}
	}
}

func TestSignInSendsNobodyAway(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/\\/evil", "javascript:alert(1)", "evil", "/\tx", ""} {
		if to := newSite(t).signIn(t, from).Header.Get("Location"); to != "/home" {
			t.Errorf("fromURI %q sends the person to %q", from, to)
		}
	}
	res := newSite(t).do("POST", "/login", url.Values{"username": {"ada"}, "password": {"pw"}}, "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a sign-in from another site answered %d", res.StatusCode)
	}
}
