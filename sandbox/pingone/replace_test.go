package pingone_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/sandbox/pingone"
)

// TestLeftOut walks what a PUT does to a value that it leaves out or sets to
// null.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	const kept, gone = "(kept)", "(gone)"
	for _, c := range []struct{ key, left, null, why string }{
		{"id", kept, kept, "read-only"},
		{"environment", kept, kept, "read-only"},
		{"createdAt", kept, kept, "read-only"},
		{"_links", kept, kept, "read-only"},
		{"description", gone, "null", "cleared"},
		{"defaultTargetUrl", gone, "null", "cleared"},
		{"accessControl", gone, "null", "cleared"},
		{"template", gone, "null", "cleared"},
		{"spVerification", gone, "null", "cleared"},
		{"nameIdFormat", gone, "null", "cleared"},
		{"icon", gone, "null", "cleared"},
		{"futureKey", gone, "null", "cleared"},
		{"tags", "[]", "null", "default"},
		{"assignActorRoles", "false", "null", "default"},
		{"hiddenFromAppPortal", "false", "null", "default"},
		{"assertionSigned", "true", "null", "default in the OpenAPI description"},
		{"responseSigned", "false", "null", "default in the OpenAPI description"},
	} {
		t.Run(c.key, func(t *testing.T) {
			t.Parallel()
			for raw, want := range map[string]string{"": c.left, "null": c.null} {
				tn := newTenant(t, options())
				if err := tn.AddRawApp(prod, []byte(fullApp)); err != nil {
					t.Fatal(err)
				}
				before := stored(t, tn, "full")
				a := call(tn, writer(t, tn), "PUT", appPath("full"), with(before, c.key, raw))
				got := gone
				after := stored(t, tn, "full")
				if v, has := after[c.key]; has {
					got = asJSON(v)
				}
				if want == kept {
					want = asJSON(before[c.key])
				}
				if a.status != 200 || got != want || string(a.body) != string(must(tn.App("full"))) {
					t.Errorf("sent %q: %d, now %s, want %s (%s)", raw, a.status, got, want, c.why)
				}
			}
		})
	}
}

func must(raw []byte, ok bool) []byte {
	if !ok {
		panic("no such app")
	}
	return raw
}

// TestSigningFallsBack: an idpSigning that is left out or null becomes the
// environment's default, and another key stays when it is sent.
func TestSigningFallsBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(doc map[string]any)
		keep bool
	}{
		{"sent", func(map[string]any) {}, true},
		{"left out", func(doc map[string]any) { delete(doc, "idpSigning") }, false},
		{"null", func(doc map[string]any) { doc["idpSigning"] = nil }, false},
	} {
		tn := newTenant(t, options())
		key, err := tn.AddKey(prod)
		if err != nil {
			t.Fatal(err)
		}
		id, err := tn.AddSAMLApp(prod, "AWS", pingone.AppSettings{ACS: []string{east}, SigningKey: key})
		if err != nil {
			t.Fatal(err)
		}
		before, _ := tn.Metadata(id)
		doc := stored(t, tn, id)
		c.edit(doc)
		a := call(tn, writer(t, tn), "PUT", appPath(id), asJSON(doc))
		want := map[bool]string{true: key, false: tn.DefaultKey(prod)}[c.keep]
		after, err := tn.Metadata(id)
		if a.status != 200 || !strings.Contains(asJSON(stored(t, tn, id)["idpSigning"]), want) || err != nil || (string(after) == string(before)) != c.keep {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
}

// TestOrderStays: acsUrls is a list, not a set.
func TestOrderStays(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	id := addApp(t, tn, "AWS")
	list := `["` + west + `","` + east + `","https://z.example/saml","https://a.example/saml","` + west + `"]`
	call(tn, writer(t, tn), "PUT", appPath(id), with(stored(t, tn, id), "acsUrls", list))
	if got := asJSON(stored(t, tn, id)["acsUrls"]); got != list {
		t.Errorf("%s", got)
	}
}

// TestUpdatedAt has milliseconds and moves with every write.
func TestUpdatedAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tn := newTenant(t, options())
		id := addApp(t, tn, "AWS")
		first := stored(t, tn, id)["updatedAt"]
		time.Sleep(7 * time.Millisecond)
		call(tn, writer(t, tn), "PUT", appPath(id), asJSON(stored(t, tn, id)))
		if got := stored(t, tn, id)["updatedAt"]; first != "2000-01-01T00:00:00.000Z" || got != "2000-01-01T00:00:00.007Z" {
			t.Errorf("%v then %v", first, got)
		}
	})
}

