package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/notify"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
	"github.com/samlfailover/samlfailover/store"
)

const (
	// notifyBox is the box of the store that messages wait in.
	notifyBox = "notify"
	// slackAPI is where Slack's API answers.
	slackAPI = "https://slack.com"
	// recentEnd is how long ago a move may have ended that the leader before had
	// no time to tell of.
	recentEnd = time.Hour
	// sinkRate paces the calls to one sink.
	sinkRate  = 5
	sinkBurst = 10
)

// herald hands messages to the notifier of the leadership that holds; while this
// controller does not lead, it tells nobody. Safe for concurrent use.
type herald struct {
	mu sync.Mutex
	to *notify.Notifier
}

// tell takes a message; it never blocks.
func (h *herald) tell(n notify.Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.to != nil {
		h.to.Tell(n)
	}
}

func (h *herald) set(to *notify.Notifier) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to = to
}

// status says how the sinks stand, nil while this controller does not lead.
func (h *herald) status() []control.SinkStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.to == nil {
		return nil
	}
	return h.to.Status()
}

// sinksOf makes the sinks of a config. An error carries the finding notify-setup
// or address-refused, and no secret.
func sinksOf(c *config.Config, secrets config.Secrets, network *outbound.Network, log *slog.Logger) ([]notify.Sink, error) {
	var out []notify.Sink
	for _, s := range c.Notify {
		to, err := senderOf(s, secrets.Sinks[s.Name], network, log)
		if err != nil {
			return nil, err
		}
		one := notify.Sink{Name: s.Name, Kind: s.Kind, Federations: s.Federations, To: to}
		for _, e := range s.Events {
			one.Events = append(one.Events, notify.Event(e))
		}
		out = append(out, one)
	}
	return out, nil
}

// routingKey is the form of an integration key of PagerDuty.
var routingKey = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

func senderOf(s config.Sink, own config.SinkSecrets, network *outbound.Network, log *slog.Logger) (notify.Sender, error) {
	bad := func(what, remedy string) (notify.Sender, error) {
		return nil, finding.Finding{Code: finding.NotifySetup, Subject: "sink " + s.Name, What: what, Remedy: remedy}
	}
	origin, path, caller := slackAPI, "", func(origin string) (*outbound.Client, error) {
		return network.Origin(outbound.OriginOptions{Name: "sink " + s.Name, Origin: origin, RatePerSecond: sinkRate, Burst: sinkBurst, MaxBody: 64 << 10,
			Guard: &outbound.Guard{Allow: s.Allowed()}, Logger: log})
	}
	switch {
	case s.Kind == "pagerduty" && !routingKey.MatchString(own.RoutingKey.Reveal()):
		return bad("its routing key is not one of PagerDuty: 32 letters and digits", "copy the integration key of an Events API v2 integration of the service")
	case s.Kind == "webhook" && !signature.Strong(own.Secret):
		return bad(fmt.Sprintf("its secret is too short: %d bytes are the least", signature.Shortest), "make one, as with `openssl rand -hex 32`, and give it to both sides")
	case s.Kind == "pagerduty":
		origin = s.URL
	case s.Kind == "webhook" || !own.WebhookURL.IsZero():
		text := s.URL
		if s.Kind == "slack" {
			text = own.WebhookURL.Reveal()
		}
		u, err := url.Parse(text)
		if s.Kind == "slack" && (err != nil || u.Scheme != "https" || !slices.Contains([]string{"hooks.slack.com", "hooks.slack-gov.com"}, u.Host) || u.RawQuery != "" || u.Path == "") {
			return bad("what its webhook_url names is not the URL of an incoming webhook of Slack", "copy it from the Slack app: https://hooks.slack.com/services/...")
		}
		if err != nil {
			return bad("its URL cannot be read", "write it as https://hooks.example/samlfailover")
		}
		origin, path = u.Scheme+"://"+u.Host, u.EscapedPath()
		if path == "" {
			path = "/"
		}
	}
	client, err := caller(origin)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Kind == "pagerduty":
		return notify.PagerDuty(client, own.RoutingKey), nil
	case s.Kind == "webhook":
		return notify.Webhook(client, path, own.Secret), nil
	case path != "":
		return notify.SlackWebhook(client, secret.New(path)), nil
	}
	return notify.Slack(client, own.Token, s.Channel), nil
}

// heralding starts the notifier of a leadership. stop ends it, after what was
// told is kept; a leadership that is lost ends it at once.
func (s *engine) heralding(ctx context.Context, k *keeping, term *store.Term, seat *seat) (stop func(), err error) {
	if len(s.sinks) == 0 {
		return func() {}, nil
	}
	n, err := notify.New(notify.Options{Sinks: s.sinks, Box: term.Box(notifyBox), Stands: s.stands(k, seat, time.Now()), Log: s.o.Log})
	if err != nil {
		return nil, fmt.Errorf("tell people of what happens: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	running.Go(func() {
		select {
		case <-term.Lost():
			cancel()
		case <-ctx.Done():
		}
	})
	k.herald.set(n)
	s.tellMissed(ctx, k, term)
	return func() {
		k.herald.set(nil)
		cancel()
		running.Wait()
	}, nil
}

