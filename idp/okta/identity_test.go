package okta_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/samlmeta"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
)

// Both kinds of app say who they are, with a token that may only read.
func TestIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	account := w.addAccountApp(t, sim.AccountSettings{})
	reader := w.newTenant(t, "reader")
	seen := map[string]bool{}
	for _, id := range []idp.AppID{w.app, account} {
		made, err := w.org.Metadata(string(id))
		if err != nil {
			t.Fatal(err)
		}
		want, err := samlmeta.Parse(made)
		if err != nil {
			t.Fatal(err)
		}
		got, err := reader.Identity(t.Context(), idp.Document{ID: id})
		if err != nil || got.Issuer != want.EntityID || len(got.Certificates) != 1 || !bytes.Equal(got.Certificates[0], want.Signing[0]) {
			t.Errorf("app %s is %+v, want %+v (%v)", id, got, want, err)
		}
		seen[got.Issuer] = true
	}
	if len(seen) != 2 {
		t.Errorf("issuers %v: in Okta every app has its own", seen)
	}
	for _, r := range w.Calls() {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.Path, "/sso/saml/metadata") || r.Header.Get("Accept") != "application/xml" || len(r.Body) > 0 {
			t.Errorf("asked %s %s, accepting %q", r.Method, r.Path, r.Header.Get("Accept"))
		}
	}
}

// Saboteurs: answers that must not be taken for an identity.
//
// spec 2.6, 2.7
func TestIdentityRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		status int
		header string // Location
		body   string
		code   finding.Code
	}{
		{"a sign-in page", 200, "", "<html></html>", finding.AppIdentityUnknown},
		{"a DTD", 200, "", "<!DOCTYPE a><a/>", finding.AppIdentityUnknown},
		{"more than a mebibyte", 200, "", "<a>" + strings.Repeat("x", samlmeta.MaxBytes) + "</a>", finding.AppIdentityUnknown},
		{"a redirect away", 302, "https://evil.example/metadata", "", finding.ForeignLink},
		{"no right", 403, "", `{"errorCode":"E0000006","errorSummary":"You do not have permission"}`, finding.IdPPermission},
		{"no such app", 404, "", `{"errorCode":"E0000007","errorSummary":"Not found"}`, finding.AppNotFound},
	} {
		w := newWorld(t)
		w.Answer = func(*http.Request) *http.Response {
			resp := reply(c.status, c.body)
			resp.Header.Set("Content-Type", "application/xml")
			resp.Header.Set("Location", c.header)
			return resp
		}
		got, err := w.tenant.Identity(t.Context(), idp.Document{ID: w.app})
		if !finding.Is(err, c.code) {
			t.Errorf("%s: %+v, %v, want %s", c.why, got, err, c.code)
		}
	}
	if _, err := newWorld(t).tenant.Identity(t.Context(), idp.Document{ID: "../users"}); !finding.Is(err, finding.ConfigInvalid) {
		t.Errorf("a path instead of an id: %v", err)
	}
}
