package assertion

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	// redeemWithin is the life of an assertion (IAM User Guide, "Troubleshoot
	// SAML federation with IAM").
	redeemWithin = 5 * time.Minute
	// skew is how far the IdP's clock may be ahead; AWS publishes no number.
	skew = time.Minute

	bearer        = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"
	nameIDPrefix  = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
)

// Assertion is what a verified assertion says.
type Assertion struct {
	ID, Issuer        string
	Subject           string
	SubjectType       string // "transient", "persistent", or the whole format URI
	Recipient         string
	Roles             []Pair
	RoleSessionName   string
	SourceIdentity    string
	SessionDuration   time.Duration // 0 when the attribute is absent
	SessionEnds       time.Time     // SessionNotOnOrAfter, zero when absent
	Tags              map[string]string
	TransitiveTagKeys []string
}

// Verify checks the response against one provider and returns the signed
// values. It does not look at Recipient beyond its presence: which endpoints
// are accepted is the caller's business.
func (r *Response) Verify(t Trust, now time.Time) (*Assertion, *Refusal) {
	if bad := r.checkStatus(); bad != nil {
		return nil, bad
	}
	// First as claimed, for AWS's sentence; the signed value follows in read.
	if bad := checkIssuer(r.assertion, t.Issuer); bad != nil {
		return nil, bad
	}
	if list := children(r.root, "Issuer"); len(list) > 0 {
		if bad := checkIssuer(r.root, t.Issuer); bad != nil {
			return nil, bad
		}
	}
	el, bad := r.signed(t, now)
	if bad != nil {
		return nil, bad
	}
	return read(el, t, now)
}

// checkStatus passes the IdP's own refusal on.
func (r *Response) checkStatus() *Refusal {
	for _, s := range r.root.ChildElements() {
		if s.Tag != "Status" || s.NamespaceURI() != nsProtocol {
			continue
		}
		for _, c := range s.ChildElements() {
			if c.Tag == "StatusCode" && c.SelectAttrValue("Value", "") == statusSuccess {
				return nil
			}
		}
	}
	return &Refusal{Status: http.StatusForbidden, Code: "IDPRejectedClaim", Message: "The identity provider reported that authentication failed",
		Why: "the response's status is not Success"}
}

func checkIssuer(el *etree.Element, want string) *Refusal {
	list := children(el, "Issuer")
	if len(list) != 1 {
		return Misshapen("<%s> has %d Issuer elements", el.Tag, len(list))
	}
	if got, _ := text(list[0]); got != want {
		return wrongIssuer("the issuer of <%s> is %q, the provider's metadata says %q", el.Tag, got, want)
	}
	return nil
}

// read takes the values out of the signed element.
func read(el *etree.Element, t Trust, now time.Time) (*Assertion, *Refusal) {
	a := &Assertion{ID: el.SelectAttrValue("ID", ""), Issuer: t.Issuer}
	if el.Tag != "Assertion" || el.NamespaceURI() != nsAssertion || el.SelectAttrValue("Version", "") != "2.0" {
		return nil, Misshapen("the signed element is no SAML 2.0 assertion")
	}
	if bad := checkIssuer(el, t.Issuer); bad != nil {
		return nil, bad
	}
	for _, step := range []func(*etree.Element, Trust, time.Time) *Refusal{
		checkAge, a.readSubject, checkConditions, a.readSession, a.readAWS,
	} {
		if bad := step(el, t, now); bad != nil {
			return nil, bad
		}
	}
	return a, nil
}

