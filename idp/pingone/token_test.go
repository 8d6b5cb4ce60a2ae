package pingone_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/pingone"
	sim "github.com/samlfailover/samlfailover/sandbox/pingone"
)

// Both methods reach the worker's environment with the exact secret; the other
// method is refused, and the finding says so.
func TestTokenMethods(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		auth  sim.TokenAuth
		right pingone.Auth
		wrong pingone.Auth
	}{
		{sim.ClientSecretBasic, pingone.AuthBasic, pingone.AuthPost},
		{sim.ClientSecretPost, pingone.AuthPost, pingone.AuthBasic},
	} {
		w := makeWorld(t, setup{auth: tt.auth})
		if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
			t.Fatal(tt.right, err)
		}
		ask, read := w.Calls()[0], w.Calls()[1]
		if ask.Host != authHost || ask.Path != "/"+w.home+"/as/token" || ask.Method != http.MethodPost || ask.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("asked %s %s%s %v", ask.Method, ask.Host, ask.Path, ask.Header)
		}
		if read.Host != apiHost || !strings.HasPrefix(read.Path, "/v1/environments/"+w.env+"/") || strings.Contains(read.Header.Get("Authorization"), "Basic") {
			t.Errorf("read %s%s %v", read.Host, read.Path, read.Header)
		}
		checkCredential(t, tt.right, ask)
		err := w.newTenant(t, pingone.Options{Auth: tt.wrong}).Warm(t.Context())
		if f, _ := finding.From(err); f.Code != finding.IdPAuth || !strings.Contains(f.Remedy, "authentication method") || !strings.Contains(f.Why, "invalid_client") {
			t.Errorf("%s at a worker with %s: %v", tt.wrong, tt.auth, err)
		}
	}
}

// checkCredential looks for the credential in its one place (RFC 6749, 2.3.1).
func checkCredential(t *testing.T, auth pingone.Auth, ask idptest.Call) {
	t.Helper()
	form, err := url.ParseQuery(string(ask.Body))
	if err != nil || form.Get("grant_type") != "client_credentials" || form.Has("scope") {
		t.Errorf("form %v, %v", form, err)
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(clientID)+":"+url.QueryEscape(clientSecret)))
	switch auth {
	case pingone.AuthBasic:
		if ask.Header.Get("Authorization") != basic || form.Has("client_secret") || form.Has("client_id") {
			t.Errorf("basic: %v %v", ask.Header, form)
		}
	case pingone.AuthPost:
		if ask.Header.Get("Authorization") != "" || form.Get("client_secret") != clientSecret || form.Get("client_id") != clientID {
			t.Errorf("post: %v %v", ask.Header, form)
		}
	}
}

// Every region of PingOne has its own pair of hosts; both can be replaced.
func TestHosts(t *testing.T) {
	t.Parallel()
	for _, tld := range pingone.TLDs() {
		w := makeWorld(t, setup{tld: tld})
		if docs, err := w.tenant.List(t.Context()); err != nil || len(docs) != 1 {
			t.Errorf("%s: %d apps, %v", tld, len(docs), err)
		}
		if w.asked("api.pingone."+tld) != 1 || w.asked("auth.pingone."+tld) != 1 {
			t.Errorf("%s: %v", tld, w.Calls())
		}
	}
	w := newWorld(t)
	w.AddHost("ping.internal.example:8443", w.Host(apiHost))
	w.AddHost("login.internal.example", w.Host(authHost))
	tenant := w.newTenant(t, pingone.Options{TLD: "asia", APIURL: "https://ping.internal.example:8443", AuthURL: "https://login.internal.example"})
	if _, err := tenant.Read(t.Context(), w.app); err != nil || w.asked("ping.internal.example:8443") != 1 || w.asked("login.internal.example") != 1 {
		t.Errorf("replaced hosts: %v", err)
	}
}

