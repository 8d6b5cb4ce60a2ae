package okta_test

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
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	host  = "acme.okta.com"
	token = "00-sandbox-token"
)

// world is a simulated org behind a round tripper: no sockets, so it works in
// virtual time.
type world struct {
	org    *sim.Org
	app    idp.AppID
	tenant *okta.Tenant

	mu    sync.Mutex
	armed []idptest.Fault
	calls []idptest.Call
	log   []logged
	// answer, when set, answers instead of the org; nil = the org does.
	answer func(*http.Request) *http.Response
}

// logged is one request as it arrived.
type logged struct {
	method, path, query string
	header              http.Header
	body                []byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	org, err := sim.New(sim.Options{Host: host, APIToken: token, ReaderToken: "reader", Tenant: "okta"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := org.AddSAMLApp("AWS prod", sim.AppSettings{ACS: "https://signin.aws.amazon.com/saml",
		RelayState: "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{org: org, app: idp.AppID(id)}
	w.tenant = w.newTenant(t, token)
	return w
}

func (w *world) newTenant(t *testing.T, apiToken string) *okta.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := okta.New(okta.Options{Network: network, Name: "okta-test", URL: "https://" + host, Token: secret.New(apiToken), RatePerSecond: 100, Burst: 100})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// RoundTrip serves the org and notes every call.
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
	w.calls = append(w.calls, idptest.Call{Host: r.URL.Host, Write: r.Method != http.MethodGet, Credential: r.Header.Get("Authorization") != ""})
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
		return reply(500, `{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorLink":"E0000009","errorId":"oae1","errorCauses":[]}`), nil
	case idptest.Redirect:
		resp := reply(307, "")
		resp.Header.Set("Location", "https://"+idptest.ForeignHost+r.URL.Path)
		return resp, nil
	case idptest.ForeignNext:
		resp := reply(200, "[]")
		resp.Header.Set("Link", "<https://"+idptest.ForeignHost+`/api/v1/apps?after=x>; rel="next"`)
		return resp, nil
	case idptest.TooLarge:
		return reply(200, `{"id":"`+string(w.app)+`","x":"`+strings.Repeat("x", 9<<20)+`"}`), nil
	}
	return reply(200, `{"id":"`+string(w.app)+`","x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), nil
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

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
}

func (w *world) requests() []logged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]logged(nil), w.log...)
}

// harness is the world as the conformance suite wants it.
func harness(t *testing.T) idptest.Harness {
	w := newWorld(t)
	return idptest.Harness{
		Tenant: w.tenant, Codec: okta.Codec{}, App: w.app,
		From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2"),
		ACS:        []idp.Pointer{"/settings/signOn/ssoAcsUrl", "/settings/signOn/recipient", "/settings/signOn/destination"},
		RelayState: "/settings/signOn/defaultRelayState",
		Bystander:  "/settings/signOn/subjectNameIdTemplate",
		Objects: []idp.Pointer{"", "/accessibility", "/visibility", "/visibility/hide", "/credentials", "/credentials/userNameTemplate",
			"/settings", "/settings/app", "/settings/notes", "/settings/notifications/vpn/network", "/settings/signOn", "/settings/signOn/assertionEncryption"},
		Snapshot:        func() json.RawMessage { return snapshot(t, w) },
		Edit:            func(p idp.Pointer, v json.RawMessage) { edit(t, w, p, v) },
		IgnoreNextWrite: w.org.IgnoreNextWrite,
		LoseOnNextWrite: func(p idp.Pointer) { w.org.LoseFieldOnWrite(string(p)) },
		LoseNextAnswer:  w.org.LoseNextAnswer,
		SetReadOnly:     w.org.SetReadOnly,
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

func snapshot(t *testing.T, w *world) json.RawMessage {
	t.Helper()
	raw, ok := w.org.App(string(w.app))
	if !ok {
		t.Fatal("the app is gone")
	}
	return raw
}

// edit changes one value in the org, keeping number forms.
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

// spec 1.3, 1.4, 2.1, 2.2, 2.3, 2.6, 2.7, 4.1
func TestConformance(t *testing.T) {
	t.Parallel()
	idptest.Run(t, harness)
}

func TestSuiteCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	idptest.RunSaboteurs(t, harness)
}
