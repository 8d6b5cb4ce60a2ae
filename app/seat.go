package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/notify"
	"github.com/samlfailover/samlfailover/store"
)

// drainWithin bounds how long a controller that is told to stop waits for the
// step that runs: a write with its read-back, or a proof.
const drainWithin = 35 * time.Second

// powers are what a controller may do with the store in its part: a leader's
// write, a follower's only look.
type powers struct {
	journal journal
	term    move.Term
	halt    <-chan struct{} // closed when nothing new may begin; nil for a follower
	desk    *control.Desk
	whole   *snapshots // documents of before moves; nil for a follower
}

// seat is a part that a controller plays for a while, that of the leader or that
// of a follower: one loop per federation, and the use cases.
type seat struct {
	loops  map[string]*controller.Controller
	use    *control.Control
	ledger *ledger
}

// seat makes the loops and use cases on what the part may do.
func (s *engine) seat(k *keeping, p powers) (*seat, error) {
	out := &seat{loops: map[string]*controller.Controller{}, ledger: &ledger{record: k.record, log: s.o.Log}}
	mover, err := s.mover(k, p)
	if err != nil {
		return nil, err
	}
	all, names := s.vantages()
	for _, f := range s.feds {
		c := controller.Config{
			Federation: f, ConfigDigest: s.digest, Vantages: all, Apps: s.vendors, Verdicts: s.board,
			Changed: s.board.changes(), Shares: s.shares, Moves: p.journal, Brakes: p.journal, Mover: mover, Recorder: k.record, Known: s.known(f.Name),
			Distrusted: k.lookout.untrusted, Controllers: k.lookout.states, Halt: p.halt,
			Freezes: s.o.Config.Freezes(f.Name), Keep: func(apps []failover.AppState) { s.keepApps(f.Name, apps) }, Events: s.decided(k), Log: s.o.Log,
			ReadEvery: -1, // schedules.app_reads
		}
		if p.desk != nil {
			c.Proposals = p.desk
		}
		if f.Policy.Prefer == federation.PreferLatency {
			c.Latencies = s.board.latencyMedians
		}
		if out.loops[f.Name], err = controller.New(c); err != nil {
			return nil, err
		}
	}
	out.use = &control.Control{Federations: s.feds, Loops: map[string]control.Loop{}, Brakes: p.journal, Moves: p.journal, Undoer: mover, Storage: k, Jobs: out.ledger.list,
		Reload: k.reload.status, Sinks: k.herald.status, Record: k.record, Events: k.events, Desk: p.desk, Feed: k.feed, Roles: s.keeper, Trail: auditTrail{filepath.Join(s.o.Config.Store.Dir, AuditFile)},
		Info: control.Info{Version: s.o.Version, Config: s.o.Config.Path(), ConfigDigest: s.digest, Started: k.started,
			Vantages: names, Proxy: s.network.Describe().Proxy}}
	if p.whole != nil {
		out.use.Wholes = move.Wholes{Documents: p.whole, Vendors: s.vendors}
	}
	for name, l := range out.loops {
		out.use.Loops[name] = l
	}
	return out, nil
}

// decided tells everybody who listens what a loop has decided.
func (s *engine) decided(k *keeping) func(controller.Event) {
	return func(e controller.Event) {
		k.feed.Decided(e)
		k.web.decided(e)
		if n, news := notify.OfLoop(e); news {
			k.herald.tell(n)
		}
		if s.o.OnDecision != nil {
			s.o.OnDecision(e)
		}
	}
}

// proposed tells everybody who listens of a change of a proposal.
func (s *engine) proposed(k *keeping) func(approval.Proposal) {
	return func(p approval.Proposal) {
		if n, news := notify.OfProposal(p); news {
			k.herald.tell(n)
		}
		if s.o.OnProposal != nil {
			s.o.OnProposal(p)
		}
	}
}

func (s *engine) mover(k *keeping, p powers) (*move.Mover, error) {
	prover := s.o.Prover
	if prover == nil {
		var err error
		if prover, err = newProver(s.o.Config, s.vendors, s.shares.providers); err != nil {
			return nil, err
		}
	}
	c := move.Config{
		Federation: func(name string) (federation.Federation, bool) {
			f, err := control.Pick(s.feds, name)
			return f, err == nil && name != ""
		},
		Apps: s.vendors, Journal: p.journal, Term: p.term, Brakes: p.journal, Recorder: k.record, Prover: prover, Log: s.o.Log, Limits: limits(s.o.Config.Moves),
		Events: func(e move.Event) {
			k.events.Publish(e)
			k.feed.Moved(e)
			k.web.moved(e)
			if n, news := notify.OfMove(e); news {
				k.herald.tell(n)
			}
			if s.o.OnMove != nil {
				s.o.OnMove(e)
			}
		},
	}
	if p.whole != nil {
		c.Snapshots = p.whole
	}
	return move.New(c)
}

