package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/secret"
)

// longestText bounds a message: Slack advises 4,000 characters and cuts at
// 40,000 (Slack API, chat.postMessage).
const longestText = 3800

type slackBot struct {
	c       Caller
	token   secret.Value
	channel string
}

// Slack writes to a channel as a bot that is a member of it.
func Slack(c Caller, token secret.Value, channel string) Sender { return slackBot{c, token, channel} }

// Send implements Sender.
func (s slackBot) Send(ctx context.Context, n Notice) (string, error) {
	h := http.Header{}
	h.Set("Authorization", "Bearer "+s.token.Reveal())
	resp, err := post(ctx, s.c, "/api/chat.postMessage", h, encode(map[string]any{"channel": s.channel, "text": slackText(n), "unfurl_links": false, "unfurl_media": false}), slackSays)
	if err != nil {
		return "", err
	}
	var a struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		TS    string `json:"ts"`
	}
	if err := json.Unmarshal(resp.Body, &a); err != nil {
		return "", fmt.Errorf("it answered with status %d and no JSON", resp.Status)
	}
	if a.OK {
		return "written to channel " + s.channel, nil
	}
	err = fmt.Errorf("it answered with the error %q", word(a.Error))
	if slices.Contains([]string{"msg_too_long", "no_text", "invalid_blocks", "invalid_arguments", "message_limit_exceeded"}, a.Error) {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if a.Error == "ratelimited" || a.Error == "rate_limited" {
		return "", &Busy{After: max(time.Second, retryAfter(resp.Header, time.Now())), Err: err}
	}
	return "", err
}

type slackHook struct {
	c    Caller
	path secret.Value
}

// SlackWebhook writes to the channel of an incoming webhook. path is that of its
// URL, which is the secret.
func SlackWebhook(c Caller, path secret.Value) Sender { return slackHook{c, path} }

// Send implements Sender.
func (s slackHook) Send(ctx context.Context, n Notice) (string, error) {
	_, err := post(ctx, s.c, s.path.Reveal(), http.Header{}, encode(map[string]any{"text": slackText(n)}), slackSays)
	if err != nil {
		return "", err
	}
	return "the webhook took it", nil
}

// slackSays is the error word of an answer: the whole text of a webhook's, the
// field error of the API's.
func slackSays(body []byte) string {
	var a struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &a) == nil {
		return word(a.Error)
	}
	return word(strings.TrimSpace(string(body)))
}

// slackText is a message in Slack's mrkdwn. Everything is escaped, so that no
// text mentions anybody, links anywhere or passes for ours.
func slackText(n Notice) string {
	mark := map[Severity]string{Critical: ":rotating_light:", Error: ":warning:", Warning: ":warning:"}[n.Severity]
	if n.Closes || mark == "" {
		mark = ":information_source:"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s *%s*", mark, n.Event)
	if n.Federation != "" {
		fmt.Fprintf(&b, " *%s*", escape.Slack(n.Federation))
	}
	b.WriteString(" " + escape.Slack(n.Title))
	for _, l := range n.Lines {
		b.WriteString("\n> " + escape.Slack(l))
	}
	var people strings.Builder
	if len(n.UserText) > 0 {
		people.WriteString("\nTell the people who sign in:")
	}
	for _, l := range n.UserText {
		people.WriteString("\n• " + escape.Slack(l))
	}
	// What people are to be told is short, and long lists must not crowd it out.
	tell := shortenWhole(people.String(), longestText/2)
	return shortenWhole(b.String(), longestText-len(tell)-len(cutMark)) + tell
}

// cutMark stands where lines were left out.
const cutMark = "\n... (cut)"

// shortenWhole cuts after a whole line where it can, so that no entity is cut in
// two.
func shortenWhole(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:most]
	if i := strings.LastIndexByte(s, '\n'); i > 0 {
		return s[:i] + cutMark
	}
	if i := strings.LastIndexByte(s, '&'); i > most-8 {
		s = s[:i]
	}
	return strings.ToValidUTF8(s, "") + "... (cut)"
}
