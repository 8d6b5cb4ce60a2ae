package generic_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/generic"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	host   = "webhook.example"
	prefix = "/samlfailover"
	key    = "0123456789abcdef0123456789abcdef"
	appID  = "aws-prod"
	east   = "https://signin.aws.amazon.com/saml"
	west   = "https://us-west-2.signin.aws.amazon.com/saml"
)

// webhook is an operator's webhook with its identity provider in one, after
// docs/idp/generic.md and as strict as the contract allows. It stores what it
// is sent, byte for byte, and knows nothing of the adapter.
type webhook struct {
	versions bool // documents carry a revision, and a write must name the current one

	mu       sync.Mutex
	apps     map[string]json.RawMessage
	count    int // revisions given out
	readOnly bool
	ignore   bool   // the next write is dropped
	lose     string // the next write loses the value at this pointer
	cut      bool   // the next answer is lost
}

// ServeHTTP implements the contract.
func (s *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Request-Id", "req-1")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, 400, "bad-request", "the body was cut off")
		return
	}
	if why := unsigned(r, body); why != "" {
		refuse(w, 401, "signature", why)
		return
	}
	id, ok := strings.CutPrefix(r.URL.Path, prefix+"/apps/")
	if !ok || r.URL.RawQuery != "" || s.apps[id] == nil {
		refuse(w, 404, "unknown-app", "there is no app at "+r.URL.Path)
		return
	}
	switch {
	case r.Method == http.MethodGet && len(body) == 0 && r.Header.Get("Accept") == "application/json":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.apps[id])
	case r.Method == http.MethodPut && r.Header.Get("Content-Type") == "application/json":
		s.put(w, id, body)
	default:
		refuse(w, 400, "bad-request", "this is neither a read nor a write")
	}
}

// put replaces a document.
func (s *webhook) put(w http.ResponseWriter, id string, body []byte) {
	cut := s.cut
	switch sent, err := fields(body); {
	case s.readOnly:
		refuse(w, 503, "read-only", "maintenance until 10:00")
		return
	case err != nil || string(sent["id"]) != strconv.Quote(id) || !bytes.HasPrefix(sent["acs"], []byte(`"https://`)):
		refuse(w, 400, "bad-request", "this is not the document of an app")
		return
	case s.versions && string(sent["revision"]) != string(s.value(id, "/revision")):
		refuse(w, 409, "revision", "the app has another revision")
		return
	}
	if s.ignore {
		s.ignore = false
	} else {
		s.apps[id] = append(json.RawMessage(nil), body...)
		if s.lose != "" {
			s.apps[id] = must(idp.Delete(s.apps[id], idp.Pointer(s.lose)))
			s.lose = ""
		}
		s.advance(id)
	}
	if cut {
		s.cut = false
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

// advance gives an app a new revision.
func (s *webhook) advance(id string) {
	if s.versions {
		s.count++
		s.apps[id] = must(idp.Set(s.apps[id], "/revision", fmt.Appendf(nil, `"r%d"`, s.count)))
	}
}

func (s *webhook) value(id string, p idp.Pointer) json.RawMessage {
	v, _, err := idp.Get(s.apps[id], p)
	if err != nil {
		panic(err)
	}
	return v
}

// unsigned returns what is wrong with a call's signature. It is written from
// the text of the contract.
func unsigned(r *http.Request, body []byte) string {
	stamp := r.Header.Get("Samlfailover-Timestamp")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if age := time.Since(time.Unix(at, 0)); err != nil || age > 5*time.Minute || age < -5*time.Minute {
		return "the timestamp " + stamp + " is not of these five minutes"
	}
	path, _, _ := strings.Cut(r.URL.RequestURI(), "?")
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(strings.Join([]string{"v1", stamp, r.Method, path, string(body)}, "\n")))
	if !hmac.Equal([]byte(r.Header.Get("Samlfailover-Signature")), []byte("v1="+hex.EncodeToString(mac.Sum(nil)))) {
		return "the signature does not fit"
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": message})
}

func fields(raw []byte) (map[string]json.RawMessage, error) {
	var out map[string]json.RawMessage
	err := json.Unmarshal(raw, &out)
	return out, err
}

func must(raw json.RawMessage, err error) json.RawMessage {
	if err != nil {
		panic(err)
	}
	return raw
}

// world is a webhook behind a round tripper: no sockets, so it works in virtual
// time.
type world struct {
	hook   *webhook
	tenant *generic.Tenant

	mu    sync.Mutex
	armed []idptest.Fault
	log   []logged
	// answer, when set, answers instead of the webhook; nil = the webhook does.
	answer func(*http.Request) *http.Response
}

// logged is one request as it arrived.
type logged struct {
	host, method, path string
	header             http.Header
	body               []byte
}

func newWorld(t *testing.T, versions bool) *world {
	t.Helper()
	raw := `{"id":"aws-prod","label":"AWS prod", "acs":"` + east + `",
 "relay_state":"https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1","status":"active","note":"ours","idp":{"object":7,"tags":[]}}`
	w := &world{hook: &webhook{versions: versions, apps: map[string]json.RawMessage{appID: json.RawMessage(raw)}}}
	w.hook.advance(appID)
	w.tenant = w.newTenant(t, key)
	return w
}

func (w *world) newTenant(t *testing.T, pass string) *generic.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := generic.New(generic.Options{Network: network, Name: "webhook-test", URL: "https://" + host, Path: prefix, Secret: secret.New(pass),
		Apps: []idp.AppID{appID}, RatePerSecond: 100, Burst: 100})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// RoundTrip serves the webhook and notes every call.
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
		return answer(r), nil
	}
	if r.URL.Host != host {
		return nil, fmt.Errorf("nothing answers at %s", r.URL.Host)
	}
	if fault != "" {
		return faulty(fault, r), nil
	}
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	return serve(w.hook, in)
}

