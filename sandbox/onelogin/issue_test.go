package onelogin_test

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/crewjam/saml"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/person"
)

const roleARN, providerARN = "arn:aws:iam::111122223333:role/admin", "arn:aws:iam::111122223333:saml-provider/ol"

var everything = person.Assignment{
	Roles:          []person.RolePair{{Role: roleARN, Provider: providerARN}, {Role: roleARN + "2", Provider: providerARN}},
	SourceIdentity: "ada", Tags: map[string]string{"team": "blue"}, TransitiveTags: []string{"team"}, SessionDuration: 3600,
}

func addAda(t testing.TB, tn *onelogin.Tenant, ids ...string) {
	t.Helper()
	u := person.User{Login: "ada@example.com", Password: "pw", FirstName: "Ada", Apps: map[string]person.Assignment{}}
	for _, id := range ids {
		u.Apps[id] = everything
	}
	if err := tn.AddUser(u); err != nil {
		t.Fatal(err)
	}
}

// posted is the page that an app link answers with.
type posted struct {
	status                   int
	action, relayState, page string
	response                 []byte
}

// open signs ada in and opens a path of the portal.
func open(t testing.TB, tn *onelogin.Tenant, path string) posted {
	t.Helper()
	form := url.Values{"username": {"Ada@Example.com"}, "password": {"pw"}}
	r := httptest.NewRequest("POST", "https://"+host+"/login2/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a := serve(tn, r)
	if a.status != http.StatusSeeOther {
		t.Fatalf("sign-in: %d", a.status)
	}
	r = httptest.NewRequest("GET", "https://"+host+path, nil)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		r.AddCookie(c)
	}
	a = serve(tn, r)
	field := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(a.body)
		if m == nil {
			return ""
		}
		return strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(string(m[1]))
	}
	response, err := base64.StdEncoding.DecodeString(field(`name="SAMLResponse" value="([^"]*)"`))
	if err != nil {
		t.Fatal(err)
	}
	return posted{a.status, field(`action="([^"]*)" id="saml"`), field(`name="RelayState" value="([^"]*)"`), string(a.body), response}
}

