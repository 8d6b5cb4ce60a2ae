package move_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	east = signin.MustRegion("us-east-1")
	west = signin.MustRegion("us-west-2")
	ohio = signin.MustRegion("us-east-2")
	ca   = signin.MustRegion("ca-central-1")
)

// body is the JSON of an app of the test's own small IdP.
type body struct {
	ACS    string `json:"acs"`
	Relay  string `json:"relay"`
	Other  string `json:"other"`
	Hidden bool   `json:"hidden,omitempty"`
}

// codec understands body.
type codec struct{}

func (codec) Describe(d idp.Document) idp.App {
	var b body
	_ = json.Unmarshal(d.Raw, &b)
	app := idp.App{ID: d.ID, Label: string(d.ID), Kind: "test", ACSText: b.ACS, RelayState: b.Relay, Hidden: b.Hidden}
	acs, err := signin.ParseACS(b.ACS)
	if err != nil {
		app.Findings = []finding.Finding{{Code: finding.ForeignACS, Subject: "app " + string(d.ID), What: err.Error()}}
		return app
	}
	app.ACS, app.Movable = acs, true
	return app
}

func (c codec) Retarget(d idp.Document, t signin.Target) ([]idp.Change, error) {
	app := c.Describe(d)
	to, err := app.ACS.In(t.To)
	if err != nil {
		return nil, err
	}
	var out []idp.Change
	change := func(p idp.Pointer, before, after string) {
		if before != after {
			out = append(out, idp.Change{Pointer: p, Before: idp.QuoteJSON(before), After: idp.QuoteJSON(after)})
		}
	}
	change("/acs", app.ACSText, to.String())
	if relay, outcome := t.Rewrite(app.RelayState); outcome.Changes() {
		change("/relay", app.RelayState, relay.String())
	}
	return out, nil
}

func (codec) Publish(d idp.Document, show bool) ([]idp.Change, error) {
	v, err := idp.Parse(d.Raw)
	if err != nil {
		return nil, err
	}
	return idp.Switch(v, "/hidden", !show)
}

func (codec) Volatile() []idp.Pointer { return nil }

// world is everything outside the mover: the IdP, the audit record, the store.
type world struct {
	mu       sync.Mutex
	docs     map[idp.AppID]json.RawMessage
	writes   map[idp.AppID]int
	recorded []string // action and subject or app, in order
	store    *memory.Store
	fed      federation.Federation
	fail     func(op string, id idp.AppID) error // nil: nothing fails
	norecord error
	unheard  []idp.AppID // written without an audit record before
}

func ref(tenant, id string) federation.AppRef {
	return federation.AppRef{Name: id, Tenant: tenant, ID: id}
}

// newWorld has apps a, b and c in us-east-1; a is the lead; c lives in another
// tenant.
func newWorld() *world {
	w := &world{docs: map[idp.AppID]json.RawMessage{}, writes: map[idp.AppID]int{}, store: memory.New(),
		fed: federation.Federation{Name: "corp", Partition: signin.AWS, Regions: []signin.Region{east, west, ohio}, Lead: "a",
			Apps: []federation.AppRef{ref("t1", "a"), ref("t1", "b"), ref("t2", "c")}, Accounts: []federation.Account{{ID: "111111111111"}}}}
	for _, a := range w.fed.Apps {
		w.put(a.ID, east, "untouched")
	}
	return w
}

func (w *world) put(id string, r signin.Region, other string) { w.putTile(id, r, other, false) }

func (w *world) putTile(id string, r signin.Region, other string, hidden bool) {
	acs, err := r.ACS("")
	if err != nil {
		panic(err)
	}
	raw, err := json.Marshal(body{acs.String(), "https://" + r.String() + ".console.aws.amazon.com/", other, hidden})
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.docs[idp.AppID(id)] = raw
}

func (w *world) app(id string) (idp.App, body) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b body
	_ = json.Unmarshal(w.docs[idp.AppID(id)], &b)
	return codec{}.Describe(idp.Document{ID: idp.AppID(id), Raw: w.docs[idp.AppID(id)]}), b
}

// tenant is the world's IdP; it implements idp.Tenant.
type tenant struct{ w *world }

func (t tenant) List(context.Context) ([]idp.Document, error) { return nil, errors.New("not asked") }
func (t tenant) Warm(context.Context) error                   { return nil }

func (t tenant) failing(op string, id idp.AppID) error {
	t.w.mu.Lock()
	fail := t.w.fail
	t.w.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(op, id)
}

func (t tenant) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if err := errors.Join(ctx.Err(), t.failing("read", id)); err != nil {
		return idp.Document{}, err
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	return idp.Document{ID: id, Raw: slices.Clone(t.w.docs[id]), ReadAt: time.Now()}, nil
}

