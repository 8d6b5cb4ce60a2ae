package okta_test

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	host  = "acme.okta.com"
	token = "00-sandbox-token"
)

// world is a simulated org at the end of a wire: no sockets, so it works in
// virtual time.
type world struct {
	*idptest.Wire
	org    *sim.Org
	app    idp.AppID
	tenant *okta.Tenant
	via    http.RoundTripper // see through
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := emptyWorld(t)
	w.app = w.addCustom(t)
	w.tenant = w.newTenant(t, token)
	return w
}

func emptyWorld(t *testing.T) *world {
	t.Helper()
	org, err := sim.New(sim.Options{Host: host, APIToken: token, ReaderToken: "reader", Tenant: "okta",
		NewKey: func() (*rsa.PrivateKey, error) { return rsaKey(t), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return &world{org: org, Wire: idptest.NewWire(t, map[string]http.Handler{host: org.Sites()[0].Handler}, style(), schema(t))}
}

const home = "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"

func (w *world) addCustom(t *testing.T) idp.AppID {
	t.Helper()
	id, err := w.org.AddSAMLApp("AWS prod", sim.AppSettings{ACS: east, RelayState: home})
	if err != nil {
		t.Fatal(err)
	}
	return idp.AppID(id)
}

func (w *world) addAccountApp(t *testing.T, s sim.AccountSettings) idp.AppID {
	t.Helper()
	s.RelayState = home
	id, err := w.org.AddAccountApp("AWS Account Federation", s)
	if err != nil {
		t.Fatal(err)
	}
	return idp.AppID(id)
}

func (w *world) newTenant(t *testing.T, apiToken string) *okta.Tenant {
	t.Helper()
	tenant, err := w.connect(t, okta.Options{Token: secret.New(apiToken)})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// through is a tenant whose calls pass a tampering client first.
func (w *world) through(t *testing.T, via http.RoundTripper) *okta.Tenant {
	t.Helper()
	w.via = via
	defer func() { w.via = nil }()
	return w.newTenant(t, token)
}

func (w *world) transport() http.RoundTripper {
	if w.via != nil {
		return w.via
	}
	return w.Wire
}

// connect makes a tenant with the credential in o.
func (w *world) connect(t *testing.T, o okta.Options) (*okta.Tenant, error) {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w.transport(), Logger: w.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	if o.Logger == nil {
		o.Logger = w.Logger()
	}
	o.Network, o.Name, o.URL, o.RatePerSecond, o.Burst = network, "okta-test", "https://"+host, 100, 100
	return okta.New(o)
}

// style is how Okta's API looks from outside.
func style() idptest.Style {
	return idptest.Style{
		Throttled: throttledAnswer,
		Fault:     `{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorLink":"E0000009","errorId":"oae1","errorCauses":[]}`,
		ForeignNext: func() *http.Response {
			return reply(200, "[]", "Link", "<https://"+idptest.ForeignHost+`/api/v1/apps?after=x>; rel="next"`)
		},
		Token: func(r *http.Request) bool { return r.URL.Path == "/oauth2/v1/token" },
	}
}

func throttledAnswer(ahead time.Duration) *http.Response {
	resp := reply(429, `{"errorCode":"E0000047","errorSummary":"API call exceeded rate limit due to too many requests.","errorLink":"E0000047","errorId":"oae2","errorCauses":[]}`)
	now := time.Now().UTC()
	resp.Header.Set("Date", now.Format(http.TimeFormat))
	resp.Header.Set("X-Okta-Request-Id", "first-throttled")
	rate(resp, 100, 0, now.Add(ahead).Add(time.Second))
	return resp
}

func rate(resp *http.Response, limit, remaining int, reset time.Time) {
	resp.Header.Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	resp.Header.Set("X-Rate-Limit-Remaining", strconv.Itoa(remaining))
	resp.Header.Set("X-Rate-Limit-Reset", strconv.FormatInt(reset.Unix(), 10))
}

// reply is a JSON answer.
func reply(status int, body string, headers ...string) *http.Response {
	return idptest.Reply(status, body, headers...)
}

func snapshot(t *testing.T, w *world) json.RawMessage {
	t.Helper()
	raw, ok := w.org.App(string(w.app))
	if !ok {
		t.Fatal("the app is gone")
	}
	return raw
}

// edit changes one value in the org, keeping number forms.
func edit(w *world, p idp.Pointer, value json.RawMessage) { idptest.Edit(w.org, w.app, p, value) }
