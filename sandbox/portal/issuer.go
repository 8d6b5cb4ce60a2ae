package portal

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
)

// Lifetime is how long an issued response may be redeemed. AWS accepts an
// assertion for five minutes (STS API Reference, AssumeRoleWithSAML,
// ExpiredTokenException).
const Lifetime = 5 * time.Minute

// UnspecifiedNameID and PasswordTransport are the values that most AWS apps
// carry (SAML 1.1 core, 7.3.1; SAML 2.0 authentication context, 3.4.4).
const (
	UnspecifiedNameID = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	PasswordTransport = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
)

// Key is a signing key with its self-signed certificate. It is read-only once
// made and so safe for concurrent use.
type Key struct {
	Private     *rsa.PrivateKey
	Certificate *x509.Certificate
}

// NewKey wraps a private key in a certificate that is valid from a day before
// now for ten years. A nil key makes a new RSA-2048 one, which takes some 40 ms.
func NewKey(commonName string, private *rsa.PrivateKey) (*Key, error) {
	if private == nil {
		var err error
		if private, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, fmt.Errorf("make the signing key of %s: %w", commonName, err)
		}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("make the certificate of %s: %w", commonName, err)
	}
	now := time.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName, Organization: []string{"samlfailover sandbox"}},
		NotBefore:    now.AddDate(0, 0, -1),
		NotAfter:     now.AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of %s: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back the certificate of %s: %w", commonName, err)
	}
	return &Key{private, cert}, nil
}

// Issuer is one SAML identity provider: an entity ID with its key. In Okta
// every app is one of its own.
type Issuer struct {
	EntityID string
	SSOURL   string // where the metadata says that sign-in happens
	Key      *Key
}

// Attribute is one SAML attribute in the order in which it is sent.
type Attribute struct {
	Name   string
	Format string // NameFormat; "" = basic
	Values []string
}

// Statement is everything that one response says about one person.
type Statement struct {
	NameID       string
	NameIDFormat string // "" = UnspecifiedNameID
	AuthnContext string // "" = PasswordTransport
	Destination  string // of the Response
	Recipient    string // of the one SubjectConfirmationData
	Audience     string
	Attributes   []Attribute
	// SignResponse and SignAssertion choose what is signed; one must be.
	SignResponse, SignAssertion bool
	// Life is how long the response may be redeemed; 0 = Lifetime.
	Life time.Duration
	// SessionLife sets SessionNotOnOrAfter that long after the sign-in; 0 = none.
	SessionLife time.Duration
}

// Issue makes a SAML response as XML: one assertion with one bearer
// confirmation, valid for the statement's Life from now. Signatures are RSA-SHA256 with
// SHA-256 digests.
func (i Issuer) Issue(s Statement, now time.Time) ([]byte, error) {
	if !s.SignResponse && !s.SignAssertion {
		return nil, errors.New("issue a SAML response: neither the response nor the assertion would be signed; switch one on in the app")
	}
	assertion := i.assertion(s, now.UTC())
	el := assertion.Element()
	if s.SignAssertion {
		signature, err := i.sign(el)
		if err != nil {
			return nil, err
		}
		assertion.Signature = signature
		el = assertion.Element()
	}
	response := i.response(s, now.UTC())
	root := response.Element()
	root.AddChild(el)
	if s.SignResponse {
		signature, err := i.sign(root)
		if err != nil {
			return nil, err
		}
		response.Signature = signature
		root = response.Element()
		root.AddChild(el)
	}
	doc := etree.NewDocument()
	doc.SetRoot(root)
	out, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("write the SAML response: %w", err)
	}
	return out, nil
}

