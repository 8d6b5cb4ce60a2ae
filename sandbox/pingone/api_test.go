package pingone_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/pingone"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	worker := pingone.Worker{Environment: ops, ClientID: "a", Secret: "b"}
	for _, c := range []struct {
		name string
		o    pingone.Options
	}{
		{"no environment", pingone.Options{}},
		{"unknown region", pingone.Options{TLD: "org", Environments: []string{"ops"}}},
		{"two of a name", pingone.Options{Environments: []string{"ops", "ops"}}},
		{"worker without a secret", pingone.Options{Environments: []string{"ops"}, Workers: []pingone.Worker{{Environment: ops, ClientID: "a"}}}},
		{"two workers of an id", pingone.Options{Environments: []string{"ops"}, Workers: []pingone.Worker{worker, worker}}},
		{"worker of nowhere", pingone.Options{Environments: []string{"prod"}, Workers: []pingone.Worker{worker}}},
		{"unknown method", pingone.Options{Environments: []string{"ops"}, Workers: []pingone.Worker{{Environment: ops, ClientID: "a", Secret: "b", Auth: "PRIVATE_KEY_JWT"}}}},
	} {
		if _, err := pingone.New(c.o); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
	for tld, want := range map[string]string{"": "com", "com": "com", "eu": "eu", "asia": "asia", "com.au": "com.au", "ca": "ca", "sg": "sg"} {
		s := newTenant(t, pingone.Options{TLD: tld, Environments: []string{"ops"}}).Sites()
		if s[0].Host != "api.pingone."+want || s[1].Host != "auth.pingone."+want {
			t.Errorf("%q: %s %s", tld, s[0].Host, s[1].Host)
		}
	}
}

// TestTokenEndpoint: only the worker's own environment, method and secret.
func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, env, user, secret, body, media string
		status                               int
		code                                 string
	}{
		{"basic", ops, "writer", "s%2Fe+c%3Aret", "grant_type=client_credentials", form, 200, ""},
		{"basic, not encoded", ops, "writer", "s/e c:ret", "grant_type=client_credentials", form, 200, ""},
		{"post", ops, "", "", "grant_type=client_credentials&client_id=poster&client_secret=pw", form, 200, ""},
		{"basic with the id in the body too", ops, "reader", "pw", "grant_type=client_credentials&client_id=reader", form, 200, ""},
		{"post to a basic worker", ops, "", "", "grant_type=client_credentials&client_id=reader&client_secret=pw", form, 401, "invalid_client"},
		{"basic to a post worker", ops, "poster", "pw", "grant_type=client_credentials", form, 401, "invalid_client"},
		{"both at once", ops, "reader", "pw", "grant_type=client_credentials&client_id=reader&client_secret=pw", form, 401, "invalid_client"},
		{"wrong secret", ops, "reader", "no", "grant_type=client_credentials", form, 401, "invalid_client"},
		{"unknown client", ops, "nobody", "pw", "grant_type=client_credentials", form, 401, "invalid_client"},
		{"the apps' environment", prod, "reader", "pw", "grant_type=client_credentials", form, 401, "invalid_client"},
		{"no environment", "e0000000", "reader", "pw", "grant_type=client_credentials", form, 404, "NOT_FOUND"},
		{"no grant type", ops, "reader", "pw", "", form, 400, "invalid_request"},
		{"another grant type", ops, "reader", "pw", "grant_type=password", form, 400, "unsupported_grant_type"},
		{"JSON", ops, "reader", "pw", `{"grant_type":"client_credentials"}`, "application/json", 400, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := newTenant(t, options())
			r := httptest.NewRequest("POST", "https://"+authHost+"/"+c.env+"/as/token", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.media)
			if c.user != "" {
				r.SetBasicAuth(c.user, c.secret)
			}
			a := serve(tn, authHost, r)
			if a.status != c.status || a.code() != c.code {
				t.Fatalf("got %d %s, want %d %s\n%s", a.status, a.code(), c.status, c.code, a.body)
			}
			if a.header.Get("Correlation-Id") == "" {
				t.Error("no Correlation-Id")
			}
			if c.status == 200 {
				got := parse(t, a.body)
				if got["expires_in"] != json.Number("3600") || got["token_type"] != "Bearer" || got["refresh_token"] != nil {
					t.Errorf("%s", a.body)
				}
			}
		})
	}
}

