package pagerduty

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/callback"
)

const routing = "0123456789abcdef0123456789abcdef"

func account(t *testing.T) *Account {
	t.Helper()
	a, err := New(Options{RoutingKey: routing, WebhookSecret: "whsec", Callbacks: callback.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func send(a *Account, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://"+EventsHost+"/v2/enqueue", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.Sites()[0].Handler.ServeHTTP(w, r)
	return w
}

func trigger(key, summary string) string {
	return fmt.Sprintf(`{"routing_key":%q,"event_action":"trigger","dedup_key":%q,"payload":{"summary":%q,"source":"s","severity":"critical"}}`, routing, key, summary)
}

func act(action, key string) string {
	return fmt.Sprintf(`{"routing_key":%q,"event_action":%q,"dedup_key":%q}`, routing, action, key)
}

// One incident per dedup key, until it is resolved.
func TestIncidents(t *testing.T) {
	t.Parallel()
	a := account(t)
	for _, body := range []string{trigger("k", "down"), trigger("k", "still down"), act("acknowledge", "k"), trigger("other", "x"), act("resolve", "k"), act("resolve", "k"), act("resolve", "nobody"), trigger("k", "down again")} {
		if w := send(a, body); w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"status":"success"`) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	got := a.Incidents()
	if len(got) != 3 || got[0].Status != Resolved || len(got[0].Summaries) != 2 || got[1].Key != "other" || got[2].Status != Triggered {
		t.Errorf("%+v", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for why, body := range map[string]string{
		"no JSON":                 "hello",
		"another key":             strings.Replace(trigger("k", "x"), routing, strings.Repeat("f", 32), 1),
		"no payload":              act("trigger", "k"),
		"no summary":              trigger("k", ""),
		"a summary too long":      trigger("k", strings.Repeat("a", 1025)),
		"a dedup key too long":    trigger(strings.Repeat("a", 256), "x"),
		"a severity of nobody's":  strings.Replace(trigger("k", "x"), "critical", "fatal", 1),
		"an action of nobody's":   act("close", "k"),
		"a resolve without a key": act("resolve", ""),
		"a time that is none":     strings.Replace(trigger("k", "x"), `"severity"`, `"timestamp":"yesterday","severity"`, 1),
	} {
		a := account(t)
		if w := send(a, body); w.Code != http.StatusBadRequest || len(a.Incidents()) > 0 {
			t.Errorf("%s: %d %s", why, w.Code, w.Body)
		}
	}
	a := account(t)
	a.o.PerMinute = 1
	send(a, trigger("k", "x"))
	if w := send(a, trigger("l", "x")); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d", w.Code)
	}
}

// A webhook is signed, tried again where it is not taken, and the same bytes when
// it is sent again.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var bodies []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("whsec"))
		mac.Write(body)
		if r.Header.Get("X-PagerDuty-Signature") != "v1="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("the signature: %q", r.Header.Get("X-PagerDuty-Signature"))
		}
		mu.Lock()
		defer mu.Unlock()
		if bodies = append(bodies, string(body)); len(bodies) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	a := account(t)
	if err := a.Subscribe("http://example.com:80/"); err == nil {
		t.Error("subscribed to a host that is not loopback")
	}
	if err := a.Subscribe(s.URL + "/hooks/pd"); err != nil {
		t.Fatal(err)
	}
	a.Trigger("sign-in is down")
	for end := time.Now().Add(30 * time.Second); len(a.Deliveries()) < 2; <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no second try came")
		}
	}
	if _, err := a.Redeliver(t.Context(), ""); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(bodies) != 3 || bodies[0] != bodies[2] || !strings.Contains(bodies[0], `"event_type":"incident.triggered"`) || a.Deliveries()[0].Status != 503 {
		t.Errorf("%q %+v", bodies, a.Deliveries())
	}
}

func TestAct(t *testing.T) {
	t.Parallel()
	a := account(t)
	n := a.Trigger("x").Number
	if i, err := a.Act(n, Acknowledged); err != nil || i.Status != Acknowledged {
		t.Errorf("%+v, %v", i, err)
	}
	if _, err := a.Act(n, Resolved); err != nil {
		t.Error(err)
	}
	if _, err := a.Act(n, Acknowledged); err == nil {
		t.Error("a resolved incident was acknowledged")
	}
}
