package pingone_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/secret"
)

const apiHost, authHost = "api.pingone.com", "auth.pingone.com"

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	good := func() pingone.Options {
		return pingone.Options{Network: network, Name: "x", TLD: "eu", Environment: appID, ClientID: "c", ClientSecret: secret.New("s")}
	}
	for name, spoil := range map[string]func(*pingone.Options){
		"no secret":               func(o *pingone.Options) { o.ClientSecret = secret.Value{} },
		"no client id":            func(o *pingone.Options) { o.ClientID = "" },
		"no TLD":                  func(o *pingone.Options) { o.TLD = "" },
		"no TLD, one host":        func(o *pingone.Options) { o.TLD, o.APIURL = "", "https://api.example" },
		"a TLD of somebody else":  func(o *pingone.Options) { o.TLD = "evil.example" },
		"a TLD with a path":       func(o *pingone.Options) { o.TLD = "com/x" },
		"no environment":          func(o *pingone.Options) { o.Environment = "" },
		"an environment name":     func(o *pingone.Options) { o.Environment = "Production" },
		"an environment and more": func(o *pingone.Options) { o.Environment = appID + "/users" },
		"a worker's environment":  func(o *pingone.Options) { o.WorkerEnvironment = "../x" },
		"an unknown method":       func(o *pingone.Options) { o.Auth = "jwt" },
		"plain http":              func(o *pingone.Options) { o.APIURL = "http://api.example" },
		"a host with a path":      func(o *pingone.Options) { o.AuthURL = "https://auth.example/v1" },
	} {
		o := good()
		spoil(&o)
		_, err := pingone.New(o)
		if f, ok := finding.From(err); !ok || f.Remedy == "" || f.Subject == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := good()
	o.TLD, o.APIURL, o.AuthURL = "", "https://api.example", "https://auth.example"
	if _, err := pingone.New(o); err != nil {
		t.Error("two hosts instead of a TLD:", err)
	}
}

// PingOne's error table, by what to do about each.
func TestErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status   int
		want     finding.Code
		attempts int // of a read
		again    bool
	}{
		{400, finding.IdPRejected, 1, false},
		{401, finding.IdPAuth, 2, false}, // once more with a new token
		{403, finding.IdPPermission, 1, false},
		{404, finding.AppNotFound, 1, false},
		{405, finding.IdPRejected, 1, false},
		{409, finding.IdPRejected, 1, false},
		{429, finding.IdPThrottled, 8, true},
		{500, finding.IdPUnreachable, 4, true},
		{502, finding.IdPUnreachable, 4, true},
		{503, finding.IdPUnreachable, 4, true},
		{300, finding.IdPAnswer, 1, false},
		{200, finding.IdPAnswer, 1, false}, // but not an app
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t).warm(t)
				w.Answer = func(r *http.Request) *http.Response {
					if r.URL.Host != apiHost {
						return nil
					}
					return reply(tt.status, `{"id":"err-1","code":"SOME_CODE","message":"the summary","details":[{"code":"INVALID_VALUE","target":"acsUrls","message":"is bad"}]}`)
				}
				_, err := w.tenant.Read(t.Context(), w.app)
				if got := w.asked(apiHost); !finding.Is(err, tt.want) || got != tt.attempts {
					t.Errorf("read: %v after %d attempts, want %s after %d", err, got, tt.want, tt.attempts)
				}
				f, _ := finding.From(err)
				if f.Remedy == "" || !strings.Contains(f.Why, "the summary: acsUrls is bad") || f.Evidence["code"] != "SOME_CODE" || f.Evidence["error id"] != "err-1" || f.Evidence["request id"] != "corr-1" {
					t.Errorf("finding %+v", f)
				}
				if tt.status == 200 {
					return
				}
				begun := w.asked(apiHost)
				err = w.tenant.Write(t.Context(), app(t), nil)
				var again *idp.RetryError
				wantCalls := 1
				if tt.status == 401 {
					wantCalls = 2
				}
				if got := w.asked(apiHost) - begun; !finding.Is(err, tt.want) || errors.As(err, &again) != tt.again || got != wantCalls {
					t.Errorf("write: %v, again %v, %d attempts; want %s, %v", err, again != nil, got, tt.want, tt.again)
				}
			})
		})
	}
}

