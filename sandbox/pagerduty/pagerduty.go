// Package pagerduty is for a simulated PagerDuty account with one service: its
// Events API v2, its incidents, and webhooks (v3) about them, signed as
// PagerDuty signs them.
//
// It follows PagerDuty's public documentation: "Send an Alert Event" (Events API
// v2), "Webhooks Overview" and "Verifying Signatures" (v3). Where that is silent,
// the choice made here says so.
//
// It must never call anything but registered loopback URLs, and never import
// product code.
package pagerduty

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/callback"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// EventsHost is the host of the Events API.
const EventsHost = "events.pagerduty.com"

// Options configure an Account.
type Options struct {
	RoutingKey    string // the service's integration key: 32 characters
	WebhookSecret string // of the subscription
	Callbacks     *callback.Book
	// PerMinute limits events of the integration; 0 = 120 (ours: PagerDuty names
	// no number that holds for every account).
	PerMinute int
}

// Status is an incident's state.
type Status string

// The states.
const (
	Triggered    Status = "triggered"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "resolved"
)

// Incident is one incident. Summaries are those of its alert's events, in order.
type Incident struct {
	ID        string    `json:"id"`
	Number    int       `json:"number"`
	Key       string    `json:"key"` // the dedup key
	Title     string    `json:"title"`
	Status    Status    `json:"status"`
	Severity  string    `json:"severity,omitempty"`
	Created   time.Time `json:"created"`
	Summaries []string  `json:"summaries,omitempty"`
}

// Delivery is one webhook that was sent, or tried.
type Delivery struct {
	Event  string `json:"event"` // its id
	Type   string `json:"type"`
	Status int    `json:"status"` // 0: nothing answered
	Said   string `json:"said,omitempty"`
}

// Account is a simulated account. Safe for concurrent use. Close it when done.
type Account struct {
	o       Options
	handler http.Handler
	sending sync.WaitGroup
	closed  chan struct{}
	once    sync.Once

	mu         sync.Mutex
	incidents  []*Incident
	to         string // the subscription's URL, "" for none
	sent       []webhook
	deliveries []Delivery
	recent     []time.Time // events within the last minute
	refuse     int         // events still to be answered with 500
}

// New makes an account without incidents.
func New(o Options) (*Account, error) {
	if len(o.RoutingKey) != 32 || o.WebhookSecret == "" || o.Callbacks == nil {
		return nil, fmt.Errorf("make a sandbox PagerDuty: it needs a routing key of 32 characters, a webhook secret and a book of callbacks")
	}
	if o.PerMinute == 0 {
		o.PerMinute = 120
	}
	a := &Account{o: o, closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/enqueue", a.enqueue)
	a.handler = mux
	return a, nil
}

// Sites returns the account's hosts.
func (a *Account) Sites() []proxy.Site {
	return []proxy.Site{{Host: EventsHost, Service: "pagerduty", Handler: a.handler, Throttled: http.HandlerFunc(tooMany)}}
}

// Close ends deliveries and joins them.
func (a *Account) Close() {
	a.mu.Lock() // no webhook begins while or after we wait for the last
	a.once.Do(func() { close(a.closed) })
	a.mu.Unlock()
	a.sending.Wait()
}

// RoutingKey is the service's integration key, WebhookSecret the subscription's
// secret.
func (a *Account) RoutingKey() string { return a.o.RoutingKey }

// WebhookSecret is the secret of the webhook subscription.
func (a *Account) WebhookSecret() string { return a.o.WebhookSecret }

// Subscribe sends webhooks about incidents to a loopback URL from now on.
func (a *Account) Subscribe(url string) error {
	if err := a.o.Callbacks.Register(url); err != nil {
		return fmt.Errorf("subscribe to PagerDuty's webhooks: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to = url
	return nil
}

// Incidents returns every incident, oldest first.
func (a *Account) Incidents() []Incident {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Incident, 0, len(a.incidents))
	for _, i := range a.incidents {
		c := *i
		c.Summaries = slices.Clone(i.Summaries)
		out = append(out, c)
	}
	return out
}

// Deliveries returns the webhooks that were sent, oldest first.
func (a *Account) Deliveries() []Delivery {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.deliveries)
}

// FailNext answers the next events with status 500.
func (a *Account) FailNext(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = n
}

// Trigger opens an incident, as another monitoring system would.
func (a *Account) Trigger(title string) Incident {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.open("monitoring-"+fmt.Sprint(len(a.incidents)+1), title, "critical")
	return *i
}

// Act acknowledges or resolves an incident, as a person on call would.
func (a *Account) Act(number int, to Status) (Incident, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := slices.IndexFunc(a.incidents, func(i *Incident) bool { return i.Number == number })
	if n < 0 || a.incidents[n].Status == Resolved || to != Acknowledged && to != Resolved {
		return Incident{}, fmt.Errorf("there is no open incident %d that can be %s", number, to)
	}
	a.become(a.incidents[n], to)
	return *a.incidents[n], nil
}

// open makes an incident; the caller holds the lock.
func (a *Account) open(key, title, severity string) *Incident {
	i := &Incident{ID: fmt.Sprintf("Q%07dSANDBOX", len(a.incidents)+1), Number: len(a.incidents) + 1, Key: key, Title: title, Status: Triggered,
		Severity: severity, Created: time.Now().UTC(), Summaries: []string{title}}
	a.incidents = append(a.incidents, i)
	a.tell(i, "incident.triggered")
	return i
}

// become changes an incident's state; the caller holds the lock.
func (a *Account) become(i *Incident, to Status) {
	if i.Status != to {
		i.Status = to
		a.tell(i, "incident."+string(to))
	}
}

// current returns the open incident of a dedup key, nil if there is none; the
// caller holds the lock.
func (a *Account) current(key string) *Incident {
	n := slices.IndexFunc(a.incidents, func(i *Incident) bool { return i.Key == key && i.Status != Resolved })
	if n < 0 {
		return nil
	}
	return a.incidents[n]
}

// word cuts a text for an answer.
func word(s string) string { return strings.ToValidUTF8(s[:min(len(s), 60)], "") }
