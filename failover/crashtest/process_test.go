package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// seat is what a leader has of the store, whichever that is.
type seat struct {
	journal interface {
		move.Journal
		move.Archive
	}
	term     move.Term
	brakes   move.BrakeList
	recorder move.Recorder
}

// mission is what every process of a run knows from its config.
type mission struct {
	fed     federation.Federation
	tenants []seed.Tenant // those of the federation's apps
	limits  move.Limits
	codecs  memos     // nil: every codec works out everything again
	seen    *verdicts // the same for the checks
}

// process is one controller's part in a move, from its start to its end or
// death: the product's mover and adapters, with the fuse at every boundary.
type process struct {
	mission
	fuse    *fuse
	vendors move.Vendors
	mover   *move.Mover
}

// sabotage makes a process wrong in one way; nil fields change nothing.
type sabotage struct {
	journal  func(move.Journal) move.Journal
	recorder func(move.Recorder) move.Recorder
	apps     func(move.Vendors) move.Apps
}

// newProcess starts a process. Calls to the identity providers go to network.
func newProcess(m mission, s seat, network http.RoundTripper, f *fuse, bad sabotage) (*process, error) {
	p := &process{mission: m, fuse: f, vendors: move.Vendors{}}
	for _, t := range m.tenants {
		v, err := vendor(t, fusedCalls{network, f, t.Name})
		if err != nil {
			return nil, err
		}
		v.Codec = m.codecs.of(t.Name, v.Codec)
		p.vendors[t.Name] = v
	}
	c := move.Config{Journal: s.journal, Recorder: s.recorder, Apps: p.vendors, Limits: m.limits, Log: slog.New(slog.DiscardHandler),
		Federation: func(name string) (federation.Federation, bool) { return m.fed, name == m.fed.Name }}
	if bad.journal != nil {
		c.Journal = bad.journal(c.Journal)
	}
	if bad.recorder != nil {
		c.Recorder = bad.recorder(c.Recorder)
	}
	if bad.apps != nil {
		c.Apps = bad.apps(p.vendors)
	}
	c.Journal, c.Recorder, c.Apps = fusedJournal{c.Journal, p}, fusedRecorder{c.Recorder, f}, namedApps{c.Apps}
	c.Term, c.Brakes, c.Prover = fusedTerm{s.term, f}, fusedBrakes{s.brakes, f}, prover{p}
	var err error
	p.mover, err = move.New(c)
	return p, err
}

// vendor makes a tenant as the wiring does, over a network of its own.
func vendor(t seed.Tenant, calls http.RoundTripper) (move.Vendor, error) {
	n, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: calls})
	if err != nil {
		return move.Vendor{}, err
	}
	switch pass := secret.New(t.Secret); t.Kind {
	case "okta":
		o, err := okta.New(okta.Options{Network: n, Name: t.Name, URL: t.URL, Token: pass})
		return move.Vendor{Tenant: o, Codec: codec(t.Kind)}, err
	case "pingone":
		auth := pingone.AuthBasic
		if t.PostsSecret {
			auth = pingone.AuthPost
		}
		o, err := pingone.New(pingone.Options{Network: n, Name: t.Name, TLD: "com", Environment: t.Environment, WorkerEnvironment: t.WorkerEnvironment,
			ClientID: t.ClientID, ClientSecret: pass, Auth: auth})
		return move.Vendor{Tenant: o, Codec: codec(t.Kind)}, err
	case "onelogin":
		o, err := onelogin.New(onelogin.Options{Network: n, Name: t.Name, URL: t.URL, ClientID: t.ClientID, ClientSecret: pass})
		return move.Vendor{Tenant: o, Codec: codec(t.Kind)}, err
	}
	return move.Vendor{}, fmt.Errorf("no adapter for a tenant of kind %s", t.Kind)
}

// codec returns the codec of a kind of tenant, every kind of app proven.
func codec(kind string) idp.Codec {
	switch kind {
	case "okta":
		return okta.Codec{Proven: []string{"okta:custom-saml", "okta:amazon_aws"}}
	case "pingone":
		return pingone.Codec{Proven: []string{"pingone:saml"}}
	}
	return onelogin.Codec{}
}

