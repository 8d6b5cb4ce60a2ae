package okta

import (
	"context"
	"fmt"
	"net/http"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/samlmeta"
)

var _ idp.Identified = (*Tenant)(nil)

// Identity reads the app's SAML metadata (Okta Management API, "Preview the
// application SAML metadata"): its own issuer, and the key it signs with now. It
// needs the right to read the app and is calm-time traffic, whatever the context
// says.
func (t *Tenant) Identity(ctx context.Context, doc idp.Document) (idp.Identity, error) {
	if err := checkID(doc.ID); err != nil {
		return idp.Identity{}, err
	}
	resp, err := t.api.Get(idp.Calm(ctx), call.Request{Bucket: &t.metadata, Subject: "app " + string(doc.ID),
		Path: appPath(doc.ID) + "/sso/saml/metadata", Header: http.Header{"Accept": {"application/xml"}}})
	if err != nil {
		return idp.Identity{}, fmt.Errorf("okta: read the SAML metadata: %w", err)
	}
	meta, err := samlmeta.Parse(resp.Body)
	if err != nil {
		return idp.Identity{}, fmt.Errorf("okta: %w", idp.IdentityFinding(doc.ID, err.Error(), "open the app in the Okta console and see what its metadata link shows"))
	}
	return idp.Identity{Issuer: meta.EntityID, Certificates: meta.Signing}, nil
}
