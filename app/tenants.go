package app

import (
	"fmt"
	"log/slog"
	"net/url"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// maker builds one kind of tenant. A new identity provider is one more entry
// in makers.
type maker func(t config.Tenant, token secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error)

// makers lists the identity providers by the config's `kind`.
func makers() map[string]maker {
	return map[string]maker{"okta": newOkta}
}

func newOkta(t config.Tenant, token secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error) {
	tenant, err := okta.New(okta.Options{Network: n, Name: t.Name, URL: t.URL, Token: token, Logger: log})
	if err != nil {
		return move.Vendor{}, err
	}
	return move.Vendor{Tenant: tenant, Codec: okta.Codec{}, AdminURL: func(id idp.AppID) string {
		return oktaAdminURL(t.URL, id)
	}}, nil
}

// oktaAdminURL is the app's page in Okta's admin console, which lives on the
// org's -admin host (Okta help, "Okta Admin Console"): example.okta.com is
// administered on example-admin.okta.com. The path is what the console shows
// today; it is for people to click, nothing depends on it.
func oktaAdminURL(org string, id idp.AppID) string {
	u, err := url.Parse(org)
	if err != nil {
		return ""
	}
	host := u.Host
	for i := range len(host) {
		if host[i] == '.' {
			host = host[:i] + "-admin" + host[i:]
			break
		}
	}
	return "https://" + host + "/admin/app/instance/" + url.PathEscape(string(id))
}

// vendors builds every configured tenant.
func vendors(c *config.Config, secrets config.Secrets, n *outbound.Network, log *slog.Logger) (move.Vendors, error) {
	out := move.Vendors{}
	for _, t := range c.Tenants {
		build, ok := makers()[t.Kind]
		if !ok {
			return nil, fmt.Errorf("tenant %s: no adapter for kind %q", t.Name, t.Kind)
		}
		v, err := build(t, secrets.Tokens[t.Name], n, log)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		out[t.Name] = v
	}
	return out, nil
}
