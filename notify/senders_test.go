package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

// nasty is text from outside: a mention, a link, an escape sequence, a text that
// runs backwards, a line of its own.
const nasty = "<!channel> & <https://evil.example|console> \x1b[31mred\x1b[0m \u202egnp.exe\u202c\nfake line"

func senders(h *host) map[string]Sender {
	return map[string]Sender{
		"slack":         Slack(h, secret.New(botToken), "C024BE91L"),
		"slack webhook": SlackWebhook(h, secret.New(hookPath)),
		"pagerduty":     PagerDuty(h, secret.New(routingKey)),
		"webhook":       Webhook(h, "/x", secret.New(hookSecret)),
	}
}

func example() Notice {
	return Notice{ID: "id-1", Event: Page, Time: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC), Federation: "corp", Severity: Error, Title: nasty, Lines: []string{nasty},
		UserText: []string{nasty}, Topic: Topic{Kind: Finding, Federation: "corp", Code: finding.ForeignACS, Subject: nasty}, Move: "m1"}
}

// No text from outside acts on a channel.
//
// spec 13.7
func TestEscaped(t *testing.T) {
	t.Parallel()
	for name := range senders(nil) {
		h := &host{}
		if _, err := senders(h)[name].Send(t.Context(), example()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := harmless(h.got[0].Body, strings.HasPrefix(name, "slack")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// harmless reports what in the texts of a body could act on its channel.
func harmless(body []byte, slack bool) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case string:
			text := v
			if slack {
				text = strings.NewReplacer("\n> ", "", "\n• ", "", "\nTell the people", "").Replace(text)
			}
			if strings.ContainsAny(text, "\x1b\n\u202e\u202c") {
				return fmt.Errorf("a character that acts: %q", v)
			}
			if slack && strings.ContainsAny(text, "<>") {
				return fmt.Errorf("markup of Slack: %q", v)
			}
		case []any:
			for _, x := range v {
				if err := walk(x); err != nil {
					return err
				}
			}
		case map[string]any:
			for _, x := range v {
				if err := walk(x); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(v)
}

// The saboteur: texts as they are do not pass the check above.
func TestHarmlessSeesHarm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"<!channel>", "\x1b[31m", "\u202e", "a\nb"} {
		if harmless(encode(map[string]any{"text": text}), true) == nil {
			t.Errorf("%q passes", text)
		}
	}
}

// Nothing that a sink answers, and no failure, brings a secret into an error.
//
// spec 15.1
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	echo := func(h *host) outbound.Response { // a server that repeats what it got
		r := h.got[len(h.got)-1]
		return outbound.Response{Body: []byte(fmt.Sprintf(`{"message":%q,"error":%q,"errors":[%q],"status":%q}`, r.Body, r.Header.Get("Authorization"), r.Body, r.Path))}
	}
	for name := range senders(nil) {
		for _, status := range []int{200, 302, 400, 401, 403, 404, 413, 429, 500} {
			h := &host{}
			h.answer = func(int) (outbound.Response, error) { a := echo(h); a.Status = status; return a, nil }
			receipt, err := senders(h)[name].Send(t.Context(), example())
			if strings.Contains(receipt+fmt.Sprint(err), "MARKER") {
				t.Errorf("%s, status %d: %s %v", name, status, receipt, err)
			}
			if wantErr := status != 200 || name == "slack"; (err != nil) != wantErr {
				t.Errorf("%s, status %d: %v", name, status, err)
			}
			if final := errors.Is(err, ErrRefused); final != (status == 400 || status == 413) {
				t.Errorf("%s, status %d: refused for good: %v", name, status, final)
			}
		}
	}
}

// What goes to PagerDuty is what its Events API v2 documents.
func TestPagerDutyEvent(t *testing.T) {
	t.Parallel()
	h := &host{answer: func(int) (outbound.Response, error) {
		return outbound.Response{Status: 202, Body: []byte(`{"status":"success","message":"Event processed","dedup_key":"x"}`)}, nil
	}}
	n := example()
	n.Title, n.Topic = strings.Repeat("é", 3000), Topic{Kind: Finding, Federation: "corp", Code: "c", Subject: strings.Repeat("s", 400)}
	receipt, err := PagerDuty(h, secret.New(routingKey)).Send(t.Context(), n)
	if err != nil || !strings.Contains(receipt, "success") {
		t.Fatalf("%q, %v", receipt, err)
	}
	b := h.bodies(t)[0]
	p := b["payload"].(map[string]any)
	if h.got[0].Path != "/v2/enqueue" || b["routing_key"] != routingKey || len([]rune(p["summary"].(string))) > 1024 || len(b["dedup_key"].(string)) > 255 || p["severity"] != "error" {
		t.Errorf("%v", b)
	}
	n.Closes = true
	if _, err := PagerDuty(h, secret.New(routingKey)).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if r := h.bodies(t)[1]; r["event_action"] != "resolve" || r["dedup_key"] != b["dedup_key"] || r["payload"] != nil {
		t.Errorf("%v", r)
	}
}

// What goes to a webhook is signed, each try for its own time.
func TestWebhookIsSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		for range 2 {
			if _, err := Webhook(h, "/x", secret.New(hookSecret)).Send(t.Context(), example()); err != nil {
				t.Fatal(err)
			}
			r := h.got[len(h.got)-1]
			if _, err := signature.Check(r.Header, secret.New(hookSecret), time.Now(), time.Second, http.MethodPost, "/x", r.Body); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
		}
	})
}

