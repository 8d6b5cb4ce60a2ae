package pingone_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	clientID     = "7c1f7a5e-1d0a-4a7b-8f5e-2f3b1c0d9e8f"
	clientSecret = "~s.e+c%r/e:t-of the worker=="
)

// setup says how a world differs from the usual one.
type setup struct {
	tld      string // "" = com
	auth     sim.TokenAuth
	rate     int
	life     time.Duration
	readings sim.Readings
	roles    []sim.Role // nil = Client Application Developer
}

// world is a simulated PingOne at the end of a wire: no sockets, so it works in
// virtual time. The worker app lives in another environment than the AWS
// app.
type world struct {
	*idptest.Wire
	ping   *sim.Tenant
	env    string // of the AWS app
	home   string // of the worker app
	app    idp.AppID
	key    string // the app's signing key, not the environment's default
	tenant *pingone.Tenant
}

func newWorld(t *testing.T) *world { return makeWorld(t, setup{}) }

func makeWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{env: sim.EnvironmentID("Production"), home: sim.EnvironmentID("Administrators")}
	if s.roles == nil {
		s.roles = []sim.Role{{Name: sim.ClientApplicationDeveloper, Environment: w.env}}
	}
	ping, err := sim.New(sim.Options{TLD: s.tld, Tenant: "ping", Environments: []string{"Production", "Administrators"}, RatePerMinute: s.rate,
		TokenLife: s.life, Readings: s.readings,
		Workers: []sim.Worker{{Environment: w.home, ClientID: clientID, Secret: clientSecret, Auth: s.auth, Roles: s.roles}}})
	if err != nil {
		t.Fatal(err)
	}
	if w.key, err = ping.AddKey(w.env); err != nil {
		t.Fatal(err)
	}
	id, err := ping.AddSAMLApp(w.env, "AWS prod", sim.AppSettings{ACS: []string{east, ireland, west}, SigningKey: w.key,
		RelayState: "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]http.Handler{}
	for _, site := range ping.Sites() {
		hosts[site.Host] = site.Handler
	}
	w.Wire = idptest.NewWire(t, hosts, style(), schema(t))
	w.ping, w.app = ping, idp.AppID(id)
	w.tenant = w.newTenant(t, pingone.Options{TLD: s.tld, Auth: map[sim.TokenAuth]pingone.Auth{sim.ClientSecretPost: pingone.AuthPost}[s.auth]})
	return w
}

// newTenant fills in what the options leave out.
func (w *world) newTenant(t *testing.T, o pingone.Options) *pingone.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w.Wire, Logger: w.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	o.Network, o.Name, o.RatePerSecond, o.Burst = network, "ping-test", 100, 100
	o.Environment, o.WorkerEnvironment = w.env, w.home
	if o.Logger == nil {
		o.Logger = w.Logger()
	}
	if o.TLD == "" {
		o.TLD = "com"
	}
	if o.ClientID == "" {
		o.ClientID = clientID
	}
	if o.ClientSecret.IsZero() {
		o.ClientSecret = secret.New(clientSecret)
	}
	tenant, err := pingone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// warm gets a token and forgets the call that it took.
func (w *world) warm(t *testing.T) *world {
	t.Helper()
	if err := w.tenant.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Forget()
	return w
}

// style is how PingOne's API looks from outside.
func style() idptest.Style {
	return idptest.Style{
		Throttled: throttled,
		Fault:     `{"id":"6c796712-0f16-4062-815a-e0a92f4a2143","code":"UNEXPECTED_ERROR","message":"An unexpected error occurred."}`,
		ForeignNext: func() *http.Response {
			return reply(200, `{"_links":{"next":{"href":"https://`+idptest.ForeignHost+`/v1/x?cursor=1"}},"_embedded":{"applications":[]}}`)
		},
		Token: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/as/token") },
	}
}

// throttled is PingOne's 429: the wait is in whole seconds.
func throttled(wait time.Duration) *http.Response {
	resp := reply(429, `{"id":"x","code":"REQUEST_LIMITED","message":"The number of requests exceeded the limit."}`)
	resp.Header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	return resp
}

// reply is a JSON answer of PingOne's.
func reply(status int, body string) *http.Response {
	return idptest.Reply(status, body, "Correlation-Id", "corr-1")
}

// asked counts the calls to one host.
func (w *world) asked(host string) int {
	return w.Count(func(c idptest.Call) bool { return c.Host == host })
}

// harness is the world as the conformance suite wants it, with a warm token.
func harness(t *testing.T, s setup) idptest.Harness {
	w := makeWorld(t, s).warm(t)
	return idptest.Harness{
		Tenant: w.tenant, Codec: pingone.Codec{}, App: w.app,
		From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2"),
		ACS:        []idp.Pointer{"/acsUrls/0"},
		Around:     []idp.Pointer{"/acsUrls"},
		Further:    []idp.Pointer{"/acsUrls/1", "/acsUrls/2"},
		RelayState: "/defaultTargetUrl",
		Bystander:  "/description",
		Objects: []idp.Pointer{"", "/accessControl", "/accessControl/group", "/accessControl/group/groups/0", "/idpSigning", "/spVerification",
			"/virtualServerIdSettings", "/corsSettings"},
		Secret: clientSecret, Lags: s.readings.ReadLag > 0, Sim: w.ping, Wire: w.Wire,
		ExpireToken: w.ping.ExpireTokens,
		SetRights: func(on bool) {
			roles := s.roles
			if !on {
				roles = nil
			}
			if err := w.ping.SetRoles(clientID, roles...); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (w *world) snapshot(t *testing.T) json.RawMessage {
	t.Helper()
	raw, ok := w.ping.App(string(w.app))
	if !ok {
		t.Fatal("the app is gone")
	}
	return raw
}

// edit changes one value as another administrator would, keeping number forms.
func (w *world) edit(p idp.Pointer, value json.RawMessage) { idptest.Edit(w.ping, w.app, p, value) }

// harsh is every reading that asks most of a client.
func harsh() setup { return setup{auth: sim.ClientSecretPost, readings: sim.Harsh()} }

// spec 1.3, 1.4, 2.1, 2.2, 2.3, 2.6, 2.7, 4.1
func TestConformance(t *testing.T) {
	t.Parallel()
	idptest.Run(t, func(t *testing.T) idptest.Harness { return harness(t, setup{}) })
}

// The same where PingOne's documents are silent and the answer is the one that
// asks most of us.
func TestConformanceUnderHarshReadings(t *testing.T) {
	t.Parallel()
	idptest.Run(t, func(t *testing.T) idptest.Harness { return harness(t, harsh()) })
}

func TestSuiteCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	idptest.RunSaboteurs(t, func(t *testing.T) idptest.Harness { return harness(t, setup{}) })
}
