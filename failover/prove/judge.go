package prove

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/assertion"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// judge compares one assertion with the app as read just before and with what
// IAM has.
type judge struct {
	ref       federation.AppRef
	app       idp.App // at its new endpoint
	to        signin.Region
	providers []inventory.Provider
	now       time.Time
}

// assertion returns nil if AWS has no reason to refuse the sign-on and it ends
// in the new Region; a stale error if all that is wrong is an old endpoint; an
// error that wraps move.ErrUnprovable if nothing is wrong and a certificate is
// not known.
func (j judge) assertion(got idp.Assertion) error {
	response := []byte(got.Response.Reveal())
	claims, err := assertion.Claimed(response)
	if err != nil {
		return missing(j.ref, "the app issued what is no SAML response that can be checked", err.Error(), "look at the app's SAML settings in the IdP; sign in through it by hand")
	}
	failed, unknown := j.signed(response, claims)
	failed = append(failed, j.landing(got)...)
	switch {
	case len(failed) > 0:
		return j.refused(failed)
	case len(unknown) > 0:
		return unprovable(noCertificate(j.ref, strings.Join(unknown, ", ")))
	}
	return nil
}

// relay is the point that the response itself says nothing about.
const relay assertion.Point = "relaystate"

// signed checks the response against every provider of the federation that it
// names: a sign-on must work in each account, not in one. unknown are those
// whose certificate is not known.
func (j judge) signed(response []byte, claims assertion.Claims) (failed []assertion.Failure, unknown []string) {
	want := assertion.Expect{Issuer: claims.Issuer, Endpoint: j.app.ACS.String(), Audiences: audiences(j.to.Partition()), Now: j.now}
	met := false
	for _, p := range j.providers {
		if !slices.Contains(claims.Providers, p.ARN) {
			continue
		}
		met = true
		e := want
		e.Provider = p.ARN
		if e.Certificates = certificates(p); len(e.Certificates) == 0 || p.Issuer == "" {
			unknown = append(unknown, p.ARN)
			failed = merge(failed, "", without(assertion.Check(response, e), assertion.Signature))
			continue
		}
		e.Issuer = p.Issuer
		failed = merge(failed, p.ARN, assertion.Check(response, e))
		if !p.ValidUntil.IsZero() && !j.now.Before(p.ValidUntil) {
			failed = append(failed, assertion.Failure{Point: assertion.Lifetime, Why: fmt.Sprintf("the IAM provider %s ended at %s", p.ARN, p.ValidUntil.UTC().Format(time.RFC3339))})
		}
	}
	if !met {
		failed = merge(failed, "", without(assertion.Check(response, want), assertion.Signature, assertion.Roles))
		failed = append(failed, assertion.Failure{Point: assertion.Roles,
			Why: "the test user has no role at any SAML provider of the federation, so AWS would let the user in nowhere and no certificate can be compared"})
	}
	return failed, unknown
}

// landing checks where the browser is sent, and where the person ends up.
func (j judge) landing(got idp.Assertion) (failed []assertion.Failure) {
	fail := func(p assertion.Point, format string, args ...any) {
		failed = append(failed, assertion.Failure{Point: p, Why: fmt.Sprintf(format, args...)})
	}
	if got.Posts && got.Action != j.app.ACS.String() {
		fail(assertion.Destination, "the sign-on page posts to %q, not to %s", clip(got.Action), j.app.ACS)
	}
	if got.Posts && got.RelayState != j.app.RelayState {
		fail(relay, "the sign-on page carries the RelayState %q, and the app holds %q", clip(got.RelayState), clip(j.app.RelayState))
	}
	if r, ok := signin.RegionOfRelayState(j.app.RelayState); ok && r != j.to {
		fail("", "the app's RelayState leads to the console of %s, not of %s", r, j.to)
	}
	return failed
}

// refused makes one finding of the failed points. Old endpoints alone may go
// away; anything else does not.
func (j judge) refused(failed []assertion.Failure) error {
	var why []string
	old := true
	for _, f := range failed {
		why = append(why, f.Why)
		old = old && slices.Contains([]assertion.Point{assertion.Recipient, assertion.Destination, relay}, f.Point)
	}
	remedy := "sign in through the app by hand and look at what AWS answers"
	has := func(p assertion.Point) bool {
		return slices.ContainsFunc(failed, func(f assertion.Failure) bool { return f.Point == p })
	}
	switch {
	case old:
		remedy = "the IdP's sign-on has not taken up the change: look at the app in the IdP, and sign in through it by hand"
	case has(assertion.Signature):
		remedy = "compare the app's signing certificate in the IdP with the metadata of the IAM SAML provider (then: samlfailover trust scan); AWS refuses sign-ons until they agree"
	case has(assertion.Size):
		remedy = "give the test user fewer roles and attributes; whoever has as many cannot sign in to AWS either"
	case has(assertion.Algorithm):
		remedy = "set the app's signature algorithm to SHA-256 in the IdP"
	case has(assertion.Roles):
		remedy = "give the test user a role of the federation through the app"
	case has(""):
		remedy = "set the app's RelayState to a page of the new Region, or map it under relaystate_map"
	}
	f := missing(j.ref, "the assertion that the moved app issues to the test user is not right", strings.Join(why, "; "), remedy)
	if old {
		return stale{f}
	}
	return f
}

// audiences are what AWS takes as audience in a partition (IAM User Guide,
// "Configure SAML assertions for the authentication response").
func audiences(p signin.Partition) []string {
	var out []string
	if id := p.EntityID(); id != "" {
		out = append(out, id)
	}
	if p == signin.AWS {
		out = append(out, "https://signin.aws.amazon.com/saml")
	}
	return out
}

// certificates are a provider's, as far as they can be read; none where its
// document could not.
func certificates(p inventory.Provider) []*x509.Certificate {
	if p.Error != nil {
		return nil
	}
	var out []*x509.Certificate
	for _, der := range p.Certificates {
		if c, err := x509.ParseCertificate(der); err == nil {
			out = append(out, c)
		}
	}
	return out
}

// merge adds failures that are not there yet; provider names whose they are,
// where that makes a difference.
func merge(have []assertion.Failure, provider string, more []assertion.Failure) []assertion.Failure {
	for _, f := range more {
		if provider != "" && (f.Point == assertion.Signature || f.Point == assertion.Issuer) {
			f.Why += " (" + provider + ")"
		}
		if !slices.Contains(have, f) {
			have = append(have, f)
		}
	}
	return have
}

func without(all []assertion.Failure, points ...assertion.Point) []assertion.Failure {
	return slices.DeleteFunc(all, func(f assertion.Failure) bool { return slices.Contains(points, f.Point) })
}

// clip keeps a text from outside short enough for a message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
