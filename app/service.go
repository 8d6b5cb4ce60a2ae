package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
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
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/server"
	"github.com/samlfailover/samlfailover/signin"
)

// vantage is the name of this process as a place to probe from.
const vantage = "local"

// Options make a Service. Prover stands in for the test users of the config; it,
// OnMove and OnDecision may be nil. The two listeners must not block.
type Options struct {
	Setup
	Version    string
	Prover     move.Prover
	OnMove     func(move.Event)
	OnDecision func(controller.Event)
	// Ready is called once the socket answers.
	Ready func(socket string)
}

// Service is the running controller: probes, one loop per federation, scheduled
// work and the local API.
type Service struct {
	o       Options
	network *outbound.Network
	vendors move.Vendors
	base    *awsaccess.Access
	feds    []federation.Federation
	board   *board
	shares  *shares
	ledger  *ledger
	keeper  inventory.Keeper
	started time.Time
	digest  string

	scanning sync.Mutex // held by the one scan that may run
}

// New wires a service; it opens nothing and starts nothing.
func New(o Options) (*Service, error) {
	secrets, network, err := o.open()
	if err != nil {
		return nil, err
	}
	s := &Service{o: o, network: network, feds: o.Config.Federations(), keeper: inventory.Keeper{Dir: inventoryDir(o.Config.Store.Dir)}}
	if s.vendors, err = vendors(o.Config, secrets, network, o.Log); err != nil {
		network.Close()
		return nil, err
	}
	if s.base, err = access(o.Setup, secrets, network); err != nil {
		network.Close()
		return nil, err
	}
	if s.digest, err = digest(s.feds); err != nil {
		network.Close()
		return nil, err
	}
	h := o.Config.Health
	s.board = newBoard(1, regionsOf(s.feds), 2*h.Interval+h.Timeout)
	s.shares = newShares(s.keeper, s.feds, o.Log)
	return s, nil
}

// digest names the federations in force, for plans and records.
func digest(feds []federation.Federation) (string, error) {
	b, err := json.Marshal(feds)
	if err != nil {
		return "", fmt.Errorf("compute the config's digest: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
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

// Run works until ctx ends or a part of it fails, and joins everything that it
// started. Call it once.
func (s *Service) Run(ctx context.Context) (err error) {
	defer s.network.Close()
	s.started = time.Now().UTC()
	if err := os.MkdirAll(s.o.Config.Store.Dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	record, err := openRecorder(filepath.Join(s.o.Config.Store.Dir, AuditFile))
	if err != nil {
		return fmt.Errorf("start a controller on the data folder %s: %w", s.o.Config.Store.Dir, err)
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	place, err := server.PlaceOf(s.o.Config.Store.Dir)
	if err != nil {
		return err
	}
	l, token, err := place.Listen()
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // the server has closed it already
	s.announce()
	s.shares.load()

	store := memory.New()
	journal, term := store.Lead()
	events := &control.Broker{}
	mover, err := s.mover(journal, term, journal, record, events)
	if err != nil {
		return err
	}
	loops, err := s.loops(mover, journal, journal, record)
	if err != nil {
		return err
	}
	s.ledger = &ledger{record: record, log: s.o.Log}
	use := s.control(loops, journal, mover, record, events)
	api, err := server.New(server.Options{UseCases: use, Token: token, Owner: owner(), Log: s.o.Log})
	if err != nil {
		return err
	}
	runner, err := probe.NewRunner(s.probes())
	if err != nil {
		return err
	}
	if err := record.Record(ctx, failover.Controller, "controller.started", "config "+s.digest,
		map[string]any{"version": s.o.Version, "network": s.network.Describe(), "proven_kinds": provenKinds(s.o.Config.Tenants)}); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return runner.Run(ctx) })
	g.Go(func() error { warm(ctx, s.vendors, s.o.Log); return nil })
	for _, loop := range loops {
		g.Go(func() error { return loop.Run(ctx) })
	}
	g.Go(func() error { return s.jobs(loops).run(ctx, s.schedule(loops, record)) })
	g.Go(func() error { s.firstScan(ctx, loops); return nil })
	g.Go(func() error { s.shares.watch(ctx, func(name string) { loops[name].Kick() }); return nil })
	g.Go(func() error { return api.Serve(ctx, l) })
	if s.o.Ready != nil {
		s.o.Ready(place.Socket)
	}
	return g.Wait()
}

// announce writes the start log: what a person has to know about the way out
// (spec 15.2).
func (s *Service) announce() {
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

func (s *Service) mover(j move.Journal, t move.Term, b move.BrakeList, r move.Recorder, events *control.Broker) (*move.Mover, error) {
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
		Apps: s.vendors, Journal: j, Term: t, Brakes: b, Recorder: r, Prover: prover, Log: s.o.Log, Limits: limits(s.o.Config.Moves),
		Events: func(e move.Event) {
			events.Publish(e)
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

// loops makes one controller per federation.
func (s *Service) loops(mover *move.Mover, moves controller.Moves, b move.BrakeList, r move.Recorder) (map[string]*controller.Controller, error) {
	out := map[string]*controller.Controller{}
	for _, f := range s.feds {
		c := controller.Config{
			Federation: f, ConfigDigest: s.digest, Vantages: []failover.Vantage{{Name: vantage}}, Apps: s.vendors, Verdicts: s.board,
			Changed: s.board.changes(), Shares: s.shares, Moves: moves, Brakes: b, Mover: mover, Recorder: r, Known: s.known(f.Name),
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

// journal is everything that is kept about moves.
type journal interface {
	move.Journal
	move.Archive
	move.Brakes
}

func (s *Service) control(loops map[string]*controller.Controller, j journal, m *move.Mover, r control.Recorder, events *control.Broker) *control.Control {
	c := &control.Control{Federations: s.feds, Loops: map[string]control.Loop{}, Brakes: j, Moves: j, Undoer: m, Jobs: s.ledger.list, Record: r, Events: events,
		Info: control.Info{Version: s.o.Version, Config: s.o.Config.Path(), ConfigDigest: s.digest, Started: s.started,
			Vantages: []string{vantage}, Proxy: s.network.Describe().Proxy}}
	for name, l := range loops {
		c.Loops[name] = l
	}
	return c
}

func (s *Service) probes() probe.RunnerOptions {
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
func (s *Service) jobs(loops map[string]*controller.Controller) jobs {
	still := func() bool {
		for _, l := range loops {
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
func (s *Service) known(name string) []failover.AppState {
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

func (s *Service) keepApps(name string, apps []failover.AppState) {
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
