package hooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/hooks/sources"
	"github.com/samlfailover/samlfailover/signature"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/store/memory"
)

const (
	key   = "MARKER-key-of-thirty-two-bytes-00"
	token = "MARKER-token"
)

// site is a simulated federation: what its rules say, and what was asked of it.
type site struct {
	mu       sync.Mutex
	decision control.Decision
	err      error
	looks    int
	moves    []control.MoveRequest
	proposed []control.MoveRequest
	by       []control.Actor
	die      *fuse
}

func (s *site) set(d control.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decision = d
}

func (s *site) Evaluate(ctx context.Context, a control.Actor, federation string) (control.Decision, error) {
	if err := s.die.at(ctx); err != nil {
		return control.Decision{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	s.by = append(s.by, a)
	if federation != "corp" {
		return control.Decision{}, &control.Failure{Kind: control.NotFound, Message: "no federation is called " + federation}
	}
	return s.decision, s.err
}

func (s *site) Propose(ctx context.Context, _ control.Actor, r control.MoveRequest) (string, error) {
	if err := s.die.at(ctx); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proposed = append(s.proposed, r)
	return "p1", nil
}

func (s *site) Move(ctx context.Context, _ control.Actor, r control.MoveRequest) (control.MoveAnswer, error) {
	if err := s.die.at(ctx); err != nil {
		return control.MoveAnswer{}, err
	}
	s.mu.Lock()
	s.moves = append(s.moves, r)
	s.decision = calm()
	s.mu.Unlock()
	if err := s.die.at(ctx); err != nil {
		return control.MoveAnswer{}, err
	}
	return control.MoveAnswer{Result: &control.MoveResult{Status: failover.Verified}}, nil
}

// did says what the site was asked to do.
func (s *site) did() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("looks %v, proposals %d, moves %d", s.looks > 0, len(s.proposed), len(s.moves))
}

func calm() control.Decision {
	return control.Decision{Outcome: failover.Hold, Rule: failover.ActiveHealthy, Why: "it works"}
}

// due is what the rules say in mode approve when a Region is down.
func due() control.Decision {
	return control.Decision{Outcome: failover.Propose, Rule: failover.Approval, Why: "us-east-1 is down", Plan: &failover.Plan{To: signin.MustRegion("us-west-2")}}
}

// fuse ends a process at its n-th step: from then on nothing has an effect. A
// nil fuse never blows.
type fuse struct {
	mu   sync.Mutex
	left int
	dead bool
}

func (f *fuse) at(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	f.left--
	f.dead = f.dead || f.left <= 0
	dead := f.dead
	f.mu.Unlock()
	if dead {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// steps wraps what hooks keep things in, so that a fuse may blow before and
// after each step.
type steps struct {
	*fuse
	box  *memory.Box
	once *memory.Once
	log  *record
	fail *string // the step that fails once it is done, as when its answer is lost; "" none
}

// lost fails a step of that name.
func (s steps) lost(step string) error {
	if s.fail != nil && *s.fail == step {
		return errors.New("no answer")
	}
	return nil
}

func (s steps) step(ctx context.Context, do func() error) error {
	if err := s.at(ctx); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return s.at(ctx)
}

func (s steps) Put(ctx context.Context, k string, v []byte) error {
	return s.step(ctx, func() error { return errors.Join(s.box.Put(ctx, k, v), s.lost("put")) })
}

func (s steps) Delete(ctx context.Context, k ...string) error {
	return s.step(ctx, func() error { return s.box.Delete(ctx, k...) })
}

func (s steps) Get(ctx context.Context, k string) ([]byte, bool, error) { return s.box.Get(ctx, k) }

func (s steps) All(ctx context.Context) (map[string][]byte, error) { return s.box.All(ctx) }

func (s steps) First(ctx context.Context, kind, k string, keep time.Duration) (first bool, err error) {
	err = s.step(ctx, func() (err error) { first, err = s.once.First(ctx, kind, k, keep); return err })
	return first, errors.Join(err, s.lost("once"))
}

func (s steps) Record(ctx context.Context, actor, action, _ string, detail any) error {
	return s.step(ctx, func() error {
		s.log.add(fmt.Sprint(actor, " ", action, " ", detail))
		return s.lost("record")
	})
}

// record is the audit record.
type record struct {
	mu  sync.Mutex
	all []string
}

func (r *record) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, line)
}

func (r *record) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// world is a federation with its hooks; controllers come and go over the same
// store.
type world struct {
	t       *testing.T
	site    site
	box     *memory.Box
	once    memory.Once
	records record
	log     bytes.Buffer
	logger  *slog.Logger // one for all controllers: it has the lock
	hooks   []Hook
}

type callers map[string]people.Caller

func (c callers) Hook(name string) (people.Caller, bool) { got, ok := c[name]; return got, ok }

func newWorld(t *testing.T) *world {
	secrets := []secret.Value{secret.New(key)}
	w := &world{t: t, box: &memory.Box{}, site: site{decision: calm()}, hooks: []Hook{
		{Name: "pd", Federation: "corp", Action: Move, Source: sources.Source{Kind: sources.PagerDuty, Secrets: secrets, Events: []string{"incident.triggered"}, Own: "samlfailover/"}},
		{Name: "runbook", Federation: "corp", Action: Move, To: "", Source: sources.Source{Kind: sources.HMAC, Secrets: secrets, MayName: []string{"eu-west-1"}}},
		{Name: "am", Federation: "corp", Action: Propose, Source: sources.Source{Kind: sources.Alertmanager, Token: secret.New(token)}},
		{Name: "look", Federation: "corp", Action: Evaluate, Source: sources.Source{Kind: sources.HMAC, Secrets: secrets}},
		{Name: "lost", Federation: "gone", Action: Move, Source: sources.Source{Kind: sources.HMAC, Secrets: secrets}},
	}}
	w.logger = slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: escape.Attr}))
	return w
}