// serve leads while this controller is the leader and follows while it is not,
// until ctx ends.
func (s *engine) serve(ctx context.Context, k *keeping) error {
	for {
		term, changed := k.helm.now()
		var err error
		if term != nil {
			err = s.lead(ctx, k, term)
		} else {
			err = s.follow(ctx, k, changed)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// follow answers and looks, until something about the leadership has changed.
func (s *engine) follow(ctx context.Context, k *keeping, changed <-chan struct{}) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	files := newMirror(s.keeper, k.store.Inventory(), s.feds, s.o.Log)
	files.pull(ctx, &k.eyes)
	powers := follower(k)
	powers.desk = s.desk(k)
	seat, err := s.seat(k, powers)
	if err != nil {
		return err
	}
	for _, j := range s.schedule(k.record, seat) {
		seat.ledger.add(j.name, j.when) // shown, and run by the leader
	}
	k.api.Know(s.who)
	k.web.keep(nil)
	k.install(seat.use)
	g, ctx := errgroup.WithContext(ctx)
	for name, l := range seat.loops {
		g.Go(func() error {
			return l.Watch(ctx, func() []failover.AppState { return s.known(name) }, k.lookout.standing)
		})
	}
	g.Go(func() error { files.run(ctx, func() { files.pull(ctx, &k.eyes) }); return nil })
	g.Go(func() error { s.runSlack(ctx, seat, nil); return nil })
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-changed:
			stop()
		}
		return nil
	})
	return g.Wait()
}

// tenure is a leadership as a mover sees it. It also ends when this controller
// is told to stop: then no step begins any more, while the one that runs is
// ended and noted with the leadership that still holds.
type tenure struct {
	*store.Term
	over chan struct{}
	end  func()
}

func newTenure(t *store.Term) *tenure {
	over := make(chan struct{})
	return &tenure{Term: t, over: over, end: sync.OnceFunc(func() { close(over) })}
}

// Lost implements move.Term.
func (t *tenure) Lost() <-chan struct{} { return t.over }

// Remaining implements move.Term.
func (t *tenure) Remaining(ctx context.Context) (time.Duration, error) {
	select {
	case <-t.over:
		return 0, fmt.Errorf("this controller stops, or does not lead any more: %w", move.ErrDeposed)
	default:
		return t.Term.Remaining(ctx)
	}
}

// lead runs the loops and the schedule for one leadership. When the leadership
// is lost everything stops at once; when ctx ends, the step that runs may end
// first, and the leadership still holds on return.
func (s *engine) lead(ctx context.Context, k *keeping, term *store.Term) error {
	k.record.copyTo(term.Audit())
	defer k.record.copyTo(nil)
	files := newMirror(s.keeper, term.Inventory(), s.feds, s.o.Log)
	files.pull(ctx, &k.eyes) // the leader before may have known more
	s.shares.load()
	k.lookout.verify(ctx)
	heads, err := newTrustHeads(filepath.Join(s.o.Config.Store.Dir, AuditFile), runsDir(s.o.Config.Store.Dir), k.record, s.o.Log)
	if err != nil {
		return err
	}
	t := newTenure(term)
	defer t.end()
	desk := s.leadersDesk(ctx, k, term)
	if desk == nil {
		return nil
	}
	seat, err := s.seat(k, powers{journal: deed{term.Journal(), term.Brakes()}, term: t, halt: t.over, desk: desk, whole: &snapshots{term.Box(snapshotBox)}})
	if err != nil {
		return err
	}
	s.takeOver(ctx, desk, term.Journal())
	silence, err := s.heralding(ctx, k, term, seat)
	if err != nil {
		return err
	}
	defer silence()
	s.leads(seat.loops, desk)
	defer s.leads(nil, nil)
	k.proclaim(ctx, term, s.vantage(), s.o.Log)
	k.api.Know(s.who)
	k.web.keep(term.Box(keyBox))
	k.install(seat.use)
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	soft, rest := context.WithCancel(ctx)
	defer rest()
	g, hard := errgroup.WithContext(hard)
	var loops sync.WaitGroup
	for _, l := range seat.loops {
		loops.Add(1)
		g.Go(func() error { defer loops.Done(); return l.Run(hard) })
	}
	g.Go(func() error { return s.jobs(seat).run(soft, s.schedule(k.record, seat)) })
	g.Go(func() error { s.firstScan(soft, seat); return nil })
	g.Go(func() error { s.hooks.Work(soft, term.Box(hookBox), asking{seat.use}); return nil })
	g.Go(func() error { files.run(soft, files.push); files.push(); return nil })
	g.Go(func() error { s.runSlack(hard, seat, term); return nil })
	g.Go(func() error { heads.run(soft); return nil })
	idle := make(chan struct{})
	go func() { loops.Wait(); close(idle) }()
	g.Go(func() error {
		select {
		case <-ctx.Done():
			s.o.Log.Info("no step begins any more; what runs is ended first")
		case <-term.Lost():
			s.o.Log.Error("this controller does not lead any more: everything that moves has stopped")
		case <-hard.Done(): // a part has failed
		}
		t.end()
		rest()
		late := time.NewTimer(drainWithin)
		defer late.Stop()
		select {
		case <-idle:
		case <-term.Lost():
		case <-hard.Done():
		case <-late.C:
			s.o.Log.Warn("the step that runs has not ended in time and is cut off; the next leader takes it up")
		}
		kill()
		return nil
	})
	err = g.Wait()
	<-idle
	return err
}

// jobs are the rules of scheduled work: it waits while a Region is suspect or a
// move is open.
func (s *engine) jobs(seat *seat) jobs {
	still := func() bool {
		for _, l := range seat.loops {
			if l.Status().Moving {
				return false
			}
		}
		return true
	}
	return jobs{calm: func() bool { return still() && !s.board.suspicious() }, settled: func() bool { return still() && s.board.settled() },
		log: s.o.Log, ledger: seat.ledger}
}
