package config

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/secret"
)

const serviceTenant = `tenants:
  - name: corp
    kind: okta
    url: https://corp.okta.com
    oauth: {client_id: 0oaservice, private_key: "file:key.pem", key_id: k1, dpop: true}
    proven_kinds: [{kind: "okta:amazon_aws", by: Ada, on: 2026-11-01}, {kind: "okta:custom-saml", by: Ada, on: 2026-11-02}]
federations:
  - name: prod
    regions: [us-east-1, us-west-2]
    apps: [{tenant: corp, id: 0oa1}]
`

// spec 2.8, 15.1
func TestServiceTenant(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, "key.pem", marker+"key\n", 0o600))
	c, err := Parse(filepath.Join(dir, "c.yaml"), []byte(serviceTenant))
	if err != nil {
		t.Fatal(err)
	}
	tenant := c.Tenants[0]
	if tenant.OAuth != (OAuth{"0oaservice", "file:key.pem", "k1", true}) {
		t.Errorf("oauth: %+v", tenant.OAuth)
	}
	if diff := cmp.Diff([]string{"okta:amazon_aws", "okta:custom-saml"}, tenant.Proven()); diff != "" {
		t.Error(diff)
	}
	s, err := c.Resolve(secret.Resolver{Dir: dir})
	if err != nil || s.Tokens["corp"].Reveal() != marker+"key" {
		t.Errorf("the private key did not resolve: %v", err)
	}
	if got := c.references()["tenants[0].oauth.private_key"]; got != filepath.Join(dir, "key.pem") {
		t.Errorf("the key's file is not watched: %q", got)
	}
}

// Two webhooks on one host are two tenants where their paths differ, and the
// secret's file is watched.
//
// spec 15.1
func TestGenericTenants(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, "webhook.key", marker+"key\n", 0o600))
	c, err := Parse(filepath.Join(dir, "c.yaml"), []byte(`tenants:
  - {name: one, kind: generic, url: "https://webhook.example/", path: /a/v1.2, secret: "file:webhook.key"}
  - {name: two, kind: generic, url: "https://webhook.example", secret: "env:TWO"}
federations:
  - {name: prod, regions: [us-east-1, us-west-2], apps: [{tenant: one, id: aws-prod}, {tenant: two, id: 7}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if one, two := c.Tenants[0], c.Tenants[1]; one.URL != "https://webhook.example" || one.Path != "/a/v1.2" || two.Path != "" {
		t.Errorf("%+v, %+v", one, two)
	}
	s, err := c.Resolve(secret.Resolver{Dir: dir, Env: map[string]string{"TWO": "other"}})
	if err != nil || s.Tokens["one"].Reveal() != marker+"key" || s.Tokens["two"].Reveal() != "other" {
		t.Errorf("the secrets did not resolve: %v", err)
	}
	if got := c.references()["tenants[0].secret"]; got != filepath.Join(dir, "webhook.key") {
		t.Errorf("the secret's file is not watched: %q", got)
	}
}

// The test user's secrets are resolved at load, with all others, and their files
// are watched.
//
// spec 15.1
func TestProof(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, "user.txt", marker+"password\n", 0o600))
	text := []byte(`tenants:
  - name: lab
    kind: onelogin
    url: https://lab.onelogin.com
    client_id: a1
    client_secret: env:SECRET
    proof: {user: test@example.com, password: "file:user.txt", client_id: 42, client_secret: "env:PROOF"}
federations:
  - {name: prod, regions: [us-east-1, us-west-2], apps: [{tenant: lab, id: 7}]}
`)
	c, err := Parse(filepath.Join(dir, "c.yaml"), text)
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Tenants[0].Proof; p.User != "test@example.com" || p.ClientID != "42" {
		t.Errorf("%+v", p)
	}
	s, err := c.Resolve(secret.Resolver{Dir: dir, Env: map[string]string{"SECRET": "x", "PROOF": "y"}})
	if got := s.Proofs["lab"]; err != nil || got.Password.Reveal() != marker+"password" || got.ClientSecret.Reveal() != "y" {
		t.Errorf("the secrets did not resolve: %v", err)
	}
	if _, err := c.Resolve(secret.Resolver{Dir: dir, Env: map[string]string{"SECRET": "x"}}); err == nil {
		t.Error("a secret of the test user is missing, and the start went on")
	}
	if got := c.references()["tenants[0].proof.password"]; got != filepath.Join(dir, "user.txt") {
		t.Errorf("the password's file is not watched: %q", got)
	}
}
