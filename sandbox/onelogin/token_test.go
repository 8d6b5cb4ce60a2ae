package onelogin_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	c := onelogin.Credential{ClientID: "a", Secret: "b", Scope: onelogin.ManageAll}
	for name, o := range map[string]onelogin.Options{
		"no subdomain":           {},
		"a host":                 {Subdomain: "acme.onelogin.com"},
		"unknown scope":          {Subdomain: "acme", Credentials: []onelogin.Credential{{ClientID: "a", Secret: "b"}}},
		"no secret":              {Subdomain: "acme", Credentials: []onelogin.Credential{{ClientID: "a", Scope: onelogin.ManageAll}}},
		"two credentials of one": {Subdomain: "acme", Credentials: []onelogin.Credential{c, c}},
	} {
		if _, err := onelogin.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestTokenForms: the three documented ways in, and what is refused in the old
// form.
func TestTokenForms(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	grant := `{"grant_type":"client_credentials"}`
	for _, c := range []struct {
		name, media, authorization, body string
		status                           int
	}{
		{"JSON and Basic", "application/json", "Basic bWFuYWdlcjpzOjE=", grant, 200}, // manager:s:1
		{"JSON and the header of their own", "application/json", "client_id:manager, client_secret:s:1", grant, 200},
		{"form", form, "", "grant_type=client_credentials&client_id=manager&client_secret=s%3A1", 200},
		{"wrong secret", "application/json", "client_id:manager, client_secret:no", grant, 401},
		{"unknown client", "application/json", "client_id:nobody, client_secret:s", grant, 401},
		{"none", "application/json", "", grant, 401},
		{"no grant type", "application/json", "client_id:manager, client_secret:s:1", `{}`, 400},
		{"another grant type", "application/json", "client_id:manager, client_secret:s:1", `{"grant_type":"password"}`, 400},
		{"no JSON", "application/json", "client_id:manager, client_secret:s:1", `x`, 400},
		{"text", "text/plain", "client_id:manager, client_secret:s:1", grant, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := newTenant(t, onelogin.Readings{})
			r := httptest.NewRequest("POST", "https://"+host+tokenURL, strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.media)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			a := serve(tn, r)
			if a.status != c.status {
				t.Fatalf("%d %s", a.status, a.body)
			}
			got := parse(t, a.body)
			if c.status == 200 {
				for _, k := range []string{"access_token", "refresh_token", "created_at", "expires_in", "token_type", "account_id"} {
					if got[k] == nil {
						t.Errorf("no %s in %s", k, a.body)
					}
				}
				return
			}
			in, _ := got["status"].(map[string]any)
			if in["error"] != true || in["message"] == "" || in["code"] != json.Number(asJSON(c.status)) {
				t.Errorf("%s", a.body)
			}
		})
	}
}

// TestSharedToken: the same set until it ends, with the time of its making; so
// the one that a client gets may be almost over.
func TestSharedToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, left := range []bool{false, true} {
			tn := newTenant(t, onelogin.Readings{ExpiresInIsLeft: left})
			token := func() map[string]any {
				return parse(t, ask(tn, tokenURL, "manager", "s:1", `{"grant_type":"client_credentials"}`).body)
			}
			if err := tn.AgeToken("manager", 9*time.Hour); err != nil {
				t.Fatal(err)
			}
			first := token()
			time.Sleep(30 * time.Minute)
			second := token()
			want := json.Number("36000")
			if left {
				want = "1800"
			}
			made, err := time.Parse("2006-01-02T15:04:05.000Z", second["created_at"].(string))
			if err != nil || second["access_token"] != first["access_token"] || second["expires_in"] != want || time.Since(made) != 9*time.Hour+30*time.Minute {
				t.Errorf("%v then %v", first, second)
			}
			use := func(tok map[string]any) int {
				return call(tn, tok["access_token"].(string), "GET", "/api/2/apps", "").status
			}
			time.Sleep(30*time.Minute - time.Second)
			if use(first) != 200 {
				t.Error("it ended early")
			}
			time.Sleep(time.Second)
			if use(first) != 401 {
				t.Error("it lives on")
			}
			if third := token(); third["access_token"] == first["access_token"] || third["expires_in"] != json.Number("36000") || use(third) != 200 {
				t.Errorf("after the end: %v", third)
			}
		}
	})
}

