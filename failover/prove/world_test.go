package prove_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/prove"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	oktasim "github.com/samlfailover/samlfailover/sandbox/okta"
	oneloginsim "github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/person"
	pingonesim "github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	user     = "prover@example.com"
	password = "MARKER-test-user-password"
	provider = "arn:aws:iam::111122223333:saml-provider/idp"
	oldACS   = "https://signin.aws.amazon.com/saml"
	newACS   = "https://us-west-2.signin.aws.amazon.com/saml"
	oldPage  = "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"
)

var (
	east = signin.MustRegion("us-east-1")
	west = signin.MustRegion("us-west-2")
)

// keys are made once: making one takes long. They come in turn, so that an app
// gets another one when its key is exchanged.
var keys = sync.OnceValue(func() [3]*rsa.PrivateKey {
	var out [3]*rsa.PrivateKey
	for i := range out {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[i] = k
	}
	return out
})

func inTurn() func() (*rsa.PrivateKey, error) {
	n := -1
	return func() (*rsa.PrivateKey, error) { n++; return keys()[n%3], nil }
}

// vendor is one simulated IdP with one AWS app, for a test that does not care
// which.
type vendor struct {
	sites    []proxy.Site
	app      string
	connect  func(*outbound.Network) move.Vendor // with the test user
	metadata func() ([]byte, error)
	edit     func(func(map[string]any)) error
	point    func(doc map[string]any, acs string) // at an endpoint, as an administrator would
	relay    func(doc map[string]any, url string)
	newKey   func(doc map[string]any) // exchange the app's signing key
	obstruct func(state string)       // "mfa" or "expired"; nil = the vendor has no such state
	tries    func() int               // passwords given
	signOn   []string                 // what a saboteur gets hold of: parts of sign-on paths, in their order
	posts    bool                     // the vendor says what a browser would post
}

