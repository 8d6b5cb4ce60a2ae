package idp

import (
	"context"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
)

// Assertor is an ability that a Tenant may have: its test user signs in through
// an app, and what the app issues comes back (spec 3, P3). Ask for it by type
// assertion; a tenant without a configured test user does not have it. Safe for
// concurrent use.
type Assertor interface {
	// Assert signs the test user in and returns what the app issues now. It
	// changes nothing in the IdP and redeems nothing. An error that another try
	// may cure carries a *RetryError; any other will come again. A *RefusedError
	// is about the test user, whatever the app.
	Assert(context.Context, AppID) (Assertion, error)
}

// Assertion is what an app issued to the test user: a secret for some minutes.
// Check it and drop it; it is never logged, stored or redeemed.
type Assertion struct {
	// Response is the SAML response as XML.
	Response secret.Value
	// Posts reports whether the IdP also said what a browser would do: post the
	// response and RelayState to Action. A vendor whose API returns the response
	// alone leaves these out.
	Posts      bool
	Action     string
	RelayState string
}

// RefusedError says that the IdP took name and password of the test user and
// refused them, or has locked the user out. The tenant's other apps will get the
// same answer, and each further try brings the user closer to being locked out.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Unproved is the finding of an Assertor that got no assertion for an app.
func Unproved(id AppID, what, why, remedy string) finding.Finding {
	return finding.Finding{Code: finding.ProofMissing, Subject: subject(id), What: what, Why: why, Remedy: remedy}
}
