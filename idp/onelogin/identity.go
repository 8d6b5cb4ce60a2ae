package onelogin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/samlmeta"
)

var _ idp.Identified = (*Tenant)(nil)

// Where an app says who it is (API v2, "Get App"): read-only values.
const (
	ssoIssuer      idp.Pointer = "/sso/issuer"
	ssoCertificate idp.Pointer = "/sso/certificate/value"
	ssoMetadata    idp.Pointer = "/sso/metadata_url"
)

// Identity takes issuer and certificate from the app's document, which costs no
// call. Where it holds none that can be read, the metadata that it links to is
// read, if the link leads to the account's own host: OneLogin's documents show
// links to app.onelogin.com too, and those are not followed (spec 2.6).
func (t *Tenant) Identity(ctx context.Context, doc idp.Document) (idp.Identity, error) {
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return idp.Identity{}, fmt.Errorf("onelogin: %w", err)
	}
	issuer := text(v, ssoIssuer)
	der, err := samlmeta.Certificate(text(v, ssoCertificate))
	if issuer != "" && err == nil {
		return idp.Identity{Issuer: issuer, Certificates: [][]byte{der}}, nil
	}
	link := text(v, ssoMetadata)
	if link == "" {
		return idp.Identity{}, fmt.Errorf("onelogin: %w", idp.IdentityFinding(doc.ID, "its sso has no issuer with a certificate, and no metadata_url", "look at the app's SSO page in OneLogin"))
	}
	resp, err := t.api.Get(idp.Calm(ctx), call.Request{Bucket: t.bucket, Subject: "app " + string(doc.ID), Path: link, Header: http.Header{"Accept": {"application/xml"}}})
	if err != nil {
		return idp.Identity{}, fmt.Errorf("onelogin: read the SAML metadata: %w", err)
	}
	meta, err := samlmeta.Parse(resp.Body)
	if err != nil {
		return idp.Identity{}, fmt.Errorf("onelogin: %w", idp.IdentityFinding(doc.ID, err.Error(), "look at the app's SSO page in OneLogin"))
	}
	return idp.Identity{Issuer: meta.EntityID, Certificates: meta.Signing}, nil
}