func (v *vendor) roles() []person.RolePair {
	return []person.RolePair{{Role: "arn:aws:iam::111122223333:role/test", Provider: provider}}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func at(doc map[string]any, keys ...string) map[string]any {
	for _, k := range keys {
		doc = doc[k].(map[string]any)
	}
	return doc
}

// lag is how long sign-on stays behind a write.
type lag = time.Duration

func vendors() map[string]func(lag) *vendor {
	return map[string]func(lag) *vendor{"okta": newOkta, "pingone": newPingOne, "onelogin": newOneLogin}
}

func newOkta(behind lag) *vendor {
	org := must(oktasim.New(oktasim.Options{Host: "acme.okta.com", APIToken: "MARKER-api-token", NewKey: inTurn()}))
	org.SetReadings(oktasim.Readings{SignOnLag: behind})
	v := &vendor{sites: org.Sites(), posts: true, signOn: []string{"/api/v1/authn", "/login/sessionCookieRedirect", "/home/"}}
	v.app = must(org.AddSAMLApp("AWS", oktasim.AppSettings{ACS: oldACS, RelayState: oldPage}))
	if err := org.AddUser(oktasim.User{Login: user, Password: password, Apps: map[string]oktasim.Assignment{v.app: {Roles: []oktasim.RolePair{oktasim.RolePair(v.roles()[0])}}}}); err != nil {
		panic(err)
	}
	v.connect = func(n *outbound.Network) move.Vendor {
		o := okta.Options{Network: n, Name: "t", URL: "https://acme.okta.com", Token: secret.New("MARKER-api-token")}
		tenant := must(must(okta.New(o)).WithTestUser(okta.TestUser{Name: user, Password: secret.New(password)}, o))
		return move.Vendor{Tenant: tenant, Codec: okta.Codec{}}
	}
	v.metadata = func() ([]byte, error) { return org.Metadata(v.app) }
	v.edit = func(f func(map[string]any)) error { return org.EditApp(v.app, f) }
	v.point = func(doc map[string]any, acs string) {
		for _, k := range []string{"ssoAcsUrl", "recipient", "destination"} {
			at(doc, "settings", "signOn")[k] = acs
		}
	}
	v.relay = func(doc map[string]any, url string) { at(doc, "settings", "signOn")["defaultRelayState"] = url }
	v.newKey = func(doc map[string]any) { at(doc, "credentials", "signing")["kid"] = "another" }
	v.obstruct = func(state string) {
		org.Obstruct(user, map[string]string{"mfa": "MFA_REQUIRED", "expired": "PASSWORD_EXPIRED"}[state])
	}
	v.tries = func() int { return org.Tries(user) }
	return v
}

func newPingOne(behind lag) *vendor {
	env := pingonesim.EnvironmentID("Production")
	ping := must(pingonesim.New(pingonesim.Options{TLD: "eu", Environments: []string{"Production"}, NewKey: inTurn(), Readings: pingonesim.Readings{SignOnLag: behind},
		Workers: []pingonesim.Worker{{Environment: env, ClientID: "worker", Secret: "MARKER-worker", Roles: []pingonesim.Role{{Name: pingonesim.ClientApplicationDeveloper, Environment: env}}}}}))
	v := &vendor{sites: ping.Sites(), posts: true, signOn: []string{"/saml20/idp/startsso", "/flows/", "/saml20/resume"}}
	v.app = must(ping.AddSAMLApp(env, "AWS", pingonesim.AppSettings{ACS: []string{oldACS, newACS}, RelayState: oldPage, SigningKey: must(ping.AddKey(env))}))
	if err := ping.AddUser(env, person.User{Login: user, Password: password, Apps: map[string]person.Assignment{v.app: {Roles: v.roles()}}}); err != nil {
		panic(err)
	}
	v.connect = func(n *outbound.Network) move.Vendor {
		o := pingone.Options{Network: n, Name: "t", TLD: "eu", Environment: env, ClientID: "worker", ClientSecret: secret.New("MARKER-worker")}
		tenant := must(must(pingone.New(o)).WithTestUser(pingone.TestUser{Name: user, Password: secret.New(password)}, o))
		return move.Vendor{Tenant: tenant, Codec: pingone.Codec{}}
	}
	v.metadata = func() ([]byte, error) { return ping.Metadata(v.app) }
	v.edit = func(f func(map[string]any)) error { return ping.EditApp(v.app, f) }
	v.point = func(doc map[string]any, acs string) { doc["acsUrls"] = []any{acs} }
	v.relay = func(doc map[string]any, url string) { doc["defaultTargetUrl"] = url }
	other := ping.DefaultKey(env)
	v.newKey = func(doc map[string]any) { at(doc, "idpSigning", "key")["id"] = other }
	v.obstruct = func(state string) {
		ping.Obstruct(env, user, map[string]string{"mfa": "OTP_REQUIRED", "expired": "PASSWORD_EXPIRED"}[state])
	}
	v.tries = func() int { return ping.Tries(env, user) }
	return v
}

func newOneLogin(behind lag) *vendor {
	account := must(oneloginsim.New(oneloginsim.Options{Subdomain: "acme", NewKey: inTurn(), Readings: oneloginsim.Readings{SignOnLag: behind},
		Credentials: []oneloginsim.Credential{{ClientID: "mover", Secret: "MARKER-mover", Scope: oneloginsim.ManageAll},
			{ClientID: "prover", Secret: "MARKER-prover", Scope: oneloginsim.AuthenticationOnly}}}))
	v := &vendor{sites: account.Sites(), signOn: []string{"/api/2/saml_assertion"}}
	v.app = must(account.AddSAMLApp("AWS", oneloginsim.AppSettings{ACS: oldACS, RelayState: oldPage}))
	if err := account.AddUser(person.User{Login: user, Password: password, Apps: map[string]person.Assignment{v.app: {Roles: v.roles()}}}); err != nil {
		panic(err)
	}
	v.connect = func(n *outbound.Network) move.Vendor {
		o := onelogin.Options{Network: n, Name: "t", URL: "https://acme.onelogin.com", ClientID: "mover", ClientSecret: secret.New("MARKER-mover")}
		tenant := must(must(onelogin.New(o)).WithTestUser(onelogin.TestUser{Name: user, Password: secret.New(password), ClientID: "prover", ClientSecret: secret.New("MARKER-prover")}, o))
		return move.Vendor{Tenant: tenant, Codec: onelogin.Codec{}}
	}
	v.metadata = func() ([]byte, error) { return account.Metadata(v.app) }
	v.edit = func(f func(map[string]any)) error { return account.EditApp(v.app, f) }
	v.point = func(doc map[string]any, acs string) {
		at(doc, "configuration")["consumer_url"], at(doc, "configuration")["recipient"] = acs, acs
	}
	v.relay = func(doc map[string]any, url string) { at(doc, "configuration")["relaystate"] = url }
	second := must(account.AddCertificate("second"))
	v.newKey = func(doc map[string]any) {
		at(doc, "sso", "certificate")["id"] = json.Number(fmt.Sprint(second))
	}
	v.obstruct = func(state string) {
		if state == "mfa" {
			account.RequireMFA(user)
		}
	}
	v.tries = func() int { return account.Tries(user) }
	return v
}

// bench is a vendor behind an in-memory network with TLS, the product's tenant
// for it, and a prover.
type bench struct {
	*vendor
	t         *testing.T
	tamper    func(http.ResponseWriter, *http.Request) bool // true = it answered
	seen      *reqlog.Log
	logged    bytes.Buffer
	vendors   move.Vendors
	ref       federation.AppRef
	config    prove.Config
	providers []inventory.Provider
	kinds     []string
}

// newBench starts a vendor inside the bubble that calls it. Extra hosts are a
// saboteur's.
func newBench(t *testing.T, make func(lag) *vendor, behind lag) *bench {
	t.Helper()
	b := &bench{t: t, vendor: make(behind), seen: reqlog.New(0)}
	sites := append([]proxy.Site(nil), b.sites...)
	for i := range sites {
		inner := sites[i].Handler
		sites[i].Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if b.tamper == nil || !b.tamper(w, r) {
				inner.ServeHTTP(w, r)
			}
		})
	}
	sites = append(sites, proxy.Site{Host: "evil.example", Service: "evil", Handler: http.NotFoundHandler()})
	p := must(proxy.New(proxy.Options{Sites: sites, Log: b.seen, Logger: slog.New(slog.DiscardHandler)}))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, p.Authority().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&b.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n := must(outbound.New(outbound.Settings{Proxy: "direct", CAFile: ca, DialContext: p.DialContext, Logger: log}))
	t.Cleanup(func() { n.Close(); p.Close() })
	b.ref = federation.AppRef{Name: "AWS", Tenant: "t", ID: b.app}
	b.vendors = move.Vendors{"t": b.connect(n)}
	b.kinds = []string{b.kind()}
	b.providers = []inventory.Provider{b.scanned()}
	b.config = prove.Config{Read: b.vendors.Read,
		Assertor: func(tenant string) (idp.Assertor, bool) {
			a, ok := b.vendors[tenant].Tenant.(idp.Assertor)
			return a, ok
		},
		Proven:    func(_, kind string) bool { return len(b.kinds) > 0 && kind == b.kinds[0] },
		Providers: func(federation.AppRef) []inventory.Provider { return b.providers },
	}
	return b
}

