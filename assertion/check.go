package assertion

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Point names one thing that a response has to get right.
type Point string

// The points. Shape comes first: without it there is nothing else to judge.
const (
	Shape       Point = "shape"       // one plain SAML response with one assertion
	Size        Point = "size"        // no more than AWS takes
	Signature   Point = "signature"   // by a certificate that IAM has for the provider
	Algorithm   Point = "algorithm"   // no SHA-1
	Status      Point = "status"      // the IdP says that the sign-in succeeded
	Issuer      Point = "issuer"      // the one that IAM has for the provider
	Destination Point = "destination" // of the response: the endpoint
	Recipient   Point = "recipient"   // of the one subject confirmation: the endpoint
	Audience    Point = "audience"    // AWS
	Lifetime    Point = "lifetime"    // begun and not over
	Roles       Point = "roles"       // the Role attribute names the provider
)

// Failure is one failed point. Why never holds more of a response than an
// endpoint, an issuer, an audience or an ARN.
type Failure struct {
	Point Point
	Why   string
}

// Expect is what a response has to carry.
type Expect struct {
	// Certificates are those that IAM has for Provider; without one no signature
	// verifies.
	Certificates []*x509.Certificate
	Issuer       string   // the provider's entity id
	Endpoint     string   // the sign-in URL: Recipient and Destination
	Audiences    []string // of which the response has to name one
	Provider     string   // ARN of the IAM SAML provider; "" = any
	Now          time.Time
}

// skew is how far the IdP's clock may be ahead of ours.
const skew = time.Minute

// maxEncoded is how many characters of base64 AWS takes (STS API Reference,
// AssumeRoleWithSAML, SAMLAssertion).
const maxEncoded = 100_000

// roleAttribute holds pairs "role ARN,provider ARN" (IAM User Guide, "Configure
// SAML assertions for the authentication response").
const roleAttribute = "https://aws.amazon.com/SAML/Attributes/Role"

// Claims is what a response says of itself, verified by nothing: enough to know
// whose certificates to verify it with, and for nothing else.
type Claims struct {
	Issuer    string
	Recipient string
	// Providers are the ARNs of the IAM SAML providers in the Role attribute.
	Providers []string
}

// Claimed reads the claims of a response. The error says what is wrong with its
// shape.
func Claimed(response []byte) (Claims, error) {
	o, err := open(response)
	if err != nil {
		return Claims{}, err
	}
	return Claims{Issuer: text(only(o.assertion, assertionNS, "Issuer")), Recipient: attr(confirmation(o.assertion), "Recipient"),
		Providers: providers(o.assertion)}, nil
}

// Check returns every failed point, in the order of the constants; none means
// that AWS has no reason to refuse the response that this package knows of.
func Check(response []byte, e Expect) []Failure {
	o, err := open(response)
	if err != nil {
		return []Failure{{Shape, err.Error()}}
	}
	var c checker
	if n := base64.StdEncoding.EncodedLen(len(response)); n > maxEncoded {
		c.fail(Size, "the response has %d characters in base64, and AWS takes %d: the test user has too many roles or attributes in it", n, maxEncoded)
	}
	covered, err := o.verify(e.Certificates, e.Now)
	switch {
	case errors.Is(err, errWeak):
		c.fail(Algorithm, "%s", err.Error())
	case err != nil:
		c.fail(Signature, "%s", err.Error())
	}
	// Where the signature failed the response is refused anyhow; the other points
	// still tell what else is wrong.
	read := signed(o)
	if err == nil {
		read.assertion = covered.assertion
		if covered.response != nil {
			read.response = covered.response
		}
	}
	c.response(read.response, e)
	c.assertion(read.assertion, e)
	return c.failed
}

type checker struct{ failed []Failure }

func (c *checker) fail(p Point, format string, args ...any) {
	c.failed = append(c.failed, Failure{p, fmt.Sprintf(format, args...)})
}

// response checks what stands outside the assertion.
func (c *checker) response(r *etree.Element, e Expect) {
	status := only(r, protocolNS, "Status")
	code := (*etree.Element)(nil)
	if status != nil {
		code = only(status, protocolNS, "StatusCode")
	}
	if attr(code, "Value") != "urn:oasis:names:tc:SAML:2.0:status:Success" {
		c.fail(Status, "the response does not say that the sign-in succeeded")
	}
	if attr(r, "Version") != "2.0" {
		c.fail(Status, "the response is not of SAML version 2.0")
	}
	if is := children(r, assertionNS, "Issuer"); len(is) > 1 || len(is) == 1 && text(is[0]) != e.Issuer {
		c.fail(Issuer, "the response is issued by %s, and the IAM provider knows %s", shown(text(is[0])), shown(e.Issuer))
	}
	if got := attr(r, "Destination"); got != e.Endpoint {
		c.fail(Destination, "the response names %s as Destination, not %s", shown(got), e.Endpoint)
	}
}

