package okta_test

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
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/secret"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]okta.Options{
		"no token":   {Network: network, Name: "x", URL: "https://acme.okta.com"},
		"plain http": {Network: network, Name: "x", URL: "http://acme.okta.com", Token: secret.New("t")},
		"a path":     {Network: network, Name: "x", URL: "https://acme.okta.com/api", Token: secret.New("t")},
	} {
		_, err := okta.New(o)
		if f, ok := finding.From(err); !ok || f.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Okta's error table, by what to do about each.
func TestErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status   int
		code     string
		want     finding.Code
		attempts int // of a read
		again    bool
	}{
		{400, "E0000001", finding.IdPRejected, 1, false},
		{400, "E0000003", finding.IdPRejected, 1, false},
		{400, "E0000024", finding.IdPRejected, 1, false},
		{401, "E0000004", finding.IdPAuth, 1, false},
		{401, "E0000011", finding.IdPAuth, 1, false},
		{401, "E0000015", finding.IdPFeature, 1, false},
		{403, "E0000006", finding.IdPPermission, 1, false},
		{404, "E0000007", finding.AppNotFound, 1, false},
		{405, "E0000022", finding.IdPRejected, 1, false},
		{423, "E0000239", finding.IdPUnreachable, 4, true},
		{429, "E0000047", finding.IdPThrottled, 8, true},
		{500, "E0000009", finding.IdPUnreachable, 4, true},
		{502, "", finding.IdPUnreachable, 4, true},
		{503, "E0000010", finding.IdPReadOnly, 4, false},
		{300, "", finding.IdPAnswer, 1, false},
		{200, "not an app", finding.IdPAnswer, 1, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %s", tt.status, tt.code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.Answer = func(*http.Request) *http.Response {
					resp := reply(tt.status, `{"errorCode":"`+tt.code+`","errorSummary":"the summary","errorId":"oae-1","errorCauses":[{"errorSummary":"the cause"}]}`)
					resp.Header.Set("X-Okta-Request-Id", "req-1")
					return resp
				}
				_, err := w.tenant.Read(t.Context(), w.app)
				if got := len(w.Calls()); !finding.Is(err, tt.want) || got != tt.attempts {
					t.Errorf("read: %v after %d attempts, want %s after %d", err, got, tt.want, tt.attempts)
				}
				f, _ := finding.From(err)
				if f.Remedy == "" || !strings.Contains(f.Why, "the summary: the cause") || f.Evidence["errorId"] != "oae-1" || f.Evidence["request id"] != "req-1" {
					t.Errorf("finding %+v", f)
				}
				if tt.status == 200 {
					return
				}
				begun := len(w.Calls())
				err = w.tenant.Write(t.Context(), idp.Document{ID: w.app, Raw: json.RawMessage(`{}`)}, nil)
				var again *idp.RetryError
				if got := len(w.Calls()) - begun; !finding.Is(err, tt.want) || errors.As(err, &again) != tt.again || got != 1 {
					t.Errorf("write: %v, again %v, %d attempts; want %s, %v, 1", err, again != nil, got, tt.want, tt.again)
				}
			})
		})
	}
}

