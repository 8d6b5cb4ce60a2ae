package pagerduty

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// webhook is one event, as its bytes left.
type webhook struct {
	id, kind, to string
	body         []byte
}

// tries bounds how often a webhook is sent (ours: PagerDuty tries for longer).
const tries = 4

// tell sends a webhook about an incident; the caller holds the lock.
func (a *Account) tell(i *Incident, kind string) {
	if a.to == "" {
		return
	}
	w := webhook{id: "01SANDBOX" + rand.Text()[:17], kind: kind, to: a.to}
	self := "https://api.pagerduty.com/incidents/" + i.ID
	w.body, _ = json.Marshal(map[string]any{"event": map[string]any{ // strings and numbers
		"id": w.id, "event_type": kind, "resource_type": "incident", "occurred_at": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"agent": nil, "client": nil,
		"data": map[string]any{"id": i.ID, "type": "incident", "self": self, "html_url": "https://sandbox.pagerduty.com/incidents/" + i.ID, "number": i.Number,
			"status": i.Status, "incident_key": i.Key, "created_at": i.Created.Format(time.RFC3339), "title": i.Title,
			"service": map[string]any{"id": "PSANDBOX", "type": "service_reference", "summary": "AWS sign-in"}, "assignees": []any{}, "urgency": "high", "priority": nil},
	}})
	a.sent = append(a.sent, w)
	select {
	case <-a.closed:
	default:
		a.sending.Go(func() { a.deliver(w) })
	}
}

// Redeliver sends the bytes of an earlier webhook again, as an attacker who has
// recorded them would; "" is the last one.
func (a *Account) Redeliver(ctx context.Context, event string) (Delivery, error) {
	a.mu.Lock()
	n := len(a.sent) - 1
	if event != "" {
		n = slices.IndexFunc(a.sent, func(w webhook) bool { return w.id == event })
	}
	if n < 0 {
		a.mu.Unlock()
		return Delivery{}, fmt.Errorf("no webhook %q was sent", event)
	}
	w := a.sent[n]
	a.mu.Unlock()
	return a.try(ctx, w), nil
}

// deliver sends a webhook until it is taken.
func (a *Account) deliver(w webhook) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-a.closed:
			cancel()
		case <-stop:
		}
	}()
	for n := range tries {
		if d := a.try(ctx, w); d.Status >= 200 && d.Status < 300 || d.Status >= 400 && d.Status < 500 && d.Status != http.StatusTooManyRequests {
			return
		}
		select {
		case <-a.closed:
			return
		case <-time.After(time.Second << n):
		}
	}
}

func (a *Account) try(ctx context.Context, w webhook) Delivery {
	mac := hmac.New(sha256.New, []byte(a.o.WebhookSecret))
	mac.Write(w.body)
	h := http.Header{"X-Pagerduty-Signature": {"v1=" + hex.EncodeToString(mac.Sum(nil))}, "X-Webhook-Id": {w.id}, "X-Webhook-Subscription": {"PSUBSCR"}, "User-Agent": {"PagerDuty-Webhook/V3.0"}}
	d := Delivery{Event: w.id, Type: w.kind}
	var err error
	if d.Status, d.Said, err = a.o.Callbacks.Post(ctx, w.to, h, w.body); err != nil {
		d.Said = err.Error()
	}
	a.mu.Lock()
	a.deliveries = append(a.deliveries, d)
	a.mu.Unlock()
	return d
}
