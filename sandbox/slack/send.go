package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ackWithin is how long Slack waits for an acknowledgement.
const ackWithin = 3 * time.Second

// Register names the callback URLs of the app: the slash command's and that of
// interactivity. They must be plain http on a loopback address.
func (w *Workspace) Register(commands, actions string) error {
	for _, text := range []string{commands, actions} {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("register the callback URLs of the Slack app: write them as http://127.0.0.1:PORT/PATH")
		}
		if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("register the callback URLs of the Slack app: %s is no loopback address, and the simulated Slack calls nothing else", u.Hostname())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands, w.actions = commands, actions
	return nil
}

// loopback reaches loopback addresses only, and goes through no proxy.
func loopback() http.RoundTripper {
	dialer := &net.Dialer{Timeout: ackWithin}
	return &http.Transport{Proxy: nil, DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("the simulated Slack calls loopback addresses only, not %s", addr)
		}
		return dialer.DialContext(ctx, network, addr)
	}}
}

// Delivery is what the app answered at last, after so many tries. Said is what
// the person sees at once, "" for nothing.
type Delivery struct {
	Status int    `json:"status"` // 0: no answer in time
	Tries  int    `json:"tries"`
	Said   string `json:"said,omitempty"`
	// Body is what was sent, Header its signature: for sending it again as somebody
	// would who has kept it. AnswerURL is its response_url.
	Body      []byte      `json:"-"`
	Header    http.Header `json:"-"`
	AnswerURL string      `json:"-"`
}

// Acknowledged reports whether the app took the request in time.
func (d Delivery) Acknowledged() bool { return d.Status == http.StatusOK }

// Type has a person type a slash command, such as "/samlfailover status".
func (w *Workspace) Type(ctx context.Context, user, channel, typed string) (Delivery, error) {
	u, c, err := w.who(user, channel)
	if err != nil {
		return Delivery{}, err
	}
	command, text, _ := strings.Cut(strings.TrimSpace(typed), " ")
	if !strings.HasPrefix(command, "/") {
		return Delivery{}, errors.New("a slash command begins with a slash, such as /samlfailover status")
	}
	w.mu.Lock()
	answerURL := w.hook("commands", &hook{channel: c.ID, user: u.ID, made: time.Now()})
	form := url.Values{"token": {"deprecated"}, "team_id": {w.o.Team}, "team_domain": {w.o.Domain}, "channel_id": {c.ID}, "channel_name": {c.Name},
		"user_id": {u.ID}, "user_name": {u.Name}, "command": {command}, "text": {escapeText(strings.TrimSpace(text))}, "api_app_id": {w.o.AppID},
		"is_enterprise_install": {"false"}, "response_url": {answerURL}, "trigger_id": {w.trigger()}}
	to := w.commands
	w.mu.Unlock()
	d, err := w.deliver(ctx, to, []byte(form.Encode()))
	d.AnswerURL = answerURL
	if err == nil && d.Said != "" {
		var in response
		if err := strict([]byte(d.Said), &in); err == nil {
			w.mu.Lock()
			if word, _ := in.check(); word == "" {
				w.apply(&hook{channel: c.ID, user: u.ID}, in)
			}
			w.mu.Unlock()
			d.Said = Message{Text: in.Text, Blocks: in.Blocks}.All()
		}
	}
	return d, err
}

// Click has a person press a button of a message that everybody sees.
func (w *Workspace) Click(ctx context.Context, user, channel, ts, label string) (Delivery, error) {
	c, err := w.channel(channel)
	if err != nil {
		return Delivery{}, err
	}
	w.mu.Lock()
	m := w.find(c.ID, ts)
	if m == nil {
		w.mu.Unlock()
		return Delivery{}, fmt.Errorf("channel %s has no message %s", c.Name, ts)
	}
	shown := m.copied()
	w.mu.Unlock()
	return w.Press(ctx, user, shown, label)
}