// TestDecoysCanBeWritten: an application without SAML has fewer rules.
func TestDecoysCanBeWritten(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	if err := tn.AddRawApp(prod, []byte(oidcApp)); err != nil {
		t.Fatal(err)
	}
	a := call(tn, writer(t, tn), "PUT", appPath("oidc"), with(stored(t, tn, "oidc"), "x", "1.50"))
	if a.status != 200 || !strings.Contains(string(a.body), `"x":1.50`) || strings.Contains(string(a.body), "assertionSigned") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestReadings: each switch changes what it says, and Harsh has all of them.
func TestReadings(t *testing.T) {
	t.Parallel()
	tenant := func(t *testing.T, r pingone.Readings) (*pingone.Tenant, string) {
		o := options()
		o.Readings = r
		tn := newTenant(t, o)
		return tn, addApp(t, tn, "AWS")
	}
	t.Run("RefuseReadOnlyKeys", func(t *testing.T) {
		t.Parallel()
		tn, id := tenant(t, pingone.Readings{RefuseReadOnlyKeys: true})
		doc := stored(t, tn, id)
		a := call(tn, writer(t, tn), "PUT", appPath(id), asJSON(doc))
		for _, k := range []string{"_links", "id", "environment", "createdAt", "updatedAt"} {
			if a.status != 400 || !strings.Contains(string(a.body), `"target":"`+k+`"`) {
				t.Errorf("%s: %d %s", k, a.status, a.body)
			}
			delete(doc, k)
		}
		if a := call(tn, writer(t, tn), "PUT", appPath(id), asJSON(doc)); a.status != 200 || stored(t, tn, id)["id"] != id {
			t.Errorf("without them: %d %s", a.status, a.body)
		}
	})
	t.Run("ConflictIs409", func(t *testing.T) {
		t.Parallel()
		tn, id := tenant(t, pingone.Readings{ConflictIs409: true})
		addApp(t, tn, "other")
		if a := call(tn, writer(t, tn), "PUT", appPath(id), with(stored(t, tn, id), "spEntityId", `"urn:other"`)); a.status != 409 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("UnknownCodes", func(t *testing.T) {
		t.Parallel()
		tn, id := tenant(t, pingone.Readings{UnknownCodes: true})
		if a := call(tn, "x", "GET", appPath(id), ""); a.status != 401 || a.code() == "INVALID_TOKEN" || a.code() == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := call(tn, writer(t, tn), "PUT", appPath(id), "{}"); a.code() != "INVALID_DATA" {
			t.Errorf("a documented code went: %s", a.body)
		}
	})
	t.Run("HALContentType", func(t *testing.T) {
		t.Parallel()
		tn, id := tenant(t, pingone.Readings{HALContentType: true})
		if a := call(tn, writer(t, tn), "GET", appPath(id), ""); a.header.Get("Content-Type") != "application/hal+json;charset=UTF-8" {
			t.Errorf("%v", a.header)
		}
	})
	t.Run("OwnerCannot", func(t *testing.T) {
		t.Parallel()
		tn, id := tenant(t, pingone.Readings{OwnerCannotList: true, OwnerCannotMap: true})
		if err := tn.SetRoles("owner", pingone.Role{Name: pingone.ApplicationOwner, Environment: prod, App: id}); err != nil {
			t.Fatal(err)
		}
		owner := tokenOf(t, tn, "owner", "pw")
		if a := call(tn, owner, "GET", apps(prod), ""); a.status != 403 {
			t.Errorf("list: %d", a.status)
		}
		if a := call(tn, owner, "POST", attributesOf(id), `{"name":"n","value":"v"}`); a.status != 403 {
			t.Errorf("map: %d", a.status)
		}
		if a := call(tn, owner, "PUT", appPath(id), asJSON(stored(t, tn, id))); a.status != 200 {
			t.Errorf("write: %d", a.status)
		}
	})
	t.Run("lags", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tn, id := tenant(t, pingone.Readings{ReadLag: 2 * time.Second, RoleLag: 10 * time.Second})
			token := writer(t, tn)
			name := func() any { return parse(t, call(tn, token, "GET", appPath(id), "").body)["name"] }
			a := call(tn, token, "PUT", appPath(id), with(stored(t, tn, id), "name", `"new"`))
			if parse(t, a.body)["name"] != "new" || name() != "AWS" || stored(t, tn, id)["name"] != "new" {
				t.Errorf("right after the write: %v", name())
			}
			time.Sleep(2 * time.Second)
			if name() != "new" {
				t.Error("the lag does not end")
			}
			if err := tn.SetRoles("writer", pingone.Role{Name: pingone.EnvironmentAdmin, Environment: prod}); err != nil {
				t.Fatal(err)
			}
			if a := call(tn, token, "GET", appPath(id), ""); a.status != 403 || !strings.Contains(string(a.body), "The actor attempting to perform the request is not authorized.") {
				t.Errorf("a role granted a moment ago: %d %s", a.status, a.body)
			}
			time.Sleep(10 * time.Second)
			if a := call(tn, token, "GET", appPath(id), ""); a.status != 200 {
				t.Errorf("later: %d", a.status)
			}
		})
	})
	var harsh map[string]any
	if err := json.Unmarshal([]byte(asJSON(pingone.Harsh())), &harsh); err != nil {
		t.Fatal(err)
	}
	for k, v := range harsh {
		if v == false || v == float64(0) {
			t.Errorf("Harsh leaves %s out", k)
		}
	}
}

