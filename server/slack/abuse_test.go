package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sim "github.com/samlfailover/samlfailover/sandbox/slack"
	"github.com/samlfailover/samlfailover/secret"
)

// fields are those of a good command.
func fields(text string) url.Values {
	return url.Values{"team_id": {team}, "channel_id": {incident}, "user_id": {"U0ADA"}, "command": {"/samlfailover"}, "text": {text},
		"response_url": {"https://hooks.slack.com/commands/T/1/x"}, "trigger_id": {fmt.Sprint(text)}}
}

// changed is the body of a good command that asks for a move, with one field
// another.
func changed(name, value string) []byte {
	v := fields("move us-west-2 because")
	v.Set(name, value)
	return []byte(v.Encode())
}

// Each row is a request that must do nothing, and what is answered.
//
// spec 13.2
func TestAbuse(t *testing.T) {
	t.Parallel()
	good := changed("x", "y")
	for _, c := range []struct {
		why    string
		body   []byte
		header func(http.Header)
		at     time.Duration // when it was signed, from now
		status int
		says   string
	}{
		{why: "not signed", body: good, header: func(h http.Header) { h.Del(signatureHeader) }, status: 401, says: "not signed by Slack"},
		{why: "signed with another secret", body: good, header: func(h http.Header) {
			h.Set(signatureHeader, signAs("another", "v0", h.Get(timestampHeader), string(good)))
		}, status: 401, says: "signed with another secret"},
		{why: "six minutes old", body: good, at: -6 * time.Minute, status: 401, says: "older than 5m"},
		{why: "six minutes ahead", body: good, at: 6 * time.Minute, status: 401, says: "ahead of this machine's clock"},
		{why: "another workspace", body: changed("team_id", "T0OTHER"), status: 200, says: "requests of this workspace (T0OTHER) are not taken here"},
		{why: "another channel", body: changed("channel_id", "C0RANDOM"), status: 200, says: "requests in this channel (C0RANDOM) are not taken here"},
		{why: "a user of the workspace whom nobody mapped", body: changed("user_id", "U0MALLORY"), status: 200, says: "belongs to nobody in the config"},
		{why: "a mapped user's id in another case", body: changed("user_id", "u0ada"), status: 200, says: "belongs to nobody in the config"},
		{why: "a response_url elsewhere", body: changed("response_url", "https://evil.example/commands/T/1/x"), status: 400, says: "does not lead to https://hooks.slack.com"},
		{why: "a response_url that only begins like Slack's", body: changed("response_url", "https://hooks.slack.com.evil.example/x"), status: 400, says: "does not lead to"},
		{why: "a response_url with a user part", body: changed("response_url", "https://hooks.slack.com@evil.example/x"), status: 400, says: "does not lead to"},
		{why: "a response_url with a user part before the right host", body: changed("response_url", "https://x@hooks.slack.com/x"), status: 400, says: "does not lead to"},
		{why: "a response_url with another port", body: changed("response_url", "https://hooks.slack.com:8443/x"), status: 400, says: "does not lead to"},
		{why: "a response_url without TLS", body: changed("response_url", "http://hooks.slack.com/x"), status: 400, says: "does not lead to"},
		{why: "no response_url", body: changed("response_url", ""), status: 400, says: "response_url is missing"},
		{why: "two texts", body: append(changed("x", "y"), "&text=status"...), status: 400, says: "stands 2 times"},
		{why: "ids that are none", body: changed("user_id", "U0ADA\nU0GRACE"), status: 400, says: "the id of the user"},
		{why: "no form", body: good, header: func(h http.Header) { h.Set("Content-Type", "application/json") }, status: 415, says: "not a form"},
		{why: "not UTF-8", body: []byte("text=%ff%fe&team_id=" + team), status: 400, says: "not UTF-8"},
		{why: "10 MB", body: bytes.Repeat([]byte("x"), 10<<20), status: 413, says: "too large"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.leading(func() {
					h := w.slack.Sign(time.Now().Add(c.at), c.body)
					if c.header != nil {
						c.header(h)
					}
					d := w.slack.Send(t.Context(), false, h, c.body)
					if d.Status != c.status || !strings.Contains(d.Said, c.says) {
						t.Errorf("%d %s", d.Status, d.Said)
					}
				})
				if err := errors.Join(called(w), w.clean(), empty(w)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAbuseOfButtons(t *testing.T) {
	t.Parallel()
	payloadOf := func(change func(s string) string) []byte {
		text := change(`{"type":"block_actions","team":{"id":"` + team + `"},"user":{"id":"U0ADA"},"channel":{"id":"` + incident + `"},"container":{"message_ts":"1.2"},` +
			`"actions":[{"action_id":"samlfailover.approve","value":"prop-1 00ff"}],"response_url":"https://hooks.slack.com/actions/T/1/x"}`)
		return []byte(url.Values{"payload": {text}}.Encode())
	}
	swap := func(from, to string) []byte {
		return payloadOf(func(s string) string { return strings.Replace(s, from, to, 1) })
	}
	for _, c := range []struct {
		why    string
		body   []byte
		status int
		says   string
		call   bool
	}{
		{"as it should be", swap("", ""), 200, "", true},
		{"another app's button", swap("samlfailover.approve", "other.approve"), 200, "", false},
		{"another kind of interaction", swap("block_actions", "view_submission"), 200, "", false},
		{"a value of somebody else's making", swap("prop-1 00ff", "prop-1; rm -rf"), 400, "not one of this app", false},
		{"no digest", swap("prop-1 00ff", "prop-1"), 400, "not one of this app", false},
		{"no payload", []byte("x=y"), 400, "not the JSON of an interaction", false},
		{"no JSON", swap("{", "["), 400, "not the JSON of an interaction", false},
		{"JSON that goes on", payloadOf(func(s string) string { return s + "{}" }), 400, "something follows", false},
		{"JSON as deep as it gets", []byte("payload=" + strings.Repeat("%5B", 100_000)), 400, "not the JSON of an interaction", false},
		{"a response_url elsewhere", swap("https://hooks.slack.com", "https://evil.example"), 400, "does not lead to", false},
		{"another workspace", swap(team, "T0OTHER"), 200, "", false},
		{"somebody whom nobody mapped", swap("U0ADA", "U0MALLORY"), 200, "", false},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.leading(func() {
					d := w.slack.Send(t.Context(), true, w.slack.Sign(time.Now(), c.body), c.body)
					if d.Status != c.status || !strings.Contains(d.Said, c.says) {
						t.Errorf("%d %s", d.Status, d.Said)
					}
					settle(time.Minute)
				})
				want := []string(nil)
				if c.call {
					want = []string{`approve prop-1 "00ff" ""`}
				}
				if err := errors.Join(called(w, want...), w.clean()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// replayed sends a request that was taken once more: to the same controller, to
// another one, and to one that was started since; an hour of it. It reports what
// was done twice.
func replayed(w *world) error {
	var wrong []error
	var d sim.Delivery
	w.leading(func() {
		d = w.types("ada", "pause 2h because")
		other := w.controller()
		w.hosts["127.0.0.1:1"] = other.Handler()
		again := func(why string, h http.Header, want int) {
			if got := w.slack.Send(w.t.Context(), false, h, d.Body); got.Status != want {
				wrong = append(wrong, fmt.Errorf("%s: %d %s", why, got.Status, got.Said))
			}
		}
		w.hosts["127.0.0.1:1"] = w.app.Handler()
		again("the same controller", d.Header, http.StatusConflict)
		settle(4 * time.Minute)
		again("the same controller, later", d.Header, http.StatusConflict)
		settle(20 * time.Minute)
		again("much later", d.Header, http.StatusUnauthorized)
		again("signed anew, as Slack's own second try is", retry(w.slack.Sign(time.Now(), d.Body)), http.StatusOK)
	})
	other := w.controller()
	w.hosts["127.0.0.1:1"] = other.Handler()
	w.running(other, w.desk, func() {
		if got := w.slack.Send(w.t.Context(), false, w.slack.Sign(time.Now(), d.Body), d.Body); got.Status != http.StatusConflict {
			wrong = append(wrong, fmt.Errorf("another controller: %d %s", got.Status, got.Said))
		}
	})
	return errors.Join(append(wrong, called(w, `pause 2h "" "because"`), w.clean())...)
}

func retry(h http.Header) http.Header {
	h.Set(retryHeader, "1")
	h.Set("X-Slack-Retry-Reason", "http_timeout")
	return h
}

// spec 13.1
func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if err := replayed(newWorld(t, nil)); err != nil {
			t.Error(err)
		}
	})
}

// forgetful remembers nothing.
type forgetful struct{}

func (forgetful) First(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

// shortly remembers for a minute.
type shortly struct{ *once }

func (s shortly) First(ctx context.Context, kind, key string, _ time.Duration) (bool, error) {
	return s.once.First(ctx, kind, key, time.Minute)
}

func TestReplaySaboteurs(t *testing.T) {
	t.Parallel()
	for why, memory := range map[string]Once{"nothing is remembered": forgetful{}, "it is remembered for a minute": shortly{&once{}}} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if err := replayed(newWorld(t, func(w *world) { w.once = memory })); err == nil {
					t.Error("the check does not see it")
				}
			})
		})
	}
}

