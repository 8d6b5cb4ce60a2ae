package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/people"
	sim "github.com/samlfailover/samlfailover/sandbox/slack"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	team     = "T0ACME01"
	incident = "C0INCIDENT"
	signing  = "SECRETMARKER-signing-secret"
	botToken = "xoxb-SECRETMARKER-bot-token"
)

// cases plays the use cases and notes what was called, but for looks that read
// back.
type cases struct {
	mu        sync.Mutex
	calls     []string
	actors    []control.Actor
	move      func(ctx context.Context, r control.MoveRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error)
	plan      func(control.MoveRequest) (control.Decision, error)
	approve   func(ctx context.Context, a control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error)
	proposals []approval.Proposal
	history   []control.PastMove
	status    control.Status
	fails     error // what every use case that can fails with
}

func (c *cases) note(a control.Actor, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	c.actors = append(c.actors, a)
}

func (c *cases) called() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// change changes what is read back.
func (c *cases) change(f func(*cases)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

func (c *cases) Status(context.Context, control.Actor) control.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.At = time.Now()
	return s
}

func (c *cases) Plan(_ context.Context, a control.Actor, r control.MoveRequest) (control.Decision, error) {
	c.note(a, "plan %s %q", r.To, r.Federation)
	if c.plan != nil {
		return c.plan(r)
	}
	return control.Decision{Federation: "workforce", Outcome: "hold", Rule: "cooldown", Why: "it is too soon", WouldChange: "time"}, c.fails
}

func (c *cases) Explain(_ context.Context, a control.Actor, federation, region string) (control.Explanation, error) {
	c.note(a, "explain %q %q", federation, region)
	return control.Explanation{Federation: "workforce", Lines: []string{"hold [active-healthy]: us-east-1 is healthy"}}, c.fails
}

func (c *cases) History(_ context.Context, _ control.Actor, r control.HistoryRequest) (control.History, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := control.History{}
	for _, m := range c.history {
		if r.Move == "" || string(m.ID) == r.Move {
			out.Moves = append(out.Moves, m)
		}
	}
	if r.Move != "" && len(out.Moves) == 0 {
		return out, &control.Failure{Kind: control.NotFound, Message: "no move has the id " + r.Move}
	}
	return out, c.fails
}

func (c *cases) Move(ctx context.Context, a control.Actor, r control.MoveRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error) {
	c.note(a, "move %s %q %q", r.To, r.Federation, r.Reason)
	if c.move != nil {
		return c.move(ctx, r, follow)
	}
	return control.MoveAnswer{Decision: control.Decision{Federation: "workforce", Outcome: "hold", Rule: "open-move", Why: "a move is open", WouldChange: "its end"}}, c.fails
}

func (c *cases) Pause(_ context.Context, a control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error) {
	c.note(a, "pause %s %q %q", r.For, r.Federation, r.Reason)
	return control.BrakeAnswer{Brake: control.Brake{ID: "pause-abcde", Kind: control.PauseKind, Federation: r.Federation, By: a.String(), Reason: r.Reason}}, c.fails
}

func (c *cases) Resume(_ context.Context, a control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error) {
	c.note(a, "resume %q %q %v", r.ID, r.Federation, r.All)
	return control.ReleaseAnswer{}, c.fails
}

func (c *cases) Proposals(_ context.Context, _ control.Actor, r control.ProposalsRequest) (control.ProposalList, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := control.ProposalList{}
	for _, p := range c.proposals {
		if (r.ID == "" || r.ID == p.ID) && (r.All || r.ID != "" || !p.State.Final()) {
			out.Proposals = append(out.Proposals, p)
		}
	}
	return out, nil
}

func (c *cases) Approve(ctx context.Context, a control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error) {
	c.note(a, "approve %s %q %q", r.ID, r.Digest, r.Comment)
	if c.approve != nil {
		return c.approve(ctx, a, r, follow)
	}
	return control.VoteAnswer{}, c.fails
}

func (c *cases) Reject(_ context.Context, a control.Actor, r control.VoteRequest) (control.VoteAnswer, error) {
	c.note(a, "reject %s %q %q", r.ID, r.Digest, r.Comment)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.proposals {
		if p.ID == r.ID {
			c.proposals[i].State, c.proposals[i].Why = approval.Rejected, "rejected by "+a.Name+": "+r.Comment
			return control.VoteAnswer{Proposal: c.proposals[i]}, c.fails
		}
	}
	return control.VoteAnswer{}, c.fails
}

// staff maps Slack users to persons.
type staff map[string]people.Caller

func (s staff) Slack(team, user string) (people.Caller, bool) {
	c, ok := s[team+"/"+user]
	return c, ok
}

// mapped knows two people of the workspace, and one of another.
func mapped() staff {
	out := staff{}
	for id, name := range map[string]string{team + "/U0ADA": "ada", team + "/U0GRACE": "grace", "T0OTHER/U0ADA": "ada"} {
		out[id] = people.Caller{Person: name, Name: name, Way: people.Slack, ID: id, Grants: people.Grants{people.Everywhere: people.Admin}}
	}
	return out
}