// note records the call and takes the fault armed for it.
func (w *world) note(r *http.Request, body []byte) (idptest.Fault, func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, logged{r.URL.Host, r.Method, r.URL.Path, r.Header.Clone(), body})
	if len(w.armed) == 0 {
		return "", w.answer
	}
	f := w.armed[0]
	w.armed = w.armed[1:]
	return f, w.answer
}

// serve runs the webhook; a cut connection becomes an error.
func serve(h http.Handler, r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if abort, ok := p.(error); !ok || !errors.Is(abort, http.ErrAbortHandler) {
				panic(p)
			}
			resp, err = nil, errors.New("server closed the connection")
		}
	}()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func faulty(f idptest.Fault, r *http.Request) *http.Response {
	switch f {
	case idptest.Throttled:
		resp := reply(429, `{"code":"slow-down","message":"too many calls"}`)
		resp.Header.Set("Retry-After", strconv.Itoa(int(idptest.ThrottledFor/time.Second)))
		return resp
	case idptest.ServerError:
		return reply(500, `{"code":"fault","message":"the IdP does not answer"}`)
	case idptest.Redirect:
		resp := reply(307, "")
		resp.Header.Set("Location", "https://"+idptest.ForeignHost+r.URL.Path)
		return resp
	case idptest.TooLarge:
		return reply(200, `{"id":"`+appID+`","x":"`+strings.Repeat("x", 9<<20)+`"}`)
	}
	return reply(200, `{"id":"`+appID+`","x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`)
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req-1"}}, Body: io.NopCloser(strings.NewReader(body))}
}

func (w *world) requests() []logged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]logged(nil), w.log...)
}

// calls are the requests as the conformance suite wants them: a signature is
// the credential.
func (w *world) calls() []idptest.Call {
	var out []idptest.Call
	for _, r := range w.requests() {
		out = append(out, idptest.Call{Host: r.host, Write: r.method == http.MethodPut, Credential: r.header.Get("Samlfailover-Signature") != ""})
	}
	return out
}

// locked runs f on the webhook's state.
func (w *world) locked(f func(*webhook)) {
	w.hook.mu.Lock()
	defer w.hook.mu.Unlock()
	f(w.hook)
}

func (w *world) snapshot() (raw json.RawMessage) {
	w.locked(func(s *webhook) { raw = append(raw, s.apps[appID]...) })
	return raw
}

// edit changes one value as another administrator would; nil deletes.
func (w *world) edit(p idp.Pointer, value json.RawMessage) {
	w.locked(func(s *webhook) {
		if value == nil {
			s.apps[appID] = must(idp.Delete(s.apps[appID], p))
		} else {
			s.apps[appID] = must(idp.Set(s.apps[appID], p, value))
		}
		s.advance(appID)
	})
}

// harness is the world as the conformance suite wants it. What it declares: the
// credential does not end, there is a read-only mode, and no links.
func harness(versions bool) func(t *testing.T) idptest.Harness {
	return func(t *testing.T) idptest.Harness {
		w := newWorld(t, versions)
		return idptest.Harness{
			Tenant: w.tenant, Codec: generic.Codec{}, App: appID,
			From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2"),
			ACS:             []idp.Pointer{"/acs"},
			RelayState:      "/relay_state",
			Bystander:       "/note",
			Objects:         []idp.Pointer{"", "/idp"},
			NoLinks:         true,
			Snapshot:        w.snapshot,
			Edit:            w.edit,
			IgnoreNextWrite: func() { w.locked(func(s *webhook) { s.ignore = true }) },
			LoseOnNextWrite: func(p idp.Pointer) { w.locked(func(s *webhook) { s.lose = string(p) }) },
			LoseNextAnswer:  func() { w.locked(func(s *webhook) { s.cut = true }) },
			SetReadOnly:     func(on bool) { w.locked(func(s *webhook) { s.readOnly = on }) },
			Arm: func(f idptest.Fault, n int) {
				w.mu.Lock()
				defer w.mu.Unlock()
				for range n {
					w.armed = append(w.armed, f)
				}
			},
			Calls: w.calls,
		}
	}
}

// spec 1.3, 1.4, 2.1, 2.2, 2.3, 2.6, 2.7, 4.1
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string]bool{"without revisions": false, "with revisions": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idptest.Run(t, harness(versions))
		})
	}
}

// A webhook that compares revisions stops some faults of a client by itself, so
// the saboteurs meet the one that forgives nothing.
func TestSuiteCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	idptest.RunSaboteurs(t, harness(false))
}
