package pingone

import (
	"context"
	"fmt"
	"net/http"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/samlmeta"
)

var _ idp.Identified = (*Tenant)(nil)

// signOnVendor is how the public pages of the sign-on service are read: without
// a credential, so that a refusal says nothing about ours.
func signOnVendor() call.Vendor {
	return call.Vendor{Name: "PingOne's sign-on service", StatusPage: statusPage, RequestID: correlationID, Judge: func(r outbound.Response) call.Verdict {
		if passing(r) {
			return judge(r)
		}
		return call.Verdict{Finding: idp.IdentityFinding("", fmt.Sprintf("PingOne answered %d where the app's metadata should be", r.Status),
			"see in the PingOne console whether the app is enabled, and where its metadata link leads")}
	}}
}

// Identity reads the app's SAML metadata where the PingOne console links to it:
// the environment's issuer, and the key the app signs with. The address is that
// of the console and of people's set-up guides; no API document that we have
// seen names it, nor says whether it shows the app's own key. It is public, so
// no credential goes there. Calm-time traffic, whatever the context says.
func (t *Tenant) Identity(ctx context.Context, doc idp.Document) (idp.Identity, error) {
	if err := checkID(doc.ID); err != nil {
		return idp.Identity{}, err
	}
	resp, err := t.signOn.Get(idp.Calm(ctx), call.Request{Subject: "app " + string(doc.ID),
		Path: "/" + t.environment + "/saml20/metadata/" + string(doc.ID), Header: http.Header{"Accept": {"application/samlmetadata+xml, application/xml"}}})
	if err != nil {
		return idp.Identity{}, fmt.Errorf("pingone: read the SAML metadata: %w", err)
	}
	meta, err := samlmeta.Parse(resp.Body)
	if err != nil {
		return idp.Identity{}, fmt.Errorf("pingone: %w", idp.IdentityFinding(doc.ID, err.Error(), "open the app in the PingOne console and download its metadata there"))
	}
	return idp.Identity{Issuer: meta.EntityID, Certificates: meta.Signing}, nil
}