// TestRoundTrip is the property that matters most: reading an app and sending
// it back changes nothing but updatedAt, whatever unknown keys, nulls and
// number forms stand in it, at any depth, under the harsh readings too.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := options()
		if rapid.Bool().Draw(rt, "harsh") {
			o.Readings = pingone.Harsh()
			o.Readings.ReadLag = 0
		}
		tn := newTenant(t, o)
		app := parse(t, []byte(fullApp))
		for range rapid.IntRange(0, 6).Draw(rt, "extras") {
			all := objectsIn(app)
			in := all[rapid.IntRange(0, len(all)-1).Draw(rt, "object")]
			in["x"+rapid.StringMatching(`[a-z/~.]{1,6}`).Draw(rt, "key")] = json.RawMessage(drawJSON(rt, 2))
		}
		if err := tn.AddRawApp(prod, []byte(asJSON(app))); err != nil {
			rt.Fatal(err)
		}
		token := writer(t, tn)
		read := call(tn, token, "GET", appPath("full"), "").body
		want := parse(t, read)
		sent := maps.Clone(want)
		for _, k := range []string{"_links", "id", "environment", "createdAt", "updatedAt"} {
			delete(sent, k)
		}
		if a := call(tn, token, "PUT", appPath("full"), asJSON(sent)); a.status != 200 {
			rt.Fatalf("%d %s", a.status, a.body)
		}
		got := stored(t, tn, "full")
		delete(got, "updatedAt")
		delete(want, "updatedAt")
		if got["idpSigning"] != nil && want["idpSigning"] == nil {
			delete(got, "idpSigning") // the app had none; the default stepped in
		}
		if d := cmp.Diff(want, got); d != "" {
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

// FuzzPut: whatever is PUT, the tenant answers with JSON, a refusal changes
// nothing, and an accepted document still has its id and is what was answered.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{fullApp, oidcApp, `{}`, `{"name":"x","type":"WEB_APP","protocol":"SAML","enabled":true,"acsUrls":["` + east + `"],"assertionDuration":1,"spEntityId":"e"}`,
		`{"name":"x","type":"TEMPLATE_APP","protocol":"SAML","enabled":true,"acsUrls":[{}],"idpSigning":[],"assertionDuration":{}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		tn := newTenant(t, options())
		for _, raw := range []string{fullApp, oidcApp, `{"id":"bare"}`} {
			if err := tn.AddRawApp(prod, []byte(raw)); err != nil {
				t.Fatal(err)
			}
		}
		token := writer(t, tn)
		for _, id := range []string{"full", "oidc", "bare"} {
			before, _ := tn.App(id)
			a := call(tn, token, "PUT", appPath(id), body)
			after, _ := tn.App(id)
			switch {
			case a.status == 200 && (parse(t, after)["id"] != id || string(after) != string(a.body)):
				t.Errorf("the answer is not what is stored: %s and %s", a.body, after)
			case a.status != 200 && (a.code() == "" || string(after) != string(before)):
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	})
}
