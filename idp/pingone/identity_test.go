package pingone_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/samlmeta"
)

// The app's identity has the environment's issuer and the app's own key, and is
// asked for without a credential.
func TestIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made, err := w.ping.Metadata(string(w.app))
	if err != nil {
		t.Fatal(err)
	}
	want, err := samlmeta.Parse(made)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.tenant.Identity(t.Context(), idp.Document{ID: w.app})
	if err != nil || got.Issuer != want.EntityID || len(got.Certificates) != 1 || !bytes.Equal(got.Certificates[0], want.Signing[0]) {
		t.Errorf("%+v, want %+v (%v)", got, want, err)
	}
	for _, r := range w.Calls() {
		if r.Method != http.MethodGet || r.Host != "auth.pingone.com" || r.Path != "/"+w.env+"/saml20/metadata/"+string(w.app) || r.Header.Get("Authorization") != "" {
			t.Errorf("asked %s %s%s with credential %q", r.Method, r.Host, r.Path, r.Header.Get("Authorization"))
		}
	}
}

// Saboteurs: answers that must not be taken for an identity.
//
// spec 2.6, 2.7
func TestIdentityRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why      string
		status   int
		location string
		body     string
		code     finding.Code
	}{
		{"a sign-in page", 200, "", "<html></html>", finding.AppIdentityUnknown},
		{"not published", 404, "", `{"code":"NOT_FOUND"}`, finding.AppIdentityUnknown},
		{"forbidden: no credential was shown, so it says nothing about ours", 403, "", "", finding.AppIdentityUnknown},
		{"a redirect away", 302, "https://evil.example/metadata", "", finding.ForeignLink},
	} {
		w := newWorld(t)
		w.Answer = func(*http.Request) *http.Response {
			resp := reply(c.status, c.body)
			resp.Header.Set("Location", c.location)
			return resp
		}
		if got, err := w.tenant.Identity(t.Context(), idp.Document{ID: w.app}); !finding.Is(err, c.code) {
			t.Errorf("%s: %+v, %v, want %s", c.why, got, err, c.code)
		}
	}
	if _, err := newWorld(t).tenant.Identity(t.Context(), idp.Document{ID: "../as/token"}); !finding.Is(err, finding.ConfigInvalid) {
		t.Errorf("a path instead of an id: %v", err)
	}
}
