package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// Where the tenants of the estate are, and what a marker looks like: characters
// that every encoding changes.
const (
	tokenOrg, serviceOrg, hookHost = "token.okta.com", "service.okta.com", "hook.example"
	clientID                       = "7c1f7a5e-1d0a-4a7b-8f5e-2f3b1c0d9e8f"
	marker                         = "M4RKER~+/%s-of-a-tenant=="
	eastACS                        = "https://signin.aws.amazon.com/saml"
	eastConsole                    = "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"
)

// mood is what every tenant does with the next calls.
type mood string

const (
	fine        mood = "fine"
	echoing     mood = "repeats what it is sent"
	cutShort    mood = "gives out tokens in broken answers"
	refusing    mood = "refuses every token"
	somebodys   mood = "is a page of somebody else's"
	wrongSecret mood = "has other secrets than the config"
)

// estate is one tenant of every kind, with every kind of credential, beside the
// AWS of a simulated world, behind a proxy of its own that sees every secret go
// by.
type estate struct {
	*lived
	sites   map[string]http.Handler
	secrets map[string]string // configured, by what they are

	mu   sync.Mutex
	mood mood
	seen map[string]string // given out or made on the way
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	e := &estate{lived: newWorld(t), sites: map[string]http.Handler{}, secrets: map[string]string{}, seen: map[string]string{}}
	apps := e.plant(t)
	var sites []proxy.Site
	for _, s := range e.Cloud().Sites() {
		s.Handler = e.watched(s.Handler, false)
		sites = append(sites, s)
	}
	for host, h := range e.sites {
		sites = append(sites, proxy.Site{Host: host, Service: "idp", Handler: e.watched(h, true)})
	}
	network, err := proxy.New(proxy.Options{Sites: sites, Log: reqlog.New(0), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(network)
	t.Cleanup(server.Close)
	t.Cleanup(network.Close)
	e.write(t, "ca.pem", string(network.Authority().PEM()))
	e.write(t, "estate.yaml", e.config(server.URL, apps))
	e.env = map[string]string{"SAMLFAILOVER_CONFIG": filepath.Join(e.dir, "estate.yaml"), "TMPDIR": t.TempDir()}
	return e
}

func (e *estate) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secret keeps a secret in a file and returns its reference.
func (e *estate) secret(t *testing.T, name, text string) string {
	t.Helper()
	e.write(t, filepath.Join("secrets", name), text+"\n")
	e.secrets["the secret "+name] = text
	return "file:secrets/" + name
}

// plant makes the tenants with an app each and returns the apps' ids by tenant.
func (e *estate) plant(t *testing.T) map[string]string {
	t.Helper()
	apps := map[string]string{}
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	fail(err)
	sharedKey := func() (*rsa.PrivateKey, error) { return key, nil }
	der, err := x509.MarshalPKCS8PrivateKey(key)
	fail(err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	e.secret(t, "okta-key", text)
	e.secrets["the secret okta-key"] = text[len(text)/2 : len(text)/2+60] // its beginning is that of every key
	e.secret(t, "okta-token", "00"+fmt.Sprintf(marker, "okta"))
	for host, tenant := range map[string]string{tokenOrg: "okta-token", serviceOrg: "okta-service"} {
		org, err := okta.New(okta.Options{Host: host, APIToken: e.secrets["the secret okta-token"], Tenant: tenant, NewKey: sharedKey})
		fail(err)
		fail(org.PutServiceApp(okta.ServiceApp{ClientID: clientID, Keys: map[string]crypto.PublicKey{"k1": key.Public()},
			Scopes: []string{"okta.apps.read", "okta.apps.manage"}, DPoP: true}))
		apps[tenant], err = org.AddSAMLApp("AWS of "+tenant, okta.AppSettings{ACS: eastACS, RelayState: eastConsole})
		fail(err)
		e.serveSites(org.Sites())
	}
	env := pingone.EnvironmentID("Production")
	for tenant, auth := range map[string]pingone.TokenAuth{"ping-basic": pingone.ClientSecretBasic, "ping-post": pingone.ClientSecretPost} {
		e.secret(t, tenant, fmt.Sprintf(marker, tenant))
		ping, err := pingone.New(pingone.Options{TLD: map[string]string{"ping-basic": "eu", "ping-post": "asia"}[tenant], Tenant: tenant, Environments: []string{"Production"},
			NewKey: sharedKey, Workers: []pingone.Worker{{Environment: env, ClientID: clientID, Secret: e.secrets["the secret "+tenant], Auth: auth,
				Roles: []pingone.Role{{Name: pingone.ClientApplicationDeveloper, Environment: env}}}}})
		fail(err)
		apps[tenant], err = ping.AddSAMLApp(env, "AWS of "+tenant, pingone.AppSettings{ACS: []string{eastACS}, RelayState: eastConsole})
		fail(err)
		e.serveSites(ping.Sites())
	}
	e.secret(t, "onelogin", fmt.Sprintf(marker, "onelogin"))
	one, err := onelogin.New(onelogin.Options{Subdomain: "estate", Tenant: "onelogin", NewKey: sharedKey,
		Credentials: []onelogin.Credential{{ClientID: clientID, Secret: e.secrets["the secret onelogin"], Scope: onelogin.ManageAll}}})
	fail(err)
	apps["onelogin"], err = one.AddSAMLApp("AWS of onelogin", onelogin.AppSettings{ACS: eastACS, RelayState: eastConsole})
	fail(err)
	e.serveSites(one.Sites())
	e.secret(t, "hook", fmt.Sprintf(marker, "a-webhook-of-32-bytes"))
	apps["hook"] = "aws"
	e.sites[hookHost] = &hook{doc: `{"id":"aws","label":"AWS of hook","acs":"` + eastACS + `","relay_state":"` + eastConsole + `"}`}
	e.secret(t, "aws", e.Demo().Controller.SecretKey)
	e.secrets["the operator's AWS secret key"] = e.Demo().Operator.SecretKey
	return apps
}

func (e *estate) serveSites(sites []proxy.Site) {
	for _, s := range sites {
		e.sites[s.Host] = s.Handler
	}
}

// hook is a webhook that believes everybody.
type hook struct {
	mu  sync.Mutex
	doc string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Method == http.MethodPut {
		body, _ := io.ReadAll(r.Body)
		h.doc = string(body)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, h.doc)
}

// config is the product's config for the estate.
func (e *estate) config(proxyURL string, apps map[string]string) string {
	var b strings.Builder
	d, env := e.Demo(), pingone.EnvironmentID("Production")
	fmt.Fprintf(&b, "network: {proxy: %s, ca_file: ca.pem}\naws: {region: us-west-2, iam_calls_per_second: 50, access_key_id: %s, secret_access_key: 'file:secrets/aws'}\ntenants:\n", proxyURL, d.Controller.AccessKeyID)
	fmt.Fprintf(&b, "  - {name: okta-token, kind: okta, url: 'https://%s', token: 'file:secrets/okta-token'}\n", tokenOrg)
	fmt.Fprintf(&b, "  - {name: okta-service, kind: okta, url: 'https://%s', oauth: {client_id: %s, private_key: 'file:secrets/okta-key', key_id: k1, dpop: true}}\n", serviceOrg, clientID)
	fmt.Fprintf(&b, "  - {name: ping-basic, kind: pingone, url: 'https://api.pingone.eu', client_id: %s, client_secret: 'file:secrets/ping-basic', pingone: {environment: %s}}\n", clientID, env)
	fmt.Fprintf(&b, "  - {name: ping-post, kind: pingone, url: 'https://api.pingone.asia', client_id: %s, client_secret: 'file:secrets/ping-post', pingone: {environment: %s, client_auth: post}}\n", clientID, env)
	fmt.Fprintf(&b, "  - {name: onelogin, kind: onelogin, url: 'https://estate.onelogin.com', client_id: %s, client_secret: 'file:secrets/onelogin'}\n", clientID)
	fmt.Fprintf(&b, "  - {name: hook, kind: generic, url: 'https://%s', secret: 'file:secrets/hook'}\n", hookHost)
	fmt.Fprintf(&b, "federations:\n  - name: estate\n    mode: observe\n    regions: [us-east-1, us-west-2]\n    min_ready_share: 0.5\n    lead: okta-token\n    apps:\n")
	for _, tenant := range slices.Sorted(maps.Keys(apps)) {
		fmt.Fprintf(&b, "      - {name: %s, tenant: %s, id: %q}\n", tenant, tenant, apps[tenant])
	}
	a := d.Accounts[0]
	fmt.Fprintf(&b, "    accounts:\n      - {id: %q, providers: [%q], scan_role: %q, enforce_role: %q}\n", a.ID, a.Provider, a.ScanRole, a.EnforceRole)
	b.WriteString("health: {interval: 5s}\nstore: {dir: estate, embedded: {ballast: 0}}\n")
	return b.String()
}

// feel changes what the tenants do.
func (e *estate) feel(m mood) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mood = m
}

// given finds what an answer of STS or of a token endpoint gives out.
var given = regexp.MustCompile(`(?:<SecretAccessKey>|<SessionToken>|"(?:access|refresh)_token":")([^<"]+)`)

// watched is a handler that notes each secret that goes through it, and that a
// tenant's mood comes over.
func (e *estate) watched(h http.Handler, tenant bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		answer := rec.Body.String()
		e.mu.Lock()
		m := e.mood
		for _, found := range given.FindAllStringSubmatch(answer, -1) {
			e.note("something given out", found[1])
		}
		form, _ := url.ParseQuery(string(body))
		e.note("an assertion for a token", form.Get("client_assertion"))
		e.note("a proof of possession", r.Header.Get("Dpop"))
		e.note("the signature of a call", r.Header.Get("Samlfailover-Signature"))
		e.mu.Unlock()
		token := strings.HasSuffix(r.URL.Path, "/token")
		switch {
		case !tenant, m == fine, m == wrongSecret:
		case m == echoing:
			words, _ := json.Marshal(fmt.Sprintf("you sent %v and %s", r.Header, body))
			answer = fmt.Sprintf(`{"errorSummary":%s,"error":"invalid_request","error_description":%[1]s,"message":%[1]s}`, words)
			rec.Code = http.StatusBadRequest
		case m == cutShort && token:
			answer = answer[:len(answer)*2/3]
		case m == refusing && !token:
			rec.Code, answer = http.StatusUnauthorized, `{"errorCode":"E0000011","errorSummary":"Invalid token provided","message":"Unauthorized"}`
		case m == somebodys:
			rec.Code, answer = http.StatusOK, "<html>"+answer+"</html>"
		}
		maps.Copy(w.Header(), rec.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, answer)
	})
}

