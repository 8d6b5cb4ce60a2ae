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

	"github.com/samlfailover/samlfailover/audit/copies"
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
	"github.com/samlfailover/samlfailover/notify"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/hooks"
	"github.com/samlfailover/samlfailover/server/slack"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/store"
)

// engine is what one config makes of the controller: probes, and in turn the
// work of one who leads or of one who follows. Another config is another
// engine; what both share is the Service's.
type engine struct {
	o        Options
	secrets  config.Secrets
	network  *outbound.Network
	vendors  move.Vendors
	base     *awsaccess.Access
	feds     []federation.Federation
	board    *board
	shares   *shares
	keeper   inventory.Keeper
	digest   string
	exchange *exchange
	probes   *probe.Runner
	who      *people.Directory
	sinks    []notify.Sink
	hooks    *hooks.Hooks     // made by assemble
	outside  []*copies.Copier // of the audit record
	slack    *slack.App       // nil: no Slack app

	scanning sync.Mutex // held by the one scan that may run

	mu    sync.Mutex
	loops map[string]*controller.Controller // while this controller leads
	asked *control.Desk                     // the same
}

// newEngine wires an engine; it opens nothing and starts nothing. One that is
// never run must be closed.
func newEngine(o Options) (*engine, error) {
	secrets, network, err := o.open()
	if err != nil {
		return nil, err
	}
	s := &engine{o: o, secrets: secrets, network: network, digest: o.Config.Digest(), keeper: inventory.Keeper{Dir: inventoryDir(o.Config.Store.Dir)}}
	s.feds = withKept(o.Config.Federations(), s.keeper, o.Log)
	if s.vendors, err = vendors(o.Config, secrets, network, o.Log); err != nil {
		network.Close()
		return nil, err
	}
	if s.base, err = access(o.Setup, secrets, network); err != nil {
		network.Close()
		return nil, err
	}
	if s.who, err = directory(o.Config); err != nil {
		network.Close()
		return nil, err
	}
	if s.outside, err = s.copiers(); err != nil {
		network.Close()
		return nil, err
	}
	if s.sinks, err = sinksOf(o.Config, secrets, network, o.Log); err != nil {
		network.Close()
		return nil, err
	}
	h, vantages := o.Config.Health, len(o.Config.Store.All())
	age := 2*h.Interval + h.Timeout
	if vantages > 1 {
		age += shareLong // on the way through the store
	}
	s.board = newBoard(vantages, regionsOf(s.feds), age)
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

// vantage is the name of this process as a place to probe from.
func (s *engine) vantage() string { return s.o.Config.Store.Name }

// vantages are the configured ones: every controller is one.
func (s *engine) vantages() (all []failover.Vantage, names []string) {
	for _, c := range s.o.Config.Store.All() {
		all, names = append(all, failover.Vantage{Name: c.Name, Network: c.Network}), append(names, c.Name)
	}
	return all, names
}

// assemble puts the engine together on what the service keeps. That it can both
// lead and follow is found out here, not when it has to.
func (s *engine) assemble(k *keeping) error {
	s.shares.load()
	if err := s.newSlack(k); err != nil {
		return err
	}
	_, names := s.vantages()
	s.exchange = newExchange(k.store, s.board, s.vantage(), names, k.lookout.suspect, s.o.Log)
	s.exchange.probed = k.web.probed
	var err error
	if s.hooks, err = s.hooksOf(k); err != nil {
		return err
	}
	if s.probes, err = probe.NewRunner(s.probing()); err != nil {
		return err
	}
	_, err = s.seat(k, follower(k))
	return err
}

// run works until ctx ends or a part of it fails, joins everything that it
// started, and closes the network.
func (s *engine) run(ctx context.Context, k *keeping) error {
	defer s.network.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.probes.Run(ctx) })
	g.Go(func() error { warm(ctx, s.vendors, s.o.Log); return nil })
	g.Go(func() error { s.exchange.run(ctx); return nil })
	g.Go(func() error { k.record.copyOutside(ctx, s.outside); return nil })
	g.Go(func() error { s.introduce(ctx, k); return nil })
	g.Go(func() error { s.shares.watch(ctx, s.kick); return nil })
	g.Go(func() error { s.verifyInTrouble(ctx, k.lookout); return nil })
	g.Go(func() error { return s.serve(ctx, k) })
	return g.Wait()
}

// introduce tells the other controllers of this one and of its config.
func (s *engine) introduce(ctx context.Context, k *keeping) {
	for told := false; ctx.Err() == nil; pauseFor(ctx, standAgain) {
		err := k.store.Announce(ctx, store.Controller{Version: s.o.Version, Digest: s.digest, Since: k.started})
		if err == nil {
			return // the store goes on telling them
		}
		if !told && ctx.Err() == nil {
			s.o.Log.Warn("the other controllers cannot be told of this one now", "error", err)
		}
		told = true
	}
}

// verifyInTrouble has the store verified whenever trouble begins: before a move
// that may come of it, and not only by the clock.
func (s *engine) verifyInTrouble(ctx context.Context, l *lookout) {
	for news, before := s.board.changes(), false; ; {
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
		trouble := s.board.suspicious()
		if trouble && !before {
			l.suspect()
		}
		before = trouble
	}
}

// leading returns the loops that run while this controller leads, by federation.
func (s *engine) leading() map[string]*controller.Controller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loops
}

// leads sets the loops that run, and where proposals wait; nil when there are
// none.
func (s *engine) leads(loops map[string]*controller.Controller, desk *control.Desk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops, s.asked = loops, desk
}

// waiting is where proposals wait while this controller leads, else nil.
func (s *engine) waiting() *control.Desk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// kick has the loop of a federation look again.
func (s *engine) kick(federation string) {
	if l := s.leading()[federation]; l != nil {
		l.Kick()
	}
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
	if len(s.o.Config.Store.All()) < 2 {
		s.o.Log.Warn("one vantage only: a fault of this machine's own network can look like an outage")
	}
}

// limits are the config's bounds of a move.
func limits(m config.Moves) move.Limits {
	return move.Limits{Attempts: m.Attempts, FirstWait: m.FirstWait, LongestWait: m.LongestWait, StepTimeout: m.StepTimeout,
		CallDeadline: m.CallDeadline, ProofTimeout: m.ProofTimeout}
}

func (s *engine) probing() probe.RunnerOptions {
	h := s.o.Config.Health
	return probe.RunnerOptions{
		Asker:   probe.New(probe.Options{Network: s.network, Timeout: h.Timeout, Vantage: s.vantage(), Logger: s.o.Log}),
		Vantage: s.vantage(), Regions: regionsOf(s.feds), Timeout: h.Timeout, Kinds: kinds(h.Kinds),
		Rules:   health.Rules{Fall: h.Fall, Rise: h.Rise, Interval: h.Interval, FastInterval: h.FastInterval},
		Publish: s.exchange.publish, Logger: s.o.Log,
	}
}

func kinds(names []string) []health.Kind {
	var out []health.Kind
	for _, n := range names {
		out = append(out, health.Kind(n))
	}
	return out
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
