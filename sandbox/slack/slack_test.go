package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// callback plays the app.
type callback struct {
	seen   []*http.Request
	bodies []string
	answer func(n int, w http.ResponseWriter)
}

func (c *callback) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c.seen, c.bodies = append(c.seen, r), append(c.bodies, string(body))
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() { defer close(done); c.answer(len(c.seen), rec) }()
	select {
	case <-done:
		return rec.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}

func workspace(t *testing.T, answer func(n int, w http.ResponseWriter)) (*Workspace, *callback) {
	t.Helper()
	c := &callback{answer: answer}
	w, err := New(Options{Team: "T0ACME01", Domain: "acme", SigningSecret: "8f742231b10e8888abcd99yyyzzz85a5", BotToken: "xoxb-1", Callback: c,
		Users: []User{{"U0ADA", "ada"}}, Channels: []Channel{{"C0INCIDENT", "incident", true}, {"C0RANDOM", "random", false}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Register("http://127.0.0.1:1/commands", "http://127.0.0.1:1/actions"); err != nil {
		t.Fatal(err)
	}
	return w, c
}

// api calls a method of the Web API.
func (w *Workspace) try(method, token, contentType, body string) (status int, word string) {
	r := httptest.NewRequest(http.MethodPost, "https://slack.com/api/"+method, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	w.api().ServeHTTP(rec, r)
	var a struct {
		OK    bool
		Error string
		TS    string
	}
	if err := json.NewDecoder(rec.Body).Decode(&a); err != nil {
		return rec.Code, err.Error()
	}
	if a.OK {
		return rec.Code, a.TS
	}
	return rec.Code, a.Error
}

const asJSON = "application/json; charset=utf-8"

func TestWebAPIIsStrict(t *testing.T) {
	t.Parallel()
	w, _ := workspace(t, func(int, http.ResponseWriter) {})
	section := func(text string) string {
		return fmt.Sprintf(`{"type":"section","text":{"type":"mrkdwn","text":%q}}`, text)
	}
	button := func(value, label string) string {
		return fmt.Sprintf(`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":%q},"action_id":"a","value":%q}]}`, label, value)
	}
	blocks := func(all ...string) string {
		return `{"channel":"C0INCIDENT","text":"x","blocks":[` + strings.Join(all, ",") + `]}`
	}
	many := make([]string, 51)
	for i := range many {
		many[i] = section("x")
	}
	for _, c := range []struct{ why, method, token, contentType, body, word string }{
		{"no token", "chat.postMessage", "", asJSON, `{"channel":"C0INCIDENT","text":"x"}`, "not_authed"},
		{"a wrong token", "chat.postMessage", "xoxb-2", asJSON, `{"channel":"C0INCIDENT","text":"x"}`, "invalid_auth"},
		{"a form", "chat.postMessage", "xoxb-1", "application/x-www-form-urlencoded", "channel=C0INCIDENT&text=x", "invalid_post_type"},
		{"an unknown key", "chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0INCIDENT","text":"x","mood":"good"}`, "invalid_json"},
		{"an unknown method", "chat.scream", "xoxb-1", asJSON, `{}`, "unknown_method"},
		{"no text", "chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0INCIDENT"}`, "no_text"},
		{"an unknown channel", "chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0NOWHERE","text":"x"}`, "channel_not_found"},
		{"a channel by its name", "chat.postMessage", "xoxb-1", asJSON, `{"channel":"incident","text":"x"}`, "channel_not_found"},
		{"a channel that the app is not in", "chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0RANDOM","text":"x"}`, "not_in_channel"},
		{"51 blocks", "chat.postMessage", "xoxb-1", asJSON, blocks(many...), "invalid_blocks"},
		{"a section of 3,001 characters", "chat.postMessage", "xoxb-1", asJSON, blocks(section(strings.Repeat("x", 3001))), "invalid_blocks"},
		{"an empty section", "chat.postMessage", "xoxb-1", asJSON, blocks(section("")), "invalid_blocks"},
		{"a value of 2,001 characters", "chat.postMessage", "xoxb-1", asJSON, blocks(button(strings.Repeat("x", 2001), "OK")), "invalid_blocks"},
		{"a label of 76 characters", "chat.postMessage", "xoxb-1", asJSON, blocks(button("x", strings.Repeat("x", 76))), "invalid_blocks"},
		{"a block of no type", "chat.postMessage", "xoxb-1", asJSON, blocks(`{"type":"poem"}`), "invalid_blocks"},
		{"too much in all", "chat.postMessage", "xoxb-1", asJSON, blocks(section(strings.Repeat("x", 2900)), section(strings.Repeat("x", 2900)), section(strings.Repeat("x", 2900)), section(strings.Repeat("x", 2900)), section(strings.Repeat("x", 2900))), "msg_blocks_too_long"},
		{"an edit of nothing", "chat.update", "xoxb-1", asJSON, `{"channel":"C0INCIDENT","ts":"1.2","text":"x"}`, "message_not_found"},
	} {
		if _, word := w.try(c.method, c.token, c.contentType, c.body); word != c.word {
			t.Errorf("%s: %q, want %q", c.why, word, c.word)
		}
	}
	if n := len(w.Messages("C0INCIDENT", "")); n != 0 {
		t.Errorf("%d messages came of refused calls", n)
	}
	_, ts := w.try("chat.postMessage", "xoxb-1", asJSON, blocks(section("one"), button("v", "OK")))
	if _, again := w.try("chat.update", "xoxb-1", asJSON, `{"channel":"C0INCIDENT","ts":"`+ts+`","text":"two"}`); again != ts {
		t.Errorf("an edit gives %q, want %q", again, ts)
	}
	m := w.Messages("C0INCIDENT", "")
	if len(m) != 1 || m[0].All() != "two" || m[0].Edits != 1 || m[0].Past[0] != "one\n[OK]" {
		t.Errorf("%+v", m)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := workspace(t, func(int, http.ResponseWriter) {})
		for i := range 6 {
			if status, _ := w.try("chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0INCIDENT","text":"x"}`); (status == http.StatusTooManyRequests) != (i == 5) {
				t.Errorf("post %d: %d", i+1, status)
			}
		}
		time.Sleep(time.Second)
		if status, _ := w.try("chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0INCIDENT","text":"x"}`); status != http.StatusOK {
			t.Errorf("a second later: %d", status)
		}
	})
}

func TestCommandIsSignedAndRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, c := workspace(t, func(n int, w http.ResponseWriter) {
			switch n {
			case 1:
				time.Sleep(4 * time.Second)
			case 2:
				w.WriteHeader(http.StatusInternalServerError)
			default:
				_, _ = io.WriteString(w, `{"response_type":"ephemeral","text":"done"}`)
			}
		})
		began := time.Now()
		d, err := w.Type(t.Context(), "ada", "#incident", "/samlfailover move us-west-2 <&>")
		if err != nil || !d.Acknowledged() || d.Tries != 3 || d.Said != "done" {
			t.Fatalf("%+v, %v", d, err)
		}
		if took := time.Since(began); took < time.Minute {
			t.Errorf("three tries took %s", took)
		}
		for i, want := range []struct{ num, reason string }{{"", ""}, {"1", "http_timeout"}, {"2", "http_error"}} {
			if h := c.seen[i].Header; h.Get("X-Slack-Retry-Num") != want.num || h.Get("X-Slack-Retry-Reason") != want.reason || c.bodies[i] != c.bodies[0] {
				t.Errorf("try %d: %v", i+1, h)
			}
		}
		v, err := url.ParseQuery(c.bodies[0])
		if err != nil || v.Get("text") != "move us-west-2 &lt;&amp;&gt;" || v.Get("team_id") != "T0ACME01" || v.Get("user_id") != "U0ADA" || v.Get("response_url") != d.AnswerURL {
			t.Errorf("%v, %v", v, err)
		}
		if m := w.Messages("C0INCIDENT", "U0ADA"); len(m) != 1 || m[0].Only != "U0ADA" || len(w.Messages("C0INCIDENT", "")) != 0 {
			t.Errorf("%+v", m)
		}
	})
}

