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
// that the key is absent, the literal null is a value.
type Change struct {
	Pointer Pointer         `json:"pointer"`
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
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
	ACSText    string            `json:"acs_text"`
	RelayState string            `json:"relay_state"` // exactly as found
	Audience   string            `json:"audience,omitempty"`
	Movable    bool              `json:"movable"`
	Findings   []finding.Finding `json:"findings,omitempty"`
}

// Region returns the active Region: where logins through the app go now.
func (a App) Region() signin.Region { return a.ACS.Region() }

// Tenant is one configured tenant of an IdP. Safe for concurrent use. Errors
// carry a finding.Finding (finding.From) with the vendor's answer and the next
// step.
type Tenant interface {
	// List returns every app that signs in to AWS, whatever its kind, so that
	// what cannot be moved is reported and not hidden.
	List(context.Context) ([]Document, error)
	Read(context.Context, AppID) (Document, error)
	// Write sends the document with the changes applied; it never reads.
	Write(context.Context, Document, []Change) error
	// Warm keeps a token with at least half its life, so that a move needs none.
	Warm(context.Context) error
}

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