// accept verifies a response against the app's metadata with crewjam/saml's
// own service provider.
func accept(t testing.TB, tn *onelogin.Tenant, id, acs string, response []byte) (*saml.Assertion, error) {
	t.Helper()
	metadata, err := tn.Metadata(id)
	if err != nil {
		t.Fatal(err)
	}
	var md saml.EntityDescriptor
	if err := xml.Unmarshal(metadata, &md); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(acs)
	if err != nil {
		t.Fatal(err)
	}
	sp := saml.ServiceProvider{EntityID: "urn:amazon:webservices", AcsURL: *u, IDPMetadata: &md, AllowIDPInitiated: true}
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

// TestResponseFollowsTheApp is the heart of the simulator: what the API stores
// is what the portal sends, at once.
func TestResponseFollowsTheApp(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	id := addApp(t, tn, "AWS")
	addAda(t, tn, id)
	p := open(t, tn, "/launch/"+id)
	if p.action != east || p.relayState != landing {
		t.Fatalf("form: %q %q\n%s", p.action, p.relayState, p.page)
	}
	assertion, err := accept(t, tn, id, east, p.response)
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
	body := `{"configuration":{"consumer_url":"` + west + `","recipient":"` + west + `","relaystate":"https://us-west-2.console.aws.amazon.com/"}}`
	if a := put(t, tn, id, body); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	p = open(t, tn, "/trust/saml2/http-post/sso/"+id)
	if p.action != west || p.relayState != "https://us-west-2.console.aws.amazon.com/" {
		t.Fatalf("after the move: %q %q", p.action, p.relayState)
	}
	if _, err := accept(t, tn, id, west, p.response); err != nil {
		t.Error(err)
	}
	if _, err := accept(t, tn, id, east, p.response); err == nil {
		t.Error("the old endpoint accepts it too")
	}
	// A move that forgets the recipient shows.
	put(t, tn, id, `{"configuration":{"consumer_url":"`+east+`"}}`)
	if p = open(t, tn, "/launch/"+id); p.action != east || !strings.Contains(string(p.response), `Recipient="`+west) || !strings.Contains(string(p.response), `Destination="`+east) {
		t.Errorf("%s\n%s", p.action, p.response)
	}
	if p := open(t, tn, "/trust/saml2/http-post/sso/"+id+"?SAMLRequest=x"); p.status != 400 {
		t.Errorf("a SAMLRequest: %d", p.status)
	}
}

// TestSettingsAreHonoured changes one thing each.
func TestSettingsAreHonoured(t *testing.T) {
	t.Parallel()
	const signature = "<ds:SignedInfo"
	for _, c := range []struct {
		name, body string
		readings   onelogin.Readings
		want       func(posted) bool
	}{
		{"both signed", `{"configuration":{"saml_sign_element":"2"}}`, onelogin.Readings{}, func(p posted) bool { return strings.Count(string(p.response), signature) == 2 }},
		{"as a number", `{"configuration":{"saml_sign_element":2}}`, onelogin.Readings{}, func(p posted) bool { return strings.Count(string(p.response), signature) == 2 }},
		{"audience", `{"configuration":{"audience":"urn:x"}}`, onelogin.Readings{}, func(p posted) bool { return strings.Contains(string(p.response), ">urn:x<") }},
		{"recipient empty", `{"configuration":{"recipient":""}}`, onelogin.Readings{}, func(p posted) bool { return strings.Contains(string(p.response), `Recipient="`+east) }},
		{"no RelayState", `{"configuration":{"relaystate":""}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 200 && !strings.Contains(p.page, "RelayState") }},
		{"RelayState by its other name", `{"configuration":{"relaystate":null,"relay":"r"}}`, onelogin.Readings{UnknownConfiguration: onelogin.Stored}, func(p posted) bool { return p.relayState == "r" }},
		{"persistent name id", `{"configuration":{"saml_nameid_format_id":"3"}}`, onelogin.Readings{}, func(p posted) bool { return strings.Contains(string(p.response), "nameid-format:persistent") }},
		{"SHA-1", `{"configuration":{"signature_algorithm":"SHA-1"}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "SHA-256 only") }},
		{"encrypted", `{"configuration":{"encrypt_assertion":"1"}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 400 }},
		{"no ACS", `{"configuration":{"consumer_url":null,"validator":null}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 400 }},
		{"narrow validator", `{"configuration":{"validator":"^https:\\/\\/us-west-2\\."}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "Validator") }},
		{"narrow validator, ignored", `{"configuration":{"validator":"^https:\\/\\/us-west-2\\."}}`, onelogin.Readings{ValidatorIgnored: true}, func(p posted) bool { return p.status == 200 }},
		{"no validator", `{"configuration":{"validator":""}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 200 }},
		{"the roles of others", `{"role_ids":[1]}`, onelogin.Readings{}, func(p posted) bool { return p.status == 403 }},
		{"role_ids emptied", `{"role_ids":[]}`, onelogin.Readings{}, func(p posted) bool { return p.status == 403 }},
		{"invisible opens by its link", `{"visible":false}`, onelogin.Readings{}, func(p posted) bool { return p.status == 200 }},
		{"macro", `{"parameters":{"N":{"user_attribute_mappings":"_macro_","user_attribute_macros":"u-{firstname}","include_in_saml_assertion":true}}}`, onelogin.Readings{}, func(p posted) bool { return strings.Contains(string(p.response), ">u-Ada<") }},
		{"unknown macro", `{"parameters":{"N":{"user_attribute_mappings":"_macro_","user_attribute_macros":"{x}","include_in_saml_assertion":true}}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 400 }},
		{"values of a list", `{"parameters":{"N":{"user_attribute_mappings":"none","values":["a1","b2"],"include_in_saml_assertion":true}}}`, onelogin.Readings{}, func(p posted) bool { return strings.Contains(string(p.response), ">b2<") }},
		{"not included", `{"parameters":{"N":{"user_attribute_mappings":"email","include_in_saml_assertion":false}}}`, onelogin.Readings{}, func(p posted) bool { return !strings.Contains(string(p.response), `"N"`) }},
		{"blank", `{"parameters":{"N":{"user_attribute_mappings":"custom_attribute_none","include_in_saml_assertion":true}}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 200 && !strings.Contains(string(p.response), `"N"`) }},
		{"unknown mapping", `{"parameters":{"N":{"user_attribute_mappings":"shoe_size","include_in_saml_assertion":true}}}`, onelogin.Readings{}, func(p posted) bool { return p.status == 400 && strings.Contains(p.page, "cannot evaluate") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tn := newTenant(t, c.readings)
			id := addApp(t, tn, "AWS")
			addAda(t, tn, id)
			if a := put(t, tn, id, c.body); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if p := open(t, tn, "/launch/"+id); !c.want(p) {
				t.Errorf("%d\n%s\n%s", p.status, p.page, p.response)
			}
		})
	}
}

