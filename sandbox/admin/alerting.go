package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/samlfailover/samlfailover/sandbox/alertmanager"
	"github.com/samlfailover/samlfailover/sandbox/pagerduty"
	"github.com/samlfailover/samlfailover/sandbox/receiver"
)

// pathAlerting: GET -> Alerting; POST AlertRequest -> Alerting.
const pathAlerting = "/sandbox/alerting"

// Alerter is the part of a World that tells, and is told.
type Alerter interface {
	PagerDuty() *pagerduty.Account
	Receiver() *receiver.Receiver
	Alertmanager() *alertmanager.Alertmanager
}

// Alerting is what was told, and the webhooks that were sent. Answer is that of
// the controller to an alert of Alertmanager.
type Alerting struct {
	Incidents  []pagerduty.Incident `json:"incidents"`
	Deliveries []pagerduty.Delivery `json:"deliveries"`
	Messages   []receiver.Message   `json:"messages"`
	Answer     string               `json:"answer,omitempty"`
}

// What an AlertRequest may have done.
const (
	DoPage      = "page"      // open an incident in PagerDuty, titled Text
	DoAck       = "ack"       // acknowledge incident Number
	DoResolve   = "resolve"   // resolve incident Number
	DoRedeliver = "redeliver" // send PagerDuty's last webhook again, the same bytes
	DoFire      = "fire"      // have alert Text of Alertmanager fire
	DoClear     = "clear"     // have it end
)

// AlertRequest has something done.
type AlertRequest struct {
	Do     string `json:"do"`
	Text   string `json:"text,omitempty"`
	Number int    `json:"number,omitempty"`
}

func (s *server) alerting(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.alertingNow(""))
}

func (s *server) alertingNow(said string) Alerting {
	pd := s.world.PagerDuty()
	return Alerting{Incidents: append([]pagerduty.Incident{}, pd.Incidents()...), Deliveries: append([]pagerduty.Delivery{}, pd.Deliveries()...),
		Messages: append([]receiver.Message{}, s.world.Receiver().Messages()...), Answer: said}
}

func (s *server) alert(w http.ResponseWriter, r *http.Request) {
	var in AlertRequest
	if !read(w, r, &in) {
		return
	}
	said, err := s.do(r.Context(), in)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	answer(w, http.StatusOK, s.alertingNow(said))
}

func (s *server) do(ctx context.Context, in AlertRequest) (said string, err error) {
	pd, am := s.world.PagerDuty(), s.world.Alertmanager()
	var status int
	switch {
	case (in.Do == DoPage || in.Do == DoFire || in.Do == DoClear) && (in.Text == "" || len(in.Text) > 200):
		return "", fmt.Errorf("%s: it needs a text of at most 200 bytes", in.Do)
	case in.Do == DoPage:
		pd.Trigger(in.Text)
		return "", nil
	case in.Do == DoAck:
		_, err = pd.Act(in.Number, pagerduty.Acknowledged)
		return "", err
	case in.Do == DoResolve:
		_, err = pd.Act(in.Number, pagerduty.Resolved)
		return "", err
	case in.Do == DoRedeliver:
		d, err := pd.Redeliver(ctx, "")
		return fmt.Sprintf("%d %s", d.Status, d.Said), err
	case in.Do == DoFire:
		status, said, err = am.Fire(ctx, in.Text)
	case in.Do == DoClear:
		status, said, err = am.Resolve(ctx, in.Text)
	default:
		return "", fmt.Errorf("%.40q is nothing that can be done: page, ack, resolve, redeliver, fire or clear", in.Do)
	}
	return fmt.Sprintf("%d %s", status, said), err
}

// Alerting asks what was told, and which webhooks were sent.
func (c *Client) Alerting(ctx context.Context) (out Alerting, err error) {
	err = c.call(ctx, http.MethodGet, pathAlerting, nil, &out)
	return out, err
}

// Alert has PagerDuty or Alertmanager do something.
func (c *Client) Alert(ctx context.Context, in AlertRequest) (out Alerting, err error) {
	err = c.call(ctx, http.MethodPost, pathAlerting, in, &out)
	return out, err
}