func (c *checker) assertion(a *etree.Element, e Expect) {
	if attr(a, "Version") != "2.0" {
		c.fail(Status, "the assertion is not of SAML version 2.0")
	}
	if got := text(only(a, assertionNS, "Issuer")); got != e.Issuer || got == "" {
		c.fail(Issuer, "the assertion is issued by %s, and the IAM provider knows %s", shown(got), shown(e.Issuer))
	}
	data := confirmation(a)
	if got := attr(data, "Recipient"); got != e.Endpoint || got == "" {
		c.fail(Recipient, "the assertion names %s as Recipient, not %s", shown(got), e.Endpoint)
	}
	conditions := only(a, assertionNS, "Conditions")
	c.audience(conditions, e)
	c.lifetime(data, conditions, e.Now)
	switch got := providers(a); {
	case len(got) == 0:
		c.fail(Roles, "the assertion's Role attribute names no role with a provider, so AWS lets the test user in nowhere")
	case e.Provider != "" && !slices.Contains(got, e.Provider):
		c.fail(Roles, "the assertion's Role attribute does not name the provider %s", e.Provider)
	}
}

// confirmation returns the data of the one bearer confirmation, or nil.
func confirmation(a *etree.Element) *etree.Element {
	subject := only(a, assertionNS, "Subject")
	if subject == nil {
		return nil
	}
	one := only(subject, assertionNS, "SubjectConfirmation")
	if one == nil || attr(one, "Method") != "urn:oasis:names:tc:SAML:2.0:cm:bearer" {
		return nil
	}
	return only(one, assertionNS, "SubjectConfirmationData")
}

// audience wants every restriction to name one of ours: each has to hold (SAML
// core, section 2.5.1.4).
func (c *checker) audience(conditions *etree.Element, e Expect) {
	var restrictions []*etree.Element
	if conditions != nil {
		restrictions = children(conditions, assertionNS, "AudienceRestriction")
	}
	if len(restrictions) == 0 {
		c.fail(Audience, "the assertion names no audience")
	}
	for _, r := range restrictions {
		var got []string
		for _, a := range children(r, assertionNS, "Audience") {
			got = append(got, text(a))
		}
		if !slices.ContainsFunc(got, func(a string) bool { return slices.Contains(e.Audiences, a) }) {
			c.fail(Audience, "the assertion is for the audience %s, not %s", shown(strings.Join(got, ", ")), strings.Join(e.Audiences, " or "))
		}
	}
}

func (c *checker) lifetime(data, conditions *etree.Element, now time.Time) {
	ends, err := instant(attr(data, "NotOnOrAfter"))
	switch {
	case err != nil:
		c.fail(Lifetime, "the subject confirmation names no end (NotOnOrAfter)")
	case !now.Before(ends):
		c.fail(Lifetime, "the assertion ended at %s", ends.UTC().Format(time.RFC3339))
	}
	for _, el := range []*etree.Element{data, conditions} {
		if begins := attr(el, "NotBefore"); begins != "" {
			if at, err := instant(begins); err != nil || now.Add(skew).Before(at) {
				c.fail(Lifetime, "the assertion begins in the future or at no time that can be read")
			}
		}
	}
	if end := attr(conditions, "NotOnOrAfter"); end != "" {
		if at, err := instant(end); err != nil || !now.Before(at) {
			c.fail(Lifetime, "the assertion's conditions have ended or end at no time that can be read")
		}
	}
}

// instant reads a time of SAML, which is UTC (SAML core, section 1.3.3).
func instant(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }

// providers returns the provider ARNs of the Role attribute, each once.
func providers(a *etree.Element) []string {
	var out []string
	for _, statement := range children(a, assertionNS, "AttributeStatement") {
		for _, at := range children(statement, assertionNS, "Attribute") {
			if attr(at, "Name") != roleAttribute {
				continue
			}
			for _, v := range children(at, assertionNS, "AttributeValue") {
				if arn := providerOf(text(v)); arn != "" && !slices.Contains(out, arn) {
					out = append(out, arn)
				}
			}
		}
	}
	return out
}

// providerOf takes one pair apart; AWS takes its halves in either order.
func providerOf(pair string) string {
	for half := range strings.SplitSeq(pair, ",") {
		if half = strings.TrimSpace(half); strings.HasPrefix(half, "arn:") && strings.Contains(half, ":saml-provider/") {
			return half
		}
	}
	return ""
}

// shown keeps a text from outside short enough for a message.
func shown(s string) string {
	if s == "" {
		return "nothing"
	}
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return fmt.Sprintf("%q", s)
}