// What the token endpoint may answer, and what each means.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		body   string
		want   finding.Code
		asked  int // calls to the token endpoint by one read
	}{
		{"wrong secret", 401, `{"error":"invalid_client","error_description":"no"}`, finding.IdPAuth, 1},
		{"client credentials not allowed", 400, `{"error":"unauthorized_client"}`, finding.IdPAuth, 1},
		{"forbidden", 403, `{}`, finding.IdPAuth, 1},
		{"unknown environment", 404, `{"code":"NOT_FOUND"}`, finding.IdPAuth, 1},
		{"fault", 500, `{}`, finding.IdPUnreachable, 4},
		{"html", 200, `<html>`, finding.IdPAnswer, 1},
		{"empty token", 200, `{"access_token":"","token_type":"Bearer","expires_in":3600}`, finding.IdPAnswer, 1},
		{"another kind", 200, `{"access_token":"x","token_type":"DPoP","expires_in":3600}`, finding.IdPAnswer, 1},
		{"a token with a line break", 200, `{"access_token":"x\r\ny: z","token_type":"Bearer","expires_in":3600}`, finding.IdPAnswer, 1},
		{"negative life", 200, `{"access_token":"x","token_type":"Bearer","expires_in":-1}`, finding.IdPAnswer, 1},
		{"absurd life", 200, `{"access_token":"x","token_type":"Bearer","expires_in":99999999999}`, finding.IdPAnswer, 1},
		{"huge", 200, `{"access_token":"` + strings.Repeat("x", 70<<10) + `"}`, finding.TooLarge, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.Answer = func(*http.Request) *http.Response { return reply(tt.status, tt.body) }
				_, err := w.tenant.Read(t.Context(), w.app)
				f, ok := finding.From(err)
				if f.Code != tt.want || w.asked(authHost) != tt.asked || w.asked(apiHost) != 0 {
					t.Errorf("%v after %d calls, %d to the API", err, w.asked(authHost), w.asked(apiHost))
				}
				if !ok || f.Remedy == "" || f.Subject == "" {
					t.Errorf("finding %+v", f)
				}
			})
		})
	}
	t.Run("a life that is not said is the documented hour", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.Answer = func(r *http.Request) *http.Response {
				if r.URL.Host == apiHost {
					return reply(200, `{"id":"`+string(w.app)+`"}`)
				}
				return reply(200, `{"access_token":"x","token_type":"bearer"}`)
			}
			for range 59 {
				if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
			}
			if n := w.asked(authHost); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	})
}

// A token that ended without notice is replaced once; a credential that died is
// not asked for again and again.
func TestTokenRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).warm(t)
		w.ping.ExpireTokens()
		if _, err := w.tenant.Read(t.Context(), w.app); err != nil || w.asked(apiHost) != 2 || w.asked(authHost) != 1 {
			t.Errorf("%v: %d and %d calls", err, w.asked(apiHost), w.asked(authHost))
		}
		if err := w.ping.RotateSecret(clientID, "another"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
			t.Errorf("a token that was given out before the secret changed still works: %v", err)
		}
		w.ping.ExpireTokens()
		before := w.asked(authHost)
		if _, err := w.tenant.Read(t.Context(), w.app); !finding.Is(err, finding.IdPAuth) || w.asked(authHost)-before > 1 {
			t.Errorf("%v after %d calls", err, w.asked(authHost)-before)
		}
	})
}

// spec 9.2: warmed every minute, a move needs no token for 29 minutes after the
// token endpoint has begun to refuse.
func TestTokenFreshness(t *testing.T) {
	t.Parallel()
	idptest.RunFreshness(t, idptest.Freshness{Harness: func(t *testing.T) idptest.Harness { return harness(t, setup{}) }, Life: time.Hour})
}

// What Warm spends: two or three tokens an hour.
func TestWarmIsCheap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 24 * 60 {
			if err := w.tenant.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if n := w.asked(authHost); n < 24 || n > 72 {
			t.Errorf("%d tokens in a day", n)
		}
	})
}

// A credential goes to the hosts that were configured and nowhere else: neither
// the client secret to a redirect of the token endpoint, nor the token.
func TestTokenEndpointRedirects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Answer = func(*http.Request) *http.Response {
		resp := reply(307, "")
		resp.Header.Set("Location", "https://evil.example/as/token")
		return resp
	}
	if err := w.tenant.Warm(t.Context()); !finding.Is(err, finding.ForeignLink) || w.asked("evil.example") > 0 {
		t.Errorf("%v, %d calls went there", err, w.asked("evil.example"))
	}
	for _, r := range w.Calls() {
		if r.Host != authHost && (r.Header.Get("Authorization") != "" || bytes.Contains(r.Body, []byte("secret"))) {
			t.Errorf("a credential reached %s", r.Host)
		}
	}
}
