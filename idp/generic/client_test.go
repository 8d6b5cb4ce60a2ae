package generic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/generic"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	network, err := outbound.New(outbound.Settings{Proxy: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	good := generic.Options{Network: network, Name: "x", URL: "https://" + host, Path: "/a.b/c~d", Secret: secret.New(key)}
	if _, err := generic.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*generic.Options){
		"no secret":           func(o *generic.Options) { o.Secret = secret.Value{} },
		"a short secret":      func(o *generic.Options) { o.Secret = secret.New(key[1:]) },
		"plain http":          func(o *generic.Options) { o.URL = "http://" + host },
		"a path in the url":   func(o *generic.Options) { o.URL += "/samlfailover" },
		"a path upwards":      func(o *generic.Options) { o.Path = "/a/../b" },
		"a path without /":    func(o *generic.Options) { o.Path = "a" },
		"a path to a host":    func(o *generic.Options) { o.Path = "//evil.example" },
		"a trailing slash":    func(o *generic.Options) { o.Path = "/a/" },
		"a query":             func(o *generic.Options) { o.Path = "/a?x" },
		"an escape":           func(o *generic.Options) { o.Path = "/a%2fb" },
		"a path of two lines": func(o *generic.Options) { o.Path = "/a\n" },
	} {
		o := good
		spoil(&o)
		_, err := generic.New(o)
		if f, ok := finding.From(err); !ok || f.Remedy == "" || strings.Contains(err.Error(), key[1:]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Errors of the contract, by what to do about each.
func TestErrors(t *testing.T) {
	t.Parallel()
	const usual = `{"code":"the-code","message":"the\nmessage"}`
	tests := []struct {
		status   int
		body     string
		want     finding.Code
		attempts int // of a read
		again    bool
	}{
		{400, usual, finding.IdPRejected, 1, false},
		{401, usual, finding.IdPAuth, 1, false},
		{403, usual, finding.IdPPermission, 1, false},
		{404, "the-code the message", finding.AppNotFound, 1, false},
		{409, usual, finding.ChangedMeanwhile, 1, false},
		{412, usual, finding.ChangedMeanwhile, 1, false},
		{422, usual, finding.IdPRejected, 1, false},
		{429, usual, finding.IdPThrottled, 8, true},
		{500, usual, finding.IdPUnreachable, 4, true},
		{502, "<html>the-code the message</html>", finding.IdPUnreachable, 4, true},
		{503, `{"code":"read-only","message":"the-code the message"}`, finding.IdPReadOnly, 4, false},
		{503, usual, finding.IdPUnreachable, 4, true},
		{300, usual, finding.IdPAnswer, 1, false},
		{200, usual, finding.IdPAnswer, 1, false},
		{203, usual, finding.IdPAnswer, 1, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d %.20s", tt.status, tt.body), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				w.Answer = func(*http.Request) *http.Response { return reply(tt.status, tt.body) }
				_, err := w.tenant.Read(t.Context(), appID)
				if got := len(w.Calls()); !finding.Is(err, tt.want) || got != tt.attempts {
					t.Errorf("read: %v after %d attempts, want %s after %d", err, got, tt.want, tt.attempts)
				}
				f, _ := finding.From(err)
				if f.Remedy == "" || !strings.Contains(f.Why, "the-code") || !strings.Contains(f.Why, "the message") || f.Evidence["request id"] != "req-1" || f.Subject != "app aws-prod" {
					t.Errorf("finding %+v", f)
				}
				if tt.status/100 == 2 {
					return
				}
				before := len(w.Calls())
				err = w.tenant.Write(t.Context(), idp.Document{ID: appID, Raw: json.RawMessage(`{}`)}, nil)
				var again *idp.RetryError
				if got := len(w.Calls()) - before; !finding.Is(err, tt.want) || errors.As(err, &again) != tt.again || got != 1 {
					t.Errorf("write: %v, again %v, %d attempts; want %s, %v, 1", err, again != nil, got, tt.want, tt.again)
				}
			})
		})
	}
}

