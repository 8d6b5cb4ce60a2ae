package assertion_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/samlfailover/samlfailover/assertion"
	"github.com/samlfailover/samlfailover/sandbox/portal"
)

const (
	acs      = "https://us-west-2.signin.aws.amazon.com/saml"
	oldACS   = "https://signin.aws.amazon.com/saml"
	audience = "urn:amazon:webservices"
	entity   = "http://www.okta.com/exk1"
	provider = "arn:aws:iam::111122223333:saml-provider/okta"
)

var testKeys = sync.OnceValue(func() [2]*portal.Key {
	var keys [2]*portal.Key
	for i := range keys {
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err == nil {
			keys[i], err = portal.NewKey(fmt.Sprint("acme ", i), private)
		}
		if err != nil {
			panic(err)
		}
	}
	return keys
})

func statement() portal.Statement {
	return portal.Statement{NameID: "test@example.com", Destination: acs, Recipient: acs, Audience: audience, SignResponse: true, SignAssertion: true,
		Attributes: []portal.Attribute{{Name: "https://aws.amazon.com/SAML/Attributes/Role",
			Values: []string{"arn:aws:iam::111122223333:role/a," + provider, "arn:aws:iam::444455556666:saml-provider/okta,arn:aws:iam::444455556666:role/b"}}}}
}

func issueAt(t testing.TB, s portal.Statement, now time.Time) string {
	t.Helper()
	out, err := portal.Issuer{EntityID: entity, Key: testKeys()[0]}.Issue(s, now)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func expect(now time.Time) assertion.Expect {
	return assertion.Expect{Certificates: []*x509.Certificate{testKeys()[0].Certificate}, Issuer: entity, Endpoint: acs,
		Audiences: []string{audience, oldACS}, Provider: provider, Now: now}
}

func points(failed []assertion.Failure) string {
	var out []string
	for _, f := range failed {
		out = append(out, string(f.Point))
	}
	return strings.Join(out, " ")
}

// Each row changes what was issued or what is expected; want names every failed
// point.
//
// spec 3
func TestCheck(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		why    string
		say    func(*portal.Statement)
		expect func(*assertion.Expect)
		edit   func(string) string // of the signed text
		want   string
	}{
		{why: "both signed"},
		{why: "only the response signed", say: func(s *portal.Statement) { s.SignAssertion = false }},
		{why: "only the assertion signed", say: func(s *portal.Statement) { s.SignResponse = false }},
		{why: "an audience of two", say: func(s *portal.Statement) { s.Audience = oldACS }},
		{why: "old and new certificate during a rollover", expect: func(e *assertion.Expect) {
			e.Certificates = []*x509.Certificate{testKeys()[1].Certificate, testKeys()[0].Certificate}
		}},
		{why: "halves of a role pair swapped", expect: func(e *assertion.Expect) { e.Provider = "arn:aws:iam::444455556666:saml-provider/okta" }},
		{why: "the old endpoint as Recipient", say: func(s *portal.Statement) { s.Recipient = oldACS }, want: "recipient"},
		{why: "the old endpoint as Destination", say: func(s *portal.Statement) { s.Destination = oldACS }, want: "destination"},
		{why: "the old endpoint altogether", say: func(s *portal.Statement) { s.Destination, s.Recipient = oldACS, oldACS }, want: "destination recipient"},
		{why: "a foreign audience", say: func(s *portal.Statement) { s.Audience = "urn:other" }, want: "audience"},
		{why: "no audience", say: func(s *portal.Statement) { s.Audience = "" }, want: "audience"},
		{why: "another issuer", expect: func(e *assertion.Expect) { e.Issuer = "http://www.okta.com/other" }, want: "issuer issuer"},
		{why: "no issuer known", expect: func(e *assertion.Expect) { e.Issuer = "" }, want: "issuer issuer"},
		{why: "another key", expect: func(e *assertion.Expect) { e.Certificates = []*x509.Certificate{testKeys()[1].Certificate} }, want: "signature"},
		{why: "no certificate known", expect: func(e *assertion.Expect) { e.Certificates = nil }, want: "signature"},
		{why: "over", expect: func(e *assertion.Expect) { e.Now = now.Add(portal.Lifetime) }, want: "lifetime lifetime"},
		{why: "one second before its end", expect: func(e *assertion.Expect) { e.Now = now.Add(portal.Lifetime - time.Second) }},
		{why: "a provider that the user has no role with", expect: func(e *assertion.Expect) { e.Provider = provider + "x" }, want: "roles"},
		{why: "no role", say: func(s *portal.Statement) { s.Attributes = nil }, want: "roles"},
		{why: "value changed after signing", edit: replace("test@example.com", "admin@example.com"), want: "signature"},
		{why: "endpoint changed after signing, back to the expected one", say: func(s *portal.Statement) { s.Recipient = oldACS },
			edit: replace(oldACS, acs), want: "signature"},
		{why: "SHA-1 as the signature's method", edit: replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), want: "algorithm"},
		{why: "SHA-1 as a digest", edit: replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"), want: "algorithm"},
		{why: "a canonical form that covers comments", edit: replace("http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"), want: "algorithm"},
		{why: "a DTD", edit: func(s string) string { return `<!DOCTYPE x [<!ENTITY e "v">]>` + s }, want: "shape"},
		{why: "a comment in a value, which the signature does not cover", edit: replace("test@example.com", "test@example.com<!-- x -->.evil.example"), want: "shape"},
		{why: "an instruction", edit: replace("<saml:Subject>", "<?php x?><saml:Subject>"), want: "shape"},
		{why: "something behind the response", edit: func(s string) string { return s + "<x/>" }, want: "shape"},
		{why: "no XML", edit: func(string) string { return "junk" }, want: "shape"},
		{why: "nothing", edit: func(string) string { return "" }, want: "shape"},
		{why: "not UTF-8", edit: func(s string) string { return s + "\xff" }, want: "shape"},
		{why: "too large", edit: func(s string) string { return s + strings.Repeat(" ", assertion.MaxSize) }, want: "shape"},
		{why: "too deep", edit: func(string) string {
			return `<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol">` + strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50) + "</p:Response>"
		}, want: "shape"},
		{why: "no success", edit: replace("status:Success", "status:Responder"), want: "signature status"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			s, e := statement(), expect(now)
			if c.say != nil {
				c.say(&s)
			}
			if c.expect != nil {
				c.expect(&e)
			}
			text := issueAt(t, s, now)
			if c.edit != nil {
				edited := c.edit(text)
				if edited == text {
					t.Fatal("the row edits nothing")
				}
				text = edited
			}
			failed := assertion.Check([]byte(text), e)
			if got := points(failed); got != c.want {
				t.Errorf("failed %q, want %q: %v", got, c.want, failed)
			}
			if shown := fmt.Sprint(failed); strings.Contains(shown, "test@example.com") || strings.Contains(shown, "SignatureValue") {
				t.Errorf("a reason shows the response: %s", shown)
			}
		})
	}
}

