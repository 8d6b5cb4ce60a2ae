package config

import (
	"fmt"
	"net/url"
	"strings"
)

// proof checks a tenant's test user against what its vendor needs.
func (c *checker) proof(t Tenant, section string) {
	if !c.written(section, "proof") {
		return
	}
	path := section + ".proof"
	only := func(key, kinds string) {
		if c.written(path, key) {
			c.fail(path+"."+key, fmt.Sprintf("the test user of a tenant of kind %s has no such key", t.Kind), "remove it; it is for "+kinds)
		}
	}
	switch t.Kind {
	case "generic":
		c.fail(path, "a tenant of kind generic cannot sign a test user in", "remove it, and prove a move by signing in by hand")
	case "okta", "pingone":
		only("client_id", "OneLogin")
		only("client_secret", "OneLogin")
	case "onelogin":
		only("session_path", "Okta and PingOne")
		c.missing(path, "client_id", "the call that makes an assertion needs an API credential of its own, of the scope Authentication Only")
		c.missing(path, "client_secret", "the call that makes an assertion needs an API credential of its own, of the scope Authentication Only")
		c.oneLoginProof(t, section)
	}
}

// oneLoginProof wants a credential that can do nothing but sign the test user
// in, and an account whose subdomain is known.
func (c *checker) oneLoginProof(t Tenant, section string) {
	if t.ClientID != "" && t.ClientID == t.Proof.ClientID {
		c.fail(section+".proof.client_id", "this is the credential that changes apps", "make a second one in OneLogin with the scope Authentication Only")
	}
	u, err := url.Parse(t.URL)
	if err != nil || t.URL == "" {
		return // said elsewhere
	}
	if sub, own := strings.CutSuffix(u.Hostname(), ".onelogin.com"); !own || strings.Contains(sub, ".") {
		c.fail(section+".proof", "the account's subdomain is not known, and a test user cannot sign in without", "write the tenant's url as https://SUBDOMAIN.onelogin.com")
	}
}
