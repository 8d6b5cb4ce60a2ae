package onelogin_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	sim "github.com/samlfailover/samlfailover/sandbox/onelogin"
)

// The token is asked for as API v2 documents it, and then used.
func TestTokenRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
		t.Fatal(err)
	}
	got := w.Calls()
	id, pass, ok := (&http.Request{Header: got[0].Header}).BasicAuth()
	if len(got) != 2 || got[0].Method != "POST" || got[0].Path != tokenPath || string(got[0].Body) != `{"grant_type":"client_credentials"}` ||
		!ok || id != clientID || pass != clientSecret || got[0].Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d requests, first %s %s %s", len(got), got[0].Method, got[0].Path, got[0].Body)
	}
}

// The token that we get may be almost over: its end counts from when it was
// made, so it is asked for anew in time, under each reading of expires_in.
func TestSharedToken(t *testing.T) {
	t.Parallel()
	for _, left := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Readings{ExpiresInIsLeft: left})
			if err := w.org.AgeToken(clientID, 10*time.Hour-5*time.Minute); err != nil {
				t.Fatal(err)
			}
			w.warm(t)
			if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5*time.Minute + time.Second)
			if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
				t.Fatal(err)
			}
			if refused := w.count("GET", "/api/2/apps/"+string(w.app)) - 2; refused > 0 {
				t.Errorf("%d calls with a token that was over", refused)
			}
		})
	}
}

// spec 2.7: no token is ever revoked or refreshed, and none is asked for at an
// endpoint that ends those of others.
func TestOtherProcessesKeepTheirToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Readings{})
		other := w.newTenant(t, clientID, clientSecret)
		if _, err := other.Read(t.Context(), w.app); err != nil {
			t.Fatal(err)
		}
		w.warm(t)
		for range 9 {
			time.Sleep(time.Hour)
			if err := w.tenant.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := idp.Step(t.Context(), w.tenant, onelogin.Codec{}, w.app, target("us-west-2"), idp.Hooks{}); err != nil {
				t.Fatal(err)
			}
		}
		begun := len(w.Calls())
		if _, err := other.Read(t.Context(), w.app); err != nil || len(w.Calls()) != begun+1 {
			t.Errorf("another process with this credential: %v, %d calls", err, len(w.Calls())-begun)
		}
		for _, r := range w.Calls() {
			if strings.HasPrefix(r.Path, "/auth/") && r.Path != tokenPath {
				t.Errorf("called %s", r.Path)
			}
		}
		if n := w.org.Revocations(); n > 0 {
			t.Errorf("%d tokens were revoked", n)
		}
	})
}

// spec 9.2: Warm keeps what can be kept and does not ask in vain at every turn.
func TestWarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Readings{})
		for range 24 * 60 { // a day of one call a minute
			if err := w.tenant.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		// Half of each ten hours every ten minutes, its last ten minutes at each.
		if n := w.count("POST", tokenPath); n < 3 || n > 130 {
			t.Errorf("%d token requests in a day", n)
		}
		w.warm(t)
		if _, err := idp.Step(t.Context(), w.tenant, onelogin.Codec{}, w.app, target("us-west-2"), idp.Hooks{}); err != nil || w.count("POST", tokenPath) != 0 {
			t.Errorf("a move after a warm day: %v, %d token requests", err, w.count("POST", tokenPath))
		}
	})
}

// spec 9.2: warmed every minute, a move needs no token for 29 minutes after the
// token endpoint has begun to refuse; but for one window that nobody can close.
// OneLogin gives out the same token until its ten hours are over, so what is
// refused in the last 29 minutes of them (and the half minute in which a token
// is no more trusted to arrive) can be over when the move begins.
func TestTokenFreshness(t *testing.T) {
	t.Parallel()
	const life, lastMoments = 10 * time.Hour, 30 * time.Second
	idptest.RunFreshness(t, idptest.Freshness{Harness: harness(sim.Readings{}), Life: life, Exempt: func(refused, moved time.Duration) bool {
		end := refused.Truncate(life) + life
		return refused >= end-29*time.Minute-lastMoments && moved >= end-lastMoments
	}})
}

