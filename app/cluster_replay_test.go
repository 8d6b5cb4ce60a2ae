package app_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// door is where one of them answers over the network.
func (c *trio) door(s *service) string {
	return "http://" + c.places[slices.Index(c.up, s)].cfg.Server.Listen
}

// incident is a webhook of PagerDuty's, as its bytes left.
type incident struct {
	body      []byte
	signature string
}

func newIncident(secret string) incident {
	body := fmt.Appendf(nil, `{"event":{"id":"01REPLAYED","event_type":"incident.triggered","resource_type":"incident","occurred_at":%q,"agent":null,"client":null,`+
		`"data":{"id":"PINC1","type":"incident","number":1,"status":"triggered","incident_key":"somebody's own","title":"an alarm","service":{"id":"PSANDBOX","type":"service_reference","summary":"AWS sign-in"}}}}`,
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return incident{body, "v1=" + hex.EncodeToString(mac.Sum(nil))}
}

// sent sends it to one of them and returns the status of the answer.
func (i incident) sent(t *testing.T, base string) (status int, said string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/hooks/pagerduty", bytes.NewReader(i.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Pagerduty-Signature", i.signature)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// A request of Slack's and one of PagerDuty's, which the leader has taken, do
// nothing a second time: there, at a controller that follows, and at the next
// leader.
//
// spec 13.1
func TestReplaysAtThreeControllers(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	leads, follow := c.leader()
	world := c.places[0].world
	chat := world.Slack()
	toward := func(s *service) string {
		base := c.door(s)
		if err := chat.Register(base+"/slack/commands", base+"/slack/actions"); err != nil {
			t.Fatal(err)
		}
		return base
	}
	base := toward(leads)
	hook := newIncident(world.PagerDuty().WebhookSecret())
	var typed slack.Delivery
	leads.until("the leader takes requests of Slack", func(control.FederationStatus) bool {
		var err error
		typed, err = chat.Type(t.Context(), "ada", incidentChannel, "/samlfailover pause 2h because")
		return err == nil && strings.HasPrefix(typed.Said, "Taken: pause")
	})
	leads.until("it is paused", func(f control.FederationStatus) bool { return len(f.Brakes) == 1 })
	leads.until("it takes the webhook", func(control.FederationStatus) bool {
		status, _ := hook.sent(t, base)
		return status == http.StatusAccepted
	})
	copies := func(why string, s *service, slackStatus, hookStatus int, words string) {
		t.Helper()
		base := toward(s)
		if d := chat.Send(t.Context(), false, typed.Header, typed.Body); d.Status != slackStatus || !strings.Contains(d.Said, words) {
			t.Errorf("%s answers a copy of Slack's request with %d %s", why, d.Status, d.Said)
		}
		if status, said := hook.sent(t, base); status != hookStatus {
			t.Errorf("%s answers a copy of the webhook with %d %s", why, status, said)
		}
	}
	copies("the leader", leads, http.StatusConflict, http.StatusConflict, "taken already")
	for _, s := range follow {
		copies("a follower", s, http.StatusOK, http.StatusServiceUnavailable, "Only the leader takes requests")
	}
	c.stop(leads)
	next, _ := c.leader()
	next.until("the next leader takes webhooks", func(control.FederationStatus) bool {
		status, _ := hook.sent(t, c.door(next))
		return status != http.StatusServiceUnavailable
	})
	copies("the next leader", next, http.StatusConflict, http.StatusConflict, "taken already")
	f := next.until("it shows the pause", func(f control.FederationStatus) bool { return len(f.Brakes) > 0 })
	if len(f.Brakes) != 1 {
		t.Errorf("it is paused %d times", len(f.Brakes))
	}
}