// A page in front of Okta is not taken for Okta.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"html": "<html>sign in</html>", "another app": `{"id":"0oaOther"}`, "empty": "", "a list": "[]"} {
		w := newWorld(t)
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
	w := newWorld(t)
	for _, id := range []idp.AppID{"", "..", "../users", "0oa1/lifecycle/deactivate", "0oa1?x", "0oa%2e", "0oa 1", "é"} {
		_, err := w.tenant.Read(t.Context(), id)
		writeErr := w.tenant.Write(t.Context(), idp.Document{ID: id, Raw: json.RawMessage(`{}`)}, nil)
		if !finding.Is(err, finding.ConfigInvalid) || !finding.Is(writeErr, finding.ConfigInvalid) {
			t.Errorf("%q: %v, %v", id, err, writeErr)
		}
	}
	if n := len(w.Calls()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// spec 2.1: a replacement is the app as read, byte for byte, without the keys
// that Okta keeps itself.
func TestWriteSendsTheWholeApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := custom(t)
	doc.ID = w.app
	w.Answer = func(*http.Request) *http.Response { return reply(200, "{}") }
	change := idp.Change{Pointer: "/settings/signOn/recipient", Before: idp.QuoteJSON(east), After: idp.QuoteJSON(west)}
	if err := w.tenant.Write(t.Context(), doc, []idp.Change{change}); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"acme_awsprod_1","label":"AWS prod","features":[],"signOnMode":"SAML_2_0","settings":{"app":{},"notes":{"admin":null},"signOn":{
 "defaultRelayState":"","ssoAcsUrl":"` + east + `","audience":"urn:amazon:webservices","recipient":"` + west + `","destination":"` + east + `",
 "acsEndpoints":[],"n":1.50}}}`
	got := w.Calls()[0]
	if string(got.Body) != want {
		t.Errorf("sent %s\nwant %s", got.Body, want)
	}
	if got.Method != http.MethodPut || got.Path != "/api/v1/apps/"+string(w.app) || got.Query != "" ||
		got.Header.Get("Authorization") != "SSWS "+token || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Accept") != "application/json" {
		t.Errorf("request %s %s?%s %v", got.Method, got.Path, got.Query, got.Header)
	}
	stale := change
	stale.Before = idp.QuoteJSON(west)
	if err := w.tenant.Write(t.Context(), doc, []idp.Change{stale}); !finding.Is(err, finding.ChangedMeanwhile) || len(w.Calls()) != 1 {
		t.Errorf("a change from another value: %v, %d requests", err, len(w.Calls()))
	}
}

// spec 2.6: pages are followed on the org's own origin, and come to an end.
func TestListPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 450 {
		if _, err := w.org.AddSAMLApp(fmt.Sprintf("app %d", i), simApp(i)); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := w.tenant.List(t.Context())
	if err != nil || len(docs) != 1+450/3 || len(w.Calls()) != 3 {
		t.Errorf("%d apps in %d requests, %v", len(docs), len(w.Calls()), err)
	}
	w.Answer = func(*http.Request) *http.Response {
		resp := reply(200, "[]")
		resp.Header["Link"] = []string{`</api/v1/apps?limit=200>; rel="self", </api/v1/apps?after=a,b>; rel = "next"`}
		return resp
	}
	if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPAnswer) {
		t.Errorf("a circle of links: %v", err)
	}
	if last := w.Calls()[len(w.Calls())-1]; last.Query != "after=a,b" {
		t.Errorf("followed %q", last.Query)
	}
}

// simApp: every third app is AWS's.
func simApp(i int) sim.AppSettings {
	if i%3 == 0 {
		return sim.AppSettings{ACS: west}
	}
	return sim.AppSettings{ACS: "https://slack.example/sso", Audience: "slack"}
}

// A retry after a rate limit names the call that it stands for.
func TestThrottledRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Arm(idptest.Throttled, idptest.Throttled)
		if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
			t.Fatal(err)
		}
		got := w.Calls()
		if len(got) != 3 || got[0].Header.Get("X-Okta-Retry-For") != "" || got[2].Header.Get("X-Okta-Retry-For") != "first-throttled" || got[2].Header.Get("X-Okta-Retry-Count") != "2" {
			t.Errorf("%d requests, last %v", len(got), got[len(got)-1].Header)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Arm(idptest.Throttled)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := w.tenant.Read(ctx, w.app); !finding.Is(err, finding.IdPThrottled) || time.Since(begun) > time.Second {
			t.Errorf("a wait beyond the deadline: %v after %v", err, time.Since(begun))
		}
	})
}

// A reset that lies an hour ahead is no window of Okta's: nobody waits for it.
func TestAbsurdReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Answer = func(*http.Request) *http.Response { return throttledAnswer(time.Hour) }
		begun := time.Now()
		_, err := w.tenant.Read(t.Context(), w.app)
		writeErr := w.tenant.Write(t.Context(), idp.Document{ID: w.app, Raw: json.RawMessage(`{}`)}, nil)
		var again *idp.RetryError
		if !finding.Is(err, finding.IdPThrottled) || !finding.Is(writeErr, finding.IdPThrottled) || errors.As(writeErr, &again) || time.Since(begun) > time.Second {
			t.Errorf("%v; %v; after %v", err, writeErr, time.Since(begun))
		}
	})
}

// spec 2.3: when others have used up most of a bucket, calm-time traffic leaves
// the rest to a move.
func TestCalmTrafficLeavesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Answer = func(*http.Request) *http.Response {
			resp := reply(200, `{"id":"`+string(w.app)+`"}`)
			rate(resp, 100, 20, time.Now().Add(40*time.Second))
			return resp
		}
		begun := time.Now()
		for _, ctx := range []context.Context{t.Context(), t.Context(), idp.Calm(t.Context())} {
			if time.Since(begun) > 0 {
				t.Errorf("an urgent read waited %v", time.Since(begun))
			}
			if _, err := w.tenant.Read(ctx, w.app); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took < 39*time.Second {
			t.Errorf("the calm read went out after %v, want the next window", took)
		}
	})
}

// spec 2.3: calm-time traffic stays below 30 % of a bucket, a move does not
// wait for it.
func TestCalmPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.org.SetRate(100)
		begun := time.Now()
		for i := 0; ; i++ {
			if _, err := w.tenant.Read(idp.Calm(t.Context()), w.app); err != nil {
				t.Fatal(err)
			}
			if time.Since(begun) > 10*time.Second {
				if i != 30 {
					t.Errorf("%d calm calls in the first window of 100, want 30", i)
				}
				break
			}
		}
		begun = time.Now()
		for range 60 {
			if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(begun) > 10*time.Second {
			t.Errorf("a move waited %v for calm-time traffic", time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(idp.Calm(t.Context()), time.Second)
		defer cancel()
		if _, err := w.tenant.Read(ctx, w.app); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a calm call that cannot wait: %v", err)
		}
	})
}

// spec 15.1
func TestTheTokenIsNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const marker = "MARKER-SECRET"
	tenant := w.newTenant(t, marker)
	_, err := tenant.Read(t.Context(), w.app)
	if !finding.Is(err, finding.IdPAuth) {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f, _ := finding.From(err)
	_ = json.NewEncoder(&out).Encode(f)
	fmt.Fprintf(&out, "%v %+v %#v", err, tenant, tenant)
	if strings.Contains(out.String(), marker) {
		t.Errorf("the token shows in %s", out.String())
	}
}