func (t tenant) Write(ctx context.Context, d idp.Document, cs []idp.Change) error {
	if err := errors.Join(ctx.Err(), t.failing("write", d.ID)); err != nil {
		return err
	}
	next, err := idp.Apply(d, cs)
	if err != nil {
		return err
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if !slices.ContainsFunc(t.w.recorded, func(s string) bool { return s == "move.write "+string(d.ID) }) {
		t.w.unheard = append(t.w.unheard, d.ID)
	}
	t.w.writes[d.ID]++
	t.w.docs[d.ID] = next.Raw
	return nil
}

// Record implements move.Recorder.
func (w *world) Record(_ context.Context, _, action, _ string, detail any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.norecord != nil {
		return w.norecord
	}
	raw, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	var d struct{ Detail struct{ App string } }
	if action == "move.write" {
		if err := json.Unmarshal(raw, &d); err != nil {
			return err
		}
		action += " " + d.Detail.App[len("t1/"):]
	}
	w.recorded = append(w.recorded, action)
	return nil
}

func (w *world) totalWrites() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.writes {
		n += c
	}
	return n
}

func (w *world) vendors() move.Vendors {
	v := move.Vendor{Tenant: tenant{w}, Codec: codec{}, AdminURL: func(id idp.AppID) string { return "https://admin.example/" + string(id) }}
	return move.Vendors{"t1": v, "t2": v}
}

// config is a new leader's.
func (w *world) config() move.Config {
	j, t := w.store.Lead()
	return move.Config{Federation: func(name string) (federation.Federation, bool) { return w.fed, name == w.fed.Name },
		Apps: w.vendors(), Journal: j, Term: t, Recorder: w, Log: slog.New(slog.DiscardHandler)}
}

// situation is a calm one of a federation.
func situation(f federation.Federation, req *failover.Request) failover.Situation {
	s := failover.Situation{Now: time.Now(), Federation: f, Request: req}
	s.Federation.Policy = federation.Policy{Mode: federation.Auto, AcceptFewerVantages: true}
	for _, r := range f.Regions {
		s.Verdicts = append(s.Verdicts, health.Verdict{Region: r, State: health.Healthy, Configured: 1, For: 1})
	}
	return s
}

// plan is the rules' own plan for leaving us-east-1; cause may change it to an
// operator's switchover.
func (w *world) plan(t testing.TB, req *failover.Request) failover.Plan {
	t.Helper()
	return planOf(t, w.fed, w.states(), req)
}

// planOf is the same for any federation.
func planOf(t testing.TB, f federation.Federation, apps []failover.AppState, req *failover.Request) failover.Plan {
	t.Helper()
	s := situation(f, req)
	if req == nil {
		s.Verdicts[0].State = health.Unhealthy
	}
	return decide(t, s, apps)
}

// planWith is plan for a situation that change makes.
func (w *world) planWith(t testing.TB, change func(*failover.Situation)) failover.Plan {
	t.Helper()
	s := situation(w.fed, nil)
	change(&s)
	return decide(t, s, w.states())
}

// states are the apps as they are now.
func (w *world) states() []failover.AppState {
	var out []failover.AppState
	for _, a := range w.fed.Members() {
		app, _ := w.app(a.ID)
		out = append(out, failover.AppState{Ref: a, App: app, ReadAt: time.Now()})
	}
	return out
}

func decide(t testing.TB, s failover.Situation, apps []failover.AppState) failover.Plan {
	t.Helper()
	s.Apps = apps
	rules := failover.Standard().Without(failover.NotReady)
	d := rules.Decide(s)
	if d.Outcome != failover.Move {
		t.Fatalf("no move to test with: %s", d.Why)
	}
	return *d.Plan
}

func newMover(t testing.TB, c move.Config) *move.Mover {
	t.Helper()
	m, err := move.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mustRun runs the plan and wants no error.
func mustRun(t testing.TB, m *move.Mover, p failover.Plan) failover.Result {
	t.Helper()
	res, err := m.Run(t.Context(), p, failover.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// wantAt checks that the app signs in at r and that nothing else was touched.
func (w *world) wantAt(t testing.TB, id string, r signin.Region, other string) {
	t.Helper()
	app, b := w.app(id)
	if app.Region() != r || b.Other != other {
		t.Errorf("app %s is at %s with %q, want %s with %q", id, app.Region(), b.Other, r, other)
	}
}

func busy() error {
	return finding.Finding{Code: finding.IdPReadOnly, Subject: "tenant", What: "read-only", Remedy: "wait"}
}