// note remembers a secret; of a JSON Web Token its signature. The caller holds
// mu.
func (e *estate) note(what, value string) {
	if strings.Count(value, ".") == 2 {
		value = value[strings.LastIndex(value, ".")+1:]
	}
	if value != "" && len(e.seen) < 5000 {
		e.seen[what+" ("+value[:min(6, len(value))]+"...)"] = value
	}
}

// known is every secret so far.
func (e *estate) known() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := maps.Clone(e.secrets)
	maps.Copy(out, e.seen)
	return out
}

// spoiled is the estate's config with other secrets: each one backwards.
func (e *estate) spoiled(t *testing.T) map[string]string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(e.dir, "others"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"okta-token", "ping-basic", "ping-post", "onelogin", "hook", "aws"} {
		other := []byte(e.secrets["the secret "+name])
		slices.Reverse(other)
		e.write(t, filepath.Join("others", name), string(other))
		e.secrets["the wrong secret "+name] = string(other)
	}
	key, err := os.ReadFile(filepath.Join(e.dir, "secrets", "okta-key"))
	if err != nil {
		t.Fatal(err)
	}
	e.write(t, filepath.Join("others", "okta-key"), string(key))
	return e.edited(t, "file:secrets/", "file:others/", "key_id: k1", "key_id: k9", "dir: estate", "dir: other")
}