// tellMissed tells of moves that ended just before their leader did. Who was told
// already is known.
func (s *engine) tellMissed(ctx context.Context, k *keeping, term *store.Term) {
	for _, f := range s.feds {
		past, err := term.Journal().Past(ctx, f.Name)
		if err != nil || len(past) == 0 || past[0].Result == nil {
			continue // what keeps the journal from being read is told by others
		}
		if r := *past[0].Result; time.Since(r.Finished) < recentEnd {
			k.herald.tell(notify.OfResult(r))
		}
	}
}

// stands says how a topic stands, as far as this leadership knows, which began at
// since.
func (s *engine) stands(k *keeping, seat *seat, since time.Time) func(notify.Topic) notify.Standing {
	return func(t notify.Topic) notify.Standing {
		if t.Kind != notify.Outage && t.Kind != notify.Finding {
			return notify.Unknown // it ends by itself
		}
		if t.Federation == "" {
			return k.lookout.stands(t, since)
		}
		loop := seat.loops[t.Federation]
		if loop == nil {
			return notify.Gone
		}
		st := loop.Status()
		d := st.Decision
		undecided := d.At.Before(since) || slices.Contains([]string{failover.JournalUnread, failover.CannotStart, failover.StoreIntegrity, failover.MoveOpen}, d.Rule) || d.Rule == "" && d.Outcome == failover.Hold
		switch {
		case t.Kind == notify.Finding && slices.ContainsFunc(d.Findings, func(f finding.Finding) bool { return f.Code == t.Code && f.Subject == t.Subject }):
			return notify.Stands
		case undecided || st.Moving:
			return notify.Unknown
		case t.Kind == notify.Finding:
			return notify.Gone
		case st.Incident != nil && st.Incident.Cleared.IsZero():
			return notify.Stands
		case slices.Contains([]string{failover.ActiveHealthy, failover.FailbackDue}, d.Rule):
			return notify.Gone
		}
		return notify.Unknown
	}
}

// stands says whether a finding about the store still holds.
func (l *lookout) stands(t notify.Topic, since time.Time) notify.Standing {
	l.mu.Lock()
	looked := l.at.After(since)
	l.mu.Unlock()
	holds := slices.ContainsFunc(l.findings(), func(f finding.Finding) bool { return f.Code == t.Code && f.Subject == t.Subject })
	switch {
	case holds:
		return notify.Stands
	case looked:
		return notify.Gone
	}
	return notify.Unknown
}

// NotifyResult is what came of a test message to one sink.
type NotifyResult struct {
	Sink    string `json:"sink"`
	Kind    string `json:"kind"`
	OK      bool   `json:"ok"`
	Receipt string `json:"receipt,omitempty"` // what came back
	Error   string `json:"error,omitempty"`
}

// testTime bounds a test message, with its resolution.
const testTime = 30 * time.Second

// TestSinks sends a test message to a sink, or to all, and says what came back.
// PagerDuty's is resolved at once. It needs no controller.
func TestSinks(ctx context.Context, s Setup, only string, by control.Actor) ([]NotifyResult, error) {
	secrets, network, err := s.open()
	if err != nil {
		return nil, err
	}
	defer network.Close()
	sinks, err := sinksOf(s.Config, secrets, network, s.Log)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, k := range sinks {
		names = append(names, k.Name)
	}
	if only != "" {
		sinks = slices.DeleteFunc(sinks, func(k notify.Sink) bool { return k.Name != only })
	}
	if len(sinks) == 0 {
		return nil, noSink(only, names)
	}
	return collect(sinks, func(k notify.Sink) NotifyResult { return testSink(ctx, k, by) }), nil
}

func noSink(name string, names []string) error {
	if len(names) == 0 {
		return finding.Finding{Code: finding.NotifySetup, Subject: "notify", What: "the config names no sink, so nobody is told of anything", Remedy: "add one under notify; docs/notifications.md shows how"}
	}
	return finding.Finding{Code: finding.NotifySetup, Subject: "sink " + name, What: "the config has no sink of this name", Remedy: "the sinks are: " + strings.Join(names, ", ")}
}

func testSink(ctx context.Context, k notify.Sink, by control.Actor) NotifyResult {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	out := NotifyResult{Sink: k.Name, Kind: k.Kind}
	n := notify.Trying(by.Name, time.Now())
	receipt, err := k.To.Send(ctx, n)
	if err == nil && k.Kind == "pagerduty" {
		n.Closes = true
		var over string
		over, err = k.To.Send(ctx, n)
		receipt += "; " + over
	}
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.OK, out.Receipt = true, receipt
	return out
}