func replace(old, with string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, with) }
}

func TestUnsignedIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	doc := parse(t, issueAt(t, statement(), now))
	dropSignature(doc.Root())
	dropSignature(inner(doc.Root()))
	if got := points(assertion.Check(write(t, doc.Root()), expect(now))); got != "signature" {
		t.Errorf("failed %q", got)
	}
}

// Two confirmations, or one of another method, are no bearer assertion: a
// Recipient of which AWS might read the other is no Recipient.
func TestConfirmations(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for why, edit := range map[string]func(*etree.Element){
		"two": func(a *etree.Element) {
			subject := a.FindElement("./Subject")
			subject.AddChild(subject.FindElement("./SubjectConfirmation").Copy())
		},
		"another method": func(a *etree.Element) {
			a.FindElement("./Subject/SubjectConfirmation").CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
		},
		"no subject": func(a *etree.Element) { a.RemoveChild(a.FindElement("./Subject")) },
	} {
		doc := parse(t, issueAt(t, statement(), now))
		edit(inner(doc.Root()))
		if got := points(assertion.Check(write(t, doc.Root()), expect(now))); got != "signature recipient lifetime" {
			t.Errorf("%s: failed %q", why, got)
		}
	}
}

func TestClaimed(t *testing.T) {
	t.Parallel()
	got, err := assertion.Claimed([]byte(issueAt(t, statement(), time.Now())))
	if err != nil || got.Issuer != entity || got.Recipient != acs || len(got.Providers) != 2 || got.Providers[0] != provider {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{"", "<x/>", `<!DOCTYPE x><x/>`} {
		if _, err := assertion.Claimed([]byte(bad)); err == nil {
			t.Errorf("%q has claims", bad)
		}
	}
}

func parse(t testing.TB, text string) *etree.Document {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatal(err)
	}
	return doc
}

func write(t testing.TB, root *etree.Element) []byte {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(root)
	out, err := doc.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func inner(response *etree.Element) *etree.Element { return response.FindElement("./Assertion") }

func dropSignature(el *etree.Element) *etree.Element {
	s := el.FindElement("./Signature")
	if s != nil {
		el.RemoveChild(s)
	}
	return s
}

// AWS takes 100,000 characters of base64: 75,000 bytes.
func TestSize(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		roles int
		fits  bool
	}{{300, true}, {400, false}} {
		s := statement()
		for i := range c.roles {
			s.Attributes[0].Values = append(s.Attributes[0].Values, fmt.Sprintf("arn:aws:iam::111122223333:role/r%04d,%s", i, provider))
		}
		text := issueAt(t, s, now)
		failed := assertion.Check([]byte(text), expect(now))
		if c.fits && len(failed) > 0 || !c.fits && (len(failed) != 1 || failed[0].Point != assertion.Size) {
			t.Errorf("%d bytes: %v", len(text), failed)
		}
	}
}
