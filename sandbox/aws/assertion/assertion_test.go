package assertion

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

var pool = sync.OnceValue(func() signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: issued.AddDate(-1, 0, 0), NotAfter: issued.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return signer{key, cert}
})

var issued = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// body declares its prefix on the response, as many IdPs do: the signed element
// has to be detached with its ancestors' namespaces.
const body = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="r1" Version="2.0">` +
	`<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` +
	`<saml:Assertion ID="a1" Version="2.0" IssueInstant="2026-03-01T12:00:00Z"><saml:Issuer>idp</saml:Issuer>` +
	`<saml:Subject><saml:NameID>alice</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="https://signin.aws.amazon.com/saml" NotOnOrAfter="2026-03-01T12:05:00Z"/></saml:SubjectConfirmation></saml:Subject>` +
	`<saml:Conditions><saml:AudienceRestriction><saml:Audience>aud</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
	`<saml:AttributeStatement><saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role"><saml:AttributeValue>arn:aws:iam::123456789012:role/R,arn:aws:iam::123456789012:saml-provider/P</saml:AttributeValue></saml:Attribute>` +
	`<saml:Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>`

func signedBody(tb testing.TB) string {
	tb.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(body); err != nil {
		tb.Fatal(err)
	}
	a := doc.Root().FindElement("./Assertion")
	alone, err := detach(a)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, err := dsig.NewSigningContext(pool().key, [][]byte{pool().cert.Raw})
	if err != nil {
		tb.Fatal(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := ctx.SetSignatureMethod(dsig.ECDSASHA256SignatureMethod); err != nil {
		tb.Fatal(err)
	}
	sig, err := ctx.ConstructSignature(alone, true)
	if err != nil {
		tb.Fatal(err)
	}
	a.AddChild(sig)
	s, err := doc.WriteToString()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func trusted() Trust {
	return Trust{Issuer: "idp", Certificates: []*x509.Certificate{pool().cert}, Audiences: []string{"aud"}}
}

func open(s string) (*Assertion, *Refusal) {
	r, bad := Open(base64.StdEncoding.EncodeToString([]byte(s)))
	if bad != nil {
		return nil, bad
	}
	return r.Verify(trusted(), issued)
}

func TestPrefixDeclaredOnTheResponse(t *testing.T) {
	t.Parallel()
	a, bad := open(signedBody(t))
	if bad != nil {
		t.Fatal(bad)
	}
	if a.Subject != "alice" || len(a.Roles) != 1 || a.Roles[0].Provider != "arn:aws:iam::123456789012:saml-provider/P" {
		t.Errorf("%+v", a)
	}
}

func TestBase64WithLineBreaks(t *testing.T) {
	t.Parallel()
	s := base64.StdEncoding.EncodeToString([]byte(signedBody(t)))
	if _, bad := Open(s[:76] + "\r\n" + s[76:]); bad != nil {
		t.Error(bad)
	}
	if _, bad := Open(s[:76] + " " + s[76:]); bad == nil {
		t.Error("a space inside base64 was accepted")
	}
}

// An expired or not yet valid certificate vouches for nothing.
func TestCertificateValidity(t *testing.T) {
	t.Parallel()
	r, bad := Open(base64.StdEncoding.EncodeToString([]byte(signedBody(t))))
	if bad != nil {
		t.Fatal(bad)
	}
	if _, bad := r.Verify(trusted(), issued.AddDate(2, 0, 0)); bad == nil || bad.Message != "Response signature invalid" {
		t.Errorf("%v", bad)
	}
}

// FuzzOpen changes a signed response in every way the fuzzer finds: whatever is
// accepted still says what was signed.
func FuzzOpen(f *testing.F) {
	s := signedBody(f)
	f.Add(s)
	f.Add(body)
	f.Add(strings.Replace(s, ">alice</saml:NameID>", ">bob</saml:NameID>", 1))
	f.Add(strings.Replace(s, "<samlp:Status>", "<saml:Issuer>idp</saml:Issuer><samlp:Status>", 1))
	f.Fuzz(func(t *testing.T, text string) {
		a, bad := open(text)
		if bad != nil {
			return
		}
		if a.Subject != "alice" || a.RoleSessionName != "alice" || a.Roles[0].Role != "arn:aws:iam::123456789012:role/R" || a.Recipient != "https://signin.aws.amazon.com/saml" {
			t.Fatalf("unsigned values were read: %+v", a)
		}
	})
}