// A page in front of the webhook, or another app's document, is not taken for
// the app.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"html": "<html>sign in</html>", "another app": `{"id":"other"}`, "empty": "", "a list": "[]", "null": "null",
		"no id": `{}`, "an id that is no text": `{"id":7}`, "an id in another spelling": `{"ID":"aws-prod"}`} {
		w := newWorld(t, false)
		w.Answer = func(*http.Request) *http.Response { return reply(200, body) }
		if _, err := w.tenant.Read(t.Context(), appID); !finding.Is(err, finding.IdPAnswer) {
			t.Errorf("read %s: %v", name, err)
		}
		if docs, err := w.tenant.List(t.Context()); !finding.Is(err, finding.IdPAnswer) || len(docs) > 0 {
			t.Errorf("list %s: %d documents, %v", name, len(docs), err)
		}
	}
}

func TestAppIDsStayInTheirPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	for _, id := range []idp.AppID{"", ".", "..", "../users", "a/b", "a?x", "a%2e", " a", "a\n", "é", idp.AppID(strings.Repeat("a", 101))} {
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

// spec 2.1: a write is the document as read, byte for byte but for acs and
// relay_state, and nothing else is ever changed.
func TestWriteIsTheDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	doc, err := w.tenant.Read(t.Context(), appID)
	if err != nil {
		t.Fatal(err)
	}
	acs := idp.Change{Pointer: "/acs", Before: idp.QuoteJSON(east), After: idp.QuoteJSON(west)}
	if err := w.tenant.Write(t.Context(), doc, []idp.Change{acs}); err != nil {
		t.Fatal(err)
	}
	all := w.Calls()
	want := strings.Replace(string(doc.Raw), east, west, 1)
	if sent := all[len(all)-1]; string(sent.Body) != want || sent.Method != http.MethodPut {
		t.Errorf("%s\n%s, want\n%s", sent.Method, sent.Body, want)
	}
	for _, p := range []idp.Pointer{"", "/id", "/status", "/revision", "/note", "/acs/0", "/relay_state_too"} {
		err := w.tenant.Write(t.Context(), doc, []idp.Change{acs, {Pointer: p, After: json.RawMessage(`"x"`)}})
		if !finding.Is(err, finding.UnsupportedKind) {
			t.Errorf("a change of %q: %v", p, err)
		}
	}
	if n := len(w.Calls()); n != len(all) {
		t.Errorf("%d writes of what is not ours", n-len(all))
	}
}

// An attempt that is repeated after a wait longer than the webhook accepts
// carries a signature of its own time.
func TestEveryAttemptIsSigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		w.Answer = func(*http.Request) *http.Response {
			if len(w.Calls()) < 6 {
				resp := reply(429, "")
				resp.Header.Set("Retry-After", "100")
				return resp
			}
			return nil
		}
		if _, err := w.tenant.Read(t.Context(), appID); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range w.Calls() {
			seen[r.Header.Get("Samlfailover-Signature")] = true
		}
		if len(seen) != 6 {
			t.Errorf("%d different signatures in 6 attempts", len(seen))
		}
	})
}

