package aws_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/xml"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// identity is a signing key with its self-signed certificate.
type identity struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// keyPool makes all keys of this package's tests once. The certificates are
// valid in a synctest bubble (which begins in 2000) too.
var keyPool = sync.OnceValue(func() [3]identity {
	var out [3]identity
	for i := range out {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		t := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "test idp"},
			NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}
		der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
		if err != nil {
			panic(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		out[i] = identity{key, cert}
	}
	return out
})

const (
	account   = "123456789012"
	issuer    = "https://idp.example/saml"
	provider  = "arn:aws:iam::123456789012:saml-provider/Okta"
	roleAdmin = "arn:aws:iam::123456789012:role/Admin"
	roleOther = "arn:aws:iam::123456789012:role/Other"
	west      = "https://us-west-2.signin.aws.amazon.com/saml"
	east      = "https://signin.aws.amazon.com/saml"
	awsAttr   = "https://aws.amazon.com/SAML/Attributes/"
)

// ticket is what an IdP puts into one assertion; the zero values are filled by
// honest.
type ticket struct {
	signer        identity
	method        string
	issuer        string
	recipient     string
	destination   string
	audience      string
	nameID        string
	issued        time.Time
	life          time.Duration
	attrs         []saml.Attribute
	confirmations int
	signOnlyOuter bool
	skipOuter     bool
}

