package pingone_test

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/crewjam/saml"

	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
)

const roleARN, providerARN = "arn:aws:iam::111122223333:role/admin", "arn:aws:iam::111122223333:saml-provider/ping"

var everything = person.Assignment{
	Roles:          []person.RolePair{{Role: roleARN, Provider: providerARN}, {Role: roleARN + "2", Provider: providerARN}},
	SourceIdentity: "ada", Tags: map[string]string{"team": "blue"}, TransitiveTags: []string{"team"}, SessionDuration: 3600,
}

func addAda(t testing.TB, tn *pingone.Tenant, ids ...string) {
	t.Helper()
	u := person.User{Login: "ada@example.com", Password: "pw", FirstName: "Ada", Apps: map[string]person.Assignment{}}
	for _, id := range ids {
		u.Apps[id] = everything
	}
	if err := tn.AddUser(prod, u); err != nil {
		t.Fatal(err)
	}
}

// posted is the page that sign-on ends with.
type posted struct {
	status                   int
	action, relayState, page string
	response                 []byte
}

// start signs ada in on the way to a path.
func start(t testing.TB, tn *pingone.Tenant, path string) posted {
	t.Helper()
	form := url.Values{"username": {"Ada@Example.com"}, "password": {"pw"}, "fromURI": {path}}
	r := httptest.NewRequest("POST", "https://"+authHost+"/"+prod+"/signon/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a := serve(tn, authHost, r)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != path {
		t.Fatalf("sign-in: %d %v", a.status, a.header)
	}
	r = httptest.NewRequest("GET", "https://"+authHost+path, nil)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Path != "/"+prod+"/" {
			t.Errorf("the session belongs to %q", c.Path)
		}
		r.AddCookie(c)
	}
	a = serve(tn, authHost, r)
	field := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(a.body)
		if m == nil {
			return ""
		}
		return strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(string(m[1]))
	}
	return posted{a.status, field(`action="([^"]*)" id="saml"`), field(`name="RelayState" value="([^"]*)"`), string(a.body),
		decode64(t, field(`name="SAMLResponse" value="([^"]*)"`))}
}

func startPath(entityID string) string {
	return "/" + prod + "/saml20/idp/startsso?spEntityId=" + url.QueryEscape(entityID)
}

// accept verifies a response against metadata with crewjam/saml's own service
// provider.
func accept(t testing.TB, metadata []byte, entityID, acs string, response []byte) (*saml.Assertion, error) {
	t.Helper()
	var md saml.EntityDescriptor
	if err := xml.Unmarshal(metadata, &md); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(acs)
	if err != nil {
		t.Fatal(err)
	}
	sp := saml.ServiceProvider{EntityID: entityID, AcsURL: *u, IDPMetadata: &md, AllowIDPInitiated: true}
	assertion, err := sp.ParseXMLResponse(response, nil, *u)
	var bad *saml.InvalidResponseError
	if errors.As(err, &bad) {
		return nil, bad.PrivateErr
	}
	return assertion, err
}

func valuesOf(a *saml.Assertion, name string) string {
	var out []string
	for _, s := range a.AttributeStatements {
		for _, at := range s.Attributes {
			for _, v := range at.Values {
				if at.Name == person.AWSAttribute+name {
					out = append(out, v.Value)
				}
			}
		}
	}
	return strings.Join(out, "|")
}

