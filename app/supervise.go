package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/server"
	"github.com/samlfailover/samlfailover/store"
)

// Options make a Service. Prover stands in for the test users of the config; it
// and the listeners may be nil. The listeners must not block.
type Options struct {
	Setup
	Version    string
	Prover     move.Prover
	OnMove     func(move.Event)
	OnDecision func(controller.Event)
	OnProposal func(approval.Proposal) // each change of one, while this controller leads
	// Reload asks for the config to be read again, as a change of its file does;
	// nil: nobody asks.
	Reload <-chan os.Signal
	// LookEvery is how often the config's file is looked at; default 2 s.
	LookEvery time.Duration
	// Ready is called once the socket answers, and a controller that is alone
	// leads.
	Ready func(socket string)
	// UnsafeNoSync leaves out the store's syncs to the disk: for tests.
	UnsafeNoSync bool
}

// Service is the running controller: the local API, the records, and the engine
// of the config in force. A config that is read again makes a new engine, which
// takes the old one's place between moves, whole.
type Service struct {
	o     Options
	first *engine
}

// New wires a service; it opens nothing and starts nothing.
func New(o Options) (*Service, error) {
	e, err := newEngine(o)
	if err != nil {
		return nil, err
	}
	if o.LookEvery <= 0 {
		o.LookEvery = 2 * time.Second
	}
	return &Service{o: o, first: e}, nil
}

// keeping is what outlives a config.
type keeping struct {
	record  *trail
	store   *store.Store
	helm    *helm
	lookout *lookout
	eyes    eyes
	events  *control.Broker
	feed    *control.Feed
	herald  *herald
	started time.Time
	reload  *reloads
	api     *server.Server
	web     *web // nil: no network API

	proclaimed *store.Term // the last leadership that is on record
	reloaded   func()      // says that a config is in force, once its use cases answer

	seated    chan struct{} // closed once the use cases of a seat answer
	installed sync.Once
}

// install makes the API answer with other use cases.
func (k *keeping) install(use *control.Control) {
	k.api.Use(use)
	k.web.use(use)
	k.installed.Do(func() { close(k.seated) })
	if tell := k.reloaded; tell != nil {
		k.reloaded = nil
		tell()
	}
}

// proclaim records that this controller leads, once for each leadership.
func (k *keeping) proclaim(ctx context.Context, term *store.Term, name string, log *slog.Logger) {
	if k.proclaimed == term {
		return // only the config is another
	}
	k.proclaimed = term
	if err := k.record.Record(ctx, failover.Controller, "controller.leads", "controller "+name, nil); err != nil && ctx.Err() == nil {
		log.Error("that this controller leads is not in the audit record; without a record nothing is moved", "error", err)
	}
}

// Report implements control.Storage.
func (k *keeping) Report() control.StoreReport { return k.lookout.report() }

// Backup implements control.Storage. It writes over nothing.
func (k *keeping) Backup(ctx context.Context, path string) (control.StoreManifest, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return control.StoreManifest{}, &control.Failure{Kind: control.Invalid, Message: path + " exists already, and a backup writes over nothing: choose another name"}
	}
	return k.store.Backup(ctx, path)
}

// journal is everything that is kept about moves.
type journal interface {
	move.Journal
	move.Archive
	move.Brakes
}

// Run works until ctx ends or a part of it fails, and joins everything that it
// started. When ctx ends, the step of a move that runs is ended first, and the
// leadership is handed over. Call it once.
func (s *Service) Run(ctx context.Context) (err error) {
	dir := s.o.Config.Store.Dir
	e := s.first
	started := false
	defer func() {
		if !started {
			e.network.Close()
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	file, err := openRecorder(filepath.Join(dir, AuditFile))
	if err != nil {
		return fmt.Errorf("start a controller on the data folder %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	st, err := s.openStore(ctx)
	if err != nil {
		return fmt.Errorf("start a controller on the data folder %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	place, err := server.PlaceOf(dir)
	if err != nil {
		return err
	}
	l, token, err := place.Listen()
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // the server has closed it already

	k := &keeping{record: &trail{recorder: file, room: st.MakeRoom, log: s.o.Log}, store: st, helm: newHelm(st, s.o.Log), eyes: eyes{store: st}, events: &control.Broker{}, feed: &control.Feed{}, herald: &herald{},
		started: time.Now().UTC(), reload: &reloads{}, seated: make(chan struct{})}
	k.lookout = newLookout(st, k.helm, k.record, s.o.Config.Store.Name, s.o.Log)
	k.lookout.told = k.herald.tell
	e.announce()
	if k.api, err = server.New(server.Options{UseCases: &control.Control{}, Token: token, Owner: owner(), Log: s.o.Log}); err != nil {
		return err
	}
	if k.web, err = newWeb(s.o.Config.Server, s.o.Version, k.api.Commands(), s.o.Log); err != nil {
		return err
	}
	defer k.web.close()
	if err := e.assemble(k); err != nil {
		return err
	}
	if err := k.web.admit(e); err != nil {
		return err
	}
	if err := k.record.Record(ctx, failover.Controller, "controller.started", "config "+e.digest,
		map[string]any{"version": s.o.Version, "network": e.network.Describe(), "proven_kinds": provenKinds(s.o.Config.Tenants)}); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	started = true
	return s.together(ctx, e, k, l, place.Socket)
}

// together runs every part: the election goes on until everything else has
// ended, so that the last step of a move can still be noted.
func (s *Service) together(ctx context.Context, e *engine, k *keeping, l net.Listener, socket string) error {
	standing, resign := context.WithCancel(context.WithoutCancel(ctx))
	var election sync.WaitGroup
	defer election.Wait()
	defer resign()
	election.Go(func() { k.helm.run(standing) })
	if s.o.Config.Store.Alone() {
		select { // nobody else can lead
		case <-k.helm.settled:
		case <-k.store.Failed():
		case <-ctx.Done():
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.supervise(ctx, e, k) })
	g.Go(func() error { k.lookout.run(ctx); return nil })
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-k.store.Failed():
			return fmt.Errorf("the store has failed; the next start goes on with what it holds: %w", k.store.Err())
		}
	})
	g.Go(func() error { return k.web.serve(ctx) })
	g.Go(func() error {
		select {
		case <-k.seated:
		case <-ctx.Done():
		}
		if s.o.Ready != nil && ctx.Err() == nil {
			s.o.Ready(socket)
		}
		return k.api.Serve(ctx, l)
	})
	return g.Wait()
}

// supervise runs the engine, and puts another in its place when the config has
// changed.
func (s *Service) supervise(ctx context.Context, e *engine, k *keeping) error {
	file := &watch{paths: e.o.Config.Files()}
	file.take()
	for {
		running, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- e.run(running, k) }()
		next, err := s.successor(ctx, e, k, file, done)
		stop()
		if next == nil {
			return err
		}
		file.follow(next.engine.o.Config.Files())
		next.release()
		if err := <-done; err != nil {
			next.engine.network.Close()
			return fmt.Errorf("end the work under the former config: %w", err)
		}
		e = next.engine
		e.announce()
		if err := k.web.admit(e); err != nil {
			e.network.Close()
			return fmt.Errorf("take up the new config: %w", err) // it was tried before
		}
		k.reloaded = func() {
			k.reload.applied(next.engine.digest, next.trigger, next.changes)
			s.o.Log.Warn("the config was read again and is in force", "digest", next.engine.digest, "changes", len(next.changes))
		}
	}
}