// The webhook of these tests is strict: it takes nothing that is not signed
// right, so that a green suite means that every call is.
func TestWebhookRefusesForgeries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	doc, err := w.tenant.Read(t.Context(), appID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tenant.Write(t.Context(), doc, []idp.Change{{Pointer: "/acs", Before: idp.QuoteJSON(east), After: idp.QuoteJSON(west)}}); err != nil {
		t.Fatal(err)
	}
	all := w.Calls()
	put := all[len(all)-1]
	for name, spoil := range map[string]func(*http.Request, *[]byte){
		"none":            func(r *http.Request, _ *[]byte) { r.Header.Del("Samlfailover-Signature") },
		"another method":  func(r *http.Request, _ *[]byte) { r.Method = http.MethodGet },
		"another app":     func(r *http.Request, _ *[]byte) { r.URL.Path += "-2" },
		"another body":    func(_ *http.Request, b *[]byte) { *b = append(*b, ' ') },
		"another time":    func(r *http.Request, _ *[]byte) { r.Header.Set("Samlfailover-Timestamp", "1767225600") },
		"another version": func(r *http.Request, _ *[]byte) { upgrade(r) },
		"repeated as is":  nil,
		"no time at all":  func(r *http.Request, _ *[]byte) { r.Header.Del("Samlfailover-Timestamp") },
		"upper-case digits": func(r *http.Request, _ *[]byte) {
			r.Header.Set("Samlfailover-Signature", strings.ToUpper(r.Header.Get("Samlfailover-Signature")))
		},
	} {
		body := bytes.Clone(put.Body)
		r, err := http.NewRequest(put.Method, "https://"+host+put.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = put.Header.Clone()
		want := 409 // what was signed right meets the revision
		if spoil != nil {
			want = 401
			spoil(r, &body)
		}
		r.Body = http.NoBody
		if r.Method == put.Method {
			r.Body = readCloser{bytes.NewReader(body)}
		}
		rec := httptest.NewRecorder()
		w.hook.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%s: %d %s, want %d", name, rec.Code, rec.Body, want)
		}
	}
}

func upgrade(r *http.Request) {
	r.Header.Set("Samlfailover-Signature", strings.Replace(r.Header.Get("Samlfailover-Signature"), "v1=", "v2=", 1))
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// Where the clocks differ, that is said, and only then.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]string{10 * time.Minute: "10m0s ahead of ours", -time.Hour: "1h0m0s behind ours", 30 * time.Second: "", -30 * time.Second: ""} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, false)
			w.Answer = func(*http.Request) *http.Response {
				resp := reply(401, "")
				resp.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				return resp
			}
			_, err := w.tenant.Read(t.Context(), appID)
			f, _ := finding.From(err)
			if f.Code != finding.IdPAuth || !strings.Contains(f.Why, want) || strings.Contains(f.Why, "clock") != (want != "") {
				t.Errorf("%v: %v", ahead, f.Why)
			}
		})
	}
}

// A lost update is impossible where documents carry a revision: an edit between
// the second read and the write stops the write (spec 2.2).
func TestRevisionClosesTheGap(t *testing.T) {
	t.Parallel()
	for _, versions := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, versions)
			edited := false
			w.Answer = func(r *http.Request) *http.Response {
				if r.Method == http.MethodPut && !edited {
					edited = true
					w.edit("/note", json.RawMessage(`"theirs"`))
				}
				return nil
			}
			target := signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2")}
			_, err := idp.Step(t.Context(), w.tenant, generic.Codec{}, appID, target, idp.Hooks{})
			note, _, _ := idp.Get(w.snapshot(), "/note")
			if versions && (!finding.Is(err, finding.ChangedMeanwhile) || string(note) != `"theirs"`) {
				t.Errorf("with revisions: %v, note %s", err, note)
			}
			if !versions && (err != nil || string(note) != `"ours"`) {
				t.Errorf("without revisions the gap of spec 2.2 is open: %v, note %s", err, note)
			}
		})
	}
}

// spec 15.1
func TestTheSecretIsNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	const marker = "MARKER-SECRET-OF-MORE-THAN-32-BYTES"
	broken := w.newTenant(t, marker)
	var out bytes.Buffer
	_, err := broken.Read(t.Context(), appID)
	if !finding.Is(err, finding.IdPAuth) {
		t.Fatal(err)
	}
	f, _ := finding.From(err)
	_ = json.NewEncoder(&out).Encode(f)
	fmt.Fprintf(&out, "%v %+v %#v", err, broken, broken)
	for _, r := range w.Calls() {
		fmt.Fprintf(&out, "%v %s", r.Header, r.Body)
	}
	if strings.Contains(out.String(), marker) {
		t.Errorf("the secret shows in %s", out.String())
	}
}
