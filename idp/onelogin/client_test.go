package onelogin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/secret"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]onelogin.Options{
		"no secret":  {Network: network, Name: "x", URL: "https://acme.onelogin.com", ClientID: "a"},
		"no id":      {Network: network, Name: "x", URL: "https://acme.onelogin.com", ClientSecret: secret.New("t")},
		"plain http": {Network: network, Name: "x", URL: "http://acme.onelogin.com", ClientID: "a", ClientSecret: secret.New("t")},
		"a path":     {Network: network, Name: "x", URL: "https://acme.onelogin.com/api", ClientID: "a", ClientSecret: secret.New("t")},
	} {
		_, err := onelogin.New(o)
		if f, ok := finding.From(err); !ok || f.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// OneLogin's errors, by what to do about each, in both forms that they have.
func TestErrors(t *testing.T) {
	t.Parallel()
	const v2, v1 = `{"message":"the message","name":"TheError","statusCode":1}`, `{"status":{"error":true,"code":1,"type":"TheError","message":"the message"}}`
	const wrapped = `{"status":{"error":true,"code":1,"type":"TheError","message":{"description":"the message"}}}`
	tests := []struct {
		status   int
		body     string
		want     finding.Code
		attempts int // of a read
		again    bool
	}{
		{400, v2, finding.IdPRejected, 1, false},
		{400, v1, finding.IdPRejected, 1, false},
		{401, v2, finding.IdPAuth, 2, false}, // once more with a new token
		{401, v1, finding.IdPAuth, 2, false},
		{403, v2, finding.IdPPermission, 1, false},
		{404, v1, finding.AppNotFound, 1, false},
		{404, wrapped, finding.AppNotFound, 1, false},
		{422, v2, finding.IdPRejected, 1, false},
		{429, v1, finding.IdPThrottled, 8, true},
		{500, v2, finding.IdPUnreachable, 4, true},
		{502, "<html>the message</html> TheError", finding.IdPUnreachable, 4, true},
		{503, "the\nmessage\tTheError", finding.IdPUnreachable, 4, true},
		{300, v2, finding.IdPAnswer, 1, false},
		{200, v2, finding.IdPAnswer, 1, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %.10s", tt.status, tt.body), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Readings{})
				w.warm(t)
				w.Answer = func(r *http.Request) *http.Response {
					if r.URL.Path == tokenPath {
						return nil
					}
					resp := reply(tt.status, tt.body)
					resp.Header.Set("X-Request-Id", "req-1")
					resp.Header.Set("X-Amzn-Trace-Id", "trace-1")
					resp.Header.Set("X-Auth-Token", "never shown")
					resp.Header.Set("X-Ratelimit-Limit", "7") // no whole statement
					return resp
				}
				path := "/api/2/apps/" + string(w.app)
				_, err := w.tenant.Read(t.Context(), w.app)
				if got := w.count("GET", path); !finding.Is(err, tt.want) || got != tt.attempts {
					t.Errorf("read: %v after %d attempts, want %s after %d", err, got, tt.want, tt.attempts)
				}
				f, _ := finding.From(err)
				if f.Remedy == "" || !strings.Contains(f.Why, "message") || !strings.Contains(f.Why, "TheError") || f.Evidence["request id"] != "req-1" || f.Evidence["headers"] != "X-Amzn-Trace-Id: trace-1" {
					t.Errorf("finding %+v", f)
				}
				if tt.status == 200 {
					return
				}
				err = w.tenant.Write(t.Context(), idp.Document{ID: w.app, Raw: json.RawMessage(`{"configuration":{}}`)}, nil)
				var again *idp.RetryError
				writes := 1
				if tt.status == 401 {
					writes = 2 // the vendor did not look at the first
				}
				if got := w.count("PUT", path); !finding.Is(err, tt.want) || errors.As(err, &again) != tt.again || got != writes {
					t.Errorf("write: %v, again %v, %d attempts; want %s, %v, %d", err, again != nil, got, tt.want, tt.again, writes)
				}
			})
		})
	}
}

// A page in front of OneLogin is not taken for OneLogin.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"html": "<html>sign in</html>", "another app": `{"id":1}`, "empty": "", "a list": "[]", "an id that is none": `{"id":9.5}`} {
		w := newWorld(t, sim.Readings{})
		w.warm(t)
		w.Answer = func(*http.Request) *http.Response { return reply(200, body) }
		if _, err := w.tenant.Read(t.Context(), w.app); !finding.Is(err, finding.IdPAnswer) {
			t.Errorf("read %s: %v", name, err)
		}
		if name == "a list" {
			continue
		}
		if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPAnswer) {
			t.Errorf("list %s: %v", name, err)
		}
	}
}

func TestAppIDsStayInTheirPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	for _, id := range []idp.AppID{"", "..", "../users", "1/parameters/2", "1?x", "1%2e", " 1", "0", "01", "-1", "1.5", "0oa1", "12345678901234567890"} {
		_, err := w.tenant.Read(t.Context(), id)
		writeErr := w.tenant.Write(t.Context(), idp.Document{ID: id, Raw: json.RawMessage(`{"configuration":{}}`)}, nil)
		if !finding.Is(err, finding.ConfigInvalid) || !finding.Is(writeErr, finding.ConfigInvalid) {
			t.Errorf("%q: %v, %v", id, err, writeErr)
		}
	}
	if n := len(w.Calls()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// spec 2.1, 2.7: a write is the configuration as read, byte for byte but for
// what changes, and nothing else: no role_ids, no null that became a text.
func TestWriteSendsTheConfigurationOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	w.warm(t)
	doc := custom(t, "/configuration/odd", `[null,1.50,"x",["x"],""]`)
	w.Answer = func(*http.Request) *http.Response { return reply(200, `{"id":928532}`) }
	change := idp.Change{Pointer: inRecipient, Before: idp.QuoteJSON(east), After: idp.QuoteJSON(west)}
	if err := w.tenant.Write(t.Context(), doc, []idp.Change{change}); err != nil {
		t.Fatal(err)
	}
	want := `{"configuration":{"signature_algorithm":"SHA-256","certificate_id":123,"audience":"urn:amazon:webservices","consumer_url":"` + east + `","recipient":"` + west + `",
 "validator":` + quoted(every) + `,"relaystate":"","login":"https://acme.example/","logout_url":null,"saml_notonorafter":"3","odd":[null,1.50,"x",["x"],""]}}`
	got := w.Calls()[0]
	if string(got.Body) != want {
		t.Errorf("sent %s\nwant %s", got.Body, want)
	}
	if got.Method != http.MethodPut || got.Path != "/api/2/apps/928532" || got.Query != "" || !strings.HasPrefix(got.Header.Get("Authorization"), "bearer ") ||
		got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Accept") != "application/json" {
		t.Errorf("request %s %s?%s %v", got.Method, got.Path, got.Query, got.Header)
	}
	for name, bad := range map[string][]idp.Change{
		"from another value":        {{Pointer: inRecipient, Before: idp.QuoteJSON(west), After: idp.QuoteJSON(east)}},
		"outside the configuration": {{Pointer: "/role_ids", Before: json.RawMessage("[192513]"), After: json.RawMessage("[]")}},
		"the whole configuration":   {{Pointer: "/configuration", After: json.RawMessage("{}")}},
		"another app's key":         {{Pointer: "/configurations/x", After: json.RawMessage("{}")}},
	} {
		if err := w.tenant.Write(t.Context(), doc, bad); err == nil || len(w.Calls()) != 1 {
			t.Errorf("a change %s: %v, %d requests", name, err, len(w.Calls()))
		}
	}
	bare := custom(t, "/configuration", "")
	if err := w.tenant.Write(t.Context(), bare, nil); !finding.Is(err, finding.UnsupportedKind) || len(w.Calls()) != 1 {
		t.Errorf("without a configuration: %v", err)
	}
}

// A move leaves those who may use the app alone, whatever else it does.
func TestRolesSurviveAMove(t *testing.T) {
	t.Parallel()
	for name, r := range readings() {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, r)
			before, _ := w.org.App(string(w.app))
			if _, err := idp.Step(t.Context(), w.tenant, onelogin.Codec{}, w.app, target("us-west-2"), idp.Hooks{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := alsoChanged(t, w, before); len(diff) > 0 {
				t.Errorf("%s: also changed: %v", name, diff)
			}
			for _, r := range w.Calls() {
				if bytes.Contains(r.Body, []byte("role_ids")) {
					t.Errorf("%s: sent role_ids", name)
				}
			}
		})
	}
}

// alsoChanged names what differs from before and is not a move's to change.
func alsoChanged(t *testing.T, w *world, before []byte) []idp.Pointer {
	t.Helper()
	after, _ := w.org.App(string(w.app))
	diff, err := idp.ChangedText(before, after, []idp.Pointer{inACS, inRecipient, inRelay, "/updated_at"})
	if err != nil {
		t.Fatal(err)
	}
	return diff
}

// A client that sends one of these bodies is a saboteur: the account takes what
// it sends, and the test above has to notice.
func TestSaboteurBodiesAreNoticed(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"role_ids, for whatever reason": `{"role_ids":[],"configuration":{}}`,
		"a typed model's empty texts":   `{"description":"","notes":""}`,
		"a number for a text":           `{"configuration":{"saml_notonorafter":3}}`,
	} {
		w := newWorld(t, sim.Readings{})
		before, _ := w.org.App(string(w.app))
		w.warm(t)
		if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+host+"/api/2/apps/"+string(w.app), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", w.Calls()[0].Header.Get("Authorization"))
		r.Header.Set("Content-Type", "application/json")
		if resp, err := w.RoundTrip(r); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		if len(alsoChanged(t, w, before)) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// A validator that would refuse the target stops the step before the write.
func TestNarrowValidatorStopsTheStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	edit(w, inValidator, json.RawMessage(quoted(`^https://signin\.aws\.amazon\.com/saml$`)))
	_, err := idp.Step(t.Context(), w.tenant, onelogin.Codec{}, w.app, target("us-west-2"), idp.Hooks{})
	if !finding.Is(err, finding.ACSValidator) || w.count("PUT", "/api/2/apps/"+string(w.app)) != 0 {
		t.Errorf("%v", err)
	}
}