// TestTokenLife: an hour, in virtual time; rotation of the secret does not end
// what was issued; ended rights are a 403 and not a 401.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant(t, options())
		id := addApp(t, tn, "AWS")
		token := writer(t, tn)
		status := func() int { return call(tn, token, "GET", appPath(id), "").status }
		if err := tn.RotateSecret("writer", "new"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second)
		if got := status(); got != 200 {
			t.Errorf("a second before the end: %d", got)
		}
		time.Sleep(time.Second)
		if got := status(); got != 401 {
			t.Errorf("at the end: %d", got)
		}
		token = tokenOf(t, tn, "writer", "new")
		if err := tn.SetRoles("writer"); err != nil || status() != 403 {
			t.Errorf("without roles: %v %d", err, status())
		}
		tn.ExpireTokens()
		if got := status(); got != 401 {
			t.Errorf("after ExpireTokens: %d", got)
		}
		if tn.SetRoles("nobody") == nil || tn.RotateSecret("nobody", "x") == nil {
			t.Error("a worker that is not there was changed")
		}
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	base := newTenant(t, options())
	id := addApp(t, base, "AWS") // ids repeat from tenant to tenant
	doc := stored(t, base, id)
	put := func(key, raw string) string { return with(doc, key, raw) }
	one := appPath(id)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code, target             string
	}{
		{"no token", "GET", one, "", []string{"Authorization", ""}, 401, "INVALID_TOKEN", ""},
		{"unknown token", "GET", one, "", []string{"Authorization", "Bearer x"}, 401, "INVALID_TOKEN", ""},
		{"unknown environment", "GET", apps("e0000000"), "", nil, 404, "NOT_FOUND", ""},
		{"environment without a role", "GET", apps(ops), "", nil, 403, "ACCESS_FAILED", ""},
		{"unknown app", "GET", one + "0", "", nil, 404, "NOT_FOUND", ""},
		{"app of another environment", "GET", apps(lab) + "/" + id, "", nil, 404, "NOT_FOUND", ""},
		{"unknown app written", "PUT", one + "0", asJSON(doc), nil, 404, "NOT_FOUND", ""},
		{"unknown endpoint", "GET", "/v1/nope", "", nil, 404, "NOT_FOUND", ""},
		{"PATCH", "PATCH", one, "{}", nil, 405, "METHOD_NOT_ALLOWED", ""},
		{"DELETE", "DELETE", one, "", nil, 405, "METHOD_NOT_ALLOWED", ""},
		{"create", "POST", apps(prod), "{}", nil, 405, "METHOD_NOT_ALLOWED", ""},
		{"form body", "PUT", one, asJSON(doc), []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "INVALID_REQUEST", ""},
		{"cut JSON", "PUT", one, asJSON(doc)[:100], nil, 400, "INVALID_REQUEST", ""},
		{"two JSON texts", "PUT", one, asJSON(doc) + "{}", nil, 400, "INVALID_REQUEST", ""},
		{"a list", "PUT", one, "[]", nil, 400, "INVALID_REQUEST", ""},
		{"null", "PUT", one, "null", nil, 400, "INVALID_REQUEST", ""},
		{"no name", "PUT", one, put("name", ""), nil, 400, "INVALID_DATA", "name"},
		{"empty name", "PUT", one, put("name", `""`), nil, 400, "INVALID_DATA", "name"},
		{"name a number", "PUT", one, put("name", `1`), nil, 400, "INVALID_DATA", "name"},
		{"no type", "PUT", one, put("type", ""), nil, 400, "INVALID_DATA", "type"},
		{"another type", "PUT", one, put("type", `"WORKER"`), nil, 400, "INVALID_DATA", "type"},
		{"no protocol", "PUT", one, put("protocol", ""), nil, 400, "INVALID_DATA", "protocol"},
		{"another protocol", "PUT", one, put("protocol", `"WS_FED"`), nil, 400, "INVALID_DATA", "protocol"},
		{"no enabled", "PUT", one, put("enabled", ""), nil, 400, "INVALID_DATA", "enabled"},
		{"enabled a text", "PUT", one, put("enabled", `"true"`), nil, 400, "INVALID_DATA", "enabled"},
		{"no acsUrls", "PUT", one, put("acsUrls", ""), nil, 400, "INVALID_DATA", "acsUrls"},
		{"null acsUrls", "PUT", one, put("acsUrls", "null"), nil, 400, "INVALID_DATA", "acsUrls"},
		{"empty acsUrls", "PUT", one, put("acsUrls", "[]"), nil, 400, "INVALID_DATA", "acsUrls"},
		{"acsUrls a text", "PUT", one, put("acsUrls", `"`+east+`"`), nil, 400, "INVALID_DATA", "acsUrls"},
		{"acsUrls of a bad URL", "PUT", one, put("acsUrls", `["`+east+`","nope"]`), nil, 400, "INVALID_DATA", "acsUrls"},
		{"acsUrls of null", "PUT", one, put("acsUrls", `[null]`), nil, 400, "INVALID_DATA", "acsUrls"},
		{"no assertionDuration", "PUT", one, put("assertionDuration", ""), nil, 400, "INVALID_DATA", "assertionDuration"},
		{"assertionDuration a text", "PUT", one, put("assertionDuration", `"300"`), nil, 400, "INVALID_DATA", "assertionDuration"},
		{"assertionDuration zero", "PUT", one, put("assertionDuration", `0`), nil, 400, "INVALID_DATA", "assertionDuration"},
		{"assertionDuration and a half", "PUT", one, put("assertionDuration", `300.5`), nil, 400, "INVALID_DATA", "assertionDuration"},
		{"no spEntityId", "PUT", one, put("spEntityId", ""), nil, 400, "INVALID_DATA", "spEntityId"},
		{"spEntityId of another app", "PUT", one, put("spEntityId", `"urn:full"`), nil, 400, "INVALID_DATA", "spEntityId"},
		{"unknown signing key", "PUT", one, put("idpSigning", `{"key":{"id":"x"}}`), nil, 400, "INVALID_DATA", "idpSigning.key.id"},
		{"signing without a key", "PUT", one, put("idpSigning", `{"algorithm":"SHA256withRSA"}`), nil, 400, "INVALID_DATA", "idpSigning.key.id"},
		{"unknown algorithm", "PUT", one, put("idpSigning", `{"algorithm":"SHA1withRSA","key":{"id":"`+base.DefaultKey(prod)+`"}}`), nil, 400, "INVALID_DATA", "idpSigning.algorithm"},
		{"responseSigned a text", "PUT", one, put("responseSigned", `"no"`), nil, 400, "INVALID_DATA", "responseSigned"},
		{"defaultTargetUrl a number", "PUT", one, put("defaultTargetUrl", `7`), nil, 400, "INVALID_DATA", "defaultTargetUrl"},
		{"bad cursor", "GET", apps(prod) + "?cursor=x", "", nil, 400, "INVALID_DATA", "cursor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := newTenant(t, options())
			if addApp(t, tn, "AWS") != id || tn.AddRawApp(prod, []byte(fullApp)) != nil {
				t.Fatal("another world")
			}
			before, _ := tn.App(id)
			a := call(tn, writer(t, tn), c.method, c.path, c.body, c.headers...)
			if a.status != c.status || a.code() != c.code {
				t.Fatalf("got %d %s, want %d %s\n%s", a.status, a.code(), c.status, c.code, a.body)
			}
			if after, _ := tn.App(id); string(after) != string(before) {
				t.Error("the app changed")
			}
			var e struct {
				ID, Message string
				Details     []struct{ Code, Target, Message string }
			}
			if err := json.Unmarshal(a.body, &e); err != nil || e.ID == "" || e.Message == "" || e.ID != a.header.Get("Correlation-Id") {
				t.Errorf("%v: %s", err, a.body)
			}
			if c.target != "" && (len(e.Details) != 1 || e.Details[0].Target != c.target || e.Details[0].Code == "") {
				t.Errorf("details: %+v, want %s", e.Details, c.target)
			}
		})
	}
}