// A store that does not answer: what changes something is refused, and looks are
// answered all the same.
func TestWithoutStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) {
			w.once, w.use.status = &once{err: errors.New("no majority")}, standing("us-east-1")
		})
		w.leading(func() {
			if err := wants(w.types("ada", "move us-west-2 because").Said, "Nothing was done", "store status"); err != nil {
				t.Error(err)
			}
			if err := wants(w.types("ada", "status").Said, "Console signs in at us-east-1"); err != nil {
				t.Error(err)
			}
		})
		if err := called(w); err != nil {
			t.Error(err)
		}
	})
}

// jammed is a desk that cannot keep anything.
type jammed struct{ Desk }

func (jammed) Put(context.Context, string, []byte) error { return errors.New("no space") }

func TestWhatCannotBeKeptIsNotPromised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) { w.desk = jammed{w.desk} })
		w.leading(func() {
			if err := wants(w.types("ada", "move us-west-2 because").Said, "could perhaps not be kept", "/samlfailover status"); err != nil {
				t.Error(err)
			}
		})
		if err := called(w); err != nil {
			t.Error(err)
		}
	})
}

// Text from outside neither calls people in Slack nor writes lines of its own
// into the log.
//
// spec 13.7
func TestOutsideTextIsEscaped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		evil := "<!channel> & <https://evil.example|AWS> \u202e \x1b[31m @here " + strings.Repeat("long ", 2000)
		w.use.move = carries(w, "move-1", "ada via slack")
		w.leading(func() {
			w.types("ada", "move us-west-2 "+evil)
			settle(time.Minute)
			w.types("ada", "status in <!here>")
			body := changed("user_id", "U0MALLORY")
			w.slack.Send(t.Context(), false, w.slack.Sign(time.Now(), body), body)
			bad := changed("command", "")
			h := w.slack.Sign(time.Now(), bad)
			h.Set(retryHeader, "1\r\nlevel=ERROR")
			w.slack.Send(t.Context(), false, h, bad)
		})
		if err := errors.Join(w.clean(), wants(w.sees(""), "&lt;!channel&gt; &amp;", `\u202e`, `\u001b`, "long", "...\n2 of 2")); err != nil {
			t.Error(err)
		}
		for _, b := range w.slack.Messages(incident, "")[0].Blocks {
			if n := len([]rune(b.Text.Text)); n > 2000 {
				t.Errorf("a block of %d characters", n)
			}
		}
		for _, l := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
			if !strings.HasPrefix(l, `{"time"`) || strings.ContainsAny(l, "\u202e\x1b") {
				t.Errorf("a line of the log: %q", l)
			}
		}
	})
}

