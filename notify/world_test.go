package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store/memory"
)

// The marker secrets: none of them may show anywhere but on the wire.
const (
	botToken   = "xoxb-MARKER-bot"
	hookPath   = "/services/T0/B0/MARKERhook"
	routingKey = "MARKER0123456789MARKER0123456789"
	hookSecret = "MARKER-webhook-secret-of-32-bytes"
)

// host stands for a sink's host: it keeps what arrives and answers what the test
// says.
type host struct {
	mu     sync.Mutex
	got    []outbound.Request
	at     []time.Time
	answer func(n int) (outbound.Response, error) // n counts the calls from 1; nil: 200
	hangs  bool
}

func (h *host) Do(ctx context.Context, r outbound.Request) (outbound.Response, error) {
	h.mu.Lock()
	h.got, h.at = append(h.got, r), append(h.at, time.Now())
	n, answer, hangs := len(h.got), h.answer, h.hangs
	h.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return outbound.Response{}, ctx.Err()
	}
	if answer == nil {
		return outbound.Response{Status: 200, Body: []byte(`{"ok":true,"status":"success"}`)}, nil
	}
	return answer(n)
}

func (h *host) set(answer func(int) (outbound.Response, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

// bodies are what arrived, decoded.
func (h *host) bodies(t *testing.T) []map[string]any {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []map[string]any
	for _, r := range h.got {
		var one map[string]any
		if err := json.Unmarshal(r.Body, &one); err != nil {
			t.Fatalf("%v: %s", err, r.Body)
		}
		out = append(out, one)
	}
	return out
}

// events names what arrived at a signed webhook: "confirmed", "over".
func (h *host) events(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, b := range h.bodies(t) {
		out = append(out, fmt.Sprint(b["event"]))
	}
	return out
}

// actions names what arrived at PagerDuty: "trigger outage corp".
func (h *host) actions(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, b := range h.bodies(t) {
		out = append(out, fmt.Sprint(b["event_action"], " ", strings.TrimPrefix(fmt.Sprint(b["dedup_key"]), DedupPrefix)))
	}
	return out
}

func always(status int) func(int) (outbound.Response, error) {
	return func(int) (outbound.Response, error) { return outbound.Response{Status: status}, nil }
}

// world is one leadership after the other over one box.
type world struct {
	t     *testing.T
	box   Box
	pd    host
	siem  host
	log   bytes.Buffer
	told  *slog.Logger // one for all leaderships: it has the lock
	gone  func(Topic) Standing
	chose []Event // of the webhook; nil: all
	n     *Notifier
	stop  func()
}

var everything = []Event{Page, Suspect, Confirmed, Proposal, Hold, MoveBegun, MoveEnded, MoveFailed, Config}

func newWorld(t *testing.T) *world {
	w := &world{t: t, box: &memory.Box{}}
	w.told = slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: escape.Attr}))
	return w
}

// lead begins a leadership.
func (w *world) lead() {
	w.t.Helper()
	chose := everything
	if w.chose != nil {
		chose = w.chose
	}
	var err error
	w.n, err = New(Options{Box: w.box, Stands: w.gone, Log: w.told,
		Sinks: []Sink{
			{Name: "pd", Kind: "pagerduty", Events: []Event{Page, Confirmed, Proposal, Hold, MoveFailed}, To: PagerDuty(&w.pd, secret.New(routingKey))},
			{Name: "siem", Kind: "webhook", Events: chose, To: Webhook(&w.siem, "/x", secret.New(hookSecret))},
		}})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.n.Run(ctx); close(done) }()
	w.stop = func() { cancel(); <-done }
}

func (w *world) loop(kind control.LoopEvent) {
	kind.Federation, kind.Time = "corp", time.Now()
	if n, ok := OfLoop(kind); ok {
		w.n.Tell(n)
	}
}

func (w *world) move(e control.MoveEvent) {
	e.Federation, e.Time = "corp", time.Now()
	if e.Move == "" {
		e.Move = "m1"
	}
	if n, ok := OfMove(e); ok {
		w.n.Tell(n)
	}
}

// outage tells what a loop tells in an outage, up to the move's end.
func (w *world) outage() {
	w.loop(control.LoopEvent{Kind: "suspect", Text: "us-east-1 is suspect: connection refused"})
	w.loop(control.LoopEvent{Kind: "decision", Decision: &control.Decision{Outcome: failover.Hold, Rule: failover.Confirming, Why: "not yet confirmed"}})
	w.loop(control.LoopEvent{Kind: "confirmed", Text: "us-east-1 is unhealthy: connection refused"})
	w.move(control.MoveEvent{Kind: "started", Text: "failover: 5 apps move to us-west-2"})
	w.move(control.MoveEvent{Kind: "app", App: "console", Text: "console was read back"})
	w.move(control.MoveEvent{Kind: "finished", Text: "verified: 5 of 5 apps moved", Result: &control.MoveResult{Status: failover.Verified, UserText: []string{"Open the AWS tile again."}}})
}

func (w *world) cleared() {
	w.loop(control.LoopEvent{Kind: "cleared", Text: "every app is in a Region that works"})
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func pageOf(code finding.Code, subject string) control.LoopEvent {
	return control.LoopEvent{Kind: "page", Finding: &finding.Finding{Code: code, Subject: subject, What: "an app names a foreign host", Remedy: "look"}}
}
