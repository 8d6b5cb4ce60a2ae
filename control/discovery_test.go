package control_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	simokta "github.com/samlfailover/samlfailover/sandbox/okta"
	simonelogin "github.com/samlfailover/samlfailover/sandbox/onelogin"
	simpingone "github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

const (
	east     = "https://signin.aws.amazon.com/saml"
	westEnd  = "https://us-west-2.signin.aws.amazon.com/saml"
	accountA = "111122223333"
	accountB = "444455556666"
)

var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// vendors is a world of three vendors and two AWS accounts behind one round
// tripper. Every credential in it may only read.
type vendors struct {
	t        *testing.T
	okta     *simokta.Org
	ping     *simpingone.Tenant
	onelogin *simonelogin.Tenant
	cloud    *aws.Cloud
	env      string

	mu     sync.Mutex
	sites  map[string]http.Handler
	writes []string
	down   string // host that answers with an error
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newVendors makes the tenants and their decoys, without an app of our own.
func newVendors(t *testing.T) *vendors {
	t.Helper()
	w := &vendors{t: t, cloud: aws.New(), env: simpingone.EnvironmentID("Production"), sites: map[string]http.Handler{}}
	w.okta = must(simokta.New(simokta.Options{Host: "acme.okta.com", APIToken: "writer", ReaderToken: "reader", Tenant: "okta", NewKey: oneKey}))
	w.ping = must(simpingone.New(simpingone.Options{Tenant: "ping", Environments: []string{"Production"}, RatePerMinute: 6000, NewKey: oneKey,
		Workers: []simpingone.Worker{{Environment: w.env, ClientID: "worker", Secret: "secret", Roles: []simpingone.Role{{Name: simpingone.ClientApplicationDeveloper, Environment: w.env}}}}}))
	w.onelogin = must(simonelogin.New(simonelogin.Options{Subdomain: "acme", Tenant: "onelogin", NewKey: oneKey,
		Credentials: []simonelogin.Credential{{ClientID: "reader", Secret: "secret", Scope: simonelogin.ReadAll}}}))
	if err := errors.Join(w.ping.AddDecoys(w.env), w.onelogin.AddDecoys()); err != nil {
		t.Fatal(err)
	}
	for _, sites := range [][]proxy.Site{w.okta.Sites(), w.ping.Sites(), w.onelogin.Sites(), w.cloud.Sites()} {
		for _, s := range sites {
			w.sites[s.Host] = s.Handler
		}
	}
	for _, id := range []string{accountA, accountB} {
		w.cloud.AddAccount(id, "").AddAccessKey("reader", "AKIAREADER"+id[:10], "secret", rights())
	}
	return w
}

// rights are those of the scan role, no more.
func rights() []string {
	return []string{"iam:ListRoles", "iam:GetRole", "iam:GetAccountSummary", "iam:ListSAMLProviders", "iam:GetSAMLProvider"}
}

// RoundTrip implements http.RoundTripper.
func (w *vendors) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	site := w.sites[r.URL.Host]
	if r.Method != http.MethodGet && r.URL.Host != "iam.amazonaws.com" && !strings.Contains(r.URL.Path, "token") {
		w.writes = append(w.writes, r.Method+" "+r.URL.String())
	}
	if r.URL.Host == w.down {
		site = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	}
	w.mu.Unlock()
	if site == nil {
		return nil, fmt.Errorf("nothing answers at %s", r.URL.Host)
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	site.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// provider puts the metadata of an app into an account.
func (w *vendors) provider(account, name string, metadata []byte, err error) string {
	w.t.Helper()
	acc, ok := w.cloud.Account("aws", account)
	if err != nil || !ok {
		w.t.Fatal(err)
	}
	return must(acc.PutProvider(name, metadata))
}

func (w *vendors) role(account, name string, providers ...string) {
	w.t.Helper()
	acc, _ := w.cloud.Account("aws", account)
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":["%s"]},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":["%s","%s"]}}}]}`,
		strings.Join(providers, `","`), east, westEnd)
	if err := acc.PutRole(aws.Role{Name: name, Path: "/", Trust: trust}); err != nil {
		w.t.Fatal(err)
	}
}

// run discovers with the product's own adapters and the AWS SDK.
func (w *vendors) run() control.Discovered {
	w.t.Helper()
	n := must(outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w}))
	d := control.Discovery{Accounts: []federation.Account{{ID: accountA}, {ID: accountB}}, Tenants: []control.DiscoveryTenant{
		{Name: "okta", Codec: okta.Codec{}, Tenant: must(okta.New(okta.Options{Network: n, Name: "okta", URL: "https://acme.okta.com", Token: secret.New("reader"), RatePerSecond: 1000, Burst: 1000}))},
		{Name: "ping", Codec: pingone.Codec{}, Tenant: must(pingone.New(pingone.Options{Network: n, Name: "ping", TLD: "com", Environment: w.env, ClientID: "worker", ClientSecret: secret.New("secret"), RatePerSecond: 1000, Burst: 1000}))},
		{Name: "onelogin", Codec: onelogin.Codec{}, Tenant: must(onelogin.New(onelogin.Options{Network: n, Name: "onelogin", URL: "https://acme.onelogin.com", ClientID: "reader", ClientSecret: secret.New("secret"), RatePerSecond: 1000, Burst: 1000}))},
	}, Survey: func(ctx context.Context, accounts []federation.Account) ([]inventory.AccountScan, error) {
		return fleet.Survey(ctx, fleet.Options{Federation: federation.Federation{Accounts: accounts}, Open: w.open})
	}}
	got, err := d.Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(w.writes) > 0 {
		w.t.Errorf("it wrote: %v", w.writes)
	}
	return got
}

func (w *vendors) open(_ context.Context, a federation.Account, _ fleet.Purpose) (fleet.IAM, error) {
	return iam.NewFromConfig(sdk.Config{Region: "us-east-1", HTTPClient: &http.Client{Transport: w}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAREADER"+a.ID[:10], "secret", "")}), nil
}

// told renders what was found of the apps that lead to an account.
func told(r control.Discovered) []string {
	var out []string
	for _, a := range r.Apps {
		for _, l := range a.Providers {
			_, name, _ := strings.Cut(l.Provider, "saml-provider/")
			out = append(out, fmt.Sprintf("%s: %s, %s, %s/%s, %d roles", a.Label, a.Topology, a.Region, l.Account[:1], name, len(l.Roles)))
		}
	}
	return out
}

// Three vendors, three topologies, decoys in each, and rights to read only.
//
// spec 2.10
func TestDiscoveryOverThreeVendors(t *testing.T) {
	t.Parallel()
	w := newVendors(t)
	o := must(w.okta.AddSAMLApp("Okta east", simokta.AppSettings{ACS: east}))
	o2 := must(w.okta.AddSAMLApp("Okta west", simokta.AppSettings{ACS: westEnd}))
	p := must(w.ping.AddSAMLApp(w.env, "Ping", simpingone.AppSettings{ACS: []string{east}}))
	m := must(w.onelogin.Metadata(must(w.onelogin.AddSAMLApp("OneLogin", simonelogin.AppSettings{ACS: east}))))
	must(w.onelogin.AddAWSApp("Multi Role", simonelogin.MultiRole, nil))
	md := func(id string) []byte { return must(w.okta.Metadata(id)) }
	first, second := w.provider(accountA, "Okta", md(o), nil), w.provider(accountA, "OktaWest", md(o2), nil)
	w.role(accountA, "Admin", first, second)
	w.role(accountA, "Reader", first)
	ping := must(w.ping.Metadata(p))
	w.role(accountB, "Admin", w.provider(accountB, "Ping", ping, nil), w.provider(accountB, "OneLogin", m, nil))
	w.provider(accountA, "Ping", ping, nil)
	got := w.run()
	want := []string{
		"Okta east: one-app-per-region, us-east-1, 1/Okta, 2 roles",
		"Okta west: one-app-per-region, us-west-2, 1/OktaWest, 1 roles",
		"Ping: one-app-many-accounts, us-east-1, 1/Ping, 0 roles",
		"Ping: one-app-many-accounts, us-east-1, 4/Ping, 1 roles",
		"OneLogin: one-app-per-account, us-east-1, 4/OneLogin, 1 roles",
	}
	if have := told(got); !slices.Equal(have, want) {
		t.Errorf("found:\n%s\nwant:\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	if len(got.Problems) != 0 || len(got.Federations) != 1 || len(got.Federations[0].Federation.Apps) != 4 {
		t.Errorf("problems %v, federations %+v", got.Problems, got.Federations)
	}
	for _, a := range got.Apps {
		if a.Label == "Multi Role" && (a.Movable || !a.ACS.IsZero() || len(a.Findings) == 0) {
			t.Errorf("a connector that cannot be moved: %+v", a)
		}
	}
}

// A tenant that does not answer, a key that was changed and an app that nobody
// trusts: each is named, and the rest is found all the same.
func TestDiscoveryTrouble(t *testing.T) {
	t.Parallel()
	w := newVendors(t)
	o := must(w.okta.AddSAMLApp("Okta", simokta.AppSettings{ACS: east}))
	p := must(w.ping.AddSAMLApp(w.env, "Ping", simpingone.AppSettings{ACS: []string{east}}))
	w.provider(accountA, "Okta", must(w.okta.Metadata(o)), nil)
	fresh := must(simpingone.New(simpingone.Options{Tenant: "ping", Environments: []string{"Production"}})) // the same issuer with another key
	stale := must(fresh.Metadata(must(fresh.AddSAMLApp(w.env, "Ping", simpingone.AppSettings{ACS: []string{east}}))))
	w.provider(accountB, "Ping", stale, nil)
	w.down = "acme.onelogin.com"
	got := w.run()
	if have := told(got); len(have) != 1 || !strings.HasPrefix(have[0], "Okta: one-app-per-account") {
		t.Errorf("found %v", have)
	}
	if len(got.Problems) != 1 || got.Problems[0].Subject != "tenant onelogin" || got.Problems[0].Code != finding.IdPAuth {
		t.Errorf("problems %+v", got.Problems)
	}
	if len(got.Orphans) != 1 || got.Orphans[0].Code != finding.ProviderStale || !strings.Contains(got.Orphans[0].Subject, p) {
		t.Errorf("orphans %+v", got.Orphans)
	}
}

// silent is a tenant that cannot say who its apps are, as a webhook cannot.
type silent struct{ idp.Tenant }

func (silent) List(context.Context) ([]idp.Document, error) {
	return []idp.Document{{ID: "a", Raw: []byte(`{}`)}}, nil
}

// failing cannot be listed, for a reason without a finding.
type failing struct{ idp.Tenant }

func (failing) List(context.Context) ([]idp.Document, error) { return nil, errors.New("no route") }

// plain describes every app alike.
type plain struct{ idp.Codec }

func (plain) Describe(d idp.Document) idp.App { return idp.App{ID: d.ID, Label: "A", Movable: true} }

func TestDiscoveryWithoutIdentities(t *testing.T) {
	t.Parallel()
	var steps []control.TrustProgress
	d := control.Discovery{Tenants: []control.DiscoveryTenant{{Name: "hook", Tenant: silent{}, Codec: plain{}}, {Name: "gone", Tenant: failing{}, Codec: plain{}}},
		Progress: func(p control.TrustProgress) { steps = append(steps, p) }}
	got, err := d.Run(t.Context())
	if err != nil || len(got.Apps) != 1 || got.Apps[0].Issuer != "" || len(got.Orphans) != 0 || len(got.Problems) != 1 || got.Problems[0].Why != "no route" ||
		got.Problems[0].Subject != "tenant gone" || got.Problems[0].Remedy == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if len(steps) != 2 || steps[1].Done != 2 || steps[1].Total != 2 {
		t.Errorf("progress %+v", steps)
	}
	d.Accounts = []federation.Account{{ID: accountA}}
	d.Survey = func(context.Context, []federation.Account) ([]inventory.AccountScan, error) {
		return nil, errors.New("no way in")
	}
	if _, err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no way in") {
		t.Errorf("a survey that failed as a whole: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	d.Accounts = nil
	if _, err := d.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// The README and the page on discovery name exactly the rights with which the
// tests above work.
func TestRightsAreDocumented(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"README.md", "docs/discovery.md"} {
		text, err := os.ReadFile("../" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, right := range rights() {
			if !strings.Contains(string(text), "`"+right+"`") {
				t.Errorf("%s does not name %s", file, right)
			}
		}
	}
}
