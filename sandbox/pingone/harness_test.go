package pingone_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/pingone"
)

const (
	apiHost  = "api.pingone.eu"
	authHost = "auth.pingone.eu"
	east     = "https://signin.aws.amazon.com/saml"
	west     = "https://us-west-2.signin.aws.amazon.com/saml"
	landing  = "https://us-east-1.console.aws.amazon.com/"
)

var (
	ops  = pingone.EnvironmentID("ops") // holds the worker apps
	prod = pingone.EnvironmentID("prod")
	lab  = pingone.EnvironmentID("lab")
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

// options is a tenant with one worker of each kind.
func options() pingone.Options {
	var mu sync.Mutex
	next := 0
	return pingone.Options{TLD: "eu", Tenant: "acme", Environments: []string{"ops", "prod", "lab"}, RatePerMinute: 100_000,
		NewKey: func() (*rsa.PrivateKey, error) {
			mu.Lock()
			defer mu.Unlock()
			next++
			return testKeys()[next%2], nil
		},
		Workers: []pingone.Worker{
			{Environment: ops, ClientID: "writer", Secret: "s/e c:ret", Roles: []pingone.Role{
				{Name: pingone.ClientApplicationDeveloper, Environment: prod}, {Name: pingone.EnvironmentAdmin, Environment: lab}}},
			{Environment: ops, ClientID: "poster", Secret: "pw", Auth: pingone.ClientSecretPost, Roles: []pingone.Role{
				{Name: pingone.ClientApplicationDeveloper, Environment: prod}}},
			{Environment: ops, ClientID: "reader", Secret: "pw", Roles: []pingone.Role{{Name: pingone.ConfigurationReadOnly, Environment: prod}}},
			{Environment: ops, ClientID: "owner", Secret: "pw"},
		}}
}

func newTenant(t testing.TB, o pingone.Options) *pingone.Tenant {
	t.Helper()
	tn, err := pingone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func addApp(t testing.TB, tn *pingone.Tenant, name string) string {
	t.Helper()
	id, err := tn.AddSAMLApp(prod, name, pingone.AppSettings{ACS: []string{east, west}, RelayState: landing, EntityID: "urn:" + name})
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

// code is PingOne's code, or OAuth's error.
func (a answer) code() string {
	var e struct{ Code, Error string }
	_ = json.Unmarshal(a.body, &e)
	return e.Code + e.Error
}

func serve(tn *pingone.Tenant, host string, r *http.Request) answer {
	w := httptest.NewRecorder()
	for _, s := range tn.Sites() {
		if s.Host == host {
			s.Handler.ServeHTTP(w, r)
		}
	}
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

// tokenOf asks for a token as a worker.
func tokenOf(t testing.TB, tn *pingone.Tenant, client, secret string) string {
	t.Helper()
	r := httptest.NewRequest("POST", "https://"+authHost+"/"+ops+"/as/token", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
	a := serve(tn, authHost, r)
	token, _ := parse(t, a.body)["access_token"].(string)
	if a.status != http.StatusOK || token == "" {
		t.Fatalf("token: %d %s", a.status, a.body)
	}
	return token
}

func writer(t testing.TB, tn *pingone.Tenant) string { return tokenOf(t, tn, "writer", "s/e c:ret") }

// call sends one admin API request in memory.
func call(tn *pingone.Tenant, token, method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, "https://"+apiHost+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return serve(tn, apiHost, r)
}

func apps(env string) string          { return "/v1/environments/" + env + "/applications" }
func appPath(id string) string        { return apps(prod) + "/" + id }
func attributesOf(id string) string   { return appPath(id) + "/attributes" }
func attribute(id, mid string) string { return attributesOf(id) + "/" + mid }

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

// stored is an app as the tenant holds it.
func stored(t testing.TB, tn *pingone.Tenant, id string) map[string]any {
	t.Helper()
	raw, ok := tn.App(id)
	if !ok {
		t.Fatalf("no app %s", id)
	}
	return parse(t, raw)
}

// with returns a document with one top-level key set to a JSON text, or gone
// where the text is empty.
func with(doc map[string]any, key, raw string) string {
	out := map[string]any{}
	for k, v := range doc {
		out[k] = v
	}
	delete(out, key)
	if raw != "" {
		out[key] = json.RawMessage(raw)
	}
	return asJSON(out)
}

func decode64(t testing.TB, s string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fullApp is an app with optional and unknown parts at every depth.
const fullApp = `{"id":"full","name":"AWS","description":"d","enabled":true,"hiddenFromAppPortal":false,"type":"TEMPLATE_APP","protocol":"SAML",
"createdAt":"2024-05-06T18:43:59.105Z","updatedAt":"2024-05-06T18:43:59.105Z","environment":{"id":"E"},"_links":{"self":{"href":"x"}},
"assignActorRoles":true,"tags":["PING_FED_CONNECTION_INTEGRATION"],"homePageUrl":"https://h.example","loginPageUrl":"https://l.example","icon":{"id":"i","href":"h"},
"accessControl":{"role":{"type":"ADMIN_USERS_ONLY"},"group":{"type":"ANY_GROUP","groups":[{"id":"g","new":null}]}},
"acsUrls":["` + east + `","` + west + `"],"assertionDuration":3e2,"assertionSigned":true,"responseSigned":true,"sessionNotOnOrAfterDuration":3600,
"defaultTargetUrl":"` + landing + `","nameIdFormat":"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent","spEntityId":"urn:full",
"sloBinding":"HTTP_POST","sloWindow":1.0,"spVerification":{"authnRequestSigned":false,"certificates":[{"id":"c"}]},
"template":{"integration":{"id":"t"},"version":{"id":"v"},"configuration":{"domain":"x"}},"futureKey":{"deep":[12345678901234567890,null,1E-400]}}`

// oidcApp is a decoy.
const oidcApp = `{"id":"oidc","name":"Console","enabled":true,"type":"PING_ONE_ADMIN_CONSOLE","protocol":"OPENID_CONNECT","tokenEndpointAuthMethod":"NONE"}`
