package app

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/prove"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
)

// newProver proves moved apps through the test users of the config. scanned
// returns what the last scan saw of a federation's providers.
func newProver(c *config.Config, vendors move.Vendors, scanned func(federation string) []inventory.Provider) (*prove.Prover, error) {
	owner := map[string]federation.Federation{}
	for _, f := range c.Federations() {
		for _, a := range f.Members() {
			owner[a.String()] = f
		}
	}
	return prove.New(prove.Config{
		Read: vendors.Read,
		Assertor: func(tenant string) (idp.Assertor, bool) {
			a, ok := vendors[tenant].Tenant.(idp.Assertor)
			return a, ok
		},
		Proven: func(tenant, kind string) bool {
			t, ok := c.Tenant(tenant)
			return ok && slices.Contains(t.Proven(), kind)
		},
		Providers: func(app federation.AppRef) []inventory.Provider {
			f := owner[app.String()]
			return providersOf(f, scanned(f.Name))
		},
	})
}

// providersOf returns the federation's own providers, with what the scan saw of
// them; one that it did not see is there with its name alone.
func providersOf(f federation.Federation, scanned []inventory.Provider) []inventory.Provider {
	var out []inventory.Provider
	for _, acc := range f.Accounts {
		for _, arn := range acc.Providers {
			p := inventory.Provider{ARN: arn}
			if i := slices.IndexFunc(scanned, func(have inventory.Provider) bool { return have.ARN == arn }); i >= 0 {
				p = scanned[i]
			}
			out = append(out, p)
		}
	}
	for _, p := range scanned {
		known := slices.ContainsFunc(out, func(have inventory.Provider) bool { return have.ARN == p.ARN })
		if !known && f.Organization.Owns(p.ARN) {
			out = append(out, p)
		}
	}
	return out
}

// providersIn collects the providers of a scan.
func providersIn(snap inventory.Snapshot) []inventory.Provider {
	var out []inventory.Provider
	for _, acc := range snap.Accounts {
		out = append(out, acc.Providers...)
	}
	return out
}

// withTestUser gives a tenant the test user of its config, if there is one.
func withTestUser(t config.Tenant, v move.Vendor, s config.ProofSecrets, n *outbound.Network, log *slog.Logger) (move.Vendor, error) {
	p := t.Proof
	if p.User == "" {
		return v, nil
	}
	var tenant idp.Tenant
	var err error
	switch plain := v.Tenant.(type) {
	case *okta.Tenant:
		tenant, err = plain.WithTestUser(okta.TestUser{Name: p.User, Password: s.Password, SignOnPath: p.SignOnPath, SessionPath: p.SessionPath},
			okta.Options{Network: n, URL: t.URL, Logger: log})
	case *pingone.Tenant:
		tenant, err = plain.WithTestUser(pingone.TestUser{Name: p.User, Password: s.Password, SignOnPath: p.SignOnPath, SessionPath: p.SessionPath},
			pingOneOptions(t, n, log))
	case *onelogin.Tenant:
		tenant, err = plain.WithTestUser(onelogin.TestUser{Name: p.User, Password: s.Password, ClientID: p.ClientID, ClientSecret: s.ClientSecret, Path: p.SignOnPath},
			onelogin.Options{Network: n, URL: t.URL, Logger: log})
	default:
		err = fmt.Errorf("a tenant of kind %s cannot sign a test user in", t.Kind)
	}
	if err != nil {
		return move.Vendor{}, err
	}
	v.Tenant = tenant
	return v, nil
}
