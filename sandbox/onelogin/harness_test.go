package onelogin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
)

const (
	host     = "acme.onelogin.com"
	east     = "https://signin.aws.amazon.com/saml"
	west     = "https://us-west-2.signin.aws.amazon.com/saml"
	landing  = "https://us-east-1.console.aws.amazon.com/"
	tokenURL = "/auth/oauth2/v2/token"
)

var testKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

// options is an account with one credential of each scope.
func options() onelogin.Options {
	next := 0
	return onelogin.Options{Subdomain: "acme", Tenant: "acme", RatePerHour: 1_000_000,
		NewKey: func() (*rsa.PrivateKey, error) { next++; return testKeys()[next%2], nil },
		Credentials: []onelogin.Credential{
			{ClientID: "manager", Secret: "s:1", Scope: onelogin.ManageAll}, {ClientID: "reader", Secret: "s2", Scope: onelogin.ReadAll},
			{ClientID: "users", Secret: "s3", Scope: onelogin.ManageUsers}, {ClientID: "auth", Secret: "s4", Scope: onelogin.AuthenticationOnly}}}
}

func newTenant(t testing.TB, r onelogin.Readings) *onelogin.Tenant {
	t.Helper()
	o := options()
	o.Readings = r
	return tenant(t, o)
}

func tenant(t testing.TB, o onelogin.Options) *onelogin.Tenant {
	t.Helper()
	tn, err := onelogin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func addApp(t testing.TB, tn *onelogin.Tenant, name string) string {
	t.Helper()
	id, err := tn.AddSAMLApp(name, onelogin.AppSettings{ACS: east, RelayState: landing})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func addAWS(t testing.TB, tn *onelogin.Tenant, connector int, over map[string]any) string {
	t.Helper()
	id, err := tn.AddAWSApp("AWS", connector, over)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// message is the error's message, in either form.
func (a answer) message() string {
	var e struct {
		Message string
		Status  struct{ Message string }
	}
	_ = json.Unmarshal(a.body, &e)
	return e.Message + e.Status.Message
}

func serve(tn *onelogin.Tenant, r *http.Request) answer {
	w := httptest.NewRecorder()
	tn.Sites()[0].Handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

// ask is a request at a token endpoint, JSON with Basic.
func ask(tn *onelogin.Tenant, path, client, secret, body string) answer {
	r := httptest.NewRequest("POST", "https://"+host+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(client, secret)
	return serve(tn, r)
}

func tokenOf(t testing.TB, tn *onelogin.Tenant, client string) string {
	t.Helper()
	secret := map[string]string{"manager": "s:1", "reader": "s2", "users": "s3", "auth": "s4"}[client]
	a := ask(tn, tokenURL, client, secret, `{"grant_type":"client_credentials"}`)
	token, _ := parse(t, a.body)["access_token"].(string)
	if a.status != 200 || token == "" {
		t.Fatalf("token: %d %s", a.status, a.body)
	}
	return token
}

// call sends one API request in memory.
func call(tn *onelogin.Tenant, token, method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	r.Header.Set("Authorization", "bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(tn, r)
}

func appPath(id string) string { return "/api/2/apps/" + id }

// put writes as the manager.
func put(t testing.TB, tn *onelogin.Tenant, id, body string) answer {
	t.Helper()
	return call(tn, tokenOf(t, tn, "manager"), "PUT", appPath(id), body)
}

func parse(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return v
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// stored is an app as the account holds it.
func stored(t testing.TB, tn *onelogin.Tenant, id string) map[string]any {
	t.Helper()
	raw, ok := tn.App(id)
	if !ok {
		t.Fatalf("no app %s", id)
	}
	return parse(t, raw)
}

// configuration of an app; a key that is not there reads as "(gone)".
func configuration(t testing.TB, tn *onelogin.Tenant, id, key string) string {
	t.Helper()
	c, _ := stored(t, tn, id)["configuration"].(map[string]any)
	v, has := c[key]
	if !has {
		return "(gone)"
	}
	return asJSON(v)
}

// fullApp has optional and unknown parts at every depth.
const fullApp = `{"id":900001,"name":"AWS","visible":true,"description":null,"notes":null,"icon_url":"https://i.example","auth_method":2,"policy_id":null,
"provisioning":{"enabled":false},"allow_assumed_signin":false,"tab_id":null,"brand_id":null,"connector_id":110016,"role_ids":[192513],
"sso":{"metadata_url":"https://app.onelogin.com/saml/metadata/full","acs_url":"https://acme.onelogin.com/trust/saml2/http-post/sso/900001","issuer":"https://app.onelogin.com/saml/metadata/full","certificate":{"id":170216,"name":"c","value":"v"}},
"configuration":{"signature_algorithm":"SHA-256","certificate_id":170216,"audience":"urn:amazon:webservices","consumer_url":"` + east + `","recipient":"` + east + `",
"validator":"^https:\\/\\/([a-z0-9-]+\\.)?signin\\.aws\\.amazon\\.com\\/saml$","relaystate":"` + landing + `","saml_notonorafter":"3","saml_notbefore":3.0,"logout_url":null,"odd":{"deep":[1e2,null]}},
"created_at":"2018-04-12T21:50:42Z","updated_at":"2019-05-16T19:20:34Z",
"parameters":{"a.b/c":{"id":77,"label":"L","user_attribute_mappings":"email","values":"x","default_values":["x"],"skip_if_blank":false,"include_in_saml_assertion":true,"extra":-0.0}},
"enforcement_point":{},"future":{"a":null}}`

// oidcApp and connectApp are decoys.
const (
	oidcApp    = `{"id":900002,"name":"Grafana","visible":true,"auth_method":8,"connector_id":108419,"role_ids":[1],"configuration":{"redirect_uri":"https://g.example"},"parameters":{}}`
	connectApp = `{"id":900003,"name":"Amazon Connect","visible":true,"auth_method":2,"connector_id":114099,"role_ids":[1],"configuration":{"signature_algorithm":"SHA-256"},"parameters":{}}`
)