// A message that is not escaped would be found out.
func TestEscapeSaboteur(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		if _, err := w.app.wire.post(t.Context(), incident, message{Text: "moved, <!channel>"}); err != nil {
			t.Fatal(err)
		}
		if w.clean() == nil {
			t.Error("a message that calls everybody is not seen")
		}
	})
}

// One URL does for both of what Slack sends, and is as strict as the two.
func TestOneURL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) {
			if err := w.slack.Register("http://127.0.0.1:1/", "http://127.0.0.1:1/"); err != nil {
				t.Fatal(err)
			}
		})
		w.leading(func() {
			w.types("U0ADA", "pause 1h because")
			click := []byte(url.Values{"payload": {`{"type":"block_actions","team":{"id":"` + team + `"},"user":{"id":"U0ADA"},"channel":{"id":"` + incident + `"},"container":{"message_ts":"1.2"},` +
				`"actions":[{"action_id":"samlfailover.approve","value":"prop-1 00ff"}],"response_url":"https://hooks.slack.com/actions/T/1/x"}`}}.Encode())
			for _, c := range []struct {
				why    string
				body   []byte
				secret string
				status int
			}{
				{"a click", click, signing, 200},
				{"the same again", click, signing, 409},
				{"a click of somebody else's making", click, "another", 401},
				{"neither", []byte("x=y"), signing, 400},
				{"a command in a payload", []byte(url.Values{"payload": {fields("move us-west-2 because").Encode()}}.Encode()), signing, 400},
			} {
				h := w.slack.Sign(time.Now(), c.body)
				h.Set(signatureHeader, signAs(c.secret, "v0", h.Get(timestampHeader), string(c.body)))
				if d := w.slack.Send(t.Context(), false, h, c.body); d.Status != c.status {
					t.Errorf("%s: %d %s", c.why, d.Status, d.Said)
				}
			}
			settle(time.Minute)
		})
		if err := errors.Join(called(w, `pause 1h "" "because"`, `approve prop-1 "00ff" ""`), w.clean()); err != nil {
			t.Error(err)
		}
	})
}

