package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

// DedupPrefix begins the dedup key of every PagerDuty alert of this program, so
// that a hook can tell our own incidents from others.
const DedupPrefix = "samlfailover/"

// The limits of PagerDuty's Events API v2 ("Send an alert event": dedup_key 255
// characters, summary 1,024; an event 512 KB).
const (
	longestKey     = 255
	longestSummary = 1024
)

type pagerDuty struct {
	c   Caller
	key secret.Value
}

// PagerDuty sends to a service through its integration key: one incident per
// topic, resolved when the topic is over.
func PagerDuty(c Caller, routingKey secret.Value) Sender { return pagerDuty{c, routingKey} }

type pdEvent struct {
	RoutingKey string     `json:"routing_key"`
	Action     string     `json:"event_action"`
	DedupKey   string     `json:"dedup_key"`
	Client     string     `json:"client,omitempty"`
	Payload    *pdPayload `json:"payload,omitempty"`
}

type pdPayload struct {
	Summary   string    `json:"summary"`
	Source    string    `json:"source"`
	Severity  Severity  `json:"severity"`
	Timestamp string    `json:"timestamp"`
	Component string    `json:"component"`
	Group     string    `json:"group,omitempty"`
	Class     Event     `json:"class"`
	Details   pdDetails `json:"custom_details"`
}

type pdDetails struct {
	ID       string   `json:"id"`
	Lines    []string `json:"lines,omitempty"`
	UserText []string `json:"tell_the_users,omitempty"`
	Move     string   `json:"move,omitempty"`
}

// Send implements Sender.
func (p pagerDuty) Send(ctx context.Context, n Notice) (string, error) {
	e := pdEvent{RoutingKey: p.key.Reveal(), Action: "trigger", DedupKey: dedupKey(n.Topic), Client: "samlfailover"}
	if n.Closes {
		e.Action, e.Client = "resolve", ""
	} else {
		source := "samlfailover"
		if n.Federation != "" {
			source = "federation " + n.Federation
		}
		e.Payload = &pdPayload{Summary: shorten(plain([]string{headline(n)}, longestSummary)[0], longestSummary), Source: source, Severity: n.Severity,
			Timestamp: n.Time.UTC().Format(time.RFC3339Nano), Component: "AWS sign-in", Group: n.Federation, Class: n.Event,
			Details: pdDetails{ID: n.ID, Lines: plain(n.Lines, 500), UserText: plain(n.UserText, 500), Move: n.Move}}
	}
	resp, err := post(ctx, p.c, "/v2/enqueue", http.Header{}, encode(e), pagerDutySays)
	if err != nil {
		return "", err
	}
	var took struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(resp.Body, &took) // a success is one whatever it says
	return e.Action + " accepted: " + word(took.Status) + ", dedup key " + e.DedupKey, nil
}

// dedupKey names a topic in PagerDuty. While its incident is open everything of
// the topic goes into it, whoever sends it.
func dedupKey(t Topic) string {
	key := DedupPrefix + t.String()
	if len(key) <= longestKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return DedupPrefix + string(t.Kind) + " " + hex.EncodeToString(sum[:])
}

// pagerDutySays is the reason in a refusal; the field errors repeats what was
// sent, the routing key too, and is left out.
func pagerDutySays(body []byte) string {
	var said struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &said)
	if m := word(said.Message); m != "" {
		return m
	}
	return word(said.Status)
}

// headline is the one line of a message: whom it concerns, and what.
func headline(n Notice) string {
	if n.Federation == "" {
		return n.Title
	}
	return n.Federation + ": " + n.Title
}
