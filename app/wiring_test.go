package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/idp"
)

// minimal is a config with the given top-level sections in place of its own.
func minimal(t *testing.T, aws, regions string) *config.Config {
	t.Helper()
	text := fmt.Sprintf(`%s
tenants:
  - {name: okta, kind: okta, url: "https://acme.okta.com", token: "env:OKTA_TOKEN"}
federations:
  - name: one
    regions: [%s]
    apps: [{name: prod, tenant: okta, id: "1"}]
  - name: two
    regions: [us-east-1, eu-west-1]
    apps: [{name: dev, tenant: okta, id: "2"}]
`, aws, regions)
	c, err := config.Parse(filepath.Join(t.TempDir(), "samlfailover.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The Regional STS to ask: what the config says, else every standby before any
// home of its federation, each once.
func TestSTSRegions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, aws, regions, want string }{
		{"none configured: standbys first, home last", "", "us-east-1, us-west-2", "us-west-2 us-east-1 eu-west-1"},
		{"three Regions", "", "us-west-2, eu-central-1, us-east-1", "eu-central-1 us-east-1 us-west-2 eu-west-1"},
		{"configured", "aws: {region: eu-north-1}", "us-east-1, us-west-2", "eu-north-1"},
		{"with fallbacks", "aws: {region: eu-north-1, fallback_regions: [us-west-2, eu-west-3]}", "us-east-1, us-west-2", "eu-north-1 us-west-2 eu-west-3"},
	} {
		cfg := minimal(t, c.aws, c.regions)
		before := fmt.Sprint(cfg.Federations()[0].Regions)
		if got := strings.Join(stsRegions(cfg), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
		if after := fmt.Sprint(cfg.Federations()[0].Regions); after != before {
			t.Errorf("%s: the federation's Regions became %s", c.why, after)
		}
	}
}

func TestRegionsOf(t *testing.T) {
	t.Parallel()
	var got []string
	for _, r := range regionsOf(minimal(t, "", "us-west-2, us-east-1").Federations()) {
		got = append(got, r.String())
	}
	if !slices.Equal(got, []string{"us-west-2", "us-east-1", "eu-west-1"}) {
		t.Errorf("%v", got)
	}
}

func TestOktaAdminURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ org, id, want string }{
		{"https://acme.okta.com", "0oa1", "https://acme-admin.okta.com/admin/app/instance/0oa1"},
		{"https://acme.oktapreview.com", "0oa1", "https://acme-admin.oktapreview.com/admin/app/instance/0oa1"},
		{"https://acme.okta-emea.com", "a/../b?c#d", "https://acme-admin.okta-emea.com/admin/app/instance/a%2F..%2Fb%3Fc%23d"},
		{"https://login.acme.example:8443", "1", "https://login-admin.acme.example:8443/admin/app/instance/1"},
		{"::", "1", ""},
	} {
		if got := oktaAdminURL(c.org, idp.AppID(c.id)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.org, c.id, got, c.want)
		}
	}
}

// Each kind of tenant that a config may name has an adapter.
func TestEveryKindHasAnAdapter(t *testing.T) {
	t.Parallel()
	c := minimal(t, "", "us-east-1, us-west-2")
	for _, tenant := range c.Tenants {
		if makers()[tenant.Kind] == nil {
			t.Errorf("no adapter for %s", tenant.Kind)
		}
	}
	c.Tenants[0].Kind = "ping"
	if _, err := vendors(c, config.Secrets{}, nil, nil); err == nil || !strings.Contains(err.Error(), `"ping"`) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// What is wrong with the outer world is said when the service is made.
func TestNewFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, top, says string
		env             map[string]string
	}{
		{"a secret that is not there", "", "OKTA_TOKEN", nil},
		{"a CA file that is not there", "network: {ca_file: nowhere.pem}", "nowhere.pem", map[string]string{"OKTA_TOKEN": "x"}},
		{"a proxy that is none", "", "HTTPS_PROXY", map[string]string{"OKTA_TOKEN": "x", "HTTPS_PROXY": "socks5://u:marker@p:1"}},
	} {
		cfg := minimal(t, c.top, "us-east-1, us-west-2")
		_, err := New(Options{Setup: Setup{Config: cfg, Env: c.env, Log: slog.New(slog.DiscardHandler)}})
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "marker") {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := os.Stat(cfg.Store.Dir); err == nil {
			t.Errorf("%s: New has made the data folder", c.name)
		}
	}
}
