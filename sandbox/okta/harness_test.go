package okta_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/okta"
)

const (
	host  = "acme.okta.com"
	token = "00write"
	east  = "https://signin.aws.amazon.com/saml"
	west  = "https://us-west-2.signin.aws.amazon.com/saml"
)

var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newOrg(t testing.TB, apps ...string) *okta.Org {
	t.Helper()
	o, err := okta.New(okta.Options{Host: host, APIToken: token, ReaderToken: "00read", Tenant: "acme", NewKey: testKey, RatePerMinute: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range apps {
		if err := o.AddRawApp([]byte(a)); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func addApp(t testing.TB, o *okta.Org, label string) string {
	t.Helper()
	id, err := o.AddSAMLApp(label, okta.AppSettings{ACS: east, RelayState: "https://us-east-1.console.aws.amazon.com/"})
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

// code is Okta's errorCode, "" for none.
func (a answer) code() string {
	var e struct{ ErrorCode string }
	_ = json.Unmarshal(a.body, &e)
	return e.ErrorCode
}

// call sends one admin API request in memory.
func call(o *okta.Org, method, path, body string, headers ...string) answer {
	r := httptest.NewRequest(method, "https://"+host+path, strings.NewReader(body))
	r.Header.Set("Authorization", "SSWS "+token)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	o.Sites()[0].Handler.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	return answer{w.Code, w.Header(), b}
}

func getApp(t testing.TB, o *okta.Org, id string) map[string]any {
	t.Helper()
	a := call(o, "GET", "/api/v1/apps/"+id, "")
	if a.status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", id, a.status, a.body)
	}
	return parse(t, a.body)
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

func put(o *okta.Org, id string, doc map[string]any) answer {
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return call(o, "PUT", "/api/v1/apps/"+id, string(b))
}

// at returns the value at a dotted path, or "(absent)".
func at(doc map[string]any, path string) any {
	var v any = doc
	for _, k := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return "(absent)"
		}
		if v, ok = m[k]; !ok {
			return "(absent)"
		}
	}
	return v
}

// drop removes the value at a dotted path.
func drop(doc map[string]any, path string) {
	keys := strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		doc = doc[k].(map[string]any)
	}
	delete(doc, keys[len(keys)-1])
}

// change sets the value at a dotted path to a JSON text.
func change(doc map[string]any, path, raw string) {
	keys := strings.Split(path, ".")
	for _, k := range keys[:len(keys)-1] {
		doc = doc[k].(map[string]any)
	}
	doc[keys[len(keys)-1]] = json.RawMessage(raw)
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// customApp is a custom app with every optional part filled in.
const customApp = `{"id":"0oacustom","orn":"orn:okta:x","name":"acme_aws_1","label":"AWS","status":"ACTIVE","created":"2020-01-01T00:00:00.000Z","lastUpdated":"2020-01-01T00:00:00.000Z",
"accessibility":{"selfService":true,"errorRedirectUrl":"https://e.example","loginRedirectUrl":null},
"visibility":{"autoLaunch":true,"autoSubmitToolbar":true,"hide":{"iOS":true,"web":false},"appLinks":{"acme_aws_1_link":false}},
"features":["PUSH_NEW_USERS"],"signOnMode":"SAML_2_0","universalLogout":{"status":"DISABLED"},
"credentials":{"userNameTemplate":{"template":"x","type":"CUSTOM"},"signing":{"kid":"kid-1"}},
"settings":{"app":{"n":1.0},"notifications":{"vpn":{"message":"hi"}},"manualProvisioning":true,"implicitAssignment":true,"notes":{"admin":"a","enduser":"b"},
"signOn":{"defaultRelayState":"https://us-east-1.console.aws.amazon.com/","ssoAcsUrl":"` + east + `","idpIssuer":"http://issuer/${org.externalKey}","audience":"urn:amazon:webservices",
"recipient":"` + east + `","destination":"` + east + `","subjectNameIdTemplate":"${user.email}","subjectNameIdFormat":"f","responseSigned":false,"assertionSigned":true,
"signatureAlgorithm":"RSA_SHA256","digestAlgorithm":"SHA256","honorForceAuthn":false,"authnContextClassRef":"c","spIssuer":"https://sp.example","requestCompressed":true,
"attributeStatements":[{"type":"EXPRESSION","name":"A","namespace":"urn:oasis:names:tc:SAML:2.0:attrname-format:uri","values":["user.login"]}],
"inlineHooks":[{"id":"h"}],"assertionEncryption":{"enabled":true},"allowMultipleAcsEndpoints":true,"acsEndpoints":[{"url":"` + west + `","index":1e0}],
"samlSignedRequestEnabled":true,"slo":{"enabled":true},"participateSlo":{"enabled":true},"spCertificate":{"x5c":["MII\r\n"]},"somethingNew":{"deep":[12345678901234567890,null]}}},
"_links":{"self":{"href":"x"}},"futureKey":{"a":null}}`

// catalogueApp is amazon_aws in SAML mode with its nulls.
const catalogueApp = `{"id":"0oacat","name":"amazon_aws","label":"AWS Account Federation","status":"ACTIVE","signOnMode":"SAML_2_0","features":[],
"credentials":{"userNameTemplate":{"template":"${source.login}","type":"BUILT_IN"},"signing":{"kid":"kid-c"}},
"settings":{"app":{"appFilter":"okta","secretKey":null,"overrideAcsURL":null,"sessionDuration":3600,"loginURL":"https://console.aws.amazon.com/ec2/home","odd":1e2},
"emOptInStatus":"NONE","notes":{"admin":null,"enduser":null},
"signOn":{"defaultRelayState":null,"ssoAcsUrlOverride":null,"audienceOverride":null,"recipientOverride":null,"destinationOverride":null,
"attributeStatements":[{"type":"EXPRESSION","name":"A","namespace":"urn:oasis:names:tc:SAML:2.0:attrname-format:uri","values":["user.login"]}],"configuredAttributeStatements":[{"x":1}]}},"_links":{}}`

// pluginApp is the decoy that shares the catalogue name and has no SAML.
const pluginApp = `{"id":"0oaplugin","name":"amazon_aws","label":"AWS by plugin","status":"ACTIVE","signOnMode":"BROWSER_PLUGIN","settings":{"app":{"loginURL":"x"},"odd":1.50},"extra":-0.0}`