// TestEveryProblemAtOnce: a body that lacks everything names everything.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	a := call(tn, writer(t, tn), "PUT", appPath(addApp(t, tn, "AWS")), "{}")
	for _, k := range []string{"name", "type", "protocol", "enabled", "acsUrls", "assertionDuration", "spEntityId"} {
		if !strings.Contains(string(a.body), `"target":"`+k+`"`) {
			t.Errorf("%s is not named: %s", k, a.body)
		}
	}
}

// TestRoles: who may do what.
func TestRoles(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	mine, other := addApp(t, tn, "mine"), addApp(t, tn, "other")
	if err := tn.SetRoles("owner", pingone.Role{Name: pingone.ApplicationOwner, Environment: prod, App: mine}); err != nil {
		t.Fatal(err)
	}
	reader, owner := tokenOf(t, tn, "reader", "pw"), tokenOf(t, tn, "owner", "pw")
	body := func(id string) string { return asJSON(stored(t, tn, id)) }
	for _, c := range []struct {
		name, token, method, path, body string
		status                          int
	}{
		{"reader lists", reader, "GET", apps(prod), "", 200},
		{"reader reads", reader, "GET", appPath(mine), "", 200},
		{"reader writes", reader, "PUT", appPath(mine), body(mine), 403},
		{"reader maps", reader, "POST", attributesOf(mine), `{"name":"n","value":"v","required":false}`, 403},
		{"reader elsewhere", reader, "GET", apps(lab), "", 403},
		{"owner lists", owner, "GET", apps(prod), "", 200},
		{"owner reads", owner, "GET", appPath(mine), "", 200},
		{"owner writes", owner, "PUT", appPath(mine), body(mine), 200},
		{"owner maps", owner, "POST", attributesOf(mine), `{"name":"n","value":"v","required":false}`, 201},
		{"owner reads another", owner, "GET", appPath(other), "", 403},
		{"owner writes another", owner, "PUT", appPath(other), body(other), 403},
	} {
		if a := call(tn, c.token, c.method, c.path, c.body); a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	if a := call(tn, owner, "GET", apps(prod), ""); strings.Contains(string(a.body), other) {
		t.Error("the owner of one app sees another")
	}
}

// TestList: HAL, decoys, counts, and pages where the reading has them.
func TestList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		readings pingone.Readings
		pages    []int
		counts   bool
	}{
		{pingone.Readings{}, []int{5}, true},
		{pingone.Readings{PageSize: 2}, []int{2, 2, 1}, true},
		{pingone.Readings{PageSize: 5}, []int{5}, true},
		{pingone.Readings{NoCounts: true}, []int{5}, false},
	} {
		o := options()
		o.Readings = c.readings
		tn := newTenant(t, o)
		if err := errors.Join(tn.AddRawApp(prod, []byte(fullApp)), tn.AddRawApp(prod, []byte(oidcApp)), tn.AddRawApp(lab, []byte(`{"id":"else"}`))); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			addApp(t, tn, fmt.Sprintf("App %d", i))
		}
		token := writer(t, tn)
		var sizes []int
		for path := apps(prod); path != ""; {
			a := call(tn, token, "GET", path, "")
			var page struct {
				Links map[string]struct{ Href string }         `json:"_links"`
				In    struct{ Applications []json.RawMessage } `json:"_embedded"`
				Count *int
			}
			if err := json.Unmarshal(a.body, &page); err != nil || page.Links["self"].Href != "https://"+apiHost+path {
				t.Fatalf("%v: %s", err, a.body)
			}
			for _, raw := range page.In.Applications {
				id, _ := parse(t, raw)["id"].(string)
				if want, _ := tn.App(id); string(want) != string(raw) {
					t.Errorf("%s is listed unlike a read", id)
				}
			}
			if (page.Count != nil) != c.counts {
				t.Errorf("count: %v", page.Count)
			}
			sizes = append(sizes, len(page.In.Applications))
			path = strings.TrimPrefix(page.Links["next"].Href, "https://"+apiHost)
		}
		if !slices.Equal(sizes, c.pages) {
			t.Errorf("pages of %v, want %v", sizes, c.pages)
		}
	}
}