// warm fetches the tokens, as a controller does before it is needed.
func (p *process) warm(ctx context.Context) error {
	for _, t := range p.tenants {
		if err := p.vendors[t.Name].Tenant.Warm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// move carries out a plan, as the controller's own decision.
func (p *process) move(ctx context.Context, plan failover.Plan) error {
	if err := p.warm(ctx); err != nil {
		return err
	}
	_, err := p.mover.Run(ctx, plan, failover.Request{})
	return err
}

// undo takes a finished move back.
func (p *process) undo(ctx context.Context, past move.Record) error {
	if err := p.warm(ctx); err != nil {
		return err
	}
	_, err := p.mover.Undo(ctx, past, failover.Request{By: "operator", Reason: "the Region is back"})
	return err
}

// resume does what a new leader does first.
func (p *process) resume(ctx context.Context) error {
	if err := p.warm(ctx); err != nil {
		return err
	}
	_, err := p.mover.Resume(ctx, p.fed.Name)
	return err
}

type fusedJournal struct {
	move.Journal
	p *process
}

func (j fusedJournal) Begin(ctx context.Context, r move.Record) error {
	return j.p.fuse.cross("journal begin", "", func() error { return j.Journal.Begin(ctx, r) })
}

func (j fusedJournal) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	name := n.App
	for _, a := range j.p.fed.Apps {
		if a.String() == n.App {
			name = a.Name
		}
	}
	return j.p.fuse.cross("journal note "+string(n.Phase), name, func() error { return j.Journal.Note(ctx, id, n) })
}

func (j fusedJournal) Finish(ctx context.Context, id failover.MoveID, r failover.Result) error {
	return j.p.fuse.cross("journal finish", "", func() error { return j.Journal.Finish(ctx, id, r) })
}

func (j fusedJournal) Open(ctx context.Context) (out []move.Record, err error) {
	err = j.p.fuse.cross("journal read", "", func() error { out, err = j.Journal.Open(ctx); return err })
	return out, err
}

// fusedTerm counts the questions for the lease. Those from within an app's step
// are the app's; the others change nothing, so that it does not matter whose
// they are.
type fusedTerm struct {
	move.Term
	f *fuse
}

func (t fusedTerm) Remaining(ctx context.Context) (d time.Duration, err error) {
	err = t.f.cross("lease", appOf(ctx), func() error { d, err = t.Term.Remaining(ctx); return err })
	return d, err
}

type fusedBrakes struct {
	move.BrakeList
	f *fuse
}

func (b fusedBrakes) Brakes(ctx context.Context) (out []failover.Brake, err error) {
	err = b.f.cross("locks", appOf(ctx), func() error { out, err = b.BrakeList.Brakes(ctx); return err })
	return out, err
}

type fusedRecorder struct {
	move.Recorder
	f *fuse
}

func (r fusedRecorder) Record(ctx context.Context, actor, action, subject string, detail any) error {
	of := appOf(ctx)
	if of == "" {
		of = appIn(detail)
	}
	return r.f.cross("audit "+action, of, func() error { return r.Recorder.Record(ctx, actor, action, subject, detail) })
}

// appIn finds the app that an audit record is about, by its name or reference.
func appIn(detail any) string {
	raw, err := json.Marshal(detail)
	if err != nil {
		return ""
	}
	var d struct {
		Detail struct {
			App json.RawMessage `json:"app"`
		} `json:"detail"`
	}
	if json.Unmarshal(raw, &d) != nil {
		return "" // a plan, a list of steps: of the move as a whole
	}
	var ref federation.AppRef
	var text string
	if json.Unmarshal(d.Detail.App, &text) == nil {
		return text
	}
	_ = json.Unmarshal(d.Detail.App, &ref)
	return ref.Name
}

// namedApps gives the calls of a step the name of their app.
type namedApps struct{ move.Apps }

func (a namedApps) Step(ctx context.Context, app federation.AppRef, target signin.Target, h idp.Hooks) (idp.StepResult, error) {
	return a.Apps.Step(context.WithValue(ctx, forApp{}, app.Name), app, target, h)
}

func (a namedApps) Undo(ctx context.Context, app federation.AppRef, wrote []idp.Change, h idp.Hooks) (idp.StepResult, error) {
	return a.Apps.Undo(context.WithValue(ctx, forApp{}, app.Name), app, wrote, h)
}

// fusedCalls are the HTTP calls to one tenant.
type fusedCalls struct {
	http.RoundTripper
	f      *fuse
	tenant string
}

func (c fusedCalls) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	what, of := "read", appOf(r.Context())
	switch {
	case r.Method == http.MethodPut:
		what = "write"
	case of == "" || r.Method == http.MethodPost:
		what, of = "token", c.tenant
	}
	// A request that has left is not called back by the death of who sent it.
	sent := r.WithContext(context.WithoutCancel(r.Context()))
	err = c.f.cross(what, of, func() error { resp, err = c.RoundTripper.RoundTrip(sent); return err }) //nolint:bodyclose // the adapter closes it
	if err != nil && resp != nil {
		_ = resp.Body.Close()
		resp = nil
	}
	return resp, err
}

// prover stands in for the proof by a test user: a call to the provider that
// changes nothing, and a level that depends on what the provider says. What the
// real one does is tested where it is built.
type prover struct{ p *process }

func (v prover) Prove(ctx context.Context, app federation.AppRef, to signin.Region) (failover.Level, error) {
	now, _, err := v.p.vendors.Read(context.WithValue(ctx, forApp{}, app.Name), app)
	if err != nil || now.Region() != to {
		return failover.P1, fmt.Errorf("the app is at %s: %w", now.Region(), err)
	}
	return failover.P3, nil
}
