package okta_test

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/crewjam/saml"

	"github.com/samlfailover/samlfailover/sandbox/okta"
)

const roleARN, providerARN = "arn:aws:iam::111122223333:role/admin", "arn:aws:iam::111122223333:saml-provider/okta"

var everything = okta.Assignment{
	Roles:          []okta.RolePair{{Role: roleARN, Provider: providerARN}, {Role: roleARN + "2", Provider: providerARN}},
	SourceIdentity: "ada", Tags: map[string]string{"team": "blue", "cost": "1"}, TransitiveTags: []string{"team"}, SessionDuration: 3600,
}

func addAda(t *testing.T, o *okta.Org, a okta.Assignment, ids ...string) {
	t.Helper()
	u := okta.User{Login: "ada@example.com", Password: "pw", FirstName: "Ada", Apps: map[string]okta.Assignment{}}
	for _, id := range ids {
		u.Apps[id] = a
	}
	if err := o.AddUser(u); err != nil {
		t.Fatal(err)
	}
}

// posted is the form that an app link answers with.
type posted struct {
	status                   int
	action, relayState, page string
	response                 []byte
}

// openApp signs ada in and opens the app's link.
func openApp(t *testing.T, o *okta.Org, path string) posted {
	t.Helper()
	h := o.Sites()[0].Handler
	form := url.Values{"username": {"Ada@Example.com"}, "password": {"pw"}}
	r := httptest.NewRequest("POST", "https://"+host+"/login/login.htm", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Fatalf("sign-in: %d", w.Code)
	}
	r = httptest.NewRequest("GET", "https://"+host+path, nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	page, _ := io.ReadAll(w.Body)
	field := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(page)
		if m == nil {
			return ""
		}
		return strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(string(m[1]))
	}
	raw, err := base64.StdEncoding.DecodeString(field(`name="SAMLResponse" value="([^"]*)"`))
	if err != nil {
		t.Fatal(err)
	}
	return posted{w.Code, field(`action="([^"]*)" id="saml"`), field(`name="RelayState" value="([^"]*)"`), string(page), raw}
}

// accept verifies a response against the app's metadata with crewjam/saml's
// own service provider.
func accept(t *testing.T, o *okta.Org, id string, p posted, acs string) (*saml.Assertion, error) {
	t.Helper()
	raw, err := o.Metadata(id)
	if err != nil {
		t.Fatal(err)
	}
	var md saml.EntityDescriptor
	if err := xml.Unmarshal(raw, &md); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(acs)
	if err != nil {
		t.Fatal(err)
	}
	sp := saml.ServiceProvider{EntityID: "urn:amazon:webservices", AcsURL: *u, IDPMetadata: &md, AllowIDPInitiated: true}
	assertion, err := sp.ParseXMLResponse(p.response, nil, *u)
	var bad *saml.InvalidResponseError
	if errors.As(err, &bad) {
		return nil, bad.PrivateErr
	}
	return assertion, err
}

func attributesOf(a *saml.Assertion) map[string][]string {
	out := map[string][]string{}
	for _, s := range a.AttributeStatements {
		for _, at := range s.Attributes {
			for _, v := range at.Values {
				out[at.Name] = append(out[at.Name], v.Value)
			}
		}
	}
	return out
}

