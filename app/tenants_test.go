package app

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// spec 1.4: a tenant of kind onelogin is built from the config, and an app
// whose validator would refuse a standby Region says so whenever it is read,
// not first in a move.
func TestOneLoginTenant(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("x.yaml", []byte(`tenants: [{name: one, kind: onelogin, url: "https://acme.onelogin.com", client_id: abc, client_secret: "env:ONELOGIN"}]
federations: [{name: prod, regions: [us-east-1, us-west-2], apps: [{tenant: one, id: 928532}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	all, err := vendors(c, config.Secrets{Tokens: map[string]secret.Value{"one": secret.New("s")}}, network, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	v := all["one"]
	if got := v.AdminURL("928532"); !strings.HasPrefix(got, "https://acme.onelogin.com/") {
		t.Errorf("administration at %q", got)
	}
	for validator, want := range map[string]bool{`^https://([a-z0-9-]+\\.)?signin\\.aws\\.amazon\\.com/saml$`: false, `^https://signin\\.aws\\.amazon\\.com/saml$`: true} {
		app := v.Codec.Describe(idp.Document{ID: "928532", Raw: json.RawMessage(`{"id":928532,"auth_method":2,"configuration":{
 "consumer_url":"https://signin.aws.amazon.com/saml","recipient":"https://signin.aws.amazon.com/saml","validator":"` + validator + `"}}`)})
		told := len(app.Findings) == 1 && app.Findings[0].Code == finding.ACSValidator && strings.Contains(app.Findings[0].What, "us-west-2")
		if !app.Movable || told != want {
			t.Errorf("%s: movable %v, %v", validator, app.Movable, app.Findings)
		}
	}
	if _, err := vendors(c, config.Secrets{}, network, slog.New(slog.DiscardHandler)); !finding.Is(err, finding.IdPAuth) {
		t.Errorf("without a secret: %v", err)
	}
}

// Every region of PingOne that the config accepts has a tenant, hosts of one's
// own do too, and what was proven reaches the codec.
func TestPingOneTenants(t *testing.T) {
	t.Parallel()
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"https://api.pingone.com", "https://api.pingone.eu", "https://api.pingone.asia", "https://api.pingone.com.au", "https://api.pingone.ca",
		"https://api.pingone.sg", "https://ping.internal.example"} {
		auth, console := "", strings.Replace(host, "api.", "console.", 1)+"/?env="
		if !strings.Contains(host, "pingone") {
			auth, console = ", auth_url: https://login.internal.example", ""
		}
		c, err := config.Parse("x.yaml", []byte(`tenants: [{name: p, kind: pingone, url: "`+host+`", client_id: abc, client_secret: "env:PING",
 pingone: {environment: 0d1f3c52-6f0e-4d5c-8e61-3a5d5e1c9a10`+auth+`}, proven_kinds: [{kind: "pingone:catalogue-saml", by: Ada, on: "2026-11-01"}]}]
federations: [{name: prod, regions: [us-east-1, us-west-2], apps: [{tenant: p, id: 3b9fe2b2-9ba4-4dd6-9d4c-0f6d1c0f4a11}]}]
`))
		if err != nil {
			t.Fatal(err)
		}
		all, err := vendors(c, config.Secrets{Tokens: map[string]secret.Value{"p": secret.New("s")}}, network, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(host, err)
		}
		if got := all["p"].AdminURL("x"); !strings.HasPrefix(got, console) || (got == "") != (console == "") {
			t.Errorf("%s: administration at %q", host, got)
		}
		app := all["p"].Codec.Describe(idp.Document{ID: "a", Raw: json.RawMessage(`{"id":"a","name":"AWS","enabled":true,"type":"WEB_APP","protocol":"SAML","assertionDuration":300,
 "spEntityId":"x","acsUrls":["https://signin.aws.amazon.com/saml"],"idpSigning":{"key":{"id":"k"}},
 "template":{"integration":{"id":"i"},"configuration":{"acsUrl":"https://signin.aws.amazon.com/saml"}}}`)})
		if !app.Movable {
			t.Errorf("%s: %v", host, app.Findings)
		}
	}
}

// A tenant of kind generic is built from the config, and lists the apps that
// the config names in it.
func TestGenericTenant(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("x.yaml", []byte(`tenants: [{name: own, kind: generic, url: "https://webhook.example", path: /samlfailover, secret: "env:WEBHOOK"},
 {name: other, kind: generic, url: "https://webhook.example", secret: "env:OTHER"}]
federations: [{name: prod, regions: [us-east-1, us-west-2], apps: [{tenant: own, id: b}, {tenant: other, id: c}, {tenant: own, id: a}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		body := `{"id":"` + path.Base(r.URL.Path) + `","acs":"https://signin.aws.amazon.com/saml"}`
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	key := secret.New(strings.Repeat("k", 32))
	all, err := vendors(c, config.Secrets{Tokens: map[string]secret.Value{"own": key, "other": key}}, network, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	docs, err := all["own"].Tenant.List(t.Context())
	if want := []string{"https://webhook.example/samlfailover/apps/a", "https://webhook.example/samlfailover/apps/b"}; err != nil || len(docs) != 2 || !slices.Equal(asked, want) {
		t.Errorf("%d documents, %v, from %v", len(docs), err, asked)
	}
	if app := all["own"].Codec.Describe(docs[0]); !app.Movable || all["own"].AdminURL("a") != "" {
		t.Errorf("%+v", app)
	}
	if _, err := vendors(c, config.Secrets{Tokens: map[string]secret.Value{"own": key}}, network, slog.New(slog.DiscardHandler)); !finding.Is(err, finding.IdPAuth) {
		t.Errorf("without a secret: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
