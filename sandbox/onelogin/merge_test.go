package onelogin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
)

const sourceIdentity = "https://aws.amazon.com/SAML/Attributes/SourceIdentity"

func raw(t testing.TB, r onelogin.Readings, apps ...string) *onelogin.Tenant {
	t.Helper()
	tn := newTenant(t, r)
	for _, a := range apps {
		if err := tn.AddRawApp([]byte(a)); err != nil {
			t.Fatal(err)
		}
	}
	return tn
}

// TestMerge: what is sent changes, with its JSON type, and nothing else does.
func TestMerge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, path, want string }{
		{"one key of configuration", `{"configuration":{"relaystate":"x"}}`, "configuration.relaystate", `"x"`},
		{"a text for a null", `{"configuration":{"logout_url":""}}`, "configuration.logout_url", `""`},
		{"a null for a text", `{"configuration":{"relaystate":null}}`, "configuration.relaystate", `null`},
		{"a number for a text", `{"configuration":{"saml_notonorafter":3}}`, "configuration.saml_notonorafter", `3`},
		{"a key the connector has and the app lacks", `{"configuration":{"login":"l"}}`, "configuration.login", `"l"`},
		{"a key of the app's own", `{"configuration":{"odd":[1.50]}}`, "configuration.odd", `[1.50]`},
		{"a list for a text", `{"parameters":{"a.b/c":{"values":["x"]}}}`, "parameters.a|b/c.values", `["x"]`},
		{"a flag off", `{"parameters":{"a.b/c":{"include_in_saml_assertion":false}}}`, "parameters.a|b/c.include_in_saml_assertion", `false`},
		{"role_ids as a whole", `{"role_ids":[5,6]}`, "role_ids", `[5,6]`},
		{"role_ids emptied", `{"role_ids":[]}`, "role_ids", `[]`},
		{"notes", `{"notes":""}`, "notes", `""`},
		{"a top-level key of the app's own", `{"future":1.0}`, "future", `1.0`},
		{"nothing", `{}`, "name", `"AWS"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := raw(t, onelogin.Readings{}, fullApp)
			want := parse(t, []byte(fullApp))
			a := put(t, tn, "900001", c.body)
			got := stored(t, tn, "900001")
			if a.status != 200 || got["updated_at"] == want["updated_at"] || cmp.Diff(parse(t, a.body), got) != "" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			in, keys := want, strings.Split(c.path, ".")
			for _, k := range keys[:len(keys)-1] {
				in = in[strings.ReplaceAll(k, "|", ".")].(map[string]any)
			}
			in[keys[len(keys)-1]] = parse(t, []byte(`{"v":`+c.want+`}`))["v"]
			want["updated_at"] = got["updated_at"]
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +stored)\n%s", d)
			}
		})
	}
}

// TestReadOnlyAndUnknown: ignored, or refused by the schema.
func TestReadOnlyAndUnknown(t *testing.T) {
	t.Parallel()
	for _, k := range []string{"id", "icon_url", "auth_method", "policy_id", "tab_id", "created_at", "updated_at", "sso"} {
		for _, refuse := range []bool{false, true} {
			tn := raw(t, onelogin.Readings{RefuseReadOnly: refuse}, fullApp)
			before := stored(t, tn, "900001")
			a := put(t, tn, "900001", `{"`+k+`":"x"}`)
			after := stored(t, tn, "900001")
			delete(before, "updated_at")
			delete(after, "updated_at")
			if (a.status == 422) != refuse || cmp.Diff(before, after) != "" || refuse && a.message() != `instance is not allowed to have the additional property "`+k+`"` {
				t.Errorf("%s, refused %v: %d %s", k, refuse, a.status, a.body)
			}
		}
	}
	for how, want := range map[onelogin.KeyReading]struct {
		status int
		value  string
	}{"": {200, "(gone)"}, onelogin.Dropped: {200, "(gone)"}, onelogin.Stored: {200, `"x"`}, onelogin.Refused: {422, "(gone)"}} {
		tn := newTenant(t, onelogin.Readings{UnknownConfiguration: how, UnknownKeys: how})
		id := addAWS(t, tn, onelogin.MultiRole, nil)
		// The blind write that a client must not make.
		a := put(t, tn, id, `{"configuration":{"consumer_url":"x"}}`)
		if got := configuration(t, tn, id, "consumer_url"); a.status != want.status || got != want.value {
			t.Errorf("%q: %d, %s", how, a.status, got)
		}
		a = put(t, tn, id, `{"shiny":"x"}`)
		got := "(gone)"
		if v, has := stored(t, tn, id)["shiny"]; has {
			got = asJSON(v)
		}
		if a.status != want.status || got != want.value {
			t.Errorf("top level %q: %d, %s", how, a.status, got)
		}
	}
}

// TestConfigurationReadings: the whole object as read with the target keys
// changed is right under both; a part is not.
func TestConfigurationReadings(t *testing.T) {
	t.Parallel()
	for _, replaces := range []bool{false, true} {
		tn := raw(t, onelogin.Readings{ConfigurationReplaces: replaces}, fullApp)
		whole, _ := stored(t, tn, "900001")["configuration"].(map[string]any)
		whole["consumer_url"] = west
		put(t, tn, "900001", asJSON(map[string]any{"configuration": whole}))
		if d := cmp.Diff(whole, stored(t, tn, "900001")["configuration"]); d != "" {
			t.Errorf("replaces %v: %s", replaces, d)
		}
		put(t, tn, "900001", `{"configuration":{"consumer_url":"`+east+`"}}`)
		if got := configuration(t, tn, "900001", "audience"); (got == "(gone)") != replaces {
			t.Errorf("replaces %v, a part sent: audience %s", replaces, got)
		}
	}
}

// TestOtherReadings: the short answer, and a validator that guards the write.
func TestOtherReadings(t *testing.T) {
	t.Parallel()
	tn := raw(t, onelogin.Readings{AnswerOnlyID: true, ValidatorRefusesWrite: true}, fullApp)
	if a := put(t, tn, "900001", `{"configuration":{"consumer_url":"`+west+`"}}`); a.status != 200 || string(a.body) != `{"id":900001}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := put(t, tn, "900001", `{"configuration":{"consumer_url":"https://evil.example/"}}`); a.status != 422 || configuration(t, tn, "900001", "consumer_url") != `"`+west+`"` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := put(t, tn, "900001", `{"configuration":{"validator":"("}}`); a.status != 422 {
		t.Errorf("a validator that is no expression: %d", a.status)
	}
	var harsh map[string]any
	if err := json.Unmarshal([]byte(asJSON(onelogin.Harsh())), &harsh); err != nil {
		t.Fatal(err)
	}
	// What is left out of Harsh is the kinder of the two.
	kinder := []string{"ListFull", "ValidatorIgnored", "RetryAfter"}
	for k, v := range harsh {
		if zero := v == false || v == float64(0) || v == ""; zero != slices.Contains(kinder, k) {
			t.Errorf("Harsh has %s = %v", k, v)
		}
	}
}

// TestCertificate: certificate_id steers sso.certificate and the metadata.
func TestCertificate(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	other, err := tn.AddCertificate("other")
	if err != nil {
		t.Fatal(err)
	}
	id := addApp(t, tn, "AWS")
	before, _ := tn.Metadata(id)
	for _, form := range []string{`%d`, `"%d"`} {
		if a := put(t, tn, id, fmt.Sprintf(`{"configuration":{"certificate_id":`+form+`}}`, other)); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		sso := stored(t, tn, id)["sso"].(map[string]any)
		after, _ := tn.Metadata(id)
		if sso["certificate"].(map[string]any)["name"] != "other" || string(after) == string(before) {
			t.Errorf("%v", sso)
		}
	}
}

// TestParameters: created only where the connector allows it, changed by key,
// removed by id; what the connector brings comes back.
func TestParameters(t *testing.T) {
	t.Parallel()
	body := `{"parameters":{"` + sourceIdentity + `":{"label":"SourceIdentity","user_attribute_mappings":"email","user_attribute_macros":null,"attributes_transformations":null,
"values":null,"default_values":null,"skip_if_blank":false,"provisioned_entitlements":false,"include_in_saml_assertion":true}}}`
	tn := newTenant(t, onelogin.Readings{})
	id := addAWS(t, tn, onelogin.MultiRole, nil)
	one := func(name string) map[string]any {
		all, _ := stored(t, tn, id)["parameters"].(map[string]any)
		p, _ := all[name].(map[string]any)
		return p
	}
	if a := put(t, tn, id, body); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	made := one(sourceIdentity)
	if made["id"] == nil || made["include_in_saml_assertion"] != true || made["label"] != "SourceIdentity" || len(stored(t, tn, id)["parameters"].(map[string]any)) != 4 {
		t.Fatalf("%v", made)
	}
	again := strings.Replace(strings.Replace(body, `"label":"SourceIdentity"`, `"id":`+made["id"].(json.Number).String()+`,"label":"Other"`, 1), `"email"`, `"username"`, 1)
	if a := put(t, tn, id, again); a.status != 200 || one(sourceIdentity)["label"] != "SourceIdentity" || one(sourceIdentity)["user_attribute_mappings"] != "username" {
		t.Errorf("change: %d %v", a.status, one(sourceIdentity))
	}
	remove := func(p map[string]any) int {
		return call(tn, tokenOf(t, tn, "manager"), "DELETE", appPath(id)+"/parameters/"+p["id"].(json.Number).String(), "").status
	}
	if remove(made) != 204 || one(sourceIdentity) != nil || remove(made) != 404 {
		t.Error("removal")
	}
	if role := one("https://aws.amazon.com/SAML/Attributes/Role"); remove(role) != 204 || one("https://aws.amazon.com/SAML/Attributes/Role") == nil {
		t.Error("the connector's own parameter did not come back")
	}
	if put(t, tn, id, `{"parameters":{"x":{}}}`); one("x")["label"] != "x" || one("x")["include_in_saml_assertion"] != false {
		t.Errorf("defaults: %v", one("x"))
	}

	single := addAWS(t, tn, onelogin.SingleRole, nil)
	if a := put(t, tn, single, body); a.status != 422 {
		t.Errorf("a connector without new parameters: %d", a.status)
	}
	tn.SetReadOnly(true)
	if remove(one("x")) != 503 {
		t.Error("removal in read-only mode")
	}

	strict := raw(t, onelogin.Readings{RefuseReadOnly: true, ParametersReplace: true}, fullApp)
	for bodyText, want := range map[string]int{
		`{"parameters":{"a.b/c":{"label":"M"}}}`: 422, `{"parameters":{"a.b/c":{"id":78}}}`: 422, `{"parameters":{"a.b/c":{"id":77,"label":"L"}}}`: 200, `{"parameters":{"n":{"id":1}}}`: 422,
	} {
		if a := put(t, strict, "900001", bodyText); a.status != want {
			t.Errorf("%s: %d", bodyText, a.status)
		}
	}
	p := stored(t, strict, "900001")["parameters"].(map[string]any)["a.b/c"].(map[string]any)
	if p["user_attribute_mappings"] != nil || p["label"] != "L" || p["include_in_saml_assertion"] != false {
		t.Errorf("ParametersReplace: %v", p)
	}
}

// TestRoundTrip: sending back what was read, minimal or whole, changes nothing,
// whatever unknown keys, nulls and number forms stand in the app, under both
// readings of everything.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := onelogin.Readings{}
		if rapid.Bool().Draw(rt, "harsh") {
			r = onelogin.Harsh()
			r.ReadLag = 0
		}
		tn := newTenant(t, r)
		app := parse(t, []byte(fullApp))
		for range rapid.IntRange(0, 6).Draw(rt, "extras") {
			all := objectsIn(app)
			in := all[rapid.IntRange(0, len(all)-1).Draw(rt, "object")]
			in["x"+rapid.StringMatching(`[a-z/~.]{1,6}`).Draw(rt, "key")] = json.RawMessage(drawJSON(rt, 2))
		}
		for k, v := range app["parameters"].(map[string]any) {
			if _, isObject := v.(map[string]any); !isObject {
				delete(app["parameters"].(map[string]any), k) // a parameter is an object
			}
		}
		if err := tn.AddRawApp([]byte(asJSON(app))); err != nil {
			rt.Fatal(err)
		}
		want := parse(t, call(tn, tokenOf(t, tn, "reader"), "GET", "/api/2/apps/900001", "").body)
		sent := map[string]any{}
		for _, k := range []string{"configuration", "parameters", "name", "notes", "provisioning"} {
			if rapid.Bool().Draw(rt, k) {
				sent[k] = want[k]
			}
		}
		if a := put(t, tn, "900001", asJSON(sent)); a.status != 200 {
			rt.Fatalf("%d %s", a.status, a.body)
		}
		got := stored(t, tn, "900001")
		for _, doc := range []map[string]any{got, want} {
			delete(doc, "updated_at")
		}
		if d := cmp.Diff(want, got); d != "" && !(r.ParametersReplace && sent["parameters"] != nil) {
			rt.Fatalf("(-read +stored)\n%s", d)
		}
	})
}