// assertion builds the unsigned assertion.
func (i Issuer) assertion(s Statement, now time.Time) *saml.Assertion {
	end := now.Add(cmp.Or(s.Life, Lifetime))
	var sessionEnd *time.Time
	if s.SessionLife > 0 {
		at := now.Add(s.SessionLife)
		sessionEnd = &at
	}
	return &saml.Assertion{
		ID:           newID(),
		IssueInstant: now,
		Version:      "2.0",
		Issuer:       i.issuer(),
		Subject: &saml.Subject{
			NameID: &saml.NameID{Format: or(s.NameIDFormat, UnspecifiedNameID), Value: s.NameID},
			SubjectConfirmations: []saml.SubjectConfirmation{{
				Method:                  "urn:oasis:names:tc:SAML:2.0:cm:bearer",
				SubjectConfirmationData: &saml.SubjectConfirmationData{NotOnOrAfter: end, Recipient: s.Recipient},
			}},
		},
		Conditions: &saml.Conditions{
			NotBefore:            now.Add(-Lifetime),
			NotOnOrAfter:         end,
			AudienceRestrictions: []saml.AudienceRestriction{{Audience: saml.Audience{Value: s.Audience}}},
		},
		AuthnStatements: []saml.AuthnStatement{{
			AuthnInstant:        now,
			SessionIndex:        newID(),
			SessionNotOnOrAfter: sessionEnd,
			AuthnContext: saml.AuthnContext{
				AuthnContextClassRef: &saml.AuthnContextClassRef{Value: or(s.AuthnContext, PasswordTransport)},
			},
		}},
		AttributeStatements: attributeStatements(s.Attributes),
	}
}

// response builds the unsigned envelope.
func (i Issuer) response(s Statement, now time.Time) *saml.Response {
	issuer := i.issuer()
	return &saml.Response{
		ID:           newID(),
		Version:      "2.0",
		IssueInstant: now,
		Destination:  s.Destination,
		Issuer:       &issuer,
		Status:       saml.Status{StatusCode: saml.StatusCode{Value: saml.StatusSuccess}},
	}
}

func (i Issuer) issuer() saml.Issuer {
	return saml.Issuer{Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:entity", Value: i.EntityID}
}

// attributeStatements returns none for no attributes: the schema wants at
// least one attribute in a statement.
func attributeStatements(attrs []Attribute) []saml.AttributeStatement {
	if len(attrs) == 0 {
		return nil
	}
	var out saml.AttributeStatement
	for _, a := range attrs {
		values := make([]saml.AttributeValue, len(a.Values))
		for n, v := range a.Values {
			values[n] = saml.AttributeValue{Type: "xs:string", Value: v}
		}
		format := or(a.Format, "urn:oasis:names:tc:SAML:2.0:attrname-format:basic")
		out.Attributes = append(out.Attributes, saml.Attribute{Name: a.Name, NameFormat: format, Values: values})
	}
	return []saml.AttributeStatement{out}
}

// sign returns the enveloped signature of el.
func (i Issuer) sign(el *etree.Element) (*etree.Element, error) {
	ctx, err := dsig.NewSigningContext(i.Key.Private, [][]byte{i.Key.Certificate.Raw})
	if err != nil {
		return nil, fmt.Errorf("prepare the signature of %s: %w", i.EntityID, err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := ctx.SetSignatureMethod(dsig.RSASHA256SignatureMethod); err != nil {
		return nil, fmt.Errorf("prepare the signature of %s: %w", i.EntityID, err)
	}
	signed, err := ctx.SignEnveloped(el)
	if err != nil {
		return nil, fmt.Errorf("sign as %s: %w", i.EntityID, err)
	}
	children := signed.ChildElements()
	return children[len(children)-1], nil
}

// Metadata returns the provider's SAML metadata, in the form in which Okta
// gives it to administrators: a signing key, two NameID formats, two bindings.
func (i Issuer) Metadata() []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="`)
	escape(&b, i.EntityID)
	b.WriteString(`"><md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		`<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>`)
	b.WriteString(base64.StdEncoding.EncodeToString(i.Key.Certificate.Raw))
	b.WriteString(`</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>` +
		`<md:NameIDFormat>` + UnspecifiedNameID + `</md:NameIDFormat>` +
		`<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>`)
	for _, binding := range []string{"HTTP-POST", "HTTP-Redirect"} {
		b.WriteString(`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:` + binding + `" Location="`)
		escape(&b, i.SSOURL)
		b.WriteString(`"/>`)
	}
	b.WriteString(`</md:IDPSSODescriptor></md:EntityDescriptor>`)
	return []byte(b.String())
}

func escape(b *strings.Builder, s string) {
	_ = xml.EscapeText(b, []byte(s)) // a Builder cannot fail
}

// newID is an XML ID that never repeats.
func newID() string { return "id" + strings.ToLower(rand.Text()) }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
