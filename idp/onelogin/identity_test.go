package onelogin_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/samlmeta"
	sim "github.com/samlfailover/samlfailover/sandbox/onelogin"
)

// The document says who the app is; where it does not, its metadata link is
// followed, on the account's own host only.
//
// spec 2.6, 2.7
func TestIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	w.warm(t)
	doc, err := w.tenant.Read(t.Context(), w.app)
	if err != nil {
		t.Fatal(err)
	}
	made, err := w.org.Metadata(string(w.app))
	if err != nil {
		t.Fatal(err)
	}
	want, err := samlmeta.Parse(made)
	if err != nil {
		t.Fatal(err)
	}
	var own struct {
		SSO struct {
			Metadata string `json:"metadata_url"`
		} `json:"sso"`
	}
	if err := json.Unmarshal(doc.Raw, &own); err != nil {
		t.Fatal(err)
	}
	here := strings.Replace(own.SSO.Metadata, "app.onelogin.com", host, 1)
	for _, c := range []struct {
		why, sso string // "" = as OneLogin says it
		calls    int
		code     finding.Code // "" = the identity is known
	}{
		{"the document says it all", "", 0, ""},
		{"no certificate, a link to the account's own host", `{"issuer":"x","metadata_url":"` + here + `"}`, 1, ""},
		{"a certificate that is none, the same link", `{"issuer":"x","certificate":{"value":"v"},"metadata_url":"` + here + `"}`, 1, ""},
		{"a link to another host", `{"metadata_url":"https://app.onelogin.com/saml/metadata/1"}`, 0, finding.ForeignLink},
		{"a link to something else", `{"metadata_url":"https://` + host + `/auth/rate_limit"}`, 1, finding.AppIdentityUnknown},
		{"nothing", `{}`, 0, finding.AppIdentityUnknown},
		{"null", `null`, 0, finding.AppIdentityUnknown},
	} {
		given := doc
		if c.sso != "" {
			if given.Raw, err = idp.Set(doc.Raw, "/sso", []byte(c.sso)); err != nil {
				t.Fatal(err)
			}
		}
		w.warm(t)
		got, err := w.tenant.Identity(t.Context(), given)
		switch {
		case c.code != "" && !finding.Is(err, c.code):
			t.Errorf("%s: %+v, %v, want %s", c.why, got, err, c.code)
		case c.code == "" && (err != nil || got.Issuer != want.EntityID || len(got.Certificates) != 1 || !bytes.Equal(got.Certificates[0], want.Signing[0])):
			t.Errorf("%s: %+v, want %+v (%v)", c.why, got, want, err)
		}
		for _, r := range w.Calls() {
			if r.Method != http.MethodGet {
				t.Errorf("%s: made a %s", c.why, r.Method)
			}
		}
		if n := len(w.Calls()); n != c.calls {
			t.Errorf("%s: %d calls, want %d", c.why, n, c.calls)
		}
	}
}
