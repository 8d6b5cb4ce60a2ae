package oidc

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
)

// through calls the issuer's handler for its host.
type through struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (p through) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// A library that knows nothing of this world finds the issuer, takes its good
// tokens and refuses the bad ones.
func TestIssuer(t *testing.T) {
	t.Parallel()
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if s := i.Sites(); len(s) != 1 || s[0].Host != Host {
		t.Fatalf("sites %+v", s)
	}
	ctx := oidc.ClientContext(context.Background(), &http.Client{Transport: through{i.Sites()[0].Handler}})
	p, err := oidc.NewProvider(ctx, URL)
	if err != nil {
		t.Fatal(err)
	}
	check := func(o Order) error {
		text, err := i.Mint(o)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := p.Verifier(&oidc.Config{ClientID: "api"}).Verify(ctx, text)
		if err == nil && (tok.Subject != o.Subject || tok.Issuer != URL) {
			t.Errorf("token %+v", tok)
		}
		return err
	}
	good := Order{Subject: "ada", Audience: "api", Groups: []string{"ops"}}
	if err := check(good); err != nil {
		t.Error(err)
	}
	old, err := i.Mint(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Rotate(); err != nil {
		t.Fatal(err)
	}
	next, err := i.Mint(good)
	if err != nil {
		t.Fatal(err)
	}
	// A verifier that has just read the keys may take them for new once more.
	fresh := func() *oidc.IDTokenVerifier {
		p, err := oidc.NewProvider(ctx, URL)
		if err != nil {
			t.Fatal(err)
		}
		return p.Verifier(&oidc.Config{ClientID: "api"})
	}
	if _, err := fresh().Verify(ctx, old); err != nil {
		t.Errorf("a token of the former key: %v", err)
	}
	if _, err := fresh().Verify(ctx, next); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	i.Retire()
	if _, err := fresh().Verify(ctx, old); err == nil {
		t.Error("a token of a retired key counts")
	}
	for name, o := range map[string]Order{"none": {Fault: None}, "hs256": {Fault: HS256}, "stranger": {Fault: Stranger}, "unknown": {Fault: Unknown}, "expired": {Life: -60}, "another issuer": {Issuer: "https://evil.example"}, "another audience": {Audience: "other"}} {
		o.Subject = "ada"
		if o.Audience == "" {
			o.Audience = "api"
		}
		if err := check(o); err == nil {
			t.Errorf("%s counts", name)
		}
	}
	for _, o := range []Order{{Audience: "api"}, {Subject: "ada"}, {Subject: "ada", Audience: "api", Fault: "nothing"}} {
		if text, err := i.Mint(o); err == nil {
			t.Errorf("made %q of %+v", text, o)
		}
	}
	w := httptest.NewRecorder()
	i.Sites()[0].Handler.ServeHTTP(w, httptest.NewRequest("POST", URL+"/v1/token", nil))
	if w.Code != 404 || !strings.Contains(w.Body.String(), "no endpoint POST") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
