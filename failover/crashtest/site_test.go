package crashtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// oneKey signs in every world: making one takes long.
var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// place is a simulated world with a federation of some of its apps: 1 (the
// lead), 3 (one of each vendor) or all 6.
type place struct {
	world *sandbox.World
	mission
	before map[string][]byte // the apps' documents as they were, all six

	mu       sync.Mutex
	arrived  map[string]int // writes by app id
	onWrite  func(id string)
	fromHere uint64 // of the request log
	counted  map[string]int
}

func newPlace(t testing.TB, apps int) *place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{Seed: seed.Options{NewKey: oneKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	p := &place{world: w, mission: missionOf(w.Demo(), apps), before: map[string][]byte{}}
	p.before = p.documents()
	p.begin()
	for _, vendor := range []interface{ BeforeWrite(func(string)) }{w.Org(), w.PingOne(), w.OneLogin()} {
		vendor.BeforeWrite(p.arrives)
	}
	return p
}

// missionOf makes a federation of some apps of a demo world.
func missionOf(d seed.Demo, apps int) mission {
	m := mission{fed: federation.Federation{Name: seed.Federation, Partition: d.Partition, Regions: d.Regions,
		Policy: federation.Policy{Mode: federation.Auto, AcceptFewerVantages: true}}}
	for _, a := range d.Accounts {
		m.fed.Accounts = append(m.fed.Accounts, federation.Account{ID: a.ID})
	}
	all := map[int][]int{1: {0}, 3: {0, 2, 4}, 6: {0, 1, 2, 3, 4, 5}}
	for _, i := range all[apps] {
		a := d.Apps[i]
		m.fed.Apps = append(m.fed.Apps, federation.AppRef{Name: a.Label, Tenant: a.Tenant, ID: a.ID})
		if t, _ := d.Tenant(a.Tenant); !slices.Contains(m.tenants, t) {
			m.tenants = append(m.tenants, t)
		}
	}
	m.fed.Lead = m.fed.Apps[0].Name
	return m
}

// arrives is told by the vendors when a write has come and has no effect yet.
func (p *place) arrives(id string) {
	p.mu.Lock()
	p.arrived[id]++
	f := p.onWrite
	p.mu.Unlock()
	if f != nil {
		f(id)
	}
}

// writes counts what the world's own log has of writes that were not refused,
// by app id.
func (p *place) writes() map[string]int {
	out := maps.Clone(p.counted)
	entries, missed := p.world.Requests().Since(p.fromHere)
	if missed > 0 {
		out["entries that the log has dropped"] = int(missed)
	}
	for _, e := range entries {
		if e.Kind == reqlog.Request && e.Method == http.MethodPut && e.Status < 400 {
			out[e.Path[strings.LastIndex(e.Path, "/")+1:]]++
		}
	}
	return out
}

// begin counts from nothing.
func (p *place) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrived, p.counted, p.fromHere = map[string]int{}, map[string]int{}, p.world.Requests().Last()
}

// documents are the apps' documents as the vendors hold them.
func (p *place) documents() map[string][]byte {
	out := map[string][]byte{}
	for _, a := range p.world.Demo().Apps {
		out[a.ID], _ = p.world.AppJSON(a.ID)
	}
	return out
}

// put makes the apps what they were, but for the vendors' own time stamps.
func (p *place) put(t testing.TB, docs map[string][]byte) {
	t.Helper()
	now := p.documents()
	for id, raw := range docs {
		if bytes.Equal(raw, now[id]) {
			continue
		}
		old, err := jsontree.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.world.EditApp(id, func(doc map[string]any) { clear(doc); maps.Copy(doc, old) }); err != nil {
			t.Fatal(err)
		}
	}
}

// codecOf returns the codec of an app's vendor.
func (m mission) codecOf(app federation.AppRef) idp.Codec {
	for _, t := range m.tenants {
		if t.Name == app.Tenant {
			return m.codecs.of(t.Name, codec(t.Kind))
		}
	}
	return nil
}

// plan is the rules' own plan for leaving the home Region.
func (p *place) plan(t testing.TB) failover.Plan {
	t.Helper()
	s := failover.Situation{Now: time.Now(), Federation: p.fed}
	for i, r := range p.fed.Regions {
		state := health.Healthy
		if i == 0 {
			state = health.Unhealthy
		}
		s.Verdicts = append(s.Verdicts, health.Verdict{Region: r, State: state, Configured: 1, For: 1})
	}
	for _, a := range p.fed.Apps {
		raw, _ := p.world.AppJSON(a.ID)
		app := p.codecOf(a).Describe(idp.Document{ID: idp.AppID(a.ID), Raw: raw})
		s.Apps = append(s.Apps, failover.AppState{Ref: a, App: app, ReadAt: time.Now()})
	}
	rules := failover.Standard().Without(failover.NotReady)
	d := rules.Decide(s)
	if d.Outcome != failover.Move {
		t.Fatalf("no move to test with: %s", d.Why)
	}
	return *d.Plan
}