// objectsIn returns every object of a document in a fixed order.
func objectsIn(v any) []map[string]any {
	var out []map[string]any
	switch v := v.(type) {
	case map[string]any:
		out = append(out, v)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, objectsIn(v[k])...)
		}
	case []any:
		for _, e := range v {
			out = append(out, objectsIn(e)...)
		}
	}
	return out
}

// drawJSON draws a JSON text.
func drawJSON(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		return "null"
	case 1:
		return rapid.SampledFrom([]string{"1.0", "1e2", "-0", "12345678901234567890", "1E-400", "0.10", "3"}).Draw(t, "number")
	case 2:
		return asJSON(rapid.String().Draw(t, "string"))
	case 3:
		return rapid.SampledFrom([]string{"true", "false", "[]", "{}", `""`}).Draw(t, "simple")
	case 4:
		return "[" + drawJSON(t, depth-1) + "," + drawJSON(t, depth-1) + "]"
	}
	return `{"` + rapid.StringMatching(`[a-z]{1,4}`).Draw(t, "name") + `":` + drawJSON(t, depth-1) + "}"
}

// FuzzPut: whatever is PUT, the account answers with JSON, a refusal changes
// nothing, and an accepted document still has its id and is what was answered.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{`{}`, fullApp, `{"configuration":{"consumer_url":1,"validator":"("}}`, `{"parameters":{"":{}}}`, `{"role_ids":[1e2],"configuration":{"certificate_id":"170216"}}`, `{"connector_id":1.1e5}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, r := range []onelogin.Readings{{UnknownConfiguration: onelogin.Stored, UnknownKeys: onelogin.Stored}, onelogin.Harsh()} {
			r.AnswerOnlyID = false
			tn := raw(t, r, fullApp, oidcApp, `{"id":900009}`)
			for _, id := range []string{"900001", "900002", "900009"} {
				before, _ := tn.App(id)
				a := put(t, tn, id, body)
				after, _ := tn.App(id)
				switch {
				case a.status == 200 && (asJSON(parse(t, after)["id"]) != id || string(after) != string(a.body)):
					t.Errorf("the answer is not what is stored: %s and %s", a.body, after)
				case a.status != 200 && (a.message() == "" || string(after) != string(before)):
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		}
	})
}
