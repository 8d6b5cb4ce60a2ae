package notify

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

type webhook struct {
	c    Caller
	path string
	key  secret.Value
}

// Webhook posts signed JSON to a path (package signature says how it is signed).
func Webhook(c Caller, path string, key secret.Value) Sender { return webhook{c, path, key} }

// webhookBody is what a webhook gets; docs/notifications.md describes it.
type webhookBody struct {
	Version    int      `json:"version"`
	ID         string   `json:"id"`
	Event      Event    `json:"event"`
	Time       string   `json:"time"`
	Federation string   `json:"federation,omitempty"`
	Topic      string   `json:"topic"`
	Severity   Severity `json:"severity"`
	Title      string   `json:"title"`
	Lines      []string `json:"lines,omitempty"`
	UserText   []string `json:"user_text,omitempty"`
	Move       string   `json:"move,omitempty"`
	Code       string   `json:"code,omitempty"`
	Over       bool     `json:"over"`
}

// Send implements Sender. Every try is signed anew.
func (w webhook) Send(ctx context.Context, n Notice) (string, error) {
	body := encode(webhookBody{Version: 1, ID: n.ID, Event: n.Event, Time: n.Time.UTC().Format(time.RFC3339Nano), Federation: n.Federation, Topic: n.Topic.String(),
		Severity: n.Severity, Title: plain([]string{n.Title}, 2100)[0], Lines: plain(n.Lines, 2100), UserText: plain(n.UserText, 2100), Move: n.Move, Code: string(n.Topic.Code), Over: n.Closes})
	h := http.Header{}
	signature.Sign(h, w.key, time.Now(), http.MethodPost, w.path, body)
	resp, err := post(ctx, w.c, w.path, h, body, nothing)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("it answered with status %d", resp.Status), nil
}
