package okta_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/sandbox/okta"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	app := func(path, raw string) string {
		doc := parse(t, []byte(customApp))
		if raw == "" {
			drop(doc, path)
		} else {
			change(doc, path, raw)
		}
		return asJSON(doc)
	}
	const one = "/api/v1/apps/0oacustom"
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"no token", "GET", one, "", []string{"Authorization", ""}, 401, "E0000011"},
		{"wrong token", "GET", one, "", []string{"Authorization", "SSWS nope"}, 401, "E0000011"},
		{"wrong scheme", "GET", one, "", []string{"Authorization", "Bearer " + token}, 401, "E0000011"},
		{"empty token", "GET", one, "", []string{"Authorization", "SSWS "}, 401, "E0000011"},
		{"reader reads", "GET", one, "", []string{"Authorization", "SSWS 00read"}, 200, ""},
		{"reader writes", "PUT", one, customApp, []string{"Authorization", "SSWS 00read"}, 403, "E0000006"},
		{"unknown app", "GET", "/api/v1/apps/0oanone", "", nil, 404, "E0000007"},
		{"unknown app written", "PUT", "/api/v1/apps/0oanone", customApp, nil, 404, "E0000007"},
		{"unknown endpoint", "GET", "/api/v1/nope", "", nil, 404, "E0000007"},
		{"PATCH", "PATCH", one, "{}", nil, 405, "E0000022"},
		{"DELETE", "DELETE", one, "", nil, 405, "E0000022"},
		{"deactivate", "POST", one + "/lifecycle/deactivate", "", nil, 404, "E0000007"},
		{"create", "POST", "/api/v1/apps", "{}", nil, 405, "E0000022"},
		{"form body", "PUT", one, customApp, []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "E0000021"},
		{"cut JSON", "PUT", one, customApp[:200], nil, 400, "E0000003"},
		{"two JSON texts", "PUT", one, customApp + "{}", nil, 400, "E0000003"},
		{"a list", "PUT", one, "[]", nil, 400, "E0000003"},
		{"null", "PUT", one, "null", nil, 400, "E0000003"},
		{"settings a text", "PUT", one, app("settings", `"x"`), nil, 400, "E0000003"},
		{"responseSigned a text", "PUT", one, app("settings.signOn.responseSigned", `"true"`), nil, 400, "E0000003"},
		{"no label", "PUT", one, app("label", ""), nil, 400, "E0000001"},
		{"blank label", "PUT", one, app("label", `""`), nil, 400, "E0000001"},
		{"no signOnMode", "PUT", one, app("signOnMode", ""), nil, 400, "E0000001"},
		{"another signOnMode", "PUT", one, app("signOnMode", `"SAML_1_1"`), nil, 400, "E0000001"},
		{"no signOn", "PUT", one, app("settings.signOn", ""), nil, 400, "E0000001"},
		{"ACS not a URL", "PUT", one, app("settings.signOn.ssoAcsUrl", `"nope"`), nil, 400, "E0000001"},
		{"ACS missing", "PUT", one, app("settings.signOn.ssoAcsUrl", ""), nil, 400, "E0000001"},
		{"ACS too long", "PUT", one, app("settings.signOn.ssoAcsUrl", `"https://a.example/`+strings.Repeat("x", 1024)+`"`), nil, 400, "E0000001"},
		{"recipient not a URL", "PUT", one, app("settings.signOn.recipient", `"ftp://x"`), nil, 400, "E0000001"},
		{"destination missing", "PUT", one, app("settings.signOn.destination", ""), nil, 400, "E0000001"},
		{"audience missing", "PUT", one, app("settings.signOn.audience", ""), nil, 400, "E0000001"},
		{"nothing signed", "PUT", one, app("settings.signOn.assertionSigned", "false"), nil, 400, "E0000001"},
		{"unknown key id", "PUT", one, app("credentials.signing.kid", `"nope"`), nil, 400, "E0000001"},
		{"statement twice", "PUT", one, app("settings.signOn.attributeStatements", `[{"type":"EXPRESSION","name":"A","namespace":"urn:oasis:names:tc:SAML:2.0:attrname-format:uri"},{"type":"GROUP","name":"A","namespace":"urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}]`), nil, 400, "E0000001"},
		{"statement of no type", "PUT", one, app("settings.signOn.attributeStatements", `[{"name":"A"}]`), nil, 400, "E0000001"},
		{"statement of an odd namespace", "PUT", one, app("settings.signOn.attributeStatements", `[{"type":"GROUP","name":"A","namespace":"x"}]`), nil, 400, "E0000001"},
		{"bad endpoint", "PUT", one, app("settings.signOn.acsEndpoints", `[{"url":"x"}]`), nil, 400, "E0000001"},
		{"limit too large", "GET", "/api/v1/apps?limit=201", "", nil, 400, "E0000001"},
		{"limit zero", "GET", "/api/v1/apps?limit=0", "", nil, 400, "E0000001"},
		{"filter on label", "GET", "/api/v1/apps?filter=" + url.QueryEscape(`label eq "x"`), "", nil, 400, "E0000031"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, customApp)
			before, _ := o.App("0oacustom")
			a := call(o, c.method, c.path, c.body, c.headers...)
			if a.status != c.status || a.code() != c.code {
				t.Errorf("got %d %s, want %d %s\n%s", a.status, a.code(), c.status, c.code, a.body)
			}
			if after, _ := o.App("0oacustom"); string(after) != string(before) {
				t.Error("the app changed")
			}
			for _, h := range []string{"X-Okta-Request-Id", "X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset"} {
				if a.header.Get(h) == "" {
					t.Errorf("no %s", h)
				}
			}
			if c.code == "" {
				return
			}
			e := parse(t, a.body)
			for _, k := range []string{"errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"} {
				if e[k] == nil {
					t.Errorf("the error lacks %s: %s", k, a.body)
				}
			}
		})
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	o := newOrg(t, catalogueApp, pluginApp)
	for i := range 45 {
		addApp(t, o, fmt.Sprintf("App %d", i))
	}
	next := regexp.MustCompile(`^<https://` + host + `(/[^>]*)>; rel="next"$`)
	for _, c := range []struct {
		query string
		pages []int
	}{
		{"", []int{20, 20, 7}},
		{"limit=200", []int{47}},
		{"limit=46", []int{46, 1}},
		{"limit=47", []int{47}},
		{"limit=10&q=APP", []int{10, 10, 10, 10, 5}},
		{"limit=200&q=amazon", []int{2}},
		{"filter=" + url.QueryEscape(`name eq "amazon_aws"`), []int{2}},
		{"filter=" + url.QueryEscape(`status eq "INACTIVE"`), []int{0}},
		{"filter=" + url.QueryEscape(`status eq "ACTIVE"`) + "&limit=40", []int{40, 7}},
		{"filter=" + url.QueryEscape(`id eq "0oacat"`), []int{1}},
		{"filter=" + url.QueryEscape(`settings.slo.enabled eq false`) + "&limit=200", []int{45}},
		{"filter=" + url.QueryEscape(`credentials.signing.kid eq "kid-c"`), []int{1}},
		{"filter=" + url.QueryEscape(`name eq "amazon_aws"`) + "&q=aws&limit=1", []int{1, 1}},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			var sizes []int
			seen := map[string]bool{}
			for path := "/api/v1/apps?" + c.query; path != ""; {
				a := call(o, "GET", path, "")
				var list []json.RawMessage
				if err := json.Unmarshal(a.body, &list); err != nil {
					t.Fatalf("%v in %s", err, a.body)
				}
				for _, raw := range list {
					id := text(t, string(raw), "id")
					if want, _ := o.App(id); string(want) != string(raw) || seen[id] {
						t.Errorf("%s is listed twice or unlike a read", id)
					}
					seen[id] = true
				}
				sizes, path = append(sizes, len(list)), ""
				for i, l := range a.header.Values("Link") {
					if i == 0 && !strings.HasSuffix(l, `; rel="self"`) {
						t.Errorf("first link: %s", l)
					}
					if m := next.FindStringSubmatch(l); m != nil {
						path = m[1]
					}
				}
			}
			if !slices.Equal(sizes, c.pages) {
				t.Errorf("pages of %v, want %v", sizes, c.pages)
			}
		})
	}
	few := call(o, "GET", "/api/v1/apps?useOptimization=true", "")
	if strings.Contains(string(few.body), "signOn\"") {
		t.Error("useOptimization still returns settings")
	}
}