// spec 15.1: whatever the tenants do, no secret shows in what the program
// prints, logs at debug level or writes to disk: not the credentials of any
// vendor, not the AWS keys, not what was made or given out on the way.
func TestNoVendorsSecretIsLeftBehind(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.feel(fine)
	log := e.serve(t, "--verbose")
	wrong := e.spoiled(t)
	printed, moods := 0, 0
	for _, m := range []mood{fine, echoing, cutShort, refusing, somebodys, wrongSecret, fine} {
		e.feel(m)
		moods++
		env := e.env
		if m == wrongSecret {
			env = wrong
		}
		for i, args := range [][]string{{"check"}, {"idp", "apps"}, {"status"}, {"explain"}, {"plan", "--to", "us-west-2"}, {"trust", "scan"}} {
			forms := []string{"text", "json"}
			if underRace || m != echoing && m != wrongSecret { // each in turn, where no tenant tells a secret on purpose
				forms = forms[(i+moods)%2:][:1]
			}
			for _, form := range forms {
				r := cli(t, env, append([]string{"--verbose", "--output", form}, args...)...)
				printed += len(r.out) + len(r.err)
				for _, name := range leaked(r.out+r.err, e.known()) {
					t.Errorf("where every tenant %s, %q as %s shows %s:\n%s\n%s", m, args, form, name, r.out, r.err)
				}
			}
		}
		// A refused move takes its time, so there is one.
		for _, to := range map[mood][]string{fine: {"us-west-2", "us-east-1"}, refusing: {"us-west-2"}}[m] {
			r := cli(t, env, "--verbose", "move", "--to", to, "--reason", "a test")
			if m == fine && r.code != exitDone {
				t.Errorf("the move to %s: %d\n%s\n%s", to, r.code, r.out, r.err)
			}
			for _, name := range leaked(r.out+r.err, e.known()) {
				t.Errorf("where every tenant %s, a move shows %s:\n%s\n%s", m, name, r.out, r.err)
			}
		}
	}
	secrets := e.known()
	key, err := os.ReadFile(filepath.Join(e.dir, "estate.store-key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["the store key"] = strings.TrimSpace(string(key))
	for _, name := range leaked(log.String(), secrets) {
		t.Errorf("the controller's log shows %s", name)
	}
	if len(e.seen) < 20 || printed < 50_000 || !strings.Contains(log.String(), "level=DEBUG") {
		t.Errorf("%d secrets went by, %d characters were printed: too little to prove anything", len(e.seen), printed)
	}
	searchFiles(t, filepath.Join(e.dir, "estate"), secrets)
}
