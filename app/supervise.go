package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/server"
)

// Options make a Service. Prover stands in for the test users of the config; it,
// OnMove and OnDecision may be nil. The two listeners must not block.
type Options struct {
	Setup
	Version    string
	Prover     move.Prover
	OnMove     func(move.Event)
	OnDecision func(controller.Event)
	// Reload asks for the config to be read again, as a change of its file does;
	// nil: nobody asks.
	Reload <-chan os.Signal
	// LookEvery is how often the config's file is looked at; default 2 s.
	LookEvery time.Duration
	// Ready is called once the socket answers.
	Ready func(socket string)
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
	record  *recorder
	journal journal
	term    move.Term
	events  *control.Broker
	started time.Time
	reload  *reloads
}

// journal is everything that is kept about moves.
type journal interface {
	move.Journal
	move.Archive
	move.Brakes
}

// Run works until ctx ends or a part of it fails, and joins everything that it
// started. Call it once.
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
	record, err := openRecorder(filepath.Join(dir, AuditFile))
	if err != nil {
		return fmt.Errorf("start a controller on the data folder %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	place, err := server.PlaceOf(dir)
	if err != nil {
		return err
	}
	l, token, err := place.Listen()
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // the server has closed it already

	j, term := memory.New().Lead()
	k := &keeping{record: record, journal: j, term: term, events: &control.Broker{}, started: time.Now().UTC(), reload: &reloads{}}
	e.announce()
	use, err := e.assemble(k)
	if err != nil {
		return err
	}
	api, err := server.New(server.Options{UseCases: use, Token: token, Owner: owner(), Log: s.o.Log})
	if err != nil {
		return err
	}
	if err := record.Record(ctx, failover.Controller, "controller.started", "config "+e.digest,
		map[string]any{"version": s.o.Version, "network": e.network.Describe(), "proven_kinds": provenKinds(s.o.Config.Tenants)}); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	started = true
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.supervise(ctx, e, k, api) })
	g.Go(func() error { return api.Serve(ctx, l) })
	if s.o.Ready != nil {
		s.o.Ready(place.Socket)
	}
	return g.Wait()
}

// supervise runs the engine, and puts another in its place when the config has
// changed.
func (s *Service) supervise(ctx context.Context, e *engine, k *keeping, api *server.Server) error {
	file := &watch{path: e.o.Config.Path()}
	file.take()
	for {
		running, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- e.run(running, k.record) }()
		next, err := s.successor(ctx, e, k, file, done)
		stop()
		if next == nil {
			return err
		}
		next.release()
		if err := <-done; err != nil {
			next.engine.network.Close()
			return fmt.Errorf("end the work under the former config: %w", err)
		}
		e = next.engine
		e.announce()
		api.Use(next.use)
		k.reload.applied(e.digest, next.trigger, next.changes)
		s.o.Log.Warn("the config was read again and is in force", "digest", e.digest, "changes", len(next.changes))
	}
}