func attr(name string, values ...string) saml.Attribute {
	a := saml.Attribute{Name: awsAttr + name, NameFormat: "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}
	for _, v := range values {
		a.Values = append(a.Values, saml.AttributeValue{Type: "xs:string", Value: v})
	}
	return a
}

// honest is a login that the test world admits at us-west-2.
func honest() ticket {
	return ticket{signer: keyPool()[0], method: dsig.RSASHA256SignatureMethod, issuer: issuer, recipient: west, destination: west,
		audience: "urn:amazon:webservices", nameID: "alice@example.com", issued: time.Now(), life: 5 * time.Minute, confirmations: 1,
		attrs: []saml.Attribute{attr("Role", roleAdmin+","+provider), attr("RoleSessionName", "alice@example.com")}}
}

func (k ticket) assertion() *saml.Assertion {
	a := &saml.Assertion{
		ID: "id-assertion", IssueInstant: k.issued, Version: "2.0", Issuer: saml.Issuer{Value: k.issuer},
		Subject: &saml.Subject{NameID: &saml.NameID{Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", Value: k.nameID}},
		Conditions: &saml.Conditions{NotBefore: k.issued.Add(-time.Minute), NotOnOrAfter: k.issued.Add(k.life),
			AudienceRestrictions: []saml.AudienceRestriction{{Audience: saml.Audience{Value: k.audience}}}},
		AuthnStatements: []saml.AuthnStatement{{AuthnInstant: k.issued, SessionIndex: "s1",
			AuthnContext: saml.AuthnContext{AuthnContextClassRef: &saml.AuthnContextClassRef{Value: "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"}}}},
		AttributeStatements: []saml.AttributeStatement{{Attributes: k.attrs}},
	}
	for range k.confirmations {
		a.Subject.SubjectConfirmations = append(a.Subject.SubjectConfirmations, saml.SubjectConfirmation{
			Method:                  "urn:oasis:names:tc:SAML:2.0:cm:bearer",
			SubjectConfirmationData: &saml.SubjectConfirmationData{NotOnOrAfter: k.issued.Add(k.life), Recipient: k.recipient}})
	}
	return a
}

// response issues the signed response as an element.
func (k ticket) response(t *testing.T) *etree.Element {
	t.Helper()
	metadata, err := url.Parse(k.issuer)
	if err != nil {
		t.Fatal(err)
	}
	req := &saml.IdpAuthnRequest{
		IDP: &saml.IdentityProvider{Key: crypto.PrivateKey(k.signer.key), Certificate: k.signer.cert, MetadataURL: *metadata, SignatureMethod: k.method},
		Now: k.issued, Assertion: k.assertion(),
		ACSEndpoint:             &saml.IndexedEndpoint{Binding: saml.HTTPPostBinding, Location: k.destination},
		ServiceProviderMetadata: &saml.EntityDescriptor{EntityID: "urn:amazon:webservices"},
		SPSSODescriptor:         &saml.SPSSODescriptor{},
	}
	if k.signOnlyOuter {
		req.AssertionEl = req.Assertion.Element()
	}
	if err := req.MakeResponse(); err != nil {
		t.Fatal(err)
	}
	el := req.ResponseEl
	if k.skipOuter {
		removeSignature(el)
	}
	return el
}

func removeSignature(el *etree.Element) *etree.Element {
	for _, c := range el.ChildElements() {
		if c.Tag == "Signature" {
			el.RemoveChild(c)
			return c
		}
	}
	return nil
}

func child(el *etree.Element, tag string) *etree.Element {
	for _, c := range el.ChildElements() {
		if c.Tag == tag {
			return c
		}
	}
	return nil
}

func text(t *testing.T, el *etree.Element) string {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(el)
	s, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func (k ticket) encoded(t *testing.T) string {
	t.Helper()
	return encode(text(t, k.response(t)))
}

// metadata is the IdP metadata that goes into an IAM SAML provider.
func metadata(issuer string, certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	b.WriteString(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + issuer + `"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`)
	for _, c := range certs {
		b.WriteString(`<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
			base64.StdEncoding.EncodeToString(c.Raw) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`)
	}
	b.WriteString(`<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/sso"/></IDPSSODescriptor></EntityDescriptor>`)
	return b.Bytes()
}

func trust(actions, condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":` + actions + `,"Condition":` + condition + `}]}`
}

func audOnly(urls ...string) string {
	return trust(`["sts:AssumeRoleWithSAML","sts:TagSession","sts:SetSourceIdentity"]`, `{"StringEquals":{"SAML:aud":["`+strings.Join(urls, `","`)+`"]}}`)
}

// testWorld has one account, one provider (key 0), a role Admin that admits
// us-east-1 and us-west-2, and Other that admits us-east-1 only.
type testWorld struct {
	*aws.Cloud
	account *aws.Account
	hosts   map[string]proxy.Site
	client  *http.Client // with cookies; does not follow redirects
}

func newWorld(t *testing.T) *testWorld {
	t.Helper()
	c := aws.New()
	w := &testWorld{Cloud: c, account: c.AddAccount(account, "prod"), hosts: map[string]proxy.Site{}}
	if _, err := w.account.PutProvider("Okta", metadata(issuer, keyPool()[0].cert)); err != nil {
		t.Fatal(err)
	}
	w.put(t, aws.Role{Name: "Admin", Trust: audOnly(east, west), MaxSession: 7200, Allow: []string{"iam:*", "sts:AssumeRole"}})
	w.put(t, aws.Role{Name: "Other", Trust: audOnly(east)})
	for _, s := range c.Sites() {
		w.hosts[s.Host] = s
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.client = &http.Client{Transport: w, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w
}

func (w *testWorld) put(t *testing.T, r aws.Role) {
	t.Helper()
	if err := w.account.PutRole(r); err != nil {
		t.Fatal(err)
	}
}

// RoundTrip hands a request to the handler of its host.
func (w *testWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	site, ok := w.hosts[r.URL.Hostname()]
	if !ok {
		rec := httptest.NewRecorder()
		http.Error(rec, "no such host in the sandbox", http.StatusBadGateway)
		return rec.Result(), nil
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.Host = r.Host
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	in.RequestURI = r.URL.RequestURI()
	rec := httptest.NewRecorder()
	site.Handler.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// answer is a response that was read.
type answer struct {
	*http.Response
	text string
}

func (w *testWorld) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(b)}
}

func (w *testWorld) get(t *testing.T, u string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.do(t, r)
}

func (w *testWorld) post(t *testing.T, u string, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(t, r)
}

// signIn posts an assertion to an endpoint.
func (w *testWorld) signIn(t *testing.T, acs, encoded, relay string) answer {
	t.Helper()
	return w.post(t, acs, url.Values{"SAMLResponse": {encoded}, "RelayState": {relay}})
}

// apiError reads an ErrorResponse.
type apiError struct {
	XMLName xml.Name
	Error   struct{ Type, Code, Message string }
	ID      string `xml:"RequestId"`
}

func readError(t *testing.T, a answer) apiError {
	t.Helper()
	var e apiError
	if err := xml.Unmarshal([]byte(a.text), &e); err != nil {
		t.Fatalf("not an XML error: %v\n%s", err, a.text)
	}
	return e
}
