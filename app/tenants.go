package app

import (
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/generic"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// maker builds one kind of tenant; apps are those that the config names in it.
// A new identity provider is one more entry in makers.
type maker func(t config.Tenant, apps []idp.AppID, token secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error)

// makers lists the identity providers by the config's `kind`.
func makers() map[string]maker {
	return map[string]maker{"okta": newOkta, "onelogin": newOneLogin, "pingone": newPingOne, "generic": newGeneric}
}

func newOkta(t config.Tenant, _ []idp.AppID, credential secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error) {
	o := okta.Options{Network: n, Name: t.Name, URL: t.URL, Logger: log}
	if t.OAuth.ClientID == "" {
		o.Token = credential
	} else {
		o.OAuth = &okta.OAuth{ClientID: t.OAuth.ClientID, Key: credential, KeyID: t.OAuth.KeyID, DPoP: t.OAuth.DPoP}
	}
	tenant, err := okta.New(o)
	if err != nil {
		return move.Vendor{}, err
	}
	return move.Vendor{Tenant: tenant, Codec: okta.Codec{Proven: t.Proven()}, AdminURL: adminPage(t)}, nil
}

func newOneLogin(t config.Tenant, _ []idp.AppID, token secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error) {
	tenant, err := onelogin.New(onelogin.Options{Network: n, Name: t.Name, URL: t.URL, ClientID: t.ClientID, ClientSecret: token, Logger: log})
	if err != nil {
		return move.Vendor{}, err
	}
	return move.Vendor{Tenant: tenant, Codec: onelogin.Codec{}, AdminURL: adminPage(t)}, nil
}

// pingOneOptions are those of a tenant without its secret.
func pingOneOptions(t config.Tenant, n *outbound.Network, log *slog.Logger) pingone.Options {
	o := pingone.Options{Network: n, Name: t.Name, APIURL: t.URL, AuthURL: t.PingOne.AuthURL,
		Environment: t.PingOne.Environment, WorkerEnvironment: t.PingOne.WorkerEnvironment,
		ClientID: t.ClientID, Auth: pingone.Auth(t.PingOne.ClientAuth), Logger: log}
	if tld, own := strings.CutPrefix(t.URL, pingOneAPI); own && o.AuthURL == "" {
		o.TLD = tld
	}
	return o
}

// pingOneAPI begins the URL of PingOne's own API hosts; the region ends it.
const pingOneAPI = "https://api.pingone."

func newPingOne(t config.Tenant, _ []idp.AppID, clientSecret secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error) {
	o := pingOneOptions(t, n, log)
	o.ClientSecret = clientSecret
	tenant, err := pingone.New(o)
	if err != nil {
		return move.Vendor{}, err
	}
	return move.Vendor{Tenant: tenant, Codec: pingone.Codec{Proven: t.Proven()}, AdminURL: adminPage(t)}, nil
}

func newGeneric(t config.Tenant, apps []idp.AppID, key secret.Value, n *outbound.Network, log *slog.Logger) (move.Vendor, error) {
	tenant, err := generic.New(generic.Options{Network: n, Name: t.Name, URL: t.URL, Path: t.Path, Secret: key, Apps: apps, Logger: log})
	if err != nil {
		return move.Vendor{}, err
	}
	return move.Vendor{Tenant: tenant, Codec: generic.Codec{}, AdminURL: adminPage(t)}, nil
}

// adminPage returns where a person changes an app of the tenant, "" where that is
// not known, as behind a webhook. The addresses are what the vendors' pages have
// today; they are for people to click, nothing depends on them. It needs no
// credential.
func adminPage(t config.Tenant) func(idp.AppID) string {
	switch t.Kind {
	case "okta":
		return func(id idp.AppID) string { return oktaAdminURL(t.URL, id) }
	case "onelogin":
		return func(id idp.AppID) string { return t.URL + "/apps/" + url.PathEscape(string(id)) + "/edit" }
	case "pingone":
		if tld, own := strings.CutPrefix(t.URL, pingOneAPI); own {
			return func(idp.AppID) string { return "https://console.pingone." + tld + "/?env=" + t.PingOne.Environment }
		}
	}
	return func(idp.AppID) string { return "" }
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
	standby := standbyRegions(c.Federations())
	for _, t := range c.Tenants {
		build, ok := makers()[t.Kind]
		if !ok {
			return nil, fmt.Errorf("tenant %s: no adapter for kind %q", t.Name, t.Kind)
		}
		v, err := build(t, slices.Sorted(maps.Keys(standby[t.Name])), secrets.Tokens[t.Name], n, log)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		if v, err = withTestUser(t, v, secrets.Proofs[t.Name], n, log); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.Name, err)
		}
		v.Codec = foresighted{v.Codec, standby[t.Name]}
		out[t.Name] = v
	}
	return out, nil
}

// standbyRegions returns where each app may be moved, by tenant and id.
func standbyRegions(fs []federation.Federation) map[string]map[idp.AppID][]signin.Region {
	out := map[string]map[idp.AppID][]signin.Region{}
	for _, f := range fs {
		for _, a := range f.Apps {
			if out[a.Tenant] == nil {
				out[a.Tenant] = map[idp.AppID][]signin.Region{}
			}
			out[a.Tenant][idp.AppID(a.ID)] = f.Regions
			if len(f.StandbysOf(a)) > 0 { // its endpoint never moves
				out[a.Tenant][idp.AppID(a.ID)] = nil
			}
		}
	}
	return out
}

// foresighted is a codec that also says, whenever an app is read, to which
// Regions of its federation it could not be moved.
type foresighted struct {
	idp.Codec
	regions map[idp.AppID][]signin.Region
}

// Describe implements idp.Codec.
func (c foresighted) Describe(doc idp.Document) idp.App {
	app := c.Codec.Describe(doc)
	if app.Movable { // else it says already why it cannot be moved at all
		app.Findings = append(app.Findings, idp.Obstacles(c.Codec, doc, c.regions[doc.ID])...)
	}
	return app
}

// Restorable implements idp.Restorer.
func (c foresighted) Restorable(p idp.Pointer) bool { return idp.Restorable(c.Codec, p) }

// Publish implements idp.Publisher.
func (c foresighted) Publish(doc idp.Document, show bool) ([]idp.Change, error) {
	return idp.Publish(c.Codec, doc, show)
}