// Press has a person press a button of a message as that person's window shows
// it: it may have been edited since, as it is when somebody clicks twice.
func (w *Workspace) Press(ctx context.Context, user string, m Message, label string) (Delivery, error) {
	u, c, err := w.who(user, m.Channel)
	if err != nil {
		return Delivery{}, err
	}
	b, ok := m.Button(label)
	if !ok {
		return Delivery{}, fmt.Errorf("the message has no button %q", label)
	}
	w.mu.Lock()
	answerURL := w.hook("actions", &hook{channel: c.ID, user: u.ID, message: m.TS, made: time.Now()})
	payload := map[string]any{"type": "block_actions", "token": "deprecated", "api_app_id": w.o.AppID, "trigger_id": w.trigger(),
		"user": map[string]any{"id": u.ID, "username": u.Name, "team_id": w.o.Team}, "team": map[string]any{"id": w.o.Team, "domain": w.o.Domain},
		"channel": map[string]any{"id": c.ID, "name": c.Name}, "container": map[string]any{"type": "message", "message_ts": m.TS, "channel_id": c.ID, "is_ephemeral": false},
		"message": m, "response_url": answerURL, "enterprise": nil, "is_enterprise_install": false,
		"actions": []any{map[string]any{"type": "button", "action_id": b.Action, "block_id": "b1", "text": b.Text, "value": b.Value, "style": b.Style, "action_ts": w.ts()}}}
	to := w.actions
	w.mu.Unlock()
	raw, err := json.Marshal(payload)
	if err != nil {
		return Delivery{}, fmt.Errorf("write the click: %w", err)
	}
	d, err := w.deliver(ctx, to, []byte(url.Values{"payload": {string(raw)}}.Encode()))
	d.AnswerURL, d.Said = answerURL, "" // what is answered to a click is not shown
	return d, err
}

func (w *Workspace) who(user, channel string) (User, Channel, error) {
	u, err := w.user(user)
	if err != nil {
		return u, Channel{}, err
	}
	c, err := w.channel(channel)
	return u, c, err
}

// hook makes a response_url. The caller holds the lock.
func (w *Workspace) hook(kind string, h *hook) string {
	w.serial++
	path := fmt.Sprintf("/%s/%s/%d/%s", kind, w.o.Team, 397700885554+w.serial, rand.Text())
	w.hooks[path] = h
	return "https://" + hooksHost + path
}

// trigger is an id that no two requests share. The caller holds the lock.
func (w *Workspace) trigger() string {
	w.serial++
	return fmt.Sprintf("%d.%d.%s", 398738663015+w.serial, 47445629121, strings.ToLower(rand.Text()))
}

// escapeText does what Slack does to its three control characters.
func escapeText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// Sign returns the headers of a body as Slack signs it at a moment.
func (w *Workspace) Sign(at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(w.o.SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"Slackbot 1.0 (+https://api.slack.com/robots)"},
		"X-Slack-Request-Timestamp": {stamp}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(mac.Sum(nil))}}
}

// deliver sends a request until it is acknowledged, or no try is left.
func (w *Workspace) deliver(ctx context.Context, to string, body []byte) (Delivery, error) {
	if to == "" {
		return Delivery{}, errors.New("the Slack app has no callback URL yet; its config names one once it listens")
	}
	var d Delivery
	for try := 0; ; try++ {
		h := w.Sign(time.Now(), body)
		if try > 0 {
			h.Set("X-Slack-Retry-Num", strconv.Itoa(try))
			h.Set("X-Slack-Retry-Reason", reason(d.Status))
		}
		d = w.once(ctx, to, h, body)
		d.Tries = try + 1
		if d.Acknowledged() || try == len(w.o.Retries) {
			return d, nil
		}
		t := time.NewTimer(w.o.Retries[try])
		select {
		case <-ctx.Done():
			t.Stop()
			return d, nil
		case <-t.C:
		}
	}
}

func reason(status int) string {
	if status == 0 {
		return "http_timeout"
	}
	return "http_error"
}

// Send sends a body with headers of somebody else's choice to the callback of
// commands or of actions, once: what a forger or a replayer does.
func (w *Workspace) Send(ctx context.Context, actions bool, h http.Header, body []byte) Delivery {
	w.mu.Lock()
	to := w.commands
	if actions {
		to = w.actions
	}
	w.mu.Unlock()
	return w.once(ctx, to, h, body)
}

func (w *Workspace) once(ctx context.Context, to string, h http.Header, body []byte) Delivery {
	d := Delivery{Tries: 1, Body: body, Header: h}
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return d
	}
	r.Header = h.Clone()
	resp, err := w.callback.RoundTrip(r)
	if err != nil {
		return d
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return d
	}
	d.Status, d.Said = resp.StatusCode, string(text)
	return d
}
