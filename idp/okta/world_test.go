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
	via    http.RoundTripper // see through

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
	w := emptyWorld(t)
	w.app = w.addCustom(t)
	w.tenant = w.newTenant(t, token)
	return w
}

func emptyWorld(t *testing.T) *world {
	t.Helper()
	org, err := sim.New(sim.Options{Host: host, APIToken: token, ReaderToken: "reader", Tenant: "okta"})
	if err != nil {
		t.Fatal(err)
	}
	return &world{org: org}
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
	return w
}

// connect makes a tenant with the credential in o.
func (w *world) connect(t *testing.T, o okta.Options) (*okta.Tenant, error) {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w.transport()})
	if err != nil {
		t.Fatal(err)
	}
	o.Network, o.Name, o.URL, o.RatePerSecond, o.Burst = network, "okta-test", "https://"+host, 100, 100
	return okta.New(o)
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