// TestRateLimit: a window of a minute, exact counts, and waiting until
// X-Rate-Limit-Reset is enough.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, err := okta.New(okta.Options{Host: host, APIToken: token, RatePerMinute: 3, NewKey: testKey})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // do not start on a whole second
		for window := range 3 {
			for i := range 5 {
				a := call(o, "GET", "/api/v1/apps", "")
				wantLeft := strconv.Itoa(max(0, 2-i))
				if (a.status == http.StatusOK) != (i < 3) || a.header.Get("X-Rate-Limit-Remaining") != wantLeft || a.header.Get("X-Rate-Limit-Limit") != "3" {
					t.Fatalf("window %d call %d: %d %v", window, i, a.status, a.header)
				}
				if i >= 3 && (a.status != http.StatusTooManyRequests || a.code() != "E0000047") {
					t.Errorf("call %d: %d %s", i, a.status, a.code())
				}
				reset, err := strconv.ParseInt(a.header.Get("X-Rate-Limit-Reset"), 10, 64)
				if err != nil || time.Until(time.Unix(reset, 0)) > time.Minute {
					t.Fatalf("reset %q", a.header.Get("X-Rate-Limit-Reset"))
				}
				if i == 4 {
					time.Sleep(time.Until(time.Unix(reset, 0)))
				}
			}
		}
	})
}

