package onelogin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	const one = "/api/2/apps/900001"
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		kind                     string
	}{
		{"no token", "GET", one, "", []string{"Authorization", ""}, 401, "UnauthorizedError"},
		{"unknown token", "GET", one, "", []string{"Authorization", "bearer x"}, 401, "UnauthorizedError"},
		{"another scheme", "GET", one, "", []string{"Authorization", "Basic x"}, 401, "UnauthorizedError"},
		{"unknown app", "GET", one + "9", "", nil, 404, "NotFoundError"},
		{"id a word", "GET", "/api/2/apps/x", "", nil, 404, "NotFoundError"},
		{"unknown app written", "PUT", one + "9", "{}", nil, 404, "NotFoundError"},
		{"unknown endpoint", "GET", "/api/2/nope", "", nil, 404, "NotFoundError"},
		{"PATCH", "PATCH", one, "{}", nil, 405, "MethodNotAllowedError"},
		{"DELETE", "DELETE", one, "", nil, 405, "MethodNotAllowedError"},
		{"create", "POST", "/api/2/apps", "{}", nil, 405, "MethodNotAllowedError"},
		{"connectors written", "POST", "/api/2/connectors", "{}", nil, 405, "MethodNotAllowedError"},
		{"no JSON type", "PUT", one, "{}", []string{"Content-Type", "text/plain"}, 400, "BadRequestError"},
		{"cut JSON", "PUT", one, "{", nil, 400, "BadRequestError"},
		{"two JSON texts", "PUT", one, "{}{}", nil, 400, "BadRequestError"},
		{"a list", "PUT", one, "[]", nil, 400, "BadRequestError"},
		{"null", "PUT", one, "null", nil, 400, "BadRequestError"},
		{"another connector", "PUT", one, `{"connector_id":50534}`, nil, 422, "UnprocessableEntityError"},
		{"connector a text", "PUT", one, `{"connector_id":"110016"}`, nil, 422, "UnprocessableEntityError"},
		{"configuration a text", "PUT", one, `{"configuration":"x"}`, nil, 422, "UnprocessableEntityError"},
		{"configuration null", "PUT", one, `{"configuration":null}`, nil, 422, "UnprocessableEntityError"},
		{"parameters a list", "PUT", one, `{"parameters":[]}`, nil, 422, "UnprocessableEntityError"},
		{"a parameter null", "PUT", one, `{"parameters":{"a.b/c":null}}`, nil, 422, "UnprocessableEntityError"},
		{"include a text", "PUT", one, `{"parameters":{"a.b/c":{"include_in_saml_assertion":"true"}}}`, nil, 422, "UnprocessableEntityError"},
		{"role_ids a number", "PUT", one, `{"role_ids":1}`, nil, 422, "UnprocessableEntityError"},
		{"role_ids of texts", "PUT", one, `{"role_ids":["1"]}`, nil, 422, "UnprocessableEntityError"},
		{"blank name", "PUT", one, `{"name":""}`, nil, 422, "UnprocessableEntityError"},
		{"visible a text", "PUT", one, `{"visible":"no"}`, nil, 422, "UnprocessableEntityError"},
		{"unknown algorithm", "PUT", one, `{"configuration":{"signature_algorithm":"SHA-384"}}`, nil, 422, "UnprocessableEntityError"},
		{"unknown certificate", "PUT", one, `{"configuration":{"certificate_id":1}}`, nil, 422, "UnprocessableEntityError"},
		{"auth_method a word", "GET", "/api/2/apps?auth_method=saml", "", nil, 422, "UnprocessableEntityError"},
		{"limit too large", "GET", "/api/2/apps?limit=1001", "", nil, 422, "UnprocessableEntityError"},
		{"page zero", "GET", "/api/2/apps?page=0", "", nil, 422, "UnprocessableEntityError"},
		{"bad cursor", "GET", "/api/2/apps?cursor=x", "", nil, 422, "UnprocessableEntityError"},
		{"connector auth_method a word", "GET", "/api/2/connectors?auth_method=saml", "", nil, 422, "UnprocessableEntityError"},
		{"parameter of no app", "DELETE", one + "9/parameters/77", "", nil, 404, "NotFoundError"},
		{"no parameter", "DELETE", one + "/parameters/78", "", nil, 404, "NotFoundError"},
		{"parameter read", "GET", one + "/parameters/77", "", nil, 405, "MethodNotAllowedError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := newTenant(t, onelogin.Readings{})
			if err := tn.AddRawApp([]byte(fullApp)); err != nil {
				t.Fatal(err)
			}
			before, _ := tn.App("900001")
			a := call(tn, tokenOf(t, tn, "manager"), c.method, c.path, c.body, c.headers...)
			var e struct {
				Message, Name string
				StatusCode    int
			}
			if err := json.Unmarshal(a.body, &e); err != nil || a.status != c.status || e.Name != c.kind || e.StatusCode != c.status || e.Message == "" {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, c.status, c.kind)
			}
			if after, _ := tn.App("900001"); string(after) != string(before) {
				t.Error("the app changed")
			}
		})
	}
	tn := newTenant(t, onelogin.Readings{OldErrors: true})
	if a := call(tn, tokenOf(t, tn, "manager"), "GET", "/api/2/apps/1", ""); a.status != 404 || !strings.HasPrefix(string(a.body), `{"status":{`) {
		t.Errorf("old form: %d %s", a.status, a.body)
	}
}

