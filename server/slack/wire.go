package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	// callTime bounds one call to Slack: nothing that people wait for waits on it.
	callTime = 10 * time.Second
	// longestWait bounds how long a Retry-After is obeyed.
	longestWait = 30 * time.Second
)

// slackError is an answer of Slack's Web API that says no, in Slack's word for
// it, such as channel_not_found.
type slackError struct {
	method, word string
	status       int
	wait         time.Duration // what Slack asks for, 0 = nothing
}

func (e *slackError) Error() string {
	return fmt.Sprintf("Slack refused %s: %.60q (status %d)", e.method, e.word, e.status)
}

// wire speaks to Slack, and to nobody else. Safe for concurrent use.
type wire struct {
	api, hooks *outbound.Client
	bot        secret.Value
}

// newWire makes the two clients; each is bound to its host.
func newWire(n *outbound.Network, bot secret.Value, log *slog.Logger) (*wire, error) {
	api, err1 := n.Origin(outbound.OriginOptions{Name: "Slack", Origin: "https://slack.com", MaxBody: 1 << 20, Logger: log})
	hooks, err2 := n.Origin(outbound.OriginOptions{Name: "Slack's response_url", Origin: "https://" + hooksHost, MaxBody: 1 << 20, Logger: log})
	return &wire{api: api, hooks: hooks, bot: bot}, errors.Join(err1, err2)
}

// posts reports whether messages can be posted and edited: that needs the bot
// token.
func (w *wire) posts() bool { return !w.bot.IsZero() }

// respond answers through a response_url.
func (w *wire) respond(ctx context.Context, to secret.Value, r reply) error {
	if err := hooked(to); err != nil {
		return err
	}
	u, err := url.Parse(to.Reveal())
	if err != nil {
		return errors.New("the response_url is no URL")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	resp, err := w.hooks.Do(ctx, outbound.Request{Method: http.MethodPost, Path: u.String(), Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: encode(r)})
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return &slackError{method: "an answer to its response_url", word: http.StatusText(resp.Status), status: resp.Status, wait: retryAfter(resp.Header)}
	}
	return nil
}

// posting is the body of chat.postMessage and chat.update.
type posting struct {
	Channel string `json:"channel"`
	TS      string `json:"ts,omitempty"`
	message
	Parse       string `json:"parse"` // "none": nothing in a text becomes a link or a mention
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
}

// post posts a message and returns its name in the channel.
func (w *wire) post(ctx context.Context, channel string, m message) (ts string, err error) {
	return w.call(ctx, "chat.postMessage", posting{Channel: channel, message: m, Parse: "none"})
}

// update edits a message.
func (w *wire) update(ctx context.Context, channel, ts string, m message) error {
	_, err := w.call(ctx, "chat.update", posting{Channel: channel, TS: ts, message: m, Parse: "none"})
	return err
}

func (w *wire) call(ctx context.Context, method string, p posting) (ts string, err error) {
	if !w.posts() {
		return "", errors.New("no bot token is configured (slack.bot_token)")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	resp, err := w.api.Do(ctx, outbound.Request{Method: http.MethodPost, Path: "/api/" + method, Body: encode(p),
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Authorization": {"Bearer " + w.bot.Reveal()}}})
	if err != nil {
		return "", err
	}
	var a struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		TS    string `json:"ts"`
	}
	if resp.Status == http.StatusTooManyRequests {
		return "", &slackError{method: method, word: "ratelimited", status: resp.Status, wait: retryAfter(resp.Header)}
	}
	if err := json.Unmarshal(resp.Body, &a); err != nil || resp.Status != http.StatusOK {
		return "", &slackError{method: method, word: "no answer of its API", status: resp.Status}
	}
	if !a.OK {
		return "", &slackError{method: method, word: a.Error, status: resp.Status}
	}
	return a.TS, nil
}

// retryAfter reads how long Slack asks to wait.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestWait)
}

// A response_url is good for so long and for so many answers (Slack API
// documentation, "Handling user interaction"); we stop a little earlier.
const (
	urlLasts = 29 * time.Minute
	urlUses  = 5
)

// sheet is the one message that tells what becomes of a request. It is posted
// once and edited from then on; without a bot token, or where Slack refuses, it
// goes through the response_url, at the beginning and at the end. Safe for
// concurrent use; calls are taken one after the other.
type sheet struct {
	wire    *wire
	channel string
	answer  secret.Value // "" for an announcement
	came    time.Time
	// posted is told the name of the message, so that whoever takes the work up
	// goes on with the same one; nil: nobody.
	posted func(context.Context, string)

	mu      sync.Mutex
	ownOnly bool   // only who asked sees it, while the response_url works
	ts      string // of the message to edit, "" before there is one
	replace bool   // the response_url belongs to that message
	used    int    // answers through the response_url
	shown   bool
}

// own makes what is told from now on for who asked alone, unless others have
// seen the beginning: then they see the end.
func (s *sheet) own() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shown {
		s.ownOnly, s.ts, s.replace = true, "", false
	}
}

// show makes the message say m; last is the end of the story.
func (s *sheet) show(ctx context.Context, m message, last bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	if s.wire.posts() && !s.ownOnly {
		if failed = s.edit(ctx, m); failed == nil {
			s.shown = true
			return nil
		}
	}
	if s.shown && !last {
		return failed // the answers of the response_url are for the end
	}
	if err := s.respond(ctx, m); err != nil {
		failed = errors.Join(failed, err)
	} else {
		s.shown = true
		return nil
	}
	if s.wire.posts() && s.ownOnly {
		if err := s.edit(ctx, m); err == nil {
			s.shown = true
			return nil
		}
	}
	return failed
}

// edit posts the message or edits it. One that cannot be edited any more is
// posted anew. Slack has no key by which it would know a second post of the same
// message: where an answer is lost on the way there may be two.
func (s *sheet) edit(ctx context.Context, m message) error {
	if s.ts != "" {
		err := s.wire.update(ctx, s.channel, s.ts, m)
		var no *slackError
		if !errors.As(err, &no) || !slices.Contains([]string{"message_not_found", "cant_update_message", "edit_window_closed"}, no.word) {
			return err
		}
		s.ts = ""
	}
	ts, err := s.wire.post(ctx, s.channel, m)
	if err != nil {
		return err
	}
	if s.ts = ts; s.posted != nil {
		s.posted(ctx, ts)
	}
	return nil
}

// respond answers through the response_url while that is good for it.
func (s *sheet) respond(ctx context.Context, m message) error {
	switch {
	case s.answer.IsZero():
		return errors.New("there is no response_url")
	case s.used >= urlUses:
		return fmt.Errorf("the response_url was used %d times, and Slack takes no more", s.used)
	case time.Since(s.came) > urlLasts:
		return errors.New("the response_url is older than half an hour")
	}
	r := reply{message: m, Type: "in_channel", Replace: &s.replace}
	if s.ownOnly {
		r.Type = "ephemeral"
	}
	err := s.wire.respond(ctx, s.answer, r)
	if err == nil {
		s.used++
	}
	return err
}

// insist shows the end of the story; it tries again while Slack does not
// answer, for as long as patience.
func (s *sheet) insist(ctx context.Context, m message, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := time.Second; ; wait = min(2*wait, longestWait) {
		err := s.show(ctx, m, true)
		if err == nil {
			return nil
		}
		var no *slackError
		if errors.As(err, &no) && no.wait > 0 {
			wait = no.wait
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