// once is the memory that controllers share, or one that fails.
type once struct {
	mu   sync.Mutex
	used map[string]time.Time
	err  error
}

func (o *once) First(_ context.Context, kind, key string, keep time.Duration) (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return false, o.err
	}
	if o.used == nil {
		o.used = map[string]time.Time{}
	}
	if until, ok := o.used[kind+" "+key]; ok && time.Now().Before(until) {
		return false, nil
	}
	o.used[kind+" "+key] = time.Now().Add(keep)
	return true, nil
}

// plane carries requests to handlers without a network, by host.
type plane map[string]http.Handler

func (p plane) RoundTrip(r *http.Request) (*http.Response, error) {
	h := p[r.URL.Host]
	if h == nil {
		return nil, fmt.Errorf("nothing answers at %s", r.URL.Host)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.Body, in.Host, in.RemoteAddr = io.NopCloser(bytes.NewReader(body)), r.URL.Host, "192.0.2.1:1234"
	w, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(w, in)
	}()
	select {
	case <-done:
		return w.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, r.Context().Err()
	}
}

// safeLog is a log that may be written from everywhere.
type safeLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a Slack workspace, a controller that answers it, and what both saw.
type world struct {
	t     testing.TB
	slack *sim.Workspace
	use   *cases
	once  Once
	desk  Desk
	log   safeLog
	app   *App
	hosts plane
	opts  func(*Options)
}

func newWorld(t testing.TB, change func(*world)) *world {
	t.Helper()
	w := &world{t: t, use: &cases{}, once: &once{}, desk: &memory.Box{}, hosts: plane{}}
	var err error
	w.slack, err = sim.New(sim.Options{Team: team, Domain: "acme", AppID: "A0SAML", SigningSecret: signing, BotToken: botToken,
		Users:    []sim.User{{ID: "U0ADA", Name: "ada"}, {ID: "U0GRACE", Name: "grace"}, {ID: "U0MALLORY", Name: "mallory"}},
		Channels: []sim.Channel{{ID: incident, Name: "incident", Bot: true}, {ID: "C0RANDOM", Name: "random"}}, Callback: w.hosts})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range w.slack.Sites() {
		w.hosts[s.Host] = s.Handler
	}
	if err := w.slack.Register("http://127.0.0.1:1/commands", "http://127.0.0.1:1/actions"); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(w)
	}
	w.app = w.controller()
	w.hosts["127.0.0.1:1"] = w.app.Handler()
	return w
}

// controller makes another controller of the same world.
func (w *world) controller() *App {
	n, err := outbound.New(outbound.Settings{RoundTripper: w.hosts})
	if err != nil {
		w.t.Fatal(err)
	}
	o := Options{Signing: []secret.Value{secret.New(signing)}, Bot: secret.New(botToken), Teams: []string{team}, Channels: []string{incident},
		Network: n, People: mapped(), Once: w.once, UseCases: w.use, Log: slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if w.opts != nil {
		w.opts(&o)
	}
	a, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// leading runs the controller as the leader while f runs.
func (w *world) leading(f func()) { w.running(w.app, w.desk, f) }

// running runs a controller while f runs; the desk nil is a follower's. It must
// be called in a bubble.
func (w *world) running(a *App, d Desk, f func()) {
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx, d) }()
	synctest.Wait()
	f()
	synctest.Wait()
	stop()
	<-done
}

// types has somebody type a command and waits until nothing happens any more.
func (w *world) types(user, text string) sim.Delivery {
	w.t.Helper()
	d, err := w.slack.Type(w.t.Context(), user, incident, "/samlfailover "+text)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return d
}

func (w *world) clicks(user, ts, label string) sim.Delivery {
	w.t.Helper()
	d, err := w.slack.Click(w.t.Context(), user, incident, ts, label)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return d
}

// sees returns all that a person sees in the channel.
func (w *world) sees(user string) string {
	var out []string
	for _, m := range w.slack.Messages(incident, user) {
		out = append(out, m.All())
	}
	return strings.Join(out, "\n---\n")
}

// clean checks that no secret is in the log, and that no message calls anybody.
func (w *world) clean() error {
	for _, s := range []string{"SECRETMARKER", "hooks.slack.com/commands", "hooks.slack.com/actions"} {
		if strings.Contains(w.log.String(), s) {
			return fmt.Errorf("the log holds %q:\n%s", s, w.log.String())
		}
	}
	for _, u := range []string{"U0ADA", "U0GRACE", "U0MALLORY"} {
		for _, m := range w.slack.Messages(incident, u) {
			if m.Calls() {
				return fmt.Errorf("a message calls people: %s", m.All())
			}
		}
	}
	return nil
}

// wants reports what of the words a text lacks.
func wants(text string, words ...string) error {
	var missing []error
	for _, w := range words {
		if !strings.Contains(text, w) {
			missing = append(missing, fmt.Errorf("%q is missing in:\n%s", w, text))
		}
	}
	return errors.Join(missing...)
}

// secretOf is the response_url of a request.
func secretOf(d sim.Delivery) secret.Value { return secret.New(d.AnswerURL) }