// What the credential's scope forbids is named, and the scope to take.
func TestScope(t *testing.T) {
	t.Parallel()
	for _, unauthorized := range []bool{false, true} {
		w := newWorld(t, sim.Readings{ScopeIs401: unauthorized})
		reader := w.newTenant(t, "reader", "reader-secret")
		if _, err := reader.Read(t.Context(), w.app); err != nil {
			t.Error(err)
		}
		docs, err := reader.List(t.Context())
		if err != nil || len(docs) != 1 {
			t.Errorf("a reader lists %d apps, %v", len(docs), err)
		}
		_, err = idp.Step(t.Context(), reader, onelogin.Codec{}, w.app, target("us-west-2"), idp.Hooks{})
		if f, ok := finding.From(err); !ok || !strings.Contains(f.Remedy, "Manage All") {
			t.Errorf("a reader writes: %v", err)
		}
	}
}

// The end of the allowance is given in seconds from now; Retry-After goes
// before it.
func TestThrottledRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		left, after int // seconds
		wait        time.Duration
		givesUp     bool
	}{
		{"seconds left", 40, 0, 40 * time.Second, false},
		{"Retry-After is sooner than the end of the hour", 3000, 5, 5 * time.Second, false},
		{"nothing said", 0, 0, 2 * time.Second, false},
		{"nobody waits for most of an hour", 3000, 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, sim.Readings{})
				w.warm(t)
				w.Answer = func(*http.Request) *http.Response {
					if len(w.Calls()) > 1 {
						return nil
					}
					resp := reply(429, `{"message":"rate limit exceeded","statusCode":429}`)
					if tt.left > 0 {
						allowance(resp, 5000, 0, time.Duration(tt.left)*time.Second)
					}
					if tt.after > 0 {
						resp.Header.Set("Retry-After", fmt.Sprint(tt.after))
					}
					return resp
				}
				begun := time.Now()
				_, err := w.tenant.Read(t.Context(), w.app)
				took := time.Since(begun)
				if tt.givesUp != finding.Is(err, finding.IdPThrottled) || took < tt.wait || took > tt.wait+time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

// spec 2.3: calm-time traffic leaves most of the hour's allowance to a move.
func TestCalmPace(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, sim.Readings{NoRateHeaders: silent})
			w.org.SetRate(100)
			w.warm(t)
			begun := time.Now()
			n := 0
			for ; ; n++ {
				ctx, cancel := context.WithTimeout(idp.Calm(t.Context()), time.Second)
				_, err := w.tenant.Read(ctx, w.app)
				cancel()
				if err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Fatal(err)
					}
					break
				}
			}
			if n < 20 || n > 30 || time.Since(begun) > 10*time.Second {
				t.Errorf("%d calm calls of 100, then held back", n)
			}
			for range 60 {
				if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
					t.Fatal(err)
				}
			}
			if time.Since(begun) > 20*time.Second {
				t.Errorf("a move waited for calm-time traffic")
			}
		})
	}
}

// spec 2.6: an answer that leads away is not followed, whatever leads there.
func TestForeignCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	w.warm(t)
	w.Arm(idptest.ForeignNext)
	if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.ForeignLink) {
		t.Errorf("%v", err)
	}
	for _, c := range w.Calls() {
		if c.Host != host {
			t.Errorf("a call reached %s", c.Host)
		}
	}
}

// spec 15.1
func TestTheSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sim.Readings{})
	const marker = "MARKER-SECRET"
	var out bytes.Buffer
	for _, tenant := range []*onelogin.Tenant{w.newTenant(t, clientID, marker), w.newTenant(t, marker, marker)} {
		_, err := tenant.Read(t.Context(), w.app)
		if !finding.Is(err, finding.IdPAuth) {
			t.Fatal(err)
		}
		f, _ := finding.From(err)
		_ = json.NewEncoder(&out).Encode(f)
		fmt.Fprintf(&out, "%v", err)
	}
	broken := w.newTenant(t, clientID, marker)
	w.Answer = func(*http.Request) *http.Response {
		return reply(200, `{"access_token":"MARKER-SECRET with a space","expires_in":36000}`)
	}
	_, err := broken.Read(t.Context(), w.app)
	fmt.Fprintf(&out, "%v %+v %#v", err, broken, broken)
	w.Answer = func(*http.Request) *http.Response { return reply(200, `{"access_token":"MARKER-SECRET"`) }
	_, err = broken.Read(t.Context(), w.app)
	fmt.Fprintf(&out, "%v", err)
	if strings.Contains(out.String(), marker) {
		t.Errorf("the secret shows in %s", out.String())
	}
}