// TestResponseFollowsTheApp is the heart of the simulator: what the admin API
// stores is what sign-on sends, at once.
func TestResponseFollowsTheApp(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	id := addApp(t, tn, "AWS")
	addAda(t, tn, id)
	metadata, err := tn.Metadata(id)
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, tn, startPath("urn:AWS"))
	if p.action != east || p.relayState != landing {
		t.Fatalf("form: %q %q\n%s", p.action, p.relayState, p.page)
	}
	assertion, err := accept(t, metadata, "urn:AWS", east, p.response)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Role":            roleARN + "," + providerARN + "|" + roleARN + "2," + providerARN,
		"RoleSessionName": "ada@example.com", "SourceIdentity": "ada", "SessionDuration": "3600", "PrincipalTag:team": "blue", "TransitiveTagKeys": "team",
	} {
		if got := valuesOf(assertion, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(strings.ToLower(string(p.response)), "sha1") {
		t.Error("SHA-1")
	}

	doc := with(stored(t, tn, id), "acsUrls", `["`+west+`","`+east+`"]`)
	doc = with(parse(t, []byte(doc)), "defaultTargetUrl", `"https://us-west-2.console.aws.amazon.com/"`)
	if a := call(tn, writer(t, tn), "PUT", appPath(id), doc); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	p = start(t, tn, startPath("urn:AWS"))
	if p.action != west || p.relayState != "https://us-west-2.console.aws.amazon.com/" {
		t.Fatalf("after the move: %q %q", p.action, p.relayState)
	}
	if _, err := accept(t, metadata, "urn:AWS", west, p.response); err != nil {
		t.Error(err)
	}
	if _, err := accept(t, metadata, "urn:AWS", east, p.response); err == nil {
		t.Error("the old endpoint accepts it too")
	}
	for _, what := range []string{`Recipient="` + west, `Destination="` + west} {
		if !strings.Contains(string(p.response), what) {
			t.Errorf("no %s", what)
		}
	}
	target := start(t, tn, startPath("urn:AWS")+"&applicationUrl="+url.QueryEscape("https://deep.example/?a=1"))
	if target.relayState != "https://deep.example/?a=1" {
		t.Errorf("applicationUrl does not win: %q", target.relayState)
	}
	tn2 := tn.StartURL(id)
	if tn2 != "https://"+authHost+startPath("urn:AWS") || tn.StartURL("none") != "" {
		t.Errorf("StartURL %q", tn2)
	}
}

// TestSettingsAreHonoured changes one thing each.
func TestSettingsAreHonoured(t *testing.T) {
	t.Parallel()
	key := newTenant(t, options()).DefaultKey(prod)
	for _, c := range []struct {
		name, key, raw string
		want           func(posted) bool
	}{
		{"response signed too", "responseSigned", "true", func(p posted) bool { return strings.Count(string(p.response), "<ds:SignedInfo") == 2 }},
		{"assertion signed", "responseSigned", "false", func(p posted) bool { return strings.Count(string(p.response), "<ds:SignedInfo") == 1 }},
		{"nothing signed", "assertionSigned", "false", func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "would be signed") }},
		{"no RelayState", "defaultTargetUrl", "", func(p posted) bool { return p.status == 200 && !strings.Contains(p.page, "RelayState") }},
		{"name id format", "nameIdFormat", `"urn:x"`, func(p posted) bool { return strings.Contains(string(p.response), `Format="urn:x"`) }},
		{"not enabled", "enabled", "false", func(p posted) bool { return p.status == 403 }},
		{"another protocol", "protocol", `"WS_FED"`, func(p posted) bool { return p.status == 404 }},
		{"SHA-512", "idpSigning", `{"algorithm":"SHA512withRSA","key":{"id":"` + key + `"}}`, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "SHA256withRSA only") }},
		{"no algorithm", "idpSigning", `{"key":{"id":"` + key + `"}}`, func(p posted) bool { return p.status == 200 }},
		{"no ACS", "acsUrls", `[]`, func(p posted) bool { return p.status == 400 }},
		{"virtual server", "virtualServerIdSettings", `{"enabled":true}`, func(p posted) bool { return p.status == 400 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := newTenant(t, options())
			id := addApp(t, tn, "AWS")
			addAda(t, tn, id)
			if err := tn.EditApp(id, func(doc map[string]any) {
				next := parse(t, []byte(with(doc, c.key, c.raw)))
				clear(doc)
				for k, v := range next {
					doc[k] = v
				}
			}); err != nil {
				t.Fatal(err)
			}
			if p := start(t, tn, startPath("urn:AWS")); !c.want(p) {
				t.Errorf("%d\n%s\n%s", p.status, p.page, p.response)
			}
		})
	}
}