// TestLists: filters, pages, cursors, fields; entries without configuration
// unless the reading says so.
func TestLists(t *testing.T) {
	t.Parallel()
	for _, r := range []onelogin.Readings{{}, {CursorAtEnd: true, ListFull: true}} {
		tn := newTenant(t, r)
		if err := errors.Join(tn.AddRawApp([]byte(oidcApp)), tn.AddRawApp([]byte(connectApp))); err != nil {
			t.Fatal(err)
		}
		for i := range 41 {
			addApp(t, tn, fmt.Sprintf("Custom AWS %d", i))
		}
		addAWS(t, tn, onelogin.MultiRole, nil)
		addAWS(t, tn, onelogin.MultiAccount, map[string]any{"idp_list": "a\nb"})
		token := tokenOf(t, tn, "manager")
		for _, c := range []struct {
			query string
			pages []int
		}{
			{"", []int{20, 20, 5}}, {"limit=1000", []int{45}}, {"limit=45", []int{45}}, {"limit=15", []int{15, 15, 15}},
			{"auth_method=2&limit=100", []int{44}}, {"auth_method=8", []int{1}}, {"connector_id=50534", []int{1}}, {"connector_id=1", []int{0}},
			{"name=aws", []int{2}}, {"name=" + url.QueryEscape("*aws*") + "&limit=100", []int{43}}, {"name=" + url.QueryEscape("amazon*"), []int{1}},
			{"name=" + url.QueryEscape("*aws*") + "&connector_id=50534&auth_method=2&limit=100&page=1", []int{1}}, {"page=3", []int{5}}, {"page=9", []int{0}},
		} {
			var sizes []int
			for path := "/api/2/apps?" + c.query; path != ""; {
				a := call(tn, token, "GET", path, "")
				var page []map[string]any
				if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 {
					t.Fatalf("%v: %d %s", err, a.status, a.body)
				}
				if len(page) > 0 && (page[0]["configuration"] != nil) != r.ListFull || len(page) > 0 && page[0]["id"] == nil {
					t.Errorf("%+v: %v", r, page[0])
				}
				if len(page) > 0 || len(sizes) == 0 {
					sizes = append(sizes, len(page))
				} else if !r.CursorAtEnd {
					t.Errorf("%s: an empty page", c.query)
				}
				path = ""
				if next := a.header.Get("After-Cursor"); next != "" {
					path = "/api/2/apps?" + c.query + "&cursor=" + next
				}
			}
			if !slices.Equal(sizes, c.pages) {
				t.Errorf("%+v %s: pages of %v, want %v", r, c.query, sizes, c.pages)
			}
		}
		if a := call(tn, token, "GET", "/api/2/apps?fields=id,name&limit=1", ""); string(a.body) != `[{"id":900002,"name":"Grafana"}]` {
			t.Errorf("fields: %s", a.body)
		}
		if a := call(tn, token, "GET", "/api/2/apps?page=2", ""); a.header.Get("Before-Cursor") == "" || a.header.Get("Total-Pages") != "3" || a.header.Get("Current-Page") != "2" {
			t.Errorf("headers: %v", a.header)
		}
	}
}