// TestRateLimit: exact counts per environment and minute, and waiting for
// Retry-After seconds is enough.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.RatePerMinute = 3
		tn := newTenant(t, o)
		token := writer(t, tn)
		for window := range 3 {
			for i := range 5 {
				a := call(tn, token, "GET", apps(prod), "")
				if (a.status == 200) != (i < 3) || (a.header.Get("Retry-After") == "") != (i < 3) {
					t.Fatalf("window %d call %d: %d %v", window, i, a.status, a.header)
				}
				if i < 3 {
					time.Sleep(100 * time.Millisecond) // so that the rest is no whole second
					continue
				}
				seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
				if a.status != 429 || a.code() != "REQUEST_LIMITED" || err != nil || seconds < 1 || seconds > 60 {
					t.Errorf("call %d: %d %s %s", i, a.status, a.code(), a.header.Get("Retry-After"))
				}
				if i == 4 {
					if got := call(tn, token, "GET", apps(lab), "").status; got == 429 {
						t.Error("the limit of one environment stops another")
					}
					time.Sleep(time.Duration(seconds) * time.Second)
				}
			}
			time.Sleep(1300 * time.Millisecond)
		}
		tn.SetRate(1)
		if call(tn, token, "GET", apps(prod), "").status != 200 || call(tn, token, "GET", apps(prod), "").status != 429 {
			t.Error("SetRate does not count")
		}
	})
}

