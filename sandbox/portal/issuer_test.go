package portal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/samlfailover/samlfailover/sandbox/portal"
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

func newIssuer(t *testing.T, n int) portal.Issuer {
	t.Helper()
	key, err := portal.NewKey("acme", testKeys()[n])
	if err != nil {
		t.Fatal(err)
	}
	return portal.Issuer{EntityID: "http://www.okta.com/exk1?a=1&b=<2>", SSOURL: "https://acme.okta.com/sso?x=1&y=2", Key: key}
}

const (
	acs      = "https://us-west-2.signin.aws.amazon.com/saml"
	audience = "urn:amazon:webservices"
)

func statement() portal.Statement {
	return portal.Statement{
		NameID: "ada@example.com", Destination: acs, Recipient: acs, Audience: audience,
		SignResponse: true, SignAssertion: true,
		Attributes: []portal.Attribute{
			{Name: "https://aws.amazon.com/SAML/Attributes/Role", Values: []string{"arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:saml-provider/okta", "x & <y>"}},
			{Name: "https://aws.amazon.com/SAML/Attributes/RoleSessionName", Values: []string{"ada@example.com"}},
		},
	}
}

func issue(t *testing.T, i portal.Issuer, s portal.Statement) []byte {
	t.Helper()
	out, err := i.Issue(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// verifySignature checks the enveloped signature of the response, or of the
// assertion, with nothing but goxmldsig and the metadata's certificate.
func verifySignature(t *testing.T, i portal.Issuer, response []byte, ofAssertion bool) error {
	t.Helper()
	var md saml.EntityDescriptor
	if err := xml.Unmarshal(i.Metadata(), &md); err != nil {
		t.Fatal(err)
	}
	data := md.IDPSSODescriptors[0].KeyDescriptors[0].KeyInfo.X509Data.X509Certificates[0].Data
	block := decodeBase64(t, data)
	cert, err := x509.ParseCertificate(block)
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(response); err != nil {
		t.Fatal(err)
	}
	el := doc.Root()
	if ofAssertion {
		el = el.FindElement("./Assertion")
	}
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	_, err = ctx.Validate(el)
	return err
}

// acceptAsSP is crewjam/saml's own service provider.
func acceptAsSP(t *testing.T, i portal.Issuer, response []byte) (*saml.Assertion, error) {
	t.Helper()
	var md saml.EntityDescriptor
	if err := xml.Unmarshal(i.Metadata(), &md); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(acs)
	if err != nil {
		t.Fatal(err)
	}
	sp := saml.ServiceProvider{EntityID: audience, AcsURL: *u, IDPMetadata: &md, AllowIDPInitiated: true}
	assertion, err := sp.ParseXMLResponse(response, nil, *u)
	var invalid *saml.InvalidResponseError
	if errors.As(err, &invalid) {
		return nil, invalid.PrivateErr
	}
	return assertion, err
}

func TestIssuedResponseIsAccepted(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, 0)
	out := issue(t, i, statement())
	for _, ofAssertion := range []bool{false, true} {
		if err := verifySignature(t, i, out, ofAssertion); err != nil {
			t.Errorf("signature (assertion: %v): %v", ofAssertion, err)
		}
	}
	assertion, err := acceptAsSP(t, i, out)
	if err != nil {
		t.Fatal(err)
	}
	if got := assertion.Issuer.Value; got != i.EntityID {
		t.Errorf("issuer %q, want %q", got, i.EntityID)
	}
	confirmations := assertion.Subject.SubjectConfirmations
	if len(confirmations) != 1 || confirmations[0].SubjectConfirmationData.Recipient != acs {
		t.Errorf("confirmations: %+v", confirmations)
	}
	if life := confirmations[0].SubjectConfirmationData.NotOnOrAfter.Sub(assertion.IssueInstant); life != portal.Lifetime {
		t.Errorf("it may be redeemed for %v", life)
	}
	if len(assertion.AuthnStatements) != 1 {
		t.Errorf("%d AuthnStatements", len(assertion.AuthnStatements))
	}
	roles := assertion.AttributeStatements[0].Attributes[0].Values
	if len(roles) != 2 || roles[1].Value != "x & <y>" {
		t.Errorf("roles: %+v", roles)
	}
}

// TestNoSHA1 holds that nothing in what we sign or publish names SHA-1.
func TestNoSHA1(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, 0)
	for name, text := range map[string][]byte{"response": issue(t, i, statement()), "metadata": i.Metadata()} {
		if bytes.Contains(bytes.ToLower(text), []byte("sha1")) {
			t.Errorf("the %s names SHA-1", name)
		}
	}
}

func TestWhatIsSigned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		response, assertion bool
	}{{"both", true, true}, {"response only", true, false}, {"assertion only", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i, s := newIssuer(t, 0), statement()
			s.SignResponse, s.SignAssertion = c.response, c.assertion
			out := issue(t, i, s)
			if err := verifySignature(t, i, out, false); (err == nil) != c.response {
				t.Errorf("response signature: %v", err)
			}
			if err := verifySignature(t, i, out, true); (err == nil) != c.assertion {
				t.Errorf("assertion signature: %v", err)
			}
			if _, err := acceptAsSP(t, i, out); err != nil {
				t.Errorf("service provider: %v", err)
			}
		})
	}
	s := statement()
	s.SignResponse, s.SignAssertion = false, false
	if _, err := newIssuer(t, 0).Issue(s, time.Now()); err == nil {
		t.Error("an unsigned response was issued")
	}
}

// TestSaboteurs: each wrong answer must be refused by both verifiers that the
// good one passes.
func TestSaboteurs(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, 0)
	good := string(issue(t, i, statement()))
	for _, c := range []struct{ name, out string }{
		{"another recipient written in", strings.ReplaceAll(good, `Recipient="`+acs, `Recipient="https://evil.example/saml`)},
		{"another role written in", strings.ReplaceAll(good, "role/a,", "role/b,")},
		{"a later expiry written in", strings.Replace(good, `NotOnOrAfter="20`, `NotOnOrAfter="21`, 1)},
		{"signatures of another key", string(issue(t, portal.Issuer{EntityID: i.EntityID, Key: newIssuer(t, 1).Key}, statement()))},
		{"another person written in", strings.ReplaceAll(good, "ada@example.com<", "ada@example.com.evil<")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.out == good {
				t.Fatal("the saboteur changed nothing")
			}
			if err := verifySignature(t, i, []byte(c.out), false); err == nil {
				t.Error("goxmldsig accepted it")
			}
			if _, err := acceptAsSP(t, i, []byte(c.out)); err == nil {
				t.Error("the service provider accepted it")
			}
		})
	}
}

func TestExpiredIsRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, 0)
	out, err := i.Issue(statement(), time.Now().Add(-portal.Lifetime-5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acceptAsSP(t, i, out); err == nil {
		t.Error("an expired response was accepted")
	}
}