// A page in front of PingOne is not taken for PingOne.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"html": "<html>sign in</html>", "another app": `{"id":"` + appID + `"}`, "empty": "", "a list": "[]", "null": "null"} {
		w := newWorld(t).warm(t)
		w.Answer = func(*http.Request) *http.Response { return reply(200, body) }
		if _, err := w.tenant.Read(t.Context(), w.app); !finding.Is(err, finding.IdPAnswer) {
			t.Errorf("read %s: %v", name, err)
		}
		if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPAnswer) {
			t.Errorf("list %s: %v", name, err)
		}
	}
}

func TestAppIDsStayInTheirPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []idp.AppID{"", "..", "../users", idp.AppID(appID + "/secret"), idp.AppID(appID + "?x"), "3b9fe2b2", "0oa1", "é", idp.AppID(" " + appID)} {
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
// that PingOne keeps itself; each change has a name of its own for the audit.
func TestWriteSendsTheWholeApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t).warm(t)
	doc := app(t)
	w.Answer = func(*http.Request) *http.Response { return reply(200, "{}") }
	change := idp.Change{Pointer: "/acsUrls", Before: json.RawMessage(list(east, west)), After: json.RawMessage(list(west, east))}
	for range 2 {
		if err := w.tenant.Write(t.Context(), doc, []idp.Change{change}); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"name":"AWS","enabled":true,
 "type":"WEB_APP","protocol":"SAML","tags":[],
 "acsUrls":["` + west + `","` + east + `"],"assertionDuration":300,"n":1.50,"nothing":null,
 "idpSigning":{"algorithm":"SHA256withRSA","key":{"id":"k1"}},"spEntityId":"urn:amazon:webservices"}`
	got, second := w.Calls()[0], w.Calls()[1]
	if string(got.Body) != want {
		t.Errorf("sent %s\nwant %s", got.Body, want)
	}
	if got.Method != http.MethodPut || got.Path != "/v1/environments/"+w.env+"/applications/"+appID || got.Query != "" ||
		!strings.HasPrefix(got.Header.Get("Authorization"), "Bearer ") || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Accept") != "application/json" {
		t.Errorf("request %s %s?%s %v", got.Method, got.Path, got.Query, got.Header)
	}
	const transaction = "X-Ping-External-Transaction-ID" // at most 100 letters, digits and a few signs
	if id := got.Header.Get(transaction); !regexp.MustCompile(`^samlfailover-[A-Z0-9]{20,80}$`).MatchString(id) || id == second.Header.Get(transaction) {
		t.Errorf("transaction id %q, then %q", id, second.Header.Get(transaction))
	}
	stale := change
	stale.Before = json.RawMessage(list(west, east))
	if err := w.tenant.Write(t.Context(), doc, []idp.Change{stale}); !finding.Is(err, finding.ChangedMeanwhile) || len(w.Calls()) != 2 {
		t.Errorf("a change from another value: %v, %d requests", err, len(w.Calls()))
	}
}

// Whatever a codec or a record asks for, an app is never sent without the
// signing key that it has, nor switched on or off (spec 2.7).
func TestWriteGuards(t *testing.T) {
	t.Parallel()
	w := newWorld(t).warm(t)
	for name, tt := range map[string]struct {
		doc    idp.Document
		change []idp.Change
		code   finding.Code
	}{
		"read without a key":  {app(t, "/idpSigning", ""), nil, finding.SigningKeyUnknown},
		"the key is dropped":  {app(t), []idp.Change{{Pointer: "/idpSigning/key", Before: json.RawMessage(`{"id":"k1"}`)}}, finding.SigningKeyUnknown},
		"the key is replaced": {app(t), []idp.Change{{Pointer: "/idpSigning/key/id", Before: json.RawMessage(`"k1"`), After: json.RawMessage(`"k2"`)}}, finding.SigningKeyUnknown},
		"switched off":        {app(t), []idp.Change{{Pointer: "/enabled", Before: json.RawMessage("true"), After: json.RawMessage("false")}}, finding.IdPAnswer},
		"enabled is dropped":  {app(t), []idp.Change{{Pointer: "/enabled", Before: json.RawMessage("true")}}, finding.IdPAnswer},
		"enabled is missing":  {app(t, "/enabled", ""), nil, finding.IdPAnswer},
	} {
		if err := w.tenant.Write(t.Context(), tt.doc, tt.change); !finding.Is(err, tt.code) || len(w.Calls()) > 0 {
			t.Errorf("%s: %v, %d requests", name, err, len(w.Calls()))
		}
	}
}

// The saboteur is PingOne itself: it drops the signing key from a write and
// falls back to the environment's default. The step sees it.
func TestSigningKeyFallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).warm(t)
		w.ping.LoseFieldOnWrite("/idpSigning")
		_, err := w.step(t.Context(), "us-west-2")
		f, _ := finding.From(err)
		if f.Code != finding.LostUpdate || !strings.Contains(strings.Join(f.EvidenceLines(), "\n"), "/idpSigning") {
			t.Errorf("%v %v", err, f.EvidenceLines())
		}
	})
}

func (w *world) step(ctx context.Context, to string) (idp.StepResult, error) {
	return idp.Step(ctx, w.tenant, pingone.Codec{}, w.app, target(to), idp.Hooks{})
}

// spec 4.1: a move and its undo, through the API: the list is in its exact old
// order, an inserted endpoint is gone, the signing key is the same throughout.
func TestMoveAndUndo(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"us-west-2", "ap-south-1"} {
		synctest.Test(t, func(t *testing.T) {
			w := makeWorld(t, harsh())
			before := w.snapshot(t)
			moved, err := w.step(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			if got := (pingone.Codec{}).Describe(idp.Document{ID: w.app, Raw: w.snapshot(t)}); got.Region().String() != to {
				t.Errorf("moved to %s", got.Region())
			}
			if key, _, _ := idp.Get(w.snapshot(t), "/idpSigning/key/id"); string(key) != quoted(w.key) {
				t.Errorf("signs with %s", key)
			}
			if _, err := idp.Undo(t.Context(), w.tenant, pingone.Codec{}, w.app, moved.Changes, idp.Hooks{}); err != nil {
				t.Fatal(err)
			}
			if diff, err := idp.ChangedText(before, w.snapshot(t), pingone.Codec{}.Volatile()); err != nil || len(diff) > 0 {
				t.Errorf("%v, %v", diff, err)
			}
		})
	}
}

// spec 2.6: pages are followed on the API's own origin, and come to an end.
func TestListPages(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, setup{readings: sim.Readings{PageSize: 10, NoCounts: true}}).warm(t)
	for i := range 24 {
		if _, err := w.ping.AddSAMLApp(w.env, fmt.Sprintf("app %d", i), simApp(i)); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := w.tenant.List(t.Context())
	if err != nil || len(docs) != 1+24/3 || len(w.Calls()) != 3 {
		t.Errorf("%d apps in %d requests, %v", len(docs), len(w.Calls()), err)
	}
	w.Answer = func(*http.Request) *http.Response {
		return reply(200, `{"_links":{"next":{"href":"?cursor=abc"}},"_embedded":{"applications":[]}}`)
	}
	if _, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPAnswer) {
		t.Errorf("a circle of links: %v", err)
	}
}

// simApp: every third app is AWS's.
func simApp(i int) sim.AppSettings {
	if i%3 == 0 {
		return sim.AppSettings{ACS: []string{west}, EntityID: fmt.Sprint("aws", i)}
	}
	return sim.AppSettings{ACS: []string{"https://slack.example/sso"}, EntityID: fmt.Sprint("slack", i)}
}

// What cannot be moved is listed all the same.
func TestListShowsEveryAWSApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	const saml = `,"enabled":true,"type":"WEB_APP","protocol":"SAML","assertionDuration":300,"idpSigning":{"key":{"id":"k"}},`
	for i, rest := range []string{
		saml + `"name":"misspelt","spEntityId":"a","acsUrls":["https://US-WEST-2.signin.aws.amazon.com/saml/"]}`,
		saml + `"name":"stolen","spEntityId":"urn:amazon:webservices:x","acsUrls":["https://evil.example"]}`,
		saml + `"name":"second","spEntityId":"b","acsUrls":["https://evil.example","` + west + `"]}`,
		saml + `"name":"odd list","spEntityId":"c","acsUrls":"` + west + `"}`,
		saml + `"name":"iso","spEntityId":"d","acsUrls":["https://signin.c2shome.ic.gov/saml"],"idpSigning":null}`,
		saml + `"name":"template","spEntityId":"e","acsUrls":["https://x.example"],"template":{"integration":{"id":"i"},"configuration":{"u":"` + east + `"}}}`,
		`,"enabled":true,"type":"PORTAL_LINK_APP","protocol":"EXTERNAL_LINK","name":"link","homePageUrl":"https://signin.aws.amazon.com/console"}`,
		`,"enabled":true,"type":"WEB_APP","protocol":"WS_FED","name":"ws-fed","replyUrl":"https://us-west-2.signin.aws.amazon.com/saml"}`,
		saml + `"name":"other","spEntityId":"f","acsUrls":["https://slack.com/sso"]}`,
		`,"enabled":true,"type":"WORKER","protocol":"OPENID_CONNECT","name":"worker"}`,
		`,"enabled":true,"type":"PING_ONE_ADMIN_CONSOLE","protocol":"OPENID_CONNECT","name":"PingOne Admin Console"}`,
	} {
		if err := w.ping.AddRawApp(w.env, []byte(strings.Replace(`{"id":"`+id(i)+`"`+rest, `,"idpSigning":null`, "", 1))); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := w.tenant.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range docs {
		got := pingone.Codec{}.Describe(d)
		names = append(names, got.Label)
		if d.RequestID == "" || time.Since(d.ReadAt) > time.Hour {
			t.Errorf("%s: request id %q, read at %v", d.ID, d.RequestID, d.ReadAt)
		}
		if want := d.ID == w.app || got.Label == "iso"; got.Movable != want || !want && len(got.Findings) == 0 {
			t.Errorf("%s: movable %v, %v", got.Label, got.Movable, got.Findings)
		}
	}
	if want := []string{"AWS prod", "misspelt", "stolen", "second", "odd list", "iso", "template", "link", "ws-fed"}; !slices.Equal(names, want) {
		t.Errorf("listed %v, want %v", names, want)
	}
}

// The wait that a 429 asks for is kept to, unless the deadline or reason
// forbids it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).warm(t)
		w.Arm(idptest.Throttled)
		begun := time.Now()
		if _, err := w.tenant.Read(t.Context(), w.app); err != nil || time.Since(begun) < idptest.ThrottledFor || time.Since(begun) > idptest.ThrottledFor+time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		w.Arm(idptest.Throttled)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun = time.Now()
		if _, err := w.tenant.Read(ctx, w.app); !finding.Is(err, finding.IdPThrottled) || time.Since(begun) > time.Second {
			t.Errorf("a wait beyond the deadline: %v after %v", err, time.Since(begun))
		}
		w.Answer = func(*http.Request) *http.Response { return throttled(time.Hour) }
		var again *idp.RetryError
		if err := w.tenant.Write(t.Context(), app(t), nil); !finding.Is(err, finding.IdPThrottled) || errors.As(err, &again) || time.Since(begun) > 2*time.Second {
			t.Errorf("an hour: %v after %v", err, time.Since(begun))
		}
	})
}

// spec 2.3: PingOne's answers state no limit, so calm-time traffic stays below
// 30 % of what one address gets; a move does not wait for it.
func TestCalmPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).warm(t)
		begun, calls := time.Now(), 0
		for time.Since(begun) < 30*time.Second {
			if _, err := w.tenant.Read(idp.Calm(t.Context()), w.app); err != nil {
				t.Fatal(err)
			}
			calls++
		}
		if calls != 63+1 { // 30 % of 210, and the first of the next minute
			t.Errorf("%d calm calls in a minute", calls)
		}
		begun = time.Now()
		for range 140 {
			if _, err := w.tenant.Read(t.Context(), w.app); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(begun) > 10*time.Second {
			t.Errorf("a move waited %v for calm-time traffic", time.Since(begun))
		}
	})
}

// Least privilege: the owner of the one app moves it, whether or not it may see
// the list. Without a role nothing is written and the finding says what to do.
func TestRoles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := makeWorld(t, setup{readings: sim.Readings{OwnerCannotList: true}})
		owner := sim.Role{Name: sim.ApplicationOwner, Environment: w.env, App: string(w.app)}
		for _, tt := range []struct {
			name  string
			roles []sim.Role
			moves bool
		}{
			{"owner of the app", []sim.Role{owner}, true},
			{"may read only", []sim.Role{{Name: sim.ConfigurationReadOnly, Environment: w.env}}, false},
			{"owner of another app", []sim.Role{{Name: sim.ApplicationOwner, Environment: w.env, App: appID}}, false},
			{"rights have ended", nil, false},
			{"rights on the worker's environment only", []sim.Role{{Name: sim.EnvironmentAdmin, Environment: w.home}}, false},
		} {
			if err := w.ping.SetRoles(clientID, tt.roles...); err != nil {
				t.Fatal(err)
			}
			before := w.snapshot(t)
			_, err := w.step(t.Context(), "eu-west-1")
			if tt.moves {
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				_, err := w.tenant.List(t.Context())
				if !finding.Is(err, finding.IdPPermission) {
					t.Errorf("%s: the list: %v", tt.name, err)
				}
				w.edit("/acsUrls", json.RawMessage(list(east)))
				continue
			}
			if !finding.Is(err, finding.IdPPermission) || !bytes.Equal(before, w.snapshot(t)) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	})
}

// spec 15.1
func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, auth := range []pingone.Auth{pingone.AuthBasic, pingone.AuthPost} {
			w := newWorld(t)
			const marker, token = "MARKER-SECRET", "MARKER-TOKEN"
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			tenant := w.newTenant(t, pingone.Options{Auth: auth, ClientSecret: secret.New(marker), Logger: log})
			show := func(err error) {
				f, _ := finding.From(err)
				_ = json.NewEncoder(&out).Encode(f)
				fmt.Fprintf(&out, "%v %+v %#v %v %+v", err, err, tenant, tenant, *tenant)
			}
			_, err := tenant.Read(t.Context(), w.app)
			if !finding.Is(err, finding.IdPAuth) {
				t.Fatal(err)
			}
			show(err)
			w.Answer = func(r *http.Request) *http.Response {
				if r.URL.Host == authHost {
					return reply(200, `{"access_token":"`+token+`","token_type":"Bearer","expires_in":3600}`)
				}
				return nil
			}
			_, err = tenant.Read(t.Context(), w.app)
			show(err)
			show(tenant.Write(t.Context(), app(t), nil))
			w.Answer = func(*http.Request) *http.Response {
				return reply(200, `{"access_token":"`+token+`","token_type":"MAC"}`)
			}
			_, err = tenant.Read(t.Context(), w.app)
			show(err)
			if strings.Contains(out.String(), "MARKER") {
				t.Errorf("%s: a secret shows in %s", auth, out.String())
			}
			if !strings.Contains(out.String(), "transaction_id=samlfailover-") {
				t.Error("the log does not name the transaction of the write")
			}
		}
	})
}
