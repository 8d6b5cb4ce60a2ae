package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/notify"
)

const (
	// holdFor is how long the loops are kept from starting a move while all of
	// them are being brought to rest; one that is busy lets the others go on.
	holdFor = time.Second
	// holdAgain is the time between two tries.
	holdAgain = 500 * time.Millisecond
)

// What makes the config be read again.
const (
	fileChanged = "its file has changed"
	asked       = "somebody asked for it"
)

// reloads keeps how the last reload ended. Safe for concurrent use.
type reloads struct {
	mu   sync.Mutex
	last *control.ReloadStatus
}

func (r *reloads) status() *control.ReloadStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *reloads) set(s control.ReloadStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.At = time.Now().UTC()
	r.last = &s
}

func (r *reloads) applied(digest, trigger string, changes []config.Difference) {
	r.set(control.ReloadStatus{Outcome: control.ReloadApplied, Trigger: trigger, Digest: digest, Changes: len(changes)})
}

// successor is an engine that is ready to take over; release lets the old
// loops, which it holds at rest, go.
type successor struct {
	engine  *engine
	trigger string
	changes []config.Difference
	release func()
}

// successor waits until the config has changed and another engine may take over.
// It returns nil when the present one has ended, with its error.
func (s *Service) successor(ctx context.Context, e *engine, k *keeping, file *watch, done <-chan error) (*successor, error) {
	look := time.NewTicker(s.o.LookEvery)
	defer look.Stop()
	for {
		trigger := fileChanged
		select {
		case err := <-done:
			return nil, err
		case <-ctx.Done():
			return nil, <-done
		case <-s.o.Reload:
			trigger = asked
			file.take()
		case <-look.C:
			if !file.changed() {
				continue
			}
		}
		next, err := s.prepare(ctx, e, k, trigger)
		switch {
		case ctx.Err() != nil:
			continue
		case err != nil:
			s.refuse(ctx, k, trigger, err)
			continue
		case next == nil:
			k.reload.set(control.ReloadStatus{Outcome: control.ReloadUnchanged, Trigger: trigger, Digest: e.digest})
			continue
		}
		release, ended, err := s.rest(ctx, e, k, next, done)
		if ended {
			next.engine.network.Close()
			return nil, err
		}
		next.release = release
		return next, nil
	}
}

// prepare reads and checks the config, wires an engine for it, and records what
// changes (spec 15.3). It returns nil if nothing changes and nobody asked: with
// a request the secrets are read again too.
func (s *Service) prepare(ctx context.Context, e *engine, k *keeping, trigger string) (*successor, error) {
	o := e.o
	var err error
	if o.Config, err = config.Load(e.o.Config.Path(), config.Options{}); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(o.Config.Store, e.o.Config.Store) {
		return nil, errors.New("store: where the state is kept cannot change while the controller runs; restart it, or put the former store section back")
	}
	if was, will := e.o.Config.Server, o.Config.Server; was.Listen != will.Listen || was.TLS != will.TLS || was.ClientCA != will.ClientCA || was.Limits.HeaderTime != will.Limits.HeaderTime {
		return nil, errors.New("server: where the network API listens, and with which certificate files, cannot change while the controller runs; restart it, or put the former values back (the files' content may change at any time)")
	}
	next := &successor{trigger: trigger, changes: config.Diff(e.o.Config, o.Config)}
	if len(next.changes) == 0 && trigger != asked {
		return nil, nil
	}
	if next.engine, err = newEngine(o); err != nil {
		return nil, err
	}
	err = next.engine.assemble(k)
	if err == nil {
		_, err = next.engine.gateOptions()
	}
	if err != nil {
		next.engine.network.Close()
		return nil, err
	}
	detail := map[string]any{"from": e.digest, "to": next.engine.digest, "trigger": trigger, "changes": next.changes}
	if err := k.record.Record(ctx, failover.Controller, "config.reload", "config "+next.engine.digest, detail); err != nil {
		next.engine.network.Close()
		return nil, fmt.Errorf("the audit record of the change cannot be written: %w", err)
	}
	s.announce(k, next)
	return next, nil
}

// announce says which changes somebody has to hear of, before they are in force
// (spec 15.3): in the log, and to whom the config in force has told of changes.
func (s *Service) announce(k *keeping, next *successor) {
	var changes []notify.Change
	for _, c := range next.changes {
		changes = append(changes, notify.Change{Path: c.Path, Before: c.Before, After: c.After, Risk: c.Risk})
		if c.Risk != "" {
			s.o.Log.Warn("the config changes "+c.Risk, "path", c.Path, "before", c.Before, "after", c.After)
		}
	}
	if n, news := notify.OfReload(next.engine.digest, changes); news {
		k.herald.tell(n)
	}
}