// chain keeps audit records in memory, in the form that every keeper has.
type chain struct {
	mu    sync.Mutex
	head  audit.Head
	lines [][]byte
	made  []audit.Record // the same, for questions in between
}

// Record implements move.Recorder.
func (c *chain) Record(_ context.Context, actor, action, subject string, detail any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, line, err := audit.Next(c.head, time.Now(), actor, action, subject, detail)
	if err != nil {
		return err
	}
	c.head, c.lines, c.made = r.Head(), append(c.lines, line), append(c.made, r)
	return nil
}

// announced counts the records that announce a write of an app.
func (c *chain) announced(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return count(c.made, func(r audit.Record) bool { return announces(r, id) })
}

// records verifies the whole chain.
func (c *chain) records() (out []audit.Record, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var head audit.Head
	for _, line := range c.lines {
		r, err := audit.Check(line, head)
		if err != nil {
			return out, err
		}
		head, out = r.Head(), append(out, r)
	}
	if head != c.head {
		return out, fmt.Errorf("the chain ends at %s and shall end at %s", head, c.head)
	}
	return out, nil
}

// site is a place with what outlives a process of a controller there.
type site struct {
	*place
	store *memory.Store
	audit *chain
	bad   sabotage // of every process

	unrecorded []string // apps that were written without a record
}

func newSite(t testing.TB, apps int) *site {
	t.Helper()
	s := &site{place: newPlace(t, apps), store: memory.New(), audit: &chain{}}
	s.onWrite = s.recorded
	return s
}

// recorded makes sure that there is an audit record for each write of an app,
// before the write has an effect.
func (s *site) recorded(id string) {
	n := s.audit.announced(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n < s.arrived[id] {
		s.unrecorded = append(s.unrecorded, id)
	}
}

// announces reports whether a record says that an app is about to be written.
func announces(r audit.Record, id string) bool {
	return r.Action == "move.write" && strings.Contains(string(r.Detail), "/"+id+`"`)
}

// live is the life of one process: it ends with the job, or at the fuse.
func (s *site) live(t testing.TB, f *fuse, job func(context.Context, *process) error) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.die = cancel
	j, term := s.store.Lead()
	p, err := newProcess(s.mission, seat{j, term, noBrakes{}, s.audit}, s.world.RoundTripper(), f, s.bad)
	if err != nil {
		t.Fatal(err)
	}
	return job(ctx, p)
}

// noBrakes: nobody has locked anything.
type noBrakes struct{}

func (noBrakes) Brakes(context.Context) ([]failover.Brake, error) { return nil, nil }

// state is everything that outlives a process, at one moment.
type state struct {
	docs       map[string][]byte
	open, past []move.Record
	audit      *chain
	writes     map[string]int
	arrived    map[string]int
	unrecorded []string
}

func (s *site) save(t testing.TB) state {
	t.Helper()
	j, _ := s.store.Lead()
	open, err := j.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	past, err := j.Past(t.Context(), s.fed.Name)
	if err != nil {
		t.Fatal(err)
	}
	return state{docs: s.documents(), open: open, past: past, audit: s.audit.clone(), writes: s.writes(),
		arrived: maps.Clone(s.arrived), unrecorded: slices.Clone(s.unrecorded)}
}

func (c *chain) clone() *chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &chain{head: c.head, lines: slices.Clone(c.lines), made: slices.Clone(c.made)}
}

// restore puts a state back, so that many next leaders can begin from it.
func (s *site) restore(t testing.TB, old state) {
	t.Helper()
	s.put(t, old.docs)
	s.begin()
	s.counted, s.arrived, s.unrecorded = maps.Clone(old.writes), maps.Clone(old.arrived), slices.Clone(old.unrecorded)
	s.audit, s.store = old.audit.clone(), memory.New()
	j, _ := s.store.Lead()
	for _, r := range old.moves() {
		if err := j.Begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// moves are all moves of the journal in the order in which they began.
func (s state) moves() []move.Record {
	out := slices.Clone(s.past)
	slices.Reverse(out)
	return append(out, s.open...)
}

// notes are those of all moves.
func (s state) notes() (out []move.StepNote) {
	for _, r := range s.moves() {
		out = append(out, r.Notes...)
	}
	return out
}
