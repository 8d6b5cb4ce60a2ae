package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/signin"
)

// vantage is the name of this process as a place to probe from.
const vantage = "local"

// engine is what one config makes of the controller: probes, one loop per
// federation and scheduled work. Another config is another engine; what both
// share is the Service's.
type engine struct {
	o       Options
	network *outbound.Network
	vendors move.Vendors
	base    *awsaccess.Access
	feds    []federation.Federation
	board   *board
	shares  *shares
	ledger  *ledger
	keeper  inventory.Keeper
	digest  string
	loops   map[string]*controller.Controller // by start
	probes  *probe.Runner

	scanning sync.Mutex // held by the one scan that may run
}

// newEngine wires an engine; it opens nothing and starts nothing. One that is
// never run must be closed.
func newEngine(o Options) (*engine, error) {
	secrets, network, err := o.open()
	if err != nil {
		return nil, err
	}
	s := &engine{o: o, network: network, digest: o.Config.Digest(), feds: o.Config.Federations(), keeper: inventory.Keeper{Dir: inventoryDir(o.Config.Store.Dir)}}
	if s.vendors, err = vendors(o.Config, secrets, network, o.Log); err != nil {
		network.Close()
		return nil, err
	}
	if s.base, err = access(o.Setup, secrets, network); err != nil {
		network.Close()
		return nil, err
	}
	h := o.Config.Health
	s.board = newBoard(1, regionsOf(s.feds), 2*h.Interval+h.Timeout)
	s.shares = newShares(s.keeper, s.feds, o.Log)
	return s, nil
}

// regionsOf returns every Region that some federation allows, once.
func regionsOf(feds []federation.Federation) []signin.Region {
	var out []signin.Region
	seen := map[signin.Region]bool{}
	for _, f := range feds {
		for _, r := range f.Regions {
			if !seen[r] {
				seen[r] = true
				out = append(out, r)
			}
		}
	}
	return out
}

// assemble puts the engine together on what the service keeps, and returns its
// use cases.
func (s *engine) assemble(k *keeping) (*control.Control, error) {
	s.shares.load()
	s.ledger = &ledger{record: k.record, log: s.o.Log}
	mover, err := s.mover(k)
	if err != nil {
		return nil, err
	}
	if s.loops, err = s.controllers(mover, k); err != nil {
		return nil, err
	}
	if s.probes, err = probe.NewRunner(s.probing()); err != nil {
		return nil, err
	}
	return s.control(mover, k), nil
}

// run works until ctx ends or a part of it fails, joins everything that it
// started, and closes the network.
func (s *engine) run(ctx context.Context, record *recorder) error {
	defer s.network.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.probes.Run(ctx) })
	g.Go(func() error { warm(ctx, s.vendors, s.o.Log); return nil })
	for _, loop := range s.loops {
		g.Go(func() error { return loop.Run(ctx) })
	}
	g.Go(func() error { return s.jobs().run(ctx, s.schedule(record)) })
	g.Go(func() error { s.firstScan(ctx); return nil })
	g.Go(func() error { s.shares.watch(ctx, func(name string) { s.loops[name].Kick() }); return nil })
	return g.Wait()
}

// announce writes the start log: what a person has to know about the way out
// (spec 15.2).
func (s *engine) announce() {
	d := s.network.Describe()
	s.o.Log.Info("starting", "version", s.o.Version, "config", s.o.Config.Path(), "digest", s.digest, "proxy", d.Proxy, "proxy_from", d.ProxySource,
		"no_proxy", d.NoProxy, "roots", d.Roots, "aws_roots", d.AWSRoots)
	for _, ca := range slices.Concat(d.CAs, d.AWSCAs) {
		s.o.Log.Info("trusting a CA of its own", "subject", ca.Subject, "sha256", ca.SHA256, "expires", ca.NotAfter, "from", ca.Source)
	}
	for _, v := range awsaccess.EndpointVariables(s.o.Env) {
		s.o.Log.Warn("the environment names an AWS endpoint of its own", "variable", v, "obeyed", s.o.Config.Network.AllowEndpointOverride)
	}
	s.o.Log.Warn("one vantage only: a fault of this machine's own network can look like an outage")
}

func (s *engine) mover(k *keeping) (*move.Mover, error) {
	prover := s.o.Prover
	if prover == nil {
		var err error
		if prover, err = newProver(s.o.Config, s.vendors, s.shares.providers); err != nil {
			return nil, err
		}
	}
	return move.New(move.Config{
		Federation: func(name string) (federation.Federation, bool) {
			f, err := control.Pick(s.feds, name)
			return f, err == nil && name != ""
		},
		Apps: s.vendors, Journal: k.journal, Term: k.term, Brakes: k.journal, Recorder: k.record, Prover: prover, Log: s.o.Log, Limits: limits(s.o.Config.Moves),
		Events: func(e move.Event) {
			k.events.Publish(e)
			if s.o.OnMove != nil {
				s.o.OnMove(e)
			}
		},
	})
}