// TestFaults: each fault is a saboteur that a reader of the answer alone would
// not notice.
func TestFaults(t *testing.T) {
	t.Parallel()
	setUp := func(t *testing.T) (*pingone.Tenant, string, string) {
		tn := newTenant(t, options())
		if err := tn.AddRawApp(prod, []byte(fullApp)); err != nil {
			t.Fatal(err)
		}
		moved := with(stored(t, tn, "full"), "acsUrls", `["`+west+`"]`)
		return tn, writer(t, tn), moved
	}
	t.Run("ignored write", func(t *testing.T) {
		t.Parallel()
		tn, token, moved := setUp(t)
		tn.LetNextWrite()
		tn.IgnoreNextWrite()
		if call(tn, token, "PUT", appPath("full"), moved); !strings.Contains(asJSON(stored(t, tn, "full")["acsUrls"]), "us-west-2") {
			t.Fatal("the write before it was ignored")
		}
		a := call(tn, token, "PUT", appPath("full"), with(parse(t, []byte(moved)), "name", `"changed"`))
		if a.status != 200 || parse(t, a.body)["name"] != "changed" || stored(t, tn, "full")["name"] != "AWS" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("lost field", func(t *testing.T) {
		t.Parallel()
		tn, token, moved := setUp(t)
		tn.LoseFieldOnWrite("/accessControl/group/groups/0/id")
		a := call(tn, token, "PUT", appPath("full"), moved)
		if got := asJSON(stored(t, tn, "full")["accessControl"]); !strings.Contains(string(a.body), `"groups":[{"id":"g"`) || strings.Contains(got, `"id"`) {
			t.Errorf("answer %s, stored %s", a.body, got)
		}
	})
	t.Run("answer lost", func(t *testing.T) {
		t.Parallel()
		tn, token, moved := setUp(t)
		tn.LoseNextAnswer()
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					t.Error("the connection was not cut")
				}
			}()
			call(tn, token, "PUT", appPath("full"), moved)
		}()
		if got := asJSON(stored(t, tn, "full")["acsUrls"]); !strings.Contains(got, "us-west-2") {
			t.Errorf("the write did not take effect: %s", got)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		t.Parallel()
		tn, token, moved := setUp(t)
		tn.SetReadOnly(true)
		if a := call(tn, token, "PUT", appPath("full"), moved); a.status != 503 || !strings.Contains(string(a.body), "read-only") {
			t.Errorf("%d %s", a.status, a.body)
		}
		tn.SetReadOnly(false)
		if a := call(tn, token, "PUT", appPath("full"), moved); a.status != 200 {
			t.Errorf("afterwards %d", a.status)
		}
	})
	t.Run("another administrator", func(t *testing.T) {
		t.Parallel()
		tn, token, moved := setUp(t)
		edit := func(name string) func(string) {
			return func(id string) {
				if err := tn.EditApp(id, func(doc map[string]any) { doc["name"] = name }); err != nil {
					t.Error(err)
				}
			}
		}
		tn.OnRead(edit("after the read"))
		if got := parse(t, call(tn, token, "GET", appPath("full"), "").body)["name"]; got != "AWS" || stored(t, tn, "full")["name"] != "after the read" {
			t.Errorf("read %v", got)
		}
		tn.OnRead(nil)
		tn.BeforeWrite(edit("before the write"))
		call(tn, token, "PUT", appPath("full"), moved)
		if got := stored(t, tn, "full")["name"]; got != "AWS" {
			t.Errorf("the write does not win: %v", got)
		}
		if tn.EditApp("none", func(map[string]any) {}) == nil {
			t.Error("an app that is not there was edited")
		}
	})
}