// controller is one process; lead makes it the leader until stop is called.
type controller struct {
	w    *world
	h    *Hooks
	it   steps
	stop func()
}

func (w *world) start(f *fuse) *controller {
	w.t.Helper()
	c := &controller{w: w, it: steps{fuse: f, box: w.box, once: &w.once, log: &w.records, fail: new(string)}, stop: func() {}}
	known := callers{}
	for _, h := range w.hooks {
		known[h.Name] = people.Caller{Name: h.Name, Way: people.Hook, ID: h.Name, Grants: people.Grants{h.Federation: people.Operator}}
	}
	var err error
	c.h, err = New(Options{Hooks: w.hooks, Callers: known, Once: c.it, Record: c.it, Log: w.logger})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (c *controller) lead() *controller {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c.w.site.mu.Lock()
	c.w.site.die = c.it.fuse
	c.w.site.mu.Unlock()
	go func() { c.h.Work(ctx, c.it, &c.w.site); close(done) }()
	c.stop = func() { cancel(); <-done }
	return c
}

// do sends a request and returns its answer.
func (c *controller) do(r *http.Request) (int, map[string]any) {
	rec := httptest.NewRecorder()
	rec.Header().Set(gate.RequestHeader, "r1") // as the gate does
	c.h.Handler().ServeHTTP(rec, r)
	var body map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		c.w.t.Errorf("the answer is no JSON: %s", rec.Body)
	}
	if ct := rec.Header().Get("Content-Type"); rec.Code >= 400 && (ct != "application/problem+json" || body["type"] == nil || body["next"] == "" || body["detail"] == "" || body["request"] != "r1") {
		c.w.t.Errorf("the problem lacks something: %s %s", ct, rec.Body)
	}
	if strings.Contains(rec.Body.String(), "MARKER") {
		c.w.t.Errorf("the answer holds a secret: %s", rec.Body)
	}
	return rec.Code, body
}

func post(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func signed(hook, body string) *http.Request {
	r := post("/hooks/"+hook, body)
	signature.Sign(r.Header, secret.New(key), time.Now(), r.Method, r.URL.EscapedPath(), []byte(body))
	return r
}

func pagerDuty(id string) *http.Request {
	body := fmt.Sprintf(`{"event":{"id":%q,"event_type":"incident.triggered","occurred_at":%q,"data":{"id":"Q2ABC","incident_key":"k","title":"sign-in is down"}}}`, id, time.Now().UTC().Format(time.RFC3339Nano))
	return pagerDutyWith("pd", body)
}

func pagerDutyWith(hook, body string) *http.Request {
	r := post("/hooks/"+hook, body)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	r.Header.Set("X-PagerDuty-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func alert(status string) *http.Request {
	r := post("/hooks/am", fmt.Sprintf(`{"version":"4","groupKey":"g","status":%q,"alerts":[{"status":%q,"startsAt":"x","fingerprint":"f"}]}`, status, status))
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// copyOf is a copy of a request before it is sent: what an attacker recorded.
func copyOf(r *http.Request) func() *http.Request {
	var b bytes.Buffer
	_, _ = b.ReadFrom(r.Body)
	again := func() *http.Request {
		c := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(b.Bytes()))
		c.Header = r.Header.Clone()
		return c
	}
	return again
}
