package idp

import (
	"context"

	"github.com/samlfailover/samlfailover/finding"
)

// Identity is who an app is to AWS: what its assertions name as their Issuer,
// and the certificates that they may be signed with, DER. IAM keeps both in a
// SAML provider and lets in whom they fit.
type Identity struct {
	Issuer       string   `json:"issuer"`
	Certificates [][]byte `json:"certificates"`
}

// Identified is the optional ability of a Tenant to say an app's Identity. It
// is asked in calm times only and needs no right beyond that to read the app.
// An app without one (no SAML app, or nothing published) is an error with a
// finding, like any other failure.
type Identified interface {
	Identity(context.Context, Document) (Identity, error)
}

// IdentityFinding is the finding of an app whose identity is not to be had.
func IdentityFinding(id AppID, why, remedy string) finding.Finding {
	return finding.Finding{Code: finding.AppIdentityUnknown, Subject: subject(id),
		What: "the app's issuer and certificate could not be read", Why: why, Remedy: remedy}
}
