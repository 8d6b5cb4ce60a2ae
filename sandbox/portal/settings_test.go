package portal_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crewjam/saml"

	"github.com/samlfailover/samlfailover/sandbox/portal"
)

// TestLife: a vendor's own durations reach the assertion.
func TestLife(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ life, session, wantLife time.Duration }{{0, 0, portal.Lifetime}, {3 * time.Minute, time.Hour, 3 * time.Minute}} {
		s := statement()
		s.Life, s.SessionLife = c.life, c.session
		i := newIssuer(t, 0)
		a, err := acceptAsSP(t, i, issue(t, i, s))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter.Sub(a.IssueInstant); got != c.wantLife || a.Conditions.NotOnOrAfter.Sub(a.IssueInstant) != c.wantLife {
			t.Errorf("life %v", got)
		}
		if got := sessionOf(a); got != c.session {
			t.Errorf("session %v", got)
		}
	}
}

func sessionOf(a *saml.Assertion) time.Duration {
	at := a.AuthnStatements[0].SessionNotOnOrAfter
	if at == nil {
		return 0
	}
	return at.Sub(a.AuthnStatements[0].AuthnInstant)
}

// TestTwoPortalsOnOneHost: each has its own cookie path and sign-out.
func TestTwoPortalsOnOneHost(t *testing.T) {
	t.Parallel()
	p, err := portal.New(portal.Options{Title: "x", SignInPath: "/a/in", HomePath: "/a/home", SignOutPath: "/a/out", CookiePath: "/a/", Directory: people{}})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path string, fields url.Values, cookies ...*http.Cookie) *http.Response {
		r := httptest.NewRequest(method, "https://host.example"+path, strings.NewReader(fields.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w.Result()
	}
	in := do("POST", "/a/in", url.Values{"username": {"ada"}, "password": {"pw"}})
	cookie := in.Cookies()[0]
	if cookie.Path != "/a/" || in.Header.Get("Location") != "/a/home" {
		t.Errorf("%+v", cookie)
	}
	out := do("POST", "/a/out", nil, cookie)
	if out.StatusCode != http.StatusSeeOther || out.Cookies()[0].Path != "/a/" || out.Cookies()[0].MaxAge >= 0 {
		t.Errorf("%d %v", out.StatusCode, out.Cookies())
	}
	if got := do("GET", "/a/home", nil, cookie).StatusCode; got != http.StatusFound {
		t.Errorf("still signed in: %d", got)
	}
}
