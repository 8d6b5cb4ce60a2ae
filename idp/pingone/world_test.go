package pingone_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
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

// world is a simulated PingOne behind a round tripper: no sockets, so it works
// in virtual time. The worker app lives in another environment than the AWS
// app.
type world struct {
	ping   *sim.Tenant
	env    string // of the AWS app
	home   string // of the worker app
	app    idp.AppID
	key    string // the app's signing key, not the environment's default
	tenant *pingone.Tenant
	sites  map[string]http.Handler

	mu    sync.Mutex
	armed []idptest.Fault
	calls []idptest.Call
	log   []logged
	// answer, when set, answers instead of PingOne; nil = PingOne does.
	answer func(*http.Request) *http.Response
}

// logged is one request as it arrived.
type logged struct {
	host, method, path, query string
	header                    http.Header
	body                      []byte
}

func newWorld(t *testing.T) *world { return makeWorld(t, setup{}) }

func makeWorld(t *testing.T, s setup) *world {
	t.Helper()
	w := &world{env: sim.EnvironmentID("Production"), home: sim.EnvironmentID("Administrators"), sites: map[string]http.Handler{}}
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
	for _, site := range ping.Sites() {
		w.sites[site.Host] = site.Handler
	}
	w.ping, w.app = ping, idp.AppID(id)
	w.tenant = w.newTenant(t, pingone.Options{TLD: s.tld, Auth: map[sim.TokenAuth]pingone.Auth{sim.ClientSecretPost: pingone.AuthPost}[s.auth]})
	return w
}

// newTenant fills in what the options leave out.
func (w *world) newTenant(t *testing.T, o pingone.Options) *pingone.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w})
	if err != nil {
		t.Fatal(err)
	}
	o.Network, o.Name, o.RatePerSecond, o.Burst = network, "ping-test", 100, 100
	o.Environment, o.WorkerEnvironment = w.env, w.home
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.log = nil, nil
	return w
}

// RoundTrip serves PingOne's hosts and notes every call.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	fault, answer := w.note(r, body)
	if answer != nil {
		if resp := answer(r); resp != nil {
			return resp, nil
		}
	}
	site := w.sites[r.URL.Host]
	if site == nil {
		return nil, fmt.Errorf("nothing answers at %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	if fault != "" {
		return w.faulty(fault, in), nil
	}
	return serve(site, in)
}

// note records the call and takes the fault armed for it.
func (w *world) note(r *http.Request, body []byte) (idptest.Fault, func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, idptest.Call{Host: r.URL.Host, Write: r.Method == http.MethodPut, Credential: r.Header.Get("Authorization") != ""})
	w.log = append(w.log, logged{r.URL.Host, r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), body})
	if len(w.armed) == 0 {
		return "", w.answer
	}
	f := w.armed[0]
	w.armed = w.armed[1:]
	return f, w.answer
}

// serve runs the simulator; a cut connection becomes an error.
func serve(site http.Handler, r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if abort, ok := p.(error); !ok || !errors.Is(abort, http.ErrAbortHandler) {
				panic(p)
			}
			resp, err = nil, errors.New("server closed the connection")
		}
	}()
	rec := httptest.NewRecorder()
	site.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func (w *world) faulty(f idptest.Fault, r *http.Request) *http.Response {
	switch f {
	case idptest.Throttled:
		return throttled(idptest.ThrottledFor)
	case idptest.ServerError:
		return reply(500, `{"id":"6c796712-0f16-4062-815a-e0a92f4a2143","code":"UNEXPECTED_ERROR","message":"An unexpected error occurred."}`)
	case idptest.Redirect:
		resp := reply(307, "")
		resp.Header.Set("Location", "https://"+idptest.ForeignHost+r.URL.Path)
		return resp
	case idptest.ForeignNext:
		return reply(200, `{"_links":{"next":{"href":"https://`+idptest.ForeignHost+`/v1/x?cursor=1"}},"_embedded":{"applications":[]}}`)
	case idptest.TooLarge:
		return reply(200, `{"id":"`+string(w.app)+`","x":"`+strings.Repeat("x", 9<<20)+`"}`)
	}
	return reply(200, `{"id":"`+string(w.app)+`","x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`)
}

// throttled is PingOne's 429: the wait is in whole seconds.
func throttled(wait time.Duration) *http.Response {
	resp := reply(429, `{"id":"x","code":"REQUEST_LIMITED","message":"The number of requests exceeded the limit."}`)
	resp.Header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	return resp
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "Correlation-Id": {"corr-1"}}, Body: io.NopCloser(strings.NewReader(body))}
}

func (w *world) requests() []logged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]logged(nil), w.log...)
}

// asked counts the calls to one host.
func (w *world) asked(host string) int {
	n := 0
	for _, r := range w.requests() {
		if r.host == host {
			n++
		}
	}
	return n
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
		Snapshot:        func() json.RawMessage { return w.snapshot(t) },
		Edit:            func(p idp.Pointer, v json.RawMessage) { w.edit(t, p, v) },
		IgnoreNextWrite: w.ping.IgnoreNextWrite,
		LoseOnNextWrite: func(p idp.Pointer) { w.ping.LoseFieldOnWrite(string(p)) },
		LoseNextAnswer:  w.ping.LoseNextAnswer,
		ExpireToken:     w.ping.ExpireTokens,
		Arm: func(f idptest.Fault, n int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for range n {
				w.armed = append(w.armed, f)
			}
		},
		Calls: func() []idptest.Call {
			w.mu.Lock()
			defer w.mu.Unlock()
			return append([]idptest.Call(nil), w.calls...)
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
func (w *world) edit(t *testing.T, p idp.Pointer, value json.RawMessage) {
	t.Helper()
	err := w.ping.EditApp(string(w.app), func(doc map[string]any) {
		raw, err := json.Marshal(doc)
		if err == nil && value == nil {
			raw, err = idp.Delete(raw, p)
		} else if err == nil {
			raw, err = idp.Set(raw, p, value)
		}
		if err != nil {
			t.Fatal(err)
		}
		next := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&next); err != nil {
			t.Fatal(err)
		}
		clear(doc)
		maps.Copy(doc, next)
	})
	if err != nil {
		t.Fatal(err)
	}
}

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