// Slack answers with status 200 what it does not do.
func TestSlackErrors(t *testing.T) {
	t.Parallel()
	for word, final := range map[string]bool{"invalid_auth": false, "channel_not_found": false, "ratelimited": false, "msg_too_long": true} {
		h := &host{answer: func(int) (outbound.Response, error) {
			return outbound.Response{Status: 200, Body: []byte(`{"ok":false,"error":"` + word + `"}`)}, nil
		}}
		_, err := Slack(h, secret.New(botToken), "C1").Send(t.Context(), example())
		if err == nil || !strings.Contains(err.Error(), word) || errors.Is(err, ErrRefused) != final {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// A message stays within what Slack takes, and no entity is cut in two.
func TestSlackLength(t *testing.T) {
	t.Parallel()
	n := example()
	for range 40 {
		n.Lines = append(n.Lines, strings.Repeat("<&>", 500))
	}
	for _, n := range []Notice{n, {Title: strings.Repeat("&", 1999)}, {Title: strings.Repeat("é", 1999) + "&&&"}} {
		text := slackText(n)
		if len(text) > 4000 || harmless(encode(map[string]any{"text": text}), true) != nil && len(n.Lines) == 0 {
			t.Errorf("%d bytes: %.100q", len(text), text)
		}
		if i := strings.LastIndexByte(text, '&'); i >= 0 && !strings.Contains(text[i:], ";") {
			t.Errorf("an entity is cut: %q", text[i:])
		}
	}
}

// Marker secrets are in no log and no status, whatever goes wrong.
//
// spec 15.1
func TestNothingTellsSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pd.answer = func(n int) (outbound.Response, error) {
			if n%2 == 0 {
				return outbound.Response{}, fmt.Errorf("the network is gone")
			}
			return outbound.Response{Status: 400, Body: w.pd.got[len(w.pd.got)-1].Body}, nil
		}
		w.lead()
		w.outage()
		w.loop(control.LoopEvent{Kind: "page", Finding: &finding.Finding{Code: finding.ForeignACS, What: nasty}})
		time.Sleep(time.Hour)
		status := fmt.Sprintf("%+v", w.n.Status())
		w.stop()
		box, _ := w.box.All(t.Context())
		if all := w.log.String() + status + fmt.Sprint(box); strings.Contains(all, "MARKER") || strings.Contains(all, "\x1b") {
			t.Errorf("%s", all)
		}
	})
}
