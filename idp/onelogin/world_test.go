package onelogin_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
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

// world is a simulated account behind a round tripper: no sockets, so it works
// in virtual time.
type world struct {
	org    *sim.Tenant
	app    idp.AppID
	tenant *onelogin.Tenant

	mu    sync.Mutex
	armed []idptest.Fault
	calls []idptest.Call
	log   []logged
	// answer, when set, answers instead of the account; nil = the account does.
	answer func(*http.Request) *http.Response
}

// logged is one request as it arrived.
type logged struct {
	method, path, query string
	header              http.Header
	body                []byte
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
	w := &world{org: org, app: idp.AppID(id)}
	w.tenant = w.newTenant(t, clientID, clientSecret)
	return w
}

func (w *world) newTenant(t *testing.T, id, pass string) *onelogin.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := onelogin.New(onelogin.Options{Network: network, Name: "onelogin-test", URL: "https://" + host, ClientID: id, ClientSecret: secret.New(pass),
		RatePerSecond: 100, Burst: 100})
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.log = nil, nil
}

// RoundTrip serves the account and notes every call.
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
	if r.URL.Host != host {
		return nil, fmt.Errorf("nothing answers at %s", r.URL.Host)
	}
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	if fault != "" {
		return w.faulty(fault, in)
	}
	return w.serve(in)
}

// note records the call and takes the fault armed for it.
func (w *world) note(r *http.Request, body []byte) (idptest.Fault, func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, idptest.Call{Host: r.URL.Host, Write: r.Method != http.MethodGet && r.URL.Path != tokenPath,
		Credential: r.Header.Get("Authorization") != ""})
	w.log = append(w.log, logged{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), body})
	if len(w.armed) == 0 {
		return "", w.answer
	}
	f := w.armed[0]
	w.armed = w.armed[1:]
	return f, w.answer
}

// serve runs the simulator; a cut connection becomes an error.
func (w *world) serve(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if abort, ok := p.(error); !ok || !errors.Is(abort, http.ErrAbortHandler) {
				panic(p)
			}
			resp, err = nil, errors.New("server closed the connection")
		}
	}()
	rec := httptest.NewRecorder()
	w.org.Sites()[0].Handler.ServeHTTP(rec, r)
	rec.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return rec.Result(), nil
}

func (w *world) faulty(f idptest.Fault, r *http.Request) (*http.Response, error) {
	switch f {
	case idptest.Throttled:
		return throttledAnswer(idptest.ThrottledFor), nil
	case idptest.ServerError:
		return reply(500, `{"message":"Internal Server Error","name":"InternalServerError","statusCode":500}`), nil
	case idptest.Redirect:
		resp := reply(307, "")
		resp.Header.Set("Location", "https://"+idptest.ForeignHost+r.URL.Path)
		return resp, nil
	case idptest.ForeignNext:
		resp := reply(200, "[]")
		resp.Header.Set("After-Cursor", "https://"+idptest.ForeignHost+"/api/2/apps?page=2")
		return resp, nil
	case idptest.TooLarge:
		return reply(200, `{"id":`+string(w.app)+`,"x":"`+strings.Repeat("x", 9<<20)+`"}`), nil
	}
	return reply(200, `{"id":`+string(w.app)+`,"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), nil
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

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

func (w *world) requests() []logged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]logged(nil), w.log...)
}

// count says how many requests reached a path.
func (w *world) count(method, path string) int {
	n := 0
	for _, r := range w.requests() {
		if r.method == method && r.path == path {
			n++
		}
	}
	return n
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
			Snapshot: func() json.RawMessage {
				raw, ok := w.org.App(string(w.app))
				if !ok {
					t.Fatal("the app is gone")
				}
				return raw
			},
			Edit:            func(p idp.Pointer, v json.RawMessage) { edit(t, w, p, v) },
			IgnoreNextWrite: w.org.IgnoreNextWrite,
			LoseOnNextWrite: func(p idp.Pointer) { w.org.LoseFieldOnWrite(string(p)) },
			LoseNextAnswer:  w.org.LoseNextAnswer,
			ExpireToken:     w.org.ExpireTokens,
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
}

// edit changes one value in the account, keeping number forms.
func edit(t *testing.T, w *world, p idp.Pointer, value json.RawMessage) {
	t.Helper()
	err := w.org.EditApp(string(w.app), func(doc map[string]any) {
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