// TestFixedConnectors: AWS's own connectors send people to us-east-1, whatever
// one writes.
func TestFixedConnectors(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{UnknownConfiguration: onelogin.Dropped})
	ids := []string{addAWS(t, tn, onelogin.MultiRole, nil), addAWS(t, tn, onelogin.MultiAccount, nil)}
	custom := addApp(t, tn, "Shown")
	addAda(t, tn, append(ids, custom)...)
	for _, id := range ids {
		put(t, tn, id, `{"configuration":{"consumer_url":"`+west+`"}}`)
		p := open(t, tn, "/launch/"+id)
		assertion, err := accept(t, tn, id, east, p.response)
		if err != nil || p.action != east || valuesOf(assertion, "RoleSessionName") != "ada@example.com" || !strings.HasPrefix(valuesOf(assertion, "Role"), roleARN) {
			t.Errorf("%v %s", err, p.page)
		}
	}
	put(t, tn, ids[0], `{"visible":false}`)
	home := open(t, tn, "/portal/").page
	if strings.Contains(home, "/launch/"+ids[0]) || !strings.Contains(home, "/launch/"+ids[1]) || !strings.Contains(home, "Shown") {
		t.Errorf("%s", home)
	}
	if p := open(t, tn, "/launch/1"); p.status != 403 {
		t.Errorf("no app: %d", p.status)
	}
	uuid := regexp.MustCompile(`[0-9a-f]{32}$`).FindString(stored(t, tn, custom)["sso"].(map[string]any)["metadata_url"].(string))
	want, _ := tn.Metadata(custom)
	if got := serve(tn, httptest.NewRequest("GET", "https://"+host+"/saml/metadata/"+uuid, nil)); string(got.body) != string(want) {
		t.Errorf("metadata by HTTP: %d", got.status)
	}
	if err := tn.AddUser(person.User{Login: "eve", Password: "pw", Apps: map[string]person.Assignment{"1": {}}}); err == nil {
		t.Error("an app that is not there was assigned")
	}
	if err := tn.AddUser(person.User{Login: "ADA@example.com", Password: "pw"}); err == nil {
		t.Error("a login twice")
	}
}

// TestAssertionAPI: the same response without a browser, and its refusals.
func TestAssertionAPI(t *testing.T) {
	t.Parallel()
	tn := newTenant(t, onelogin.Readings{})
	id, other := addApp(t, tn, "AWS"), addApp(t, tn, "other")
	addAda(t, tn, id)
	token := tokenOf(t, tn, "auth")
	good := map[string]any{"username_or_email": "ada@example.com", "password": "pw", "app_id": id, "subdomain": "acme", "ip_address": "192.0.2.1"}
	for _, c := range []struct {
		name, key string
		value     any
		status    int
	}{
		{"good", "", nil, 200}, {"no password", "password", "", 400}, {"app_id a number", "app_id", 5, 400}, {"wrong password", "password", "x", 401},
		{"stranger", "username_or_email", "eve", 401}, {"another subdomain", "subdomain", "other", 401}, {"no such app", "app_id", "1", 404}, {"an app of others", "app_id", other, 403},
	} {
		body := maps.Clone(good)
		if c.key != "" {
			body[c.key] = c.value
		}
		a := call(tn, token, "POST", "/api/2/saml_assertion", asJSON(body))
		if a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if c.status != 200 {
			continue
		}
		data, _ := parse(t, a.body)["data"].(string)
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil || parse(t, a.body)["message"] != "Success" {
			t.Fatalf("%v %s", err, a.body)
		}
		if _, err := accept(t, tn, id, east, raw); err != nil {
			t.Error(err)
		}
	}
	if a := call(tn, token, "GET", "/api/2/saml_assertion", ""); a.status != 405 {
		t.Errorf("GET: %d", a.status)
	}
	tn.RequireMFA("Ada@example.com")
	a := call(tn, token, "POST", "/api/2/saml_assertion", asJSON(good))
	if got := parse(t, a.body); a.status != 200 || got["data"] != nil || got["state_token"] == nil || got["message"] != "MFA is required for this user" {
		t.Errorf("second factor: %d %s", a.status, a.body)
	}
}