// TestTokensEnd: by expiry on demand, revocation (for everybody), v1's habit,
// and the deletion of the owner.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	list := func(token string) int { return call(tn, token, "GET", "/api/2/apps", "").status }
	token := tokenOf(t, tn, "manager")
	tn.ExpireTokens()
	if list(token) != 401 {
		t.Error("ExpireTokens does nothing")
	}
	token = tokenOf(t, tn, "manager")
	if a := ask(tn, "/auth/oauth2/revoke", "manager", "s:1", `{"access_token":"other"}`); a.status != 400 || list(token) != 200 {
		t.Errorf("another token revoked: %d", a.status)
	}
	if a := ask(tn, "/auth/oauth2/revoke", "manager", "no", `{"access_token":"`+token+`"}`); a.status != 401 || tn.Revocations() != 0 {
		t.Errorf("revoked without the secret: %d", a.status)
	}
	if a := ask(tn, "/auth/oauth2/revoke", "manager", "s:1", `{"access_token":"`+token+`"}`); a.status != 200 || list(token) != 401 || tn.Revocations() != 1 {
		t.Errorf("revoke: %d %s", a.status, a.body)
	}
	token = tokenOf(t, tn, "manager")
	v1 := ask(tn, "/auth/oauth2/token", "manager", "s:1", `{"grant_type":"client_credentials"}`)
	if data, _ := parse(t, v1.body)["data"].([]any); v1.status != 200 || len(data) != 1 || list(token) != 401 {
		t.Errorf("v1: %d %s", v1.status, v1.body)
	}
	token = tokenOf(t, tn, "manager")
	if err := tn.DeleteOwner("manager"); err != nil {
		t.Fatal(err)
	}
	if a := ask(tn, tokenURL, "manager", "s:1", `{"grant_type":"client_credentials"}`); a.status != 500 || list(token) != 500 {
		t.Errorf("deleted owner: %d %s", a.status, a.body)
	}
	if list(tokenOf(t, tn, "reader")) != 200 {
		t.Error("another credential suffers")
	}
	if tn.AgeToken("x", 0) == nil || tn.DeleteOwner("x") == nil || tn.SetScope("x", onelogin.ManageAll) == nil {
		t.Error("a credential that is not there was changed")
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for _, as401 := range []bool{false, true} {
		tn := newTenant(t, onelogin.Readings{ScopeIs401: as401})
		id := addApp(t, tn, "AWS")
		no := map[bool]int{false: 403, true: 401}[as401]
		for _, c := range []struct {
			client, method, path string
			status               int
		}{
			{"reader", "GET", "/api/2/apps", 200}, {"reader", "GET", appPath(id), 200}, {"reader", "PUT", appPath(id), no},
			{"reader", "GET", "/api/2/connectors", no}, {"reader", "POST", "/api/2/saml_assertion", no}, {"reader", "DELETE", appPath(id) + "/parameters/1", no},
			{"manager", "GET", "/api/2/connectors", 200}, {"manager", "PUT", appPath(id), 200},
			{"users", "GET", "/api/2/apps", no}, {"users", "PUT", appPath(id), no}, {"users", "POST", "/api/2/saml_assertion", 400}, {"auth", "POST", "/api/2/saml_assertion", 400},
		} {
			if a := call(tn, tokenOf(t, tn, c.client), c.method, c.path, "{}"); a.status != c.status {
				t.Errorf("%s %s %s: %d %s, want %d", c.client, c.method, c.path, a.status, a.body, c.status)
			}
		}
		if err := tn.SetScope("manager", onelogin.ReadAll); err != nil || put(t, tn, id, "{}").status != no {
			t.Errorf("SetScope: %v", err)
		}
	}
}

// TestRateLimit: exact counts per hour, seconds left and not a time, and waiting
// that long is enough.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, r := range []onelogin.Readings{{}, {NoRateHeaders: true, OldErrors: true}, {RetryAfter: true}} {
			o := options()
			o.RatePerHour, o.Readings = 3, r
			tn := tenant(t, o)
			for window := range 3 {
				token := tokenOf(t, tn, "manager")
				for i := range 5 {
					a := call(tn, token, "GET", "/api/2/apps", "")
					if i == 1 {
						time.Sleep(20*time.Minute + 300*time.Millisecond)
					}
					want := [3]string{"3", asJSON(max(0, 2-i)), map[bool]string{true: "3600", false: "2400"}[i < 2]}
					if r.NoRateHeaders {
						want = [3]string{}
					}
					if got := [3]string{a.header.Get("X-RateLimit-Limit"), a.header.Get("X-RateLimit-Remaining"), a.header.Get("X-RateLimit-Reset")}; got != want || (a.status == 200) != (i < 3) {
						t.Fatalf("%+v window %d call %d: %d %v", r, window, i, a.status, got)
					}
					if i >= 3 && (a.status != 429 || a.message() == "" || (a.header.Get("Retry-After") == "2400") != r.RetryAfter || strings.Contains(string(a.body), `"status":{`) != r.OldErrors) {
						t.Errorf("call %d: %d %s", i, a.status, a.body)
					}
				}
				look := httptest.NewRequest("GET", "https://"+host+"/auth/rate_limit", nil)
				look.Header.Set("Authorization", "bearer:"+token)
				data, _ := parse(t, serve(tn, look).body)["data"].(map[string]any)
				if data["X-RateLimit-Remaining"] != json.Number("0") || data["X-RateLimit-Reset"] != json.Number("2400") || data["X-RateLimit-Limit"] != json.Number("3") {
					t.Errorf("/auth/rate_limit: %v", data)
				}
				time.Sleep(2400 * time.Second)
			}
			tn.SetRate(1)
			token := tokenOf(t, tn, "manager")
			if call(tn, token, "GET", "/api/2/apps", "").status != 200 || call(tn, token, "GET", "/api/2/apps", "").status != 429 {
				t.Error("SetRate does not count")
			}
		}
	})
}
