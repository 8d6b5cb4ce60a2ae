package onelogin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	host         = "acme.onelogin.com"
	clientID     = "manager"
	clientSecret = "sandbox-secret"
	tokenPath    = "/auth/oauth2/v2/token"
)

// oneKey is a signing key for all accounts of these tests.
var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// world is a simulated account at the end of a wire: no sockets, so it works in
// virtual time.
type world struct {
	*idptest.Wire
	org    *sim.Tenant
	app    idp.AppID
	tenant *onelogin.Tenant
}

func newWorld(t *testing.T, readings sim.Readings) *world {
	t.Helper()
	org, err := sim.New(sim.Options{Subdomain: "acme", Tenant: "onelogin", Readings: readings, NewKey: oneKey,
		Credentials: []sim.Credential{{ClientID: clientID, Secret: clientSecret, Scope: sim.ManageAll}, {ClientID: "reader", Secret: "reader-secret", Scope: sim.ReadAll}}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := org.AddSAMLApp("AWS prod", sim.AppSettings{ACS: east, Validator: every,
		RelayState: "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{org: org, app: idp.AppID(id), Wire: idptest.NewWire(t, map[string]http.Handler{host: org.Sites()[0].Handler}, style(), schema(t))}
	w.tenant = w.newTenant(t, clientID, clientSecret)
	return w
}

func (w *world) newTenant(t *testing.T, id, pass string) *onelogin.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w.Wire, Logger: w.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := onelogin.New(onelogin.Options{Network: network, Name: "onelogin-test", URL: "https://" + host, ClientID: id, ClientSecret: secret.New(pass),
		RatePerSecond: 100, Burst: 100, Logger: w.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// warm gets a token and forgets the calls that it took.
func (w *world) warm(t *testing.T) {
	t.Helper()
	if err := w.tenant.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Forget()
}

// style is how OneLogin's API looks from outside.
func style() idptest.Style {
	return idptest.Style{
		Throttled: throttledAnswer,
		Fault:     `{"message":"Internal Server Error","name":"InternalServerError","statusCode":500}`,
		ForeignNext: func() *http.Response {
			return reply(200, "[]", "After-Cursor", "https://"+idptest.ForeignHost+"/api/2/apps?page=2")
		},
		Token: func(r *http.Request) bool { return r.URL.Path == tokenPath },
	}
}

// throttledAnswer names the end of the window in seconds from now.
func throttledAnswer(ahead time.Duration) *http.Response {
	resp := reply(429, `{"message":"rate limit exceeded","name":"TooManyRequestsError","statusCode":429}`)
	allowance(resp, 5000, 0, ahead)
	return resp
}

func allowance(resp *http.Response, limit, remaining int, left time.Duration) {
	resp.Header.Set("X-Ratelimit-Limit", strconv.Itoa(limit))
	resp.Header.Set("X-Ratelimit-Remaining", strconv.Itoa(remaining))
	resp.Header.Set("X-Ratelimit-Reset", strconv.Itoa(int(left/time.Second)))
}

// reply is a JSON answer.
func reply(status int, body string, headers ...string) *http.Response {
	return idptest.Reply(status, body, headers...)
}

// count says how many requests reached a path.
func (w *world) count(method, path string) int {
	return w.Count(func(c idptest.Call) bool { return c.Method == method && c.Path == path })
}

// harness is the world, under one reading of the API, as the conformance suite
// wants it.
func harness(readings sim.Readings) func(t *testing.T) idptest.Harness {
	return func(t *testing.T) idptest.Harness {
		w := newWorld(t, readings)
		w.warm(t)
		return idptest.Harness{
			Tenant: w.tenant, Codec: onelogin.Codec{}, App: w.app,
			From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2"),
			ACS:        []idp.Pointer{inACS, inRecipient},
			RelayState: inRelay,
			Bystander:  "/configuration/login",
			Objects:    []idp.Pointer{"", "/configuration", "/provisioning", "/sso", "/parameters"},
			Secret:     clientSecret, Lags: readings.ReadLag > 0, Sim: w.org, Wire: w.Wire,
			ExpireToken: w.org.ExpireTokens,
			SetRights: func(on bool) {
				scope := sim.AuthenticationOnly
				if on {
					scope = sim.ManageAll
				}
				if err := w.org.SetScope(clientID, scope); err != nil {
					t.Fatal(err)
				}
			},
		}
	}
}

// edit changes one value in the account, keeping number forms.
func edit(w *world, p idp.Pointer, value json.RawMessage) { idptest.Edit(w.org, w.app, p, value) }

// readings are the ways to read what OneLogin's documents leave open; the
// adapter must be safe under each.
func readings() map[string]sim.Readings {
	lists := sim.Readings{ListFull: true, CursorAtEnd: true, RetryAfter: true, UnknownConfiguration: sim.Stored}
	return map[string]sim.Readings{"likely": {}, "harsh": sim.Harsh(), "configuration is replaced": {ConfigurationReplaces: true}, "lists are whole": lists}
}

// spec 1.3, 1.4, 2.1, 2.2, 2.3, 2.6, 2.7, 4.1
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, r := range readings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idptest.Run(t, harness(r))
		})
	}
}

// Where configuration is merged, a null that a bad client drops is kept by
// OneLogin itself, so the saboteurs meet the reading that forgives nothing.
func TestSuiteCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	idptest.RunSaboteurs(t, harness(sim.Readings{ConfigurationReplaces: true}))
}
