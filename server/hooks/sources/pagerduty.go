package sources

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// pagerDutyHeader carries one or more signatures, separated by commas
// (PagerDuty, "Verifying Signatures" of webhooks v3).
const pagerDutyHeader = "X-Pagerduty-Signature"

// mostSignatures bounds how many are looked at: PagerDuty sends one per secret.
const mostSignatures = 10

// ping is the event of PagerDuty's button "Send Test Event".
const ping = "pagey.ping"

// pagerDutyBody is what matters in a webhook of PagerDuty (v3). New members may
// come at any time, so unknown ones are passed over.
type pagerDutyBody struct {
	Event struct {
		ID         string `json:"id"`
		Type       string `json:"event_type"`
		OccurredAt string `json:"occurred_at"`
		Data       struct {
			ID    string `json:"id"`
			Key   string `json:"incident_key"`
			Title string `json:"title"`
		} `json:"data"`
	} `json:"event"`
}

func (s Source) pagerDuty(r Request, now time.Time) (Ask, error) {
	if !s.pagerDutySigned(r) {
		return Ask{}, refuse(badCredential, http.StatusUnauthorized, "no signature in X-PagerDuty-Signature is that of this request", "compare the hook's secret with the one that PagerDuty showed for this subscription; if it is lost, make a new subscription")
	}
	var b pagerDutyBody
	if err := decode(r.Body, &b, false); err != nil {
		return Ask{}, err
	}
	e := b.Event
	at, err := time.Parse(time.RFC3339, e.OccurredAt)
	if err != nil || e.ID == "" || len(e.ID) > 200 || e.Type == "" {
		return Ask{}, refuse(unreadable, http.StatusBadRequest, "the event has no id, no type or no time (occurred_at)", "use a webhook subscription of version 3")
	}
	if age := now.Sub(at); age > PagerDutyWindow || age < -PagerDutyWindow {
		return Ask{}, refuse(tooOld, http.StatusUnauthorized, "the event occurred more than 15 minutes ago, or in the future", "an alert that is not fresh asks for nothing; see that this machine's clock is right")
	}
	ask := Ask{ID: e.ID, Keep: keepPagerDuty, Reason: "PagerDuty incident " + short(e.Data.ID, 40) + ": " + short(e.Data.Title, 200)}
	switch {
	case e.Type == ping:
		ask.Ignored = "a test of the webhook: the signature is right"
	case !slices.Contains(s.Events, e.Type):
		ask.Ignored = "the hook does not ask on events of type " + short(e.Type, 60)
	case s.Own != "" && strings.HasPrefix(e.Data.Key, s.Own):
		ask.Ignored = "the incident is of our own making"
	}
	return ask, nil
}

// pagerDutySigned reports whether one of the signatures is that of the body
// under one of the secrets. All are compared, whatever the first ones are.
func (s Source) pagerDutySigned(r Request) bool {
	given := strings.Split(strings.Join(r.Header.Values(pagerDutyHeader), ","), ",")
	good := false
	for _, g := range given[:min(len(given), mostSignatures)] {
		for _, key := range s.Secrets {
			mac := hmac.New(sha256.New, []byte(key.Reveal()))
			mac.Write(r.Body)
			want := "v1=" + hex.EncodeToString(mac.Sum(nil))
			good = hmac.Equal([]byte(strings.TrimSpace(g)), []byte(want)) || good
		}
	}
	return good
}
