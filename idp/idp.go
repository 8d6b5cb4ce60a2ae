// Package idp is for reading and changing SAML apps in identity providers, once
// for all vendors: the raw Document, the Change to one JSON value, the Step of
// spec 2.2 and its inverse. Vendors add a Tenant (I/O) and a Codec (pure) in
// packages below.
//
// It must never choose a Region, never do network I/O itself, and never write a
// value that the signin catalogue did not make.
package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// AppID is the vendor's id of an app.
type AppID string

// Pointer is a JSON pointer (RFC 6901) into a Document, such as
// "/settings/signOn/ssoAcsUrl".
type Pointer string

// Document is one app as the vendor returned it: raw JSON, never re-encoded.
type Document struct {
	ID     AppID           `json:"id"`
	Raw    json.RawMessage `json:"raw"`
	ReadAt time.Time       `json:"read_at"`
	// RequestID is the vendor's id of the call that returned it, for support.
	RequestID string `json:"request_id,omitempty"`
}

// Change is one JSON value to change. Before and After are raw JSON; nil means
// that the key is absent, the literal null is a value: a stored Change keeps
// that difference.
type Change struct {
	Pointer Pointer         `json:"pointer"`
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
}

// App is what a Codec understands of a Document. Movable is true only if
// nothing forbids a write; otherwise Findings says why.
type App struct {
	ID     AppID  `json:"id"`
	Label  string `json:"label"`
	Kind   string `json:"kind"`   // vendor's kind, such as "okta:custom-saml"
	Status string `json:"status"` // vendor's word, such as "ACTIVE"
	// ACS is the endpoint in use; zero when it is foreign or not SAML.
	ACS signin.ACS `json:"acs"`
	// ACSText is the endpoint exactly as found.
	ACSText    string `json:"acs_text"`
	RelayState string `json:"relay_state"` // exactly as found
	Audience   string `json:"audience,omitempty"`
	// Hidden: people who have the app do not see its tile in the portal.
	Hidden   bool              `json:"hidden,omitempty"`
	Movable  bool              `json:"movable"`
	Findings []finding.Finding `json:"findings,omitempty"`
}

// Region returns the active Region: where logins through the app go now.
func (a App) Region() signin.Region { return a.ACS.Region() }

// Subject names the app in findings: by its label where it has one, and its id.
func (a App) Subject() string {
	if a.Label != "" {
		return fmt.Sprintf("app %s (%s)", a.Label, a.ID)
	}
	return subject(a.ID)
}

// Note adds a finding about the app.
func (a *App) Note(f finding.Finding) {
	f.Subject = a.Subject()
	a.Findings = append(a.Findings, f)
}

// Refuse adds a finding that forbids a write.
func (a *App) Refuse(f finding.Finding) {
	a.Note(f)
	a.Movable = false
}

// Refusal returns why the app may not be written: nil if it is movable, else
// its gravest finding.
func (a App) Refusal() error {
	if a.Movable {
		return nil
	}
	for _, s := range []finding.Severity{finding.Page, finding.Warn, finding.Info} {
		for _, f := range a.Findings {
			if f.Severity() == s {
				return f
			}
		}
	}
	return finding.Finding{Code: finding.UnsupportedKind, Subject: "app " + string(a.ID),
		What: "this app cannot be moved", Remedy: "change the endpoint by hand in the IdP"}
}

// Tenant is one configured tenant of an IdP. Safe for concurrent use. Errors
// carry a finding.Finding (finding.From) with the vendor's answer and the next
// step.
type Tenant interface {
	// List returns every app that signs in to AWS, whatever its kind, so that
	// what cannot be moved is reported and not hidden.
	List(context.Context) ([]Document, error)
	Read(context.Context, AppID) (Document, error)
	// Write sends the document with the changes applied, once; it never reads.
	// An error that another try may cure, or that leaves open whether the write
	// was applied, carries a *RetryError; any other is the vendor's refusal.
	Write(context.Context, Document, []Change) error
	// Warm keeps a token with at least half its life, so that a move needs none.
	Warm(context.Context) error
}

// RetryError says that a write may be tried again after a while. Step reads the
// app again first, so that a repeated write never replaces what somebody else
// wrote meanwhile.
type RetryError struct {
	After time.Duration
	Err   error
}

// Error is the cause's text.
func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RetryError) Unwrap() error { return e.Err }

// Codec is the pure knowledge of one vendor's JSON.
type Codec interface {
	Describe(Document) App
	// Retarget returns the changes that point the app at the target; none when
	// it is there already. It refuses (error carrying a finding) what Describe
	// calls not movable.
	Retarget(Document, signin.Target) ([]Change, error)
	// Volatile lists what may differ after our own write without being a lost
	// update (timestamps); before our write a difference there still means that
	// somebody changed the app.
	Volatile() []Pointer
}