// limits are the config's bounds of a move.
func limits(m config.Moves) move.Limits {
	return move.Limits{Attempts: m.Attempts, FirstWait: m.FirstWait, LongestWait: m.LongestWait, StepTimeout: m.StepTimeout,
		CallDeadline: m.CallDeadline, ProofTimeout: m.ProofTimeout}
}

// controllers makes one per federation.
func (s *engine) controllers(mover *move.Mover, k *keeping) (map[string]*controller.Controller, error) {
	out := map[string]*controller.Controller{}
	for _, f := range s.feds {
		c := controller.Config{
			Federation: f, ConfigDigest: s.digest, Vantages: []failover.Vantage{{Name: vantage}}, Apps: s.vendors, Verdicts: s.board,
			Changed: s.board.changes(), Shares: s.shares, Moves: k.journal, Brakes: k.journal, Mover: mover, Recorder: k.record, Known: s.known(f.Name),
			Keep: func(apps []failover.AppState) { s.keepApps(f.Name, apps) }, Events: s.o.OnDecision, Log: s.o.Log,
			ReadEvery: -1, // schedules.app_reads
		}
		if f.Policy.Prefer == federation.PreferLatency {
			c.Latencies = s.board.latencyMedians
		}
		loop, err := controller.New(c)
		if err != nil {
			return nil, err
		}
		out[f.Name] = loop
	}
	return out, nil
}

func (s *engine) control(m *move.Mover, k *keeping) *control.Control {
	c := &control.Control{Federations: s.feds, Loops: map[string]control.Loop{}, Brakes: k.journal, Moves: k.journal, Undoer: m, Jobs: s.ledger.list,
		Reload: k.reload.status, Record: k.record, Events: k.events,
		Info: control.Info{Version: s.o.Version, Config: s.o.Config.Path(), ConfigDigest: s.digest, Started: k.started,
			Vantages: []string{vantage}, Proxy: s.network.Describe().Proxy}}
	for name, l := range s.loops {
		c.Loops[name] = l
	}
	return c
}

func (s *engine) probing() probe.RunnerOptions {
	h := s.o.Config.Health
	return probe.RunnerOptions{
		Asker:   probe.New(probe.Options{Network: s.network, Timeout: h.Timeout, Vantage: vantage, Logger: s.o.Log}),
		Vantage: vantage, Regions: regionsOf(s.feds), Timeout: h.Timeout, Kinds: kinds(h.Kinds),
		Rules:   health.Rules{Fall: h.Fall, Rise: h.Rise, Interval: h.Interval, FastInterval: h.FastInterval},
		Publish: s.board.publish, Logger: s.o.Log,
	}
}

func kinds(names []string) []health.Kind {
	var out []health.Kind
	for _, n := range names {
		out = append(out, health.Kind(n))
	}
	return out
}

// jobs are the rules of scheduled work: it waits while a Region is suspect or a
// move is open.
func (s *engine) jobs() jobs {
	still := func() bool {
		for _, l := range s.loops {
			if l.Status().Moving {
				return false
			}
		}
		return true
	}
	return jobs{calm: func() bool { return still() && !s.board.suspicious() }, settled: func() bool { return still() && s.board.settled() },
		log: s.o.Log, ledger: s.ledger}
}

// owner is the OS user of this process.
func owner() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// known returns the apps as kept from an earlier run.
func (s *engine) known(name string) []failover.AppState {
	snap, err := s.keeper.LoadApps(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		s.o.Log.Warn("the apps as last read cannot be loaded", "federation", name, "error", err)
		return nil
	}
	var out []failover.AppState
	for _, a := range snap.Apps {
		out = append(out, failover.FromInventory(a))
	}
	return out
}

func (s *engine) keepApps(name string, apps []failover.AppState) {
	snap := inventory.AppSnapshot{Federation: name, TakenAt: time.Now().UTC()}
	for _, a := range apps {
		if !a.ReadAt.IsZero() {
			snap.Apps = append(snap.Apps, a.Kept())
		}
	}
	if err := s.keeper.SaveApps(snap); err != nil {
		s.o.Log.Warn("the apps as read cannot be kept; a restart will know nothing until it has read them", "federation", name, "error", err)
	}
}

var _ controller.Verdicts = (*board)(nil)