func (b *bench) kind() string {
	app, _, err := b.vendors.Read(b.t.Context(), b.ref)
	if err != nil {
		b.t.Fatal(err)
	}
	return app.Kind
}

// scanned is IAM's provider as made from the app's metadata now.
func (b *bench) scanned() inventory.Provider {
	b.t.Helper()
	text, err := b.metadata()
	if err != nil {
		b.t.Fatal(err)
	}
	entity := regexp.MustCompile(`entityID="([^"]*)"`).FindSubmatch(text)
	cert := regexp.MustCompile(`<ds:X509Certificate>([^<]*)<`).FindSubmatch(text)
	der, err := base64.StdEncoding.DecodeString(string(cert[1]))
	if err != nil {
		b.t.Fatal(err)
	}
	return inventory.Provider{ARN: provider, Issuer: string(entity[1]), Certificates: [][]byte{der}}
}

// move moves the app to the new Region as a mover does.
func (b *bench) move() {
	b.t.Helper()
	if _, err := b.vendors.Step(b.t.Context(), b.ref, signin.Target{From: east, To: west}, idp.Hooks{}); err != nil {
		b.t.Fatal(err)
	}
}

// prove gives the prover what a mover gives it for a lead, and checks that
// nothing of a secret shows.
func (b *bench) prove() (failover.Level, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	level, err := must(prove.New(b.config)).Prove(ctx, b.ref, west)
	shown := b.logged.String() + fmt.Sprintf("%v %+v", err, err)
	for _, s := range []string{"MARKER", "PHNhbWxw", "samlp:", "SAMLResponse"} {
		if strings.Contains(shown, s) {
			b.t.Errorf("%s shows in a log or an error: %s", s, shown)
		}
	}
	return level, err
}

// on answers requests whose path holds part, instead of the vendor.
func (b *bench) on(part string, answer func(http.ResponseWriter, *http.Request)) {
	b.tamper = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, part) {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
		return true
	}
}

// spoil changes the password in a request on its way.
func spoil(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	body = bytes.ReplaceAll(body, []byte(password), []byte(strings.Repeat("x", len(password))))
	r.Body = io.NopCloser(bytes.NewReader(body))
}