func TestOtherRoutesAndMethods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for _, c := range []struct {
			method, path string
			status       int
		}{{"GET", "/commands", 405}, {"PUT", "/actions", 405}, {"POST", "/events", 404}, {"GET", "/", 405}, {"POST", "/commands/x", 404}} {
			rec := httptest.NewRecorder()
			w.app.Handler().ServeHTTP(rec, httptest.NewRequest(c.method, c.path, nil))
			if rec.Code != c.status || rec.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(rec.Body.String(), `"type":"urn:samlfailover:problem:no-route"`) || !strings.Contains(rec.Body.String(), `"next":"`) {
				t.Errorf("%s %s: %d %s", c.method, c.path, rec.Code, rec.Body)
			}
		}
		body := []byte("ssl_check=1&token=x")
		if d := w.slack.Send(t.Context(), false, w.slack.Sign(time.Now(), body), body); d.Status != 200 {
			t.Errorf("Slack's look at the certificate: %+v", d)
		}
	})
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	t.Parallel()
	for why, change := range map[string]func(*Options){
		"no signing secret":       func(o *Options) { o.Signing = nil },
		"an empty signing secret": func(o *Options) { o.Signing = []secret.Value{{}} },
		"no workspace":            func(o *Options) { o.Teams = nil },
		"no channel":              func(o *Options) { o.Channels = nil },
		"nobody":                  func(o *Options) { o.People = nil },
		"no memory":               func(o *Options) { o.Once = nil },
		"no log":                  func(o *Options) { o.Log = nil },
	} {
		w := newWorld(t, nil)
		o := w.app.o
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", why)
		}
	}
}