// The published vector: what this Slack signs is what Slack signs.
func TestSignsAsSlackDoes(t *testing.T) {
	t.Parallel()
	w, _ := workspace(t, func(int, http.ResponseWriter) {})
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	if got := w.Sign(time.Unix(1531420618, 0), []byte(body)).Get("X-Slack-Signature"); got != "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503" {
		t.Error(got)
	}
}

func TestResponseURL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := workspace(t, func(int, http.ResponseWriter) {})
		respond := func(to, body string) int {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, to, bytes.NewBufferString(body))
			r.Header.Set("Content-Type", "application/json")
			w.respond(rec, r)
			return rec.Code
		}
		d, err := w.Type(t.Context(), "ada", "incident", "/samlfailover status")
		if err != nil {
			t.Fatal(err)
		}
		if status := respond("https://hooks.slack.com/commands/T0ACME01/1/guess", `{"text":"x"}`); status != 404 {
			t.Errorf("a guessed URL: %d", status)
		}
		if status := respond(d.AnswerURL, `{"text":"x","colour":"red"}`); status != 400 {
			t.Errorf("an unknown key: %d", status)
		}
		for i := range 6 {
			if status := respond(d.AnswerURL, `{"text":"x","response_type":"in_channel"}`); (status == 200) != (i < 5) {
				t.Errorf("answer %d: %d", i+1, status)
			}
		}
		d, err = w.Type(t.Context(), "ada", "incident", "/samlfailover status")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Minute)
		if status := respond(d.AnswerURL, `{"text":"x"}`); status != 404 {
			t.Errorf("after 31 minutes: %d", status)
		}
		if n := len(w.Messages("C0INCIDENT", "")); n != 5 {
			t.Errorf("%d messages", n)
		}
	})
}