// TestFaults: each fault is a saboteur that a reader of the answer alone would
// not notice.
func TestFaults(t *testing.T) {
	t.Parallel()
	const acs = "settings.signOn.ssoAcsUrl"
	moved := func(t *testing.T, o *okta.Org) map[string]any {
		doc := getApp(t, o, "0oacustom")
		change(doc, acs, `"`+west+`"`)
		return doc
	}
	t.Run("ignored write", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, customApp)
		o.LetNextWrite()
		o.IgnoreNextWrite()
		doc := moved(t, o)
		put(o, "0oacustom", doc)
		if got := at(getApp(t, o, "0oacustom"), acs); got != west {
			t.Fatalf("the write before it: %v", got)
		}
		change(doc, acs, `"`+east+`"`)
		a := put(o, "0oacustom", doc)
		if a.status != http.StatusOK || at(parse(t, a.body), acs) != east {
			t.Errorf("the answer must look right: %d", a.status)
		}
		if got := at(getApp(t, o, "0oacustom"), acs); got != west {
			t.Errorf("it was stored: %v", got)
		}
	})
	t.Run("lost field", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, customApp)
		o.LoseFieldOnWrite("/settings/signOn/spCertificate")
		a := put(o, "0oacustom", moved(t, o))
		if at(parse(t, a.body), "settings.signOn.spCertificate") == "(absent)" {
			t.Error("the answer shows the loss")
		}
		if got := at(getApp(t, o, "0oacustom"), "settings.signOn.spCertificate"); got != "(absent)" {
			t.Errorf("not lost: %v", got)
		}
	})
	t.Run("answer lost", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, customApp)
		o.LoseNextAnswer()
		doc := moved(t, o)
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					t.Error("the connection was not cut")
				}
			}()
			put(o, "0oacustom", doc)
		}()
		if got := at(getApp(t, o, "0oacustom"), acs); got != west {
			t.Errorf("the write did not take effect: %v", got)
		}
	})
	t.Run("read-only mode", func(t *testing.T) {
		t.Parallel()
		o := newOrg(t, customApp)
		o.SetReadOnly(true)
		if a := put(o, "0oacustom", moved(t, o)); a.status != http.StatusServiceUnavailable || a.code() != "E0000010" {
			t.Errorf("%d %s", a.status, a.code())
		}
		o.SetReadOnly(false)
		if a := put(o, "0oacustom", moved(t, o)); a.status != http.StatusOK {
			t.Errorf("afterwards: %d", a.status)
		}
	})
}