// TestResponseFollowsTheApp is the heart of the simulator: what the admin API
// stores is what the portal sends, at once.
func TestResponseFollowsTheApp(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	id := addApp(t, o, "AWS")
	addAda(t, o, everything, id)
	link := "/home/acme_aws_1/" + id + "/1"
	p := openApp(t, o, link)
	if p.action != east || p.relayState != "https://us-east-1.console.aws.amazon.com/" {
		t.Fatalf("form: %q %q\n%s", p.action, p.relayState, p.page)
	}
	assertion, err := accept(t, o, id, p, east)
	if err != nil {
		t.Fatal(err)
	}
	const aws = "https://aws.amazon.com/SAML/Attributes/"
	for name, want := range map[string]string{
		"Role":            roleARN + "," + providerARN + "|" + roleARN + "2," + providerARN,
		"RoleSessionName": "ada@example.com", "SourceIdentity": "ada", "SessionDuration": "3600",
		"PrincipalTag:team": "blue", "PrincipalTag:cost": "1", "TransitiveTagKeys": "team",
	} {
		if got := strings.Join(attributesOf(assertion)[aws+name], "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	doc := getApp(t, o, id)
	for _, k := range []string{"ssoAcsUrl", "recipient", "destination"} {
		change(doc, "settings.signOn."+k, `"`+west+`"`)
	}
	change(doc, "settings.signOn.defaultRelayState", `"https://us-west-2.console.aws.amazon.com/"`)
	if a := put(o, id, doc); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	p = openApp(t, o, link)
	if p.action != west || p.relayState != "https://us-west-2.console.aws.amazon.com/" {
		t.Fatalf("after the move: %q %q", p.action, p.relayState)
	}
	if assertion, err = accept(t, o, id, p, west); err != nil {
		t.Fatal(err)
	}
	if got := assertion.Subject.SubjectConfirmations[0].SubjectConfirmationData.Recipient; got != west {
		t.Errorf("recipient %q", got)
	}
	if _, err := accept(t, o, id, p, east); err == nil {
		t.Error("the old endpoint accepts it too")
	}
}

// TestThreeURLsAreIndependent: a move that forgets one of them shows.
func TestThreeURLsAreIndependent(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ssoAcsUrl", "recipient", "destination"} {
		o := newOrg(t)
		id := addApp(t, o, "AWS")
		addAda(t, o, everything, id)
		if err := o.EditApp(id, func(doc map[string]any) { change(doc, "settings.signOn."+key, `"`+west+`"`) }); err != nil {
			t.Fatal(err)
		}
		p := openApp(t, o, "/home/x/"+id+"/1")
		got := map[string]bool{
			"ssoAcsUrl":   p.action == west,
			"recipient":   strings.Contains(string(p.response), `Recipient="`+west),
			"destination": strings.Contains(string(p.response), `Destination="`+west),
		}
		for k, changed := range got {
			if changed != (k == key) {
				t.Errorf("%s changed: %s follows it: %v", key, k, changed)
			}
		}
	}
}

func TestSettingsAreHonoured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path, raw string
		want            func(posted) bool
	}{
		{"response not signed", "settings.signOn.responseSigned", "false", func(p posted) bool { return strings.Count(string(p.response), "<ds:SignedInfo") == 1 }},
		{"both signed", "settings.signOn.responseSigned", "true", func(p posted) bool { return strings.Count(string(p.response), "<ds:SignedInfo") == 2 }},
		{"no SHA-1", "label", `"x"`, func(p posted) bool { return !strings.Contains(strings.ToLower(string(p.response)), "sha1") }},
		{"issuer", "settings.signOn.idpIssuer", `"urn:me:${org.externalKey}"`, func(p posted) bool { return strings.Contains(string(p.response), ">urn:me:exk") }},
		{"audience", "settings.signOn.audience", `"urn:other"`, func(p posted) bool { return strings.Contains(string(p.response), ">urn:other<") }},
		{"no RelayState", "settings.signOn.defaultRelayState", `""`, func(p posted) bool { return !strings.Contains(p.page, "RelayState") }},
		{"no statements", "settings.signOn.attributeStatements", "[]", func(p posted) bool { return !strings.Contains(string(p.response), "Attributes/Role\"") }},
		{"literal", "settings.signOn.attributeStatements", `[{"type":"EXPRESSION","name":"L","namespace":"","values":["\"a b\"","user.firstName"]}]`, func(p posted) bool { return strings.Contains(string(p.response), ">a b<") }},
		{"own SourceIdentity", "settings.signOn.attributeStatements", `[{"type":"EXPRESSION","name":"https://aws.amazon.com/SAML/Attributes/SourceIdentity","values":["user.login"]}]`, func(p posted) bool {
			return strings.Count(string(p.response), "SourceIdentity") == 1 && !strings.Contains(string(p.response), ">ada<")
		}},
		{"unknown profile attribute is not sent", "settings.signOn.attributeStatements", `[{"type":"EXPRESSION","name":"D","values":["user.department"]}]`, func(p posted) bool { return !strings.Contains(string(p.response), `"D"`) }},
		{"unknown expression is refused", "settings.signOn.attributeStatements", `[{"type":"EXPRESSION","name":"D","values":["String.len(x)"]}]`, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "cannot evaluate") }},
		{"SHA-1 is refused", "settings.signOn.signatureAlgorithm", `"RSA_SHA1"`, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "SHA-256 only") }},
		{"inactive", "status", `"INACTIVE"`, func(p posted) bool { return p.status == 403 }},
		{"not SAML", "signOnMode", `"BROWSER_PLUGIN"`, func(p posted) bool { return p.status == 400 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t)
			id := addApp(t, o, "AWS")
			addAda(t, o, everything, id)
			if err := o.EditApp(id, func(doc map[string]any) { change(doc, c.path, c.raw) }); err != nil {
				t.Fatal(err)
			}
			if p := openApp(t, o, "/home/x/"+id+"/1"); !c.want(p) {
				t.Errorf("%d\n%s\n%s", p.status, p.page, p.response)
			}
		})
	}
}