// spec 15.5: only loopback addresses that were registered are called.
func TestOnlyRegisteredLoopbackIsCalled(t *testing.T) {
	t.Parallel()
	w, c := workspace(t, func(int, http.ResponseWriter) {})
	for _, bad := range []string{"http://192.0.2.1:80/x", "https://127.0.0.1:1/x", "http://localhost.evil.example/x", "http://127.0.0.1@evil.example/x", "http://evil.example/x", "ftp://127.0.0.1/x", "http://localhost:1/x"} {
		if err := w.Register(bad, bad); err == nil {
			t.Errorf("%s is registered", bad)
		}
	}
	if _, err := w.Type(t.Context(), "ada", "incident", "/samlfailover status"); err != nil || c.seen[0].URL.Host != "127.0.0.1:1" {
		t.Errorf("%v, %v", c.seen, err)
	}
	fresh, err := New(Options{Team: "T", SigningSecret: "s", Users: []User{{"U", "u"}}, Channels: []Channel{{ID: "C", Name: "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Type(t.Context(), "u", "c", "/x y"); err == nil {
		t.Error("a command is sent without a registered URL")
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://192.0.2.1:9/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := loopback().RoundTrip(r); err == nil || !strings.Contains(err.Error(), "loopback addresses only") {
		_ = resp
		t.Errorf("a call elsewhere: %v", err)
	}
}

func TestClick(t *testing.T) {
	t.Parallel()
	w, c := workspace(t, func(int, http.ResponseWriter) {})
	_, ts := w.try("chat.postMessage", "xoxb-1", asJSON, `{"channel":"C0INCIDENT","text":"x","blocks":[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"OK"},"action_id":"yes","value":"42"}]}]}`)
	for _, bad := range [][2]string{{ts, "Cancel"}, {"1.2", "OK"}} {
		if _, err := w.Click(t.Context(), "ada", "incident", bad[0], bad[1]); err == nil {
			t.Errorf("%v can be clicked", bad)
		}
	}
	newest, err := w.Newest("incident", "OK")
	if err != nil || newest != ts {
		t.Errorf("%s, %v", newest, err)
	}
	if d, err := w.Click(t.Context(), "ada", "incident", ts, "OK"); err != nil || !d.Acknowledged() {
		t.Fatalf("%+v, %v", d, err)
	}
	v, err := url.ParseQuery(c.bodies[0])
	var p struct {
		Type string
		Team struct{ ID string }
		User struct{ ID string }

		Actions []struct {
			Action string `json:"action_id"`
			Value  string
		}
	}
	if err != nil || json.Unmarshal([]byte(v.Get("payload")), &p) != nil || p.Type != "block_actions" || p.Team.ID != "T0ACME01" || p.User.ID != "U0ADA" || p.Actions[0].Action != "yes" || p.Actions[0].Value != "42" {
		t.Errorf("%s, %v", c.bodies[0], err)
	}
}