// TestMappingsAreHonoured: values, constants, required and unknown ones.
func TestMappingsAreHonoured(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		required    bool
		want        func(posted) bool
	}{
		{"constant", "fixed", true, func(p posted) bool { return strings.Contains(string(p.response), ">fixed<") }},
		{"within a text", "u-${user.name.given}!", true, func(p posted) bool { return strings.Contains(string(p.response), ">u-Ada!<") }},
		{"absent and optional", "${user.department}", false, func(p posted) bool { return p.status == 200 && !strings.Contains(string(p.response), `"N"`) }},
		{"absent and required", "${user.department}", true, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "required") }},
		{"another source", "${providerAttributes.x}", false, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "cannot evaluate") }},
	} {
		tn := newTenant(t, options())
		id, err := tn.AddSAMLApp(prod, "AWS", pingone.AppSettings{ACS: []string{east}, Mappings: []pingone.Mapping{{Name: "N", Value: c.value, Required: c.required}}})
		if err != nil {
			t.Fatal(err)
		}
		addAda(t, tn, id)
		if p := start(t, tn, startPath("urn:amazon:webservices")); !c.want(p) {
			t.Errorf("%s: %d\n%s\n%s", c.name, p.status, p.page, p.response)
		}
	}
}

// TestEnvironmentsAreApart: the same entity id in two environments, each with
// its own people, issuer and certificate.
func TestEnvironmentsAreApart(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, options())
	s := pingone.AppSettings{ACS: []string{east}}
	a, err := tn.AddSAMLApp(prod, "AWS", s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tn.AddSAMLApp(lab, "AWS", s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tn.AddSAMLApp(prod, "AWS again", s); err == nil {
		t.Error("one entity id twice in an environment")
	}
	addAda(t, tn, a)
	if err := tn.AddUser(prod, person.User{Login: "eve", Password: "pw", Apps: map[string]person.Assignment{b: {}}}); err == nil {
		t.Error("an app of another environment was assigned")
	}
	ma, errA := tn.Metadata(a)
	mb, errB := tn.Metadata(b)
	issuer := regexp.MustCompile(`entityID="([^"]*)"`)
	if errA != nil || errB != nil || string(issuer.FindSubmatch(ma)[1]) != "https://"+authHost+"/"+prod || string(issuer.FindSubmatch(mb)[1]) == string(issuer.FindSubmatch(ma)[1]) {
		t.Errorf("%v %v\n%s\n%s", errA, errB, ma, mb)
	}
	p := start(t, tn, startPath("urn:amazon:webservices"))
	if _, err := accept(t, ma, "urn:amazon:webservices", east, p.response); err != nil {
		t.Error(err)
	}
	if _, err := accept(t, mb, "urn:amazon:webservices", east, p.response); err == nil {
		t.Error("the other environment's metadata accepts it")
	}
	r := httptest.NewRequest("GET", "https://"+authHost+"/"+prod+"/saml20/metadata/"+a, nil)
	if got := serve(tn, authHost, r); string(got.body) != string(ma) {
		t.Errorf("metadata by HTTP: %d %s", got.status, got.body)
	}
	if p := start(t, tn, startPath("urn:none")); p.status != 404 {
		t.Errorf("no such entity id: %d", p.status)
	}
	if _, err := tn.Metadata("none"); err == nil {
		t.Error("metadata of no app")
	}
	for path, want := range map[string]int{"/" + prod + "/saml20/idp/sso?SAMLRequest=x": 400, "/nope/myapps/": 404, "/": 404} {
		if got := serve(tn, authHost, httptest.NewRequest("GET", "https://"+authHost+path, nil)); got.status != want {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// TestTemplateReading: under that reading the admin API shows a move that
// sign-on does not follow.
func TestTemplateReading(t *testing.T) {
	t.Parallel()
	for _, overrides := range []bool{false, true} {
		o := options()
		o.Readings.TemplateOverridesACS = overrides
		tn := newTenant(t, o)
		id := addApp(t, tn, "AWS")
		addAda(t, tn, id)
		if err := tn.EditApp(id, func(doc map[string]any) {
			doc["template"] = map[string]any{"configuration": map[string]any{"acsUrl": "https://eu-west-1.signin.aws.amazon.com/saml"}}
		}); err != nil {
			t.Fatal(err)
		}
		if p := start(t, tn, startPath("urn:AWS")); (p.action == east) == overrides {
			t.Errorf("%v: %s", overrides, p.action)
		}
	}
}