func TestConnectors(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	token := tokenOf(t, tn, "manager")
	for query, want := range map[string]int{"": 8, "?name=amazon&auth_method=2": 4, "?name=amazon": 5, "?name=custom": 1, "?name=" + url.QueryEscape("aws*"): 1, "?auth_method=8": 1} {
		a := call(tn, token, "GET", "/api/2/connectors"+query, "")
		var list []struct {
			ID   int
			Name string
			New  *bool  `json:"allows_new_parameters"`
			Icon string `json:"icon_url"`
		}
		if err := json.Unmarshal(a.body, &list); err != nil || len(list) != want {
			t.Fatalf("%s: %v, %d of %d: %s", query, err, len(list), want, a.body)
		}
		for _, c := range list {
			if c.ID == 0 || c.Name == "" || c.New == nil || c.Icon == "" || (c.ID == onelogin.MultiRole) && !*c.New {
				t.Errorf("%+v", c)
			}
		}
	}
}

// TestAppKinds: the documented and the known keys of each kind of app.
func TestAppKinds(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	custom, role := stored(t, tn, addApp(t, tn, "AWS")), stored(t, tn, addAWS(t, tn, onelogin.MultiRole, nil))
	account := stored(t, tn, addAWS(t, tn, onelogin.MultiAccount, map[string]any{"idp_list": "arn:aws:iam::111122223333:saml-provider/ol"}))
	if got := asJSON(role["configuration"]); got != `{"provider_arn":null,"signature_algorithm":"SHA-256"}` {
		t.Errorf("multi role: %s", got)
	}
	if got := asJSON(account["configuration"]); !strings.Contains(got, `"idp_list":"arn`) || strings.Contains(got, "consumer_url") {
		t.Errorf("multi account: %s", got)
	}
	c := custom["configuration"].(map[string]any)
	for k, want := range map[string]string{"consumer_url": east, "recipient": east, "relaystate": landing, "audience": "urn:amazon:webservices", "saml_notonorafter": "3", "validator": onelogin.AnyRegion} {
		if c[k] != want {
			t.Errorf("%s is %v", k, c[k])
		}
	}
	for _, doc := range []map[string]any{custom, role, account} {
		for _, k := range strings.Fields("id name visible description notes icon_url auth_method policy_id provisioning allow_assumed_signin tab_id brand_id connector_id role_ids sso configuration created_at updated_at parameters enforcement_point") {
			if _, has := doc[k]; !has {
				t.Errorf("app %v lacks %s", doc["id"], k)
			}
		}
		sso := doc["sso"].(map[string]any)
		if sso["acs_url"] != "https://"+host+"/trust/saml2/http-post/sso/"+doc["id"].(json.Number).String() || sso["certificate"].(map[string]any)["value"] == "" {
			t.Errorf("%v", sso)
		}
	}
	for name, err := range map[string]error{
		"no id":                tn.AddRawApp([]byte(`{"name":"x"}`)),
		"id a text":            tn.AddRawApp([]byte(`{"id":"5"}`)),
		"an id twice":          tn.AddRawApp([]byte(asJSON(custom))),
		"no JSON":              tn.AddRawApp([]byte(`x`)),
		"custom as AWS's":      second(tn.AddAWSApp("x", onelogin.CustomSAML, nil)),
		"unknown connector":    second(tn.AddAWSApp("x", 1, nil)),
		"no ACS":               second(tn.AddSAMLApp("x", onelogin.AppSettings{})),
		"unknown certificate":  second(tn.AddSAMLApp("x", onelogin.AppSettings{ACS: east, Certificate: 9})),
		"an edit of no app":    tn.EditApp("1", func(map[string]any) {}),
		"a metadata of no app": second(tn.Metadata("1")),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestFaults: each fault is a saboteur that a reader of the answer alone would
// not notice.
func TestFaults(t *testing.T) {
	t.Parallel()
	move := `{"configuration":{"consumer_url":"` + west + `"}}`
	tn := newTenant(t, onelogin.Readings{})
	id := addApp(t, tn, "AWS")
	acs := func() string { return configuration(t, tn, id, "consumer_url") }

	tn.LetNextWrite()
	tn.IgnoreNextWrite()
	if put(t, tn, id, `{"name":"first"}`); stored(t, tn, id)["name"] != "first" {
		t.Error("the write before it was ignored")
	}
	if a := put(t, tn, id, move); a.status != 200 || !strings.Contains(string(a.body), `"consumer_url":"`+west) || acs() != `"`+east+`"` {
		t.Errorf("ignored: %d %s", a.status, acs())
	}
	tn.LoseFieldOnWrite("/configuration/audience")
	if a := put(t, tn, id, move); !strings.Contains(string(a.body), `"audience"`) || configuration(t, tn, id, "audience") != "(gone)" {
		t.Error("nothing was lost")
	}
	tn.LoseNextAnswer()
	func() {
		defer func() {
			if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				t.Error("the connection was not cut")
			}
		}()
		put(t, tn, id, `{"configuration":{"consumer_url":"`+east+`"}}`)
	}()
	if acs() != `"`+east+`"` {
		t.Error("the write did not take effect")
	}
	tn.SetReadOnly(true)
	if a := put(t, tn, id, move); a.status != 503 || acs() != `"`+east+`"` {
		t.Errorf("read-only: %d", a.status)
	}
	tn.SetReadOnly(false)
	edit := func(name string) func(string) {
		return func(id string) {
			if err := tn.EditApp(id, func(doc map[string]any) { doc["name"] = name; doc["count"] = 7 }); err != nil {
				t.Error(err)
			}
		}
	}
	tn.OnRead(edit("after the read"))
	if got := parse(t, call(tn, tokenOf(t, tn, "reader"), "GET", appPath(id), "").body)["name"]; got != "first" || stored(t, tn, id)["name"] != "after the read" {
		t.Errorf("read %v", got)
	}
	tn.OnRead(nil)
	tn.BeforeWrite(edit("before the write"))
	if put(t, tn, id, move); stored(t, tn, id)["name"] != "before the write" || acs() != `"`+west+`"` {
		t.Error("a merge must keep the other administrator's edit")
	}
}

// TestTimes: updated_at has whole seconds; a lagging read ends.
func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant(t, onelogin.Readings{ReadLag: 2 * time.Second, UpdatedAtStays: true})
		id := addApp(t, tn, "AWS")
		read := func() map[string]any {
			return parse(t, call(tn, tokenOf(t, tn, "reader"), "GET", appPath(id), "").body)
		}
		time.Sleep(1500 * time.Millisecond)
		put(t, tn, id, `{"configuration":{"consumer_url":"`+west+`"}}`)
		if got := stored(t, tn, id)["updated_at"]; got != "2000-01-01T00:00:00Z" {
			t.Errorf("UpdatedAtStays: %v", got)
		}
		if !strings.Contains(asJSON(read()["configuration"]), `"consumer_url":"`+east) {
			t.Error("no lag")
		}
		time.Sleep(2 * time.Second)
		if !strings.Contains(asJSON(read()["configuration"]), `"consumer_url":"`+west) {
			t.Error("the lag does not end")
		}
		put(t, tn, id, `{"name":"x"}`)
		if got := stored(t, tn, id)["updated_at"]; got != "2000-01-01T00:00:03Z" {
			t.Errorf("updated_at %v", got)
		}
	})
}