// A token that ends early is replaced once; then the credential is at fault.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	w.warm(t)
	w.org.ExpireTokens()
	if _, err := w.tenant.Read(t.Context(), w.app); err != nil || w.count("POST", tokenPath) != 1 {
		t.Errorf("%v, %d token requests", err, w.count("POST", tokenPath))
	}
	w.Answer = func(r *http.Request) *http.Response {
		if r.URL.Path == tokenPath {
			return nil
		}
		return reply(401, `{"message":"Unauthorized","statusCode":401,"name":"UnauthorizedError"}`)
	}
	begun := len(w.Calls())
	if _, err := w.tenant.Read(t.Context(), w.app); !finding.Is(err, finding.IdPAuth) || len(w.Calls()) != begun+3 {
		t.Errorf("%v after %d calls, want call, token, call", err, len(w.Calls())-begun)
	}
}

// When the admin who made the credential is deleted, OneLogin answers 500; the
// finding says what that may mean.
func TestDeletedOwner(t *testing.T) {
	t.Parallel()
	for _, warm := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Readings{})
			if warm {
				w.warm(t)
			}
			if err := w.org.DeleteOwner(clientID); err != nil {
				t.Fatal(err)
			}
			_, err := w.tenant.Read(t.Context(), w.app)
			f, _ := finding.From(err)
			if f.Code != finding.IdPUnreachable || !strings.Contains(f.Remedy, "deleted") {
				t.Errorf("%v", err)
			}
		})
	}
}

// Answers of the token endpoint that are no token.
func TestOddTokens(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		status     int
		code       finding.Code // "" = it works
	}{
		{"without created_at", `{"access_token":"t","expires_in":36000,"token_type":"bearer"}`, 200, ""},
		{"created_at in the future", `{"access_token":"t","expires_in":36000,"created_at":"2999-01-01T00:00:00.000Z"}`, 200, ""},
		{"created_at is no time", `{"access_token":"t","expires_in":36000,"created_at":"yesterday"}`, 200, ""},
		{"v1's form", `{"status":{"error":false},"data":[{"access_token":"t","expires_in":36000}]}`, 200, finding.IdPAnswer},
		{"no token", `{"expires_in":36000}`, 200, finding.IdPAnswer},
		{"no end", `{"access_token":"t"}`, 200, finding.IdPAnswer},
		{"an end that overflows", `{"access_token":"t","expires_in":9223372036854775807}`, 200, finding.IdPAnswer},
		{"a line break", `{"access_token":"t\r\nX-Evil: 1","expires_in":36000}`, 200, finding.IdPAnswer},
		{"html", `<html>`, 200, finding.IdPAnswer},
		{"wrong credential", `{"status":{"error":true,"code":401,"type":"Unauthorized","message":"Authentication Failure"}}`, 401, finding.IdPAuth},
		{"bad request", `{"status":{"error":true,"code":400,"type":"bad request","message":"grant_type is incorrect/absent"}}`, 400, finding.IdPAuth},
		{"throttled", `{}`, 429, finding.IdPThrottled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Readings{})
				w.Answer = func(r *http.Request) *http.Response {
					if r.URL.Path == tokenPath {
						return reply(tt.status, tt.body)
					}
					return reply(200, `{"id":`+string(w.app)+`}`)
				}
				_, err := w.tenant.Read(t.Context(), w.app)
				if tt.code == "" && err != nil || tt.code != "" && !finding.Is(err, tt.code) {
					t.Errorf("%v", err)
				}
				var again *idp.RetryError
				if err := w.tenant.Write(t.Context(), idp.Document{ID: w.app, Raw: []byte(`{"configuration":{}}`)}, nil); tt.status == 429 && !errors.As(err, &again) {
					t.Errorf("a write without a token for now: %v", err)
				}
			})
		})
	}
}