// refuse says that a config is not taken, to whom it may concern: the one in
// force stays.
func (s *Service) refuse(ctx context.Context, k *keeping, trigger string, err error) {
	problems := []string{err.Error()}
	if bad := (*config.Error)(nil); errors.As(err, &bad) {
		problems = nil
		for _, p := range bad.Problems {
			problems = append(problems, p.String())
		}
	}
	k.reload.set(control.ReloadStatus{Outcome: control.ReloadRefused, Trigger: trigger, Errors: problems})
	k.herald.tell(notify.OfRefusal(problems))
	s.o.Log.Error("the config was read again and is refused; the one from before stays in force", "problems", strings.Join(problems, "; "))
	if err := k.record.Record(ctx, failover.Controller, "config.refused", "config", map[string]any{"trigger": trigger, "problems": problems}); err != nil {
		s.o.Log.Error("that a config was refused is not in the audit record", "error", err)
	}
}

// rest brings every loop of an engine to rest between moves and makes its
// proposals void. The loops stay at rest until release is called. ended means
// that the engine ended instead, with err.
func (s *Service) rest(ctx context.Context, e *engine, k *keeping, next *successor, done <-chan error) (release func(), ended bool, err error) {
	for {
		if release, ok := e.hold(ctx); ok {
			s.void(ctx, e)
			return release, false, nil
		}
		k.reload.set(control.ReloadStatus{Outcome: control.ReloadWaiting, Trigger: next.trigger, Digest: next.engine.digest, Changes: len(next.changes)})
		again := time.NewTimer(holdAgain)
		select {
		case err := <-done:
			again.Stop()
			return nil, true, err
		case <-ctx.Done():
			again.Stop()
			return nil, true, <-done
		case <-again.C:
		}
	}
}

// hold keeps every loop from doing anything. It gives up after a moment when one
// of them is busy, such as with a move.
func (s *engine) hold(ctx context.Context) (release func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, holdFor)
	defer cancel()
	loops := s.leading()
	free, held := make(chan struct{}), make(chan struct{}, len(loops))
	var asking sync.WaitGroup
	for _, l := range loops {
		asking.Go(func() {
			_ = l.Exclusively(ctx, func(ctx context.Context) error { // one that is not held is not counted
				held <- struct{}{}
				select {
				case <-free:
				case <-ctx.Done():
				}
				return nil
			})
		})
	}
	for range loops {
		select {
		case <-held:
		case <-ctx.Done():
			close(free)
			asking.Wait()
			return nil, false
		}
	}
	return sync.OnceFunc(func() { close(free); cancel(); asking.Wait() }), true
}

// void takes back what waits for people: it was computed under the config that
// goes.
func (s *Service) void(ctx context.Context, e *engine) {
	d := e.waiting()
	if d == nil {
		return
	}
	if err := d.VoidAll(ctx, "the config was read again"); err != nil {
		s.o.Log.Error("the end of a proposal could not be recorded; nobody can decide on it all the same", "error", err)
	}
}

// watch tells when the files of a config have come to rest with another content:
// one that is still being written differs from one look to the next.
type watch struct {
	paths []string
	last  [sha256.Size]byte // as of the last look
	used  [sha256.Size]byte // what was taken up
}

// follow changes which files are watched. Others are looked at once more: one may
// have changed since it was read.
func (w *watch) follow(paths []string) {
	if !slices.Equal(paths, w.paths) {
		w.paths, w.used = paths, [sha256.Size]byte{}
	}
}

// take takes up the content as it is.
func (w *watch) take() {
	w.last = w.sum()
	w.used = w.last
}

// changed reports whether the files are the same as at the last look and not what
// was taken up; that is then taken up. A file that cannot be read is one content.
func (w *watch) changed() bool {
	now := w.sum()
	settled := now == w.last
	w.last = now
	if !settled || now == w.used {
		return false
	}
	w.used = now
	return true
}

func (w *watch) sum() [sha256.Size]byte {
	var all []byte
	for _, path := range w.paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			raw = []byte("\x00" + err.Error())
		}
		one := sha256.Sum256(raw)
		all = append(all, one[:]...)
	}
	return sha256.Sum256(all)
}
