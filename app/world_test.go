package app_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// A connection that a controller was answering on while it was stopped in
// mid-move ends a moment after the test.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

const (
	home    = "us-east-1"
	standby = "us-west-2"
	// patience bounds every wait for something that must happen.
	patience = 30 * time.Second
	// glance is how often it is looked for.
	glance = 20 * time.Millisecond
)

// oneKey signs in every world: making one takes long.
var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// place is a simulated world that is served, with the product's config for it.
type place struct {
	t     *testing.T
	world *sandbox.World
	dir   string
	cfg   *config.Config
	env   map[string]string
	// reload asks the controller for a reload.
	reload chan os.Signal
}

// newPlace makes a world of the test's own. edits are old and new texts in the
// written config; a share of 0.5 lets the demo's roles count as ready enough.
func newPlace(t *testing.T, edits ...string) *place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{Probing: "interval: 300ms, fast_interval: 50ms, timeout: 2s, fall: 2, rise: 3",
		Seed: seed.Options{NewKey: oneKey}})
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, world: w, dir: filepath.Join(t.TempDir(), "w"), env: map[string]string{}}
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the world: %v", err)
		}
	})
	if err := w.WriteDir(p.dir); err != nil {
		t.Fatal(err)
	}
	p.configure(append([]string{"min_ready_share: 0.9", "min_ready_share: 0.5"}, edits...)...)
	return p
}

// configure edits the written config and loads it.
func (p *place) configure(edits ...string) {
	p.t.Helper()
	p.write(edits...)
	var err error
	if p.cfg, err = config.Load(filepath.Join(p.dir, "samlfailover.yaml"), config.Options{}); err != nil {
		p.t.Fatal(err)
	}
}

// auditPath is the controller's record.
func (p *place) auditPath() string { return filepath.Join(p.cfg.Store.Dir, "audit.jsonl") }

// records reads the audit file, checking its chain on the way.
func (p *place) records() []audit.Record {
	p.t.Helper()
	var out []audit.Record
	if err := audit.Read(p.auditPath(), func(r audit.Record) error { out = append(out, r); return nil }); err != nil {
		p.t.Error(err)
	}
	return out
}

// wantAudit verifies the whole file and that it holds these actions, in order.
func (p *place) wantAudit(actions ...string) {
	p.t.Helper()
	if _, n, err := audit.Verify(p.auditPath()); err != nil || n == 0 {
		p.t.Errorf("the audit file: %d records, %v", n, err)
	}
	left := actions
	for _, r := range p.records() {
		if len(left) > 0 && r.Action == left[0] {
			left = left[1:]
		}
	}
	if len(left) > 0 {
		p.t.Errorf("the audit file lacks %q, or its order", left)
	}
}

// puts counts the writes that reached an IdP; path "" is any app.
func (p *place) puts(app string) int {
	return p.world.Requests().Count(0, func(e reqlog.Entry) bool {
		return e.Kind == reqlog.Request && slices.Contains(vendorsOf(p.world), e.Service) && e.Method == "PUT" && strings.Contains(e.Path, app)
	})
}

// vendorsOf are the services of the world's IdPs.
func vendorsOf(w *sandbox.World) []string {
	var out []string
	for _, t := range w.Demo().Tenants {
		out = append(out, t.Kind)
	}
	return out
}

// acs is an app's sign-in endpoint as the IdP holds it: where an assertion
// would go.
func (p *place) acs(id string) string {
	p.t.Helper()
	raw, _ := p.world.AppJSON(id)
	var doc struct {
		Settings struct {
			SignOn struct {
				SSOACSURL string `json:"ssoAcsUrl"`
			} `json:"signOn"`
			App struct {
				OverrideACSURL string `json:"overrideAcsURL"`
			} `json:"app"`
		} `json:"settings"`
		ACSURLs       []string `json:"acsUrls"`
		Configuration struct {
			ConsumerURL string `json:"consumer_url"`
		} `json:"configuration"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		p.t.Error(err)
	}
	first := append(doc.ACSURLs, "")[0]
	return cmp.Or(doc.Settings.SignOn.SSOACSURL, doc.Settings.App.OverrideACSURL, first, doc.Configuration.ConsumerURL)
}

// beforeWrites calls f before any write of an app takes effect.
func (p *place) beforeWrites(f func(id string)) {
	p.world.Org().BeforeWrite(f)
	p.world.PingOne().BeforeWrite(f)
	p.world.OneLogin().BeforeWrite(f)
}

// breaks sets a fault.
func (p *place) breaks(target string, kind fault.Kind) {
	p.t.Helper()
	if _, err := p.world.Fault(fault.Fault{Target: target, Effect: fault.Effect{Kind: kind}}); err != nil {
		p.t.Fatal(err)
	}
}

// service is a controller that runs in a place.
type service struct {
	*place
	client *app.Client
	log    *journal
	ready  chan struct{} // closed once it answers
	stop   func() error
}

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (p *place) setup(log *journal) app.Setup {
	return app.Setup{Config: p.cfg, Env: p.env, Log: slog.New(slog.NewTextHandler(log, nil))}
}

// start runs a controller until the test ends or stop is called, and waits until
// it answers.
func (p *place) start() *service {
	p.t.Helper()
	s := p.launch()
	select {
	case <-s.ready:
	case <-time.After(patience):
		p.t.Fatal("the controller is not ready")
	}
	s.client = p.dial()
	return s
}

// launch runs a controller until the test ends or stop is called.
func (p *place) launch() *service {
	p.t.Helper()
	s := &service{place: p, log: &journal{}, ready: make(chan struct{})}
	svc, err := app.New(app.Options{Setup: p.setup(s.log), Version: "test", Reload: p.reload, LookEvery: glance, UnsafeNoSync: true, Ready: func(string) { close(s.ready) }})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	s.stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	p.t.Cleanup(func() {
		if err := s.stop(); err != nil {
			p.t.Errorf("the controller: %v", err)
		}
		if p.t.Failed() {
			p.t.Logf("the controller's log:\n%s", s.log.text())
		}
	})
	return s
}

func (p *place) dial() *app.Client {
	p.t.Helper()
	c, err := app.Dial(p.cfg.Store.Dir)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// until waits for a condition of the only federation's status.
func (s *service) until(what string, holds func(control.FederationStatus) bool) control.FederationStatus {
	s.t.Helper()
	limit, tick := time.NewTimer(patience), time.NewTicker(glance)
	defer limit.Stop()
	defer tick.Stop()
	for {
		st, err := s.client.Status(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		f := st.Federations[0]
		if holds(f) {
			return f
		}
		select {
		case <-limit.C:
			raw, _ := json.MarshalIndent(f, "", " ")
			s.t.Fatalf("waited in vain until %s; status:\n%s", what, raw)
		case <-tick.C:
		}
	}
}

// calm waits until every Region is healthy, every app read and every role
// scanned.
func (s *service) calm() control.FederationStatus {
	s.t.Helper()
	return s.until("all is known and well", func(f control.FederationStatus) bool {
		for _, r := range f.Regions {
			if r.State != "healthy" || r.ScannedAt.IsZero() {
				return false
			}
		}
		for _, a := range f.Apps {
			if a.ReadAt.IsZero() {
				return false
			}
		}
		return f.Decision.Rule == "active-healthy"
	})
}

// move asks for a move to the standby Region and returns its events.
func (s *service) move(r control.MoveRequest) (control.MoveAnswer, []move.Event, error) {
	var events []move.Event
	a, err := s.client.Move(s.t.Context(), r, func(e move.Event) { events = append(events, e) })
	return a, events, err
}