// TestAnotherAdministrator: callbacks let somebody edit between a read and its
// answer, and between a write's arrival and its effect.
func TestAnotherAdministrator(t *testing.T) {
	t.Parallel()
	o := newOrg(t, customApp)
	edit := func(label string) func(string) {
		return func(id string) {
			if err := o.EditApp(id, func(doc map[string]any) { doc["label"] = label; doc["count"] = 7 }); err != nil {
				t.Error(err)
			}
		}
	}
	o.OnRead(edit("edited after the read"))
	doc := getApp(t, o, "0oacustom")
	o.OnRead(nil)
	if doc["label"] != "AWS" {
		t.Errorf("the read shows the later edit: %v", doc["label"])
	}
	now := getApp(t, o, "0oacustom")
	if now["label"] != "edited after the read" || now["lastUpdated"] == doc["lastUpdated"] || now["count"] != json.Number("7") {
		t.Errorf("after: %v %v %v", now["label"], now["lastUpdated"], now["count"])
	}
	o.BeforeWrite(edit("edited before the write"))
	put(o, "0oacustom", doc)
	o.BeforeWrite(nil)
	if got := getApp(t, o, "0oacustom")["label"]; got != "AWS" {
		t.Errorf("a full replace must win: %v", got)
	}
	if err := o.EditApp("0oanone", func(map[string]any) {}); err == nil {
		t.Error("an unknown app was edited")
	}
}

// TestLastUpdated has whole seconds, so that a second write in the same second
// does not show in it.
func TestLastUpdated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOrg(t, customApp)
		stamp := func() string {
			if a := put(o, "0oacustom", getApp(t, o, "0oacustom")); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			return getApp(t, o, "0oacustom")["lastUpdated"].(string)
		}
		first := stamp()
		time.Sleep(900 * time.Millisecond)
		second := stamp()
		time.Sleep(100 * time.Millisecond)
		third := stamp()
		if first != "2000-01-01T00:00:00.000Z" || second != first || third != "2000-01-01T00:00:01.000Z" {
			t.Error(first, second, third)
		}
	})
}

// TestNewAppShape compares the JSON of a new app with the key paths that were
// recorded from a real org.
func TestNewAppShape(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := addApp(t, o, "AWS Prod 1")
	doc := getApp(t, o, id)
	want := strings.Fields("_links accessibility created credentials features id label lastUpdated name orn settings signOnMode status visibility")
	if d := cmp.Diff(want, keysOf(doc)); d != "" {
		t.Error(d)
	}
	want = strings.Fields(`acsEndpoints allowMultipleAcsEndpoints assertionEncryption assertionSigned attributeStatements audience authnContextClassRef
		defaultRelayState destination digestAlgorithm honorForceAuthn idpIssuer inlineHooks recipient requestCompressed responseSigned
		samlSignedRequestEnabled signatureAlgorithm slo spIssuer ssoAcsUrl subjectNameIdFormat subjectNameIdTemplate`)
	if d := cmp.Diff(want, keysOf(at(doc, "settings.signOn"))); d != "" {
		t.Error(d)
	}
	want = strings.Fields("app implicitAssignment manualProvisioning notes notifications signOn")
	if d := cmp.Diff(want, keysOf(doc["settings"])); d != "" {
		t.Error(d)
	}
	if doc["name"] != "acme_awsprod1_1" || at(doc, "settings.signOn.audience") != "urn:amazon:webservices" || len(id) != 20 {
		t.Errorf("name %v, audience %v, id %s", doc["name"], at(doc, "settings.signOn.audience"), id)
	}
	if again := newOrg(t); addApp(t, again, "x") != id {
		t.Error("ids are not the same for the same org")
	}
	for _, bad := range []okta.AppSettings{{}, {ACS: "nope"}} {
		if _, err := o.AddSAMLApp("x", bad); err == nil {
			t.Errorf("%+v was added", bad)
		}
	}
}

func keysOf(v any) []string {
	var out []string
	for k := range v.(map[string]any) {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestSetUpRefusals(t *testing.T) {
	t.Parallel()
	for _, o := range []okta.Options{{}, {Host: "acme.okta.com"}, {Host: "acme", APIToken: "x"}, {Host: host, APIToken: "x", ReaderToken: "x"}} {
		if _, err := okta.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	o := newOrg(t, customApp)
	for _, raw := range []string{"", "[]", "{}", `{"id":1}`, `{"id":"a/b"}`, customApp} {
		if err := o.AddRawApp([]byte(raw)); err == nil {
			t.Errorf("%.30s was added", raw)
		}
	}
	ada := okta.User{Login: "ada", Password: "pw"}
	if err := o.AddUser(ada); err != nil {
		t.Error(err)
	}
	for _, u := range []okta.User{ada, {Login: "ADA", Password: "x"}, {Login: "bob"}, {Login: "eve", Password: "x", Apps: map[string]okta.Assignment{"none": {}}}} {
		if err := o.AddUser(u); err == nil {
			t.Errorf("%+v was added", u)
		}
	}
}