// TestCatalogueApp: both ways of a Regional endpoint work, two that differ are
// refused, and a stranger's app is not opened.
func TestCatalogueApp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, field, override, action string }{
		{"neither", "null", "null", east},
		{"overrideAcsURL", `"` + west + `"`, "null", west},
		{"ssoAcsUrlOverride", "null", `"` + west + `"`, west},
		{"both the same", `"` + west + `"`, `"` + west + `"`, west},
		{"both, different", `"` + east + `"`, `"` + west + `"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrg(t, catalogueApp, customApp)
			addAda(t, o, everything, "0oacat")
			if err := o.EditApp("0oacat", func(doc map[string]any) {
				change(doc, "settings.app.overrideAcsURL", c.field)
				change(doc, "settings.signOn.ssoAcsUrlOverride", c.override)
			}); err != nil {
				t.Fatal(err)
			}
			p := openApp(t, o, "/home/amazon_aws/0oacat/272")
			if p.action != c.action {
				t.Fatalf("action %q\n%s", p.action, p.page)
			}
			if c.action != "" {
				if _, err := accept(t, o, "0oacat", p, c.action); err != nil {
					t.Error(err)
				}
			}
			if p := openApp(t, o, "/home/x/0oacustom/1"); p.status != http.StatusForbidden {
				t.Errorf("an app of others: %d", p.status)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	o := newOrg(t)
	first, second := addApp(t, o, "one"), addApp(t, o, "two")
	a, err := o.Metadata(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.Metadata(second)
	if err != nil {
		t.Fatal(err)
	}
	entity := regexp.MustCompile(`entityID="(http://www\.okta\.com/exk[0-9A-Za-z]{17})"`)
	ea, eb := entity.FindSubmatch(a), entity.FindSubmatch(b)
	if ea == nil || eb == nil || string(ea[1]) == string(eb[1]) {
		t.Errorf("issuers %s and %s", ea, eb)
	}
	path := "/api/v1/apps/" + first + "/sso/saml/metadata"
	if got := call(o, "GET", path, ""); string(got.body) != string(a) || !strings.HasPrefix(got.header.Get("Content-Type"), "application/xml") {
		t.Errorf("over the API: %d %s", got.status, got.body)
	}
	kid, _ := at(getApp(t, o, first), "credentials.signing.kid").(string)
	if got := call(o, "GET", path+"?kid="+kid, ""); string(got.body) != string(a) {
		t.Errorf("by key id: %d", got.status)
	}
	if got := call(o, "GET", path+"?kid=nope", ""); got.status != http.StatusNotFound {
		t.Errorf("unknown key id: %d", got.status)
	}
	if _, err := o.Metadata("0oanone"); err == nil {
		t.Error("metadata of no app")
	}
	// The address in the metadata opens the app too, and takes no requests.
	addAda(t, o, everything, first)
	sso := "/app/acme_one_1/" + strings.TrimPrefix(string(ea[1]), "http://www.okta.com/") + "/sso/saml"
	if p := openApp(t, o, sso); p.action != east {
		t.Errorf("SSO address: %d %s", p.status, p.page)
	}
	if p := openApp(t, o, sso+"?SAMLRequest=x"); p.status != http.StatusBadRequest {
		t.Errorf("a SAMLRequest: %d", p.status)
	}
}