func checkAge(el *etree.Element, _ Trust, now time.Time) *Refusal {
	issued, ok := instant(el, "IssueInstant")
	switch {
	case !ok:
		return Misshapen("the assertion has no readable IssueInstant")
	case now.After(issued.Add(redeemWithin)):
		return Expired("the assertion was issued at %s, it is now %s", issued.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case issued.After(now.Add(skew)):
		return Misshapen("the assertion was issued in the future, at %s", issued.Format(time.RFC3339))
	}
	return nil
}

// readSubject wants one NameID and one bearer confirmation with Recipient and
// NotOnOrAfter.
func (a *Assertion) readSubject(el *etree.Element, _ Trust, now time.Time) *Refusal {
	subjects := children(el, "Subject")
	if len(subjects) != 1 {
		return Misshapen("the assertion has %d Subject elements", len(subjects))
	}
	ids, confirmations := children(subjects[0], "NameID"), children(subjects[0], "SubjectConfirmation")
	if len(ids) != 1 || len(confirmations) != 1 {
		return Misshapen("the subject has %d NameID and %d SubjectConfirmation elements, not one each", len(ids), len(confirmations))
	}
	var ok bool
	if a.Subject, ok = text(ids[0]); !ok || a.Subject == "" {
		return Misshapen("the NameID is empty or no plain text")
	}
	a.SubjectType = strings.TrimPrefix(ids[0].SelectAttrValue("Format", ""), nameIDPrefix)
	data := children(confirmations[0], "SubjectConfirmationData")
	if confirmations[0].SelectAttrValue("Method", "") != bearer || len(data) != 1 {
		return Misshapen("the subject confirmation is not bearer with one SubjectConfirmationData")
	}
	a.Recipient = data[0].SelectAttrValue("Recipient", "")
	if a.Recipient == "" || data[0].SelectAttr("NotOnOrAfter") == nil {
		return Misshapen("SubjectConfirmationData lacks Recipient or NotOnOrAfter")
	}
	return checkWindow(data[0], now)
}

// checkConditions wants one Conditions element in its time, and an accepted
// audience in every AudienceRestriction.
func checkConditions(el *etree.Element, t Trust, now time.Time) *Refusal {
	list := children(el, "Conditions")
	if len(list) != 1 {
		return Misshapen("the assertion has %d Conditions elements", len(list))
	}
	if bad := checkWindow(list[0], now); bad != nil {
		return bad
	}
	const sentence = "Response does not contain the required audience."
	restrictions := children(list[0], "AudienceRestriction")
	if len(restrictions) == 0 {
		return Invalid(sentence, "there is no AudienceRestriction")
	}
	for _, r := range restrictions {
		var got []string
		for _, aud := range children(r, "Audience") {
			v, _ := text(aud)
			got = append(got, v)
		}
		if !slices.ContainsFunc(got, func(v string) bool { return slices.Contains(t.Audiences, v) }) {
			return Invalid(sentence, "the audience is %q, accepted are %q", got, t.Audiences)
		}
	}
	return nil
}

// checkWindow holds NotBefore and NotOnOrAfter, where present, against now.
func checkWindow(el *etree.Element, now time.Time) *Refusal {
	if el.SelectAttr("NotBefore") != nil {
		from, ok := instant(el, "NotBefore")
		if !ok || now.Add(skew).Before(from) {
			return Misshapen("<%s> is not valid yet: NotBefore is %s", el.Tag, el.SelectAttrValue("NotBefore", ""))
		}
	}
	if el.SelectAttr("NotOnOrAfter") != nil {
		until, ok := instant(el, "NotOnOrAfter")
		if !ok {
			return Misshapen("NotOnOrAfter of <%s> is no time", el.Tag)
		}
		if !now.Before(until) {
			return Expired("<%s> was valid until %s", el.Tag, until.Format(time.RFC3339))
		}
	}
	return nil
}

// readSession reads how long the IdP lets the session live.
func (a *Assertion) readSession(el *etree.Element, _ Trust, now time.Time) *Refusal {
	for _, s := range children(el, "AuthnStatement") {
		if s.SelectAttr("SessionNotOnOrAfter") == nil {
			continue
		}
		ends, ok := instant(s, "SessionNotOnOrAfter")
		if !ok {
			return Misshapen("SessionNotOnOrAfter is no time")
		}
		if !now.Before(ends) {
			return Expired("the IdP's session ended at %s", ends.Format(time.RFC3339))
		}
		if a.SessionEnds.IsZero() || ends.Before(a.SessionEnds) {
			a.SessionEnds = ends
		}
	}
	return nil
}

func instant(el *etree.Element, attr string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, el.SelectAttrValue(attr, ""))
	return t.UTC(), err == nil
}

// seconds reads a whole number of seconds in AWS's range.
func seconds(s string) (time.Duration, bool) {
	n, err := strconv.Atoi(s)
	return time.Duration(n) * time.Second, err == nil && n >= 900 && n <= 43200
}
