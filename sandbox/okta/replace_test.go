package okta_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestLeftOut walks the table of what a PUT does to a value that it leaves out.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	const kept = "(kept)"
	for _, c := range []struct{ app, path, want, why string }{
		{customApp, "settings.signOn.acsEndpoints", `[]`, "recorded"},
		{customApp, "settings.signOn.spIssuer", `null`, "recorded"},
		{customApp, "settings.signOn.requestCompressed", `false`, "recorded"},
		{customApp, "settings.signOn.assertionEncryption", `{"enabled":false}`, "recorded"},
		{customApp, "settings.signOn.inlineHooks", `[]`, "recorded"},
		{customApp, "settings.signOn.slo", kept, "developer-docs 4238"},
		{customApp, "settings.signOn.participateSlo", kept, "developer-docs 4238"},
		{customApp, "settings.signOn.spCertificate", kept, "developer-docs 4238"},
		{customApp, "settings.notifications", kept, "recorded"},
		{customApp, "settings.manualProvisioning", kept, "recorded"},
		{customApp, "features", kept, "recorded"},
		{customApp, "settings.signOn.defaultRelayState", `""`, "worst case"},
		{customApp, "settings.signOn.idpIssuer", `"http://www.okta.com/${org.externalKey}"`, "worst case"},
		{customApp, "settings.signOn.responseSigned", `true`, "worst case"},
		{customApp, "settings.signOn.attributeStatements", `[]`, "worst case"},
		{customApp, "settings.signOn.allowMultipleAcsEndpoints", `false`, "worst case"},
		{customApp, "settings.signOn.honorForceAuthn", `true`, "worst case"},
		{customApp, "settings.signOn.somethingNew", `"(absent)"`, "full replace"},
		{customApp, "futureKey", `"(absent)"`, "full replace"},
		{customApp, "settings.app", `{}`, "worst case"},
		{customApp, "settings.app.n", `"(absent)"`, "full replace"},
		{customApp, "settings.notes", `{"admin":null,"enduser":null}`, "worst case"},
		{customApp, "settings.implicitAssignment", `false`, "worst case"},
		{customApp, "accessibility", `{"errorRedirectUrl":null,"loginRedirectUrl":null,"selfService":false}`, "worst case"},
		{customApp, "visibility.hide", `{"iOS":false,"web":false}`, "worst case"},
		{customApp, "visibility.appLinks", `{"acme_aws_1_link":true}`, "recorded on create"},
		{customApp, "credentials.userNameTemplate", `{"template":"${source.login}","type":"BUILT_IN"}`, "worst case"},
		{customApp, "id", kept, "system key"},
		{customApp, "orn", kept, "system key"},
		{customApp, "name", kept, "system key"},
		{customApp, "status", kept, "system key"},
		{customApp, "created", kept, "system key"},
		{customApp, "universalLogout", kept, "system key"},
		{customApp, "_links", kept, "system key"},
		{catalogueApp, "settings.emOptInStatus", kept, "a status of Okta's own"},
		{catalogueApp, "settings.app.sessionDuration", `null`, "worst case"},
		{catalogueApp, "settings.app.overrideAcsURL", kept, "null either way"},
		{catalogueApp, "settings.signOn.configuredAttributeStatements", kept, "inherited"},
		{catalogueApp, "settings.signOn.attributeStatements", kept, "six-key rule"},
		{pluginApp, "settings.odd", `"(absent)"`, "full replace"},
	} {
		t.Run(text(t, c.app, "id")+" "+c.path, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, c.app)
			id := text(t, c.app, "id")
			before := getApp(t, o, id)
			want := c.want
			if want == kept {
				want = asJSON(at(before, c.path))
			}
			sent := getApp(t, o, id)
			drop(sent, c.path)
			a := put(o, id, sent)
			if a.status != http.StatusOK {
				t.Fatalf("PUT: %d %s", a.status, a.body)
			}
			after := getApp(t, o, id)
			if got := asJSON(at(after, c.path)); got != want {
				t.Errorf("%s: left out, it is %s afterwards, want %s (%s)", c.path, got, want, c.why)
			}
			if d := cmp.Diff(parse(t, a.body), after); d != "" {
				t.Errorf("the answer differs from a read: %s", d)
			}
		})
	}
}

func text(t testing.TB, raw, key string) string {
	t.Helper()
	s, _ := parse(t, []byte(raw))[key].(string)
	return s
}

// TestSentIsIgnored: system keys cannot be set.
func TestSentIsIgnored(t *testing.T) {
	t.Parallel()
	o := newOrg(t, customApp)
	before := getApp(t, o, "0oacustom")
	sent := getApp(t, o, "0oacustom")
	for _, k := range []string{"id", "orn", "name", "status", "created", "lastUpdated", "universalLogout", "_links", "_embedded", "features"} {
		sent[k] = "changed"
	}
	if a := put(o, "0oacustom", sent); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	after := getApp(t, o, "0oacustom")
	delete(before, "lastUpdated")
	delete(after, "lastUpdated")
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
}

