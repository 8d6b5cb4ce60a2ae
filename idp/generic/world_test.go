package generic_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	barred   bool   // its own credential has lost its rights
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
	if s.barred {
		refuse(w, 403, "forbidden", "the identity provider refuses the webhook's credential")
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

// App implements idptest.Simulator.
func (s *webhook) App(id string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.apps[id]), s.apps[id] != nil
}

// EditApp implements idptest.Simulator: an administrator of the identity
// provider changes the app.
func (s *webhook) EditApp(id string, edit func(map[string]any)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	doc := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(s.apps[id]))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return err
	}
	edit(doc)
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	s.apps[id] = raw
	s.advance(id)
	return nil
}

// IgnoreNextWrite implements idptest.Simulator.
func (s *webhook) IgnoreNextWrite() { s.mu.Lock(); defer s.mu.Unlock(); s.ignore = true }

// LoseFieldOnWrite implements idptest.Simulator.
func (s *webhook) LoseFieldOnWrite(pointer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = pointer
}

// LoseNextAnswer implements idptest.Simulator.
func (s *webhook) LoseNextAnswer() { s.mu.Lock(); defer s.mu.Unlock(); s.cut = true }

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

// world is a webhook at the end of a wire: no sockets, so it works in virtual
// time.
type world struct {
	*idptest.Wire
	hook   *webhook
	tenant *generic.Tenant
}

func newWorld(t *testing.T, versions bool) *world {
	t.Helper()
	raw := `{"id":"aws-prod","label":"AWS prod", "acs":"` + east + `",
 "relay_state":"https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1","status":"active","note":"ours","idp":{"object":7,"tags":[]}}`
	w := &world{hook: &webhook{versions: versions, apps: map[string]json.RawMessage{appID: json.RawMessage(raw)}}}
	w.hook.advance(appID)
	w.Wire = idptest.NewWire(t, map[string]http.Handler{host: w.hook}, style(), schema(t))
	w.tenant = w.newTenant(t, key)
	return w
}

func (w *world) newTenant(t *testing.T, pass string) *generic.Tenant {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: w.Wire, Logger: w.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := generic.New(generic.Options{Network: network, Name: "webhook-test", URL: "https://" + host, Path: prefix, Secret: secret.New(pass),
		Apps: []idp.AppID{appID}, RatePerSecond: 100, Burst: 100, Logger: w.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// style is how a webhook looks from outside.
func style() idptest.Style {
	return idptest.Style{
		Throttled: func(ahead time.Duration) *http.Response {
			return reply(429, `{"code":"slow-down","message":"too many calls"}`, "Retry-After", strconv.Itoa(int(ahead/time.Second)))
		},
		Fault: `{"code":"fault","message":"the IdP does not answer"}`,
	}
}

// reply is a JSON answer of the webhook's.
func reply(status int, body string, headers ...string) *http.Response {
	return idptest.Reply(status, body, append(headers, "X-Request-Id", "req-1")...)
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
func (w *world) edit(p idp.Pointer, value json.RawMessage) { idptest.Edit(w.hook, appID, p, value) }

// harness is the world as the conformance suite wants it. What it declares: the
// credential does not end, there is a read-only mode, and no links.
func harness(versions bool) func(t *testing.T) idptest.Harness {
	return func(t *testing.T) idptest.Harness {
		w := newWorld(t, versions)
		return idptest.Harness{
			Tenant: w.tenant, Codec: generic.Codec{}, App: appID,
			From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2"),
			ACS:        []idp.Pointer{"/acs"},
			RelayState: "/relay_state",
			Bystander:  "/note",
			Objects:    []idp.Pointer{"", "/idp"},
			Secret:     key, Sim: w.hook, Wire: w.Wire,
			SetReadOnly: func(on bool) { w.locked(func(s *webhook) { s.readOnly = on }) },
			SetRights:   func(on bool) { w.locked(func(s *webhook) { s.barred = !on }) },
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