func TestCustomAppDropsOverrides(t *testing.T) {
	t.Parallel()
	o := newOrg(t, customApp)
	sent := getApp(t, o, "0oacustom")
	change(sent, "settings.signOn.ssoAcsUrlOverride", `""`)
	change(sent, "settings.signOn.brandNew", `1.0`)
	put(o, "0oacustom", sent)
	after := getApp(t, o, "0oacustom")
	if got := at(after, "settings.signOn.ssoAcsUrlOverride"); got != "(absent)" {
		t.Errorf("the override is stored: %v", got)
	}
	if got := at(after, "settings.signOn.brandNew"); got != json.Number("1.0") {
		t.Errorf("an unknown key is not stored as sent: %v", got)
	}
}

func TestAppLessRequestLosesEndpoints(t *testing.T) {
	t.Parallel()
	o := newOrg(t, customApp)
	sent := getApp(t, o, "0oacustom")
	drop(sent, "settings.app")
	put(o, "0oacustom", sent)
	if got := asJSON(at(getApp(t, o, "0oacustom"), "settings.signOn.acsEndpoints")); got != "[]" {
		t.Errorf("acsEndpoints: %s", got)
	}
}

func TestLeftOutKidIsANewKey(t *testing.T) {
	t.Parallel()
	o := newOrg(t, customApp)
	old, err := o.Metadata("0oacustom")
	if err != nil {
		t.Fatal(err)
	}
	sent := getApp(t, o, "0oacustom")
	drop(sent, "credentials.signing.kid")
	put(o, "0oacustom", sent)
	if got := at(getApp(t, o, "0oacustom"), "credentials.signing.kid"); got == "kid-1" || got == "(absent)" {
		t.Errorf("kid: %v", got)
	}
	if now, err := o.Metadata("0oacustom"); err != nil || string(now) == string(old) {
		t.Errorf("the metadata has the old certificate (%v)", err)
	}
}

// TestSixKeys: a catalogue app takes new attribute statements only from a
// request with all six keys, and nothing but known keys.
func TestSixKeys(t *testing.T) {
	t.Parallel()
	const path = "settings.signOn."
	for _, missing := range []string{"", "defaultRelayState", "ssoAcsUrlOverride", "audienceOverride", "recipientOverride", "destinationOverride"} {
		o := newOrg(t, catalogueApp)
		sent := getApp(t, o, "0oacat")
		change(sent, path+"attributeStatements", `[]`)
		change(sent, path+"defaultRelayState", `"https://us-west-2.console.aws.amazon.com/"`)
		change(sent, path+"ssoAcsUrlOverride", `"`+west+`"`)
		if missing != "" {
			drop(sent, path+missing)
		}
		if a := put(o, "0oacat", sent); a.status != http.StatusOK {
			t.Fatalf("without %q: %d %s", missing, a.status, a.body)
		}
		after := getApp(t, o, "0oacat")
		list, _ := at(after, path+"attributeStatements").([]any)
		if updated := len(list) == 0; updated != (missing == "") {
			t.Errorf("without %q: statements updated: %v", missing, updated)
		}
		if missing != "" && at(after, path+missing) != nil {
			t.Errorf("without %q it is %v", missing, at(after, path+missing))
		}
	}
	o := newOrg(t, catalogueApp)
	sent := getApp(t, o, "0oacat")
	change(sent, path+"ssoAcsUrl", `"`+west+`"`)
	if a := put(o, "0oacat", sent); a.status != http.StatusInternalServerError || a.code() != "E0000009" {
		t.Errorf("a foreign key: %d %s", a.status, a.code())
	}
}

func TestCatalogueSecretsReadBackNull(t *testing.T) {
	t.Parallel()
	o := newOrg(t, catalogueApp)
	sent := getApp(t, o, "0oacat")
	change(sent, "settings.app.secretKey", `"hush"`)
	a := put(o, "0oacat", sent)
	if a.status != http.StatusOK || strings.Contains(string(a.body), "hush") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestRoundTrip is the property that a read, sent back unchanged, changes
// nothing but lastUpdated: with unknown keys, nulls and odd numbers at every
// depth of all kinds of app.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		base := rapid.SampledFrom([]string{customApp, catalogueApp, pluginApp}).Draw(rt, "app")
		doc := parse(t, []byte(base))
		id := doc["id"].(string)
		for _, o := range objectsIn(doc) {
			o["unknown_"+rapid.StringMatching(`[a-z<&\x{2028}]{1,5}`).Draw(rt, "key")] = json.RawMessage(drawJSON(rt, 2))
		}
		o := newOrg(t, asJSON(doc))
		read := call(o, "GET", "/api/v1/apps/"+id, "")
		want := parse(t, read.body)
		a := call(o, "PUT", "/api/v1/apps/"+id, string(read.body))
		if a.status != http.StatusOK {
			rt.Fatalf("%d %s", a.status, a.body)
		}
		got := getApp(t, o, id)
		if got["lastUpdated"] == nil {
			rt.Fatal("no lastUpdated")
		}
		delete(got, "lastUpdated")
		delete(want, "lastUpdated")
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("(-read +stored)\n%s", d)
		}
	})
}

// objectsIn returns every object of a document but the ones whose keys mean
// something as a set.
func objectsIn(v any) []map[string]any {
	var out []map[string]any
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if k != "acsEndpoints" && k != "attributeStatements" {
				out = append(out, objectsIn(e)...)
			}
		}
		out = append(out, v)
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
