package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/fault"
)

// shortCalls makes a resumed move wait less for its predecessor's last write.
var shortCalls = []string{"health:", "moves: {call_deadline: 2s}\nhealth:"}

// etcd is a plain etcd client on the socket of the store's member: what somebody
// could use who gets onto the machine.
func (p *place) etcd() *clientv3.Client {
	p.t.Helper()
	dir := p.cfg.Store.Folder()
	socket := filepath.Join(dir, "sock", "client.sock")
	if _, err := os.Stat(socket); err != nil { // its path was too long
		sum := sha256.Sum256([]byte(dir))
		socket = filepath.Join(os.TempDir(), fmt.Sprintf("samlfailover-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])), "client.sock")
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + socket}, DialTimeout: patience, Logger: zap.NewNop()})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	return c
}

// key returns the first key under a prefix, with its value.
func (p *place) key(c *clientv3.Client, prefix string) (string, []byte) {
	p.t.Helper()
	res, err := c.Get(p.t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithLimit(1))
	if err != nil || len(res.Kvs) == 0 {
		p.t.Fatalf("no key below %s: %v", prefix, err)
	}
	return string(res.Kvs[0].Key), res.Kvs[0].Value
}

// gate lets one write of an app wait: reached is closed when it is there, and it
// goes on when open is closed.
func (p *place) gate() (reached, open chan struct{}) {
	reached, open = make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.beforeWrites(func(string) {
		once.Do(func() {
			close(reached)
			<-open
		})
	})
	return reached, open
}

// await waits for something to happen.
func (p *place) await(what string, c <-chan struct{}) {
	p.t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		p.t.Fatalf("waited in vain until %s", what)
	}
}

// says waits until the log holds a text.
func (s *service) says(text string) {
	s.t.Helper()
	s.until("the log says "+text, func(control.FederationStatus) bool { return strings.Contains(s.log.text(), text) })
}

// wantEverywhere: every app is in a Region, and was written so many times.
func (p *place) wantEverywhere(region string, writes int) {
	p.t.Helper()
	for _, a := range p.world.Demo().Apps {
		if acs := p.acs(a.ID); !strings.Contains(acs, region) {
			p.t.Errorf("app %s signs in at %s, want %s", a.Label, acs, region)
		}
		if n := p.puts(a.ID); n != writes {
			p.t.Errorf("app %s was written %d times, want %d", a.Label, n, writes)
		}
	}
}

// spec 9.5: a controller that is told to stop in the middle of a move ends the
// step that runs, begins no other, and the next start finishes the move: no app
// is written twice, none is forgotten. What it knew of past moves it still knows.
func TestStopInTheMiddleOfAMove(t *testing.T) {
	t.Parallel()
	p := newPlace(t, shortCalls...)
	s := p.start()
	s.calm()
	if a, _, err := s.move(control.MoveRequest{To: home, Reason: "nothing to do"}); err != nil || a.Result != nil {
		t.Fatalf("%+v, %v", a, err)
	}
	reached, open := p.gate()
	asked := make(chan error, 1)
	go func() {
		_, err := s.client.Move(context.WithoutCancel(t.Context()), control.MoveRequest{To: standby, Reason: "leave"}, nil)
		asked <- err
	}()
	p.await("the first app is written", reached)
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	for !strings.Contains(s.log.text(), "no step begins any more") {
		select {
		case err := <-stopped:
			t.Fatalf("it has stopped without ending the step: %v", err)
		case <-time.After(glance):
		}
	}
	close(open)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err == nil {
		t.Error("whoever asked for the move was told that it went well")
	}
	if n := p.puts(""); n != 1 {
		t.Errorf("%d apps were written, want the one that was under way", n)
	}
	p.wantAudit("controller.started", "controller.leads", "move.start", "move.write", "move.app-verified")
	again := p.start()
	f := again.until("the move is finished", func(f control.FederationStatus) bool { return f.LastMove != nil })
	if f.LastMove.Moved() != 6 || f.LastMove.Cause != failover.Switchover {
		t.Errorf("the move ended %+v", f.LastMove)
	}
	p.wantEverywhere(standby, 1)
	p.wantAudit("move.start", "controller.started", "move.resume", "move.finished")
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	third := p.start()
	h, err := third.client.History(t.Context(), control.HistoryRequest{})
	if err != nil || len(h.Moves) != 1 || h.Moves[0].Reason != "leave" {
		t.Errorf("history after a restart: %+v, %v", h, err)
	}
}

// spec 11.1 spec 8.6: a record that was changed behind the controller's back is
// named, paged and shown first; nothing is moved, not even for a person.
func TestChangedRecordHolds(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start()
	s.calm()
	if _, _, err := s.move(control.MoveRequest{To: standby, Reason: "leave", Overrides: []string{failover.NotReady}}); err != nil {
		t.Fatal(err)
	}
	before := p.puts("")
	c := p.etcd()
	key, value := p.key(c, "samlfailover/journal/workforce/past/")
	value[len(value)-1] ^= 1
	record := strings.TrimSuffix(key, "/0000") // its only part
	if _, err := c.Put(t.Context(), key, string(value)); err != nil {
		t.Fatal(err)
	}
	p.breaks(standby, fault.Down)
	f := s.until("the changed record is noticed", func(f control.FederationStatus) bool { return f.Decision.Rule == failover.StoreIntegrity })
	if !strings.Contains(f.Decision.Why, record) {
		t.Errorf("the decision does not name %s: %s", record, f.Decision.Why)
	}
	s.until("the Region is unhealthy", func(f control.FederationStatus) bool { return f.Regions[1].State == "unhealthy" })
	st, err := s.client.Status(t.Context())
	if err != nil || len(st.Store.Findings) == 0 || st.Store.Findings[0].Code != finding.StoreIntegrity || !strings.Contains(st.Store.Findings[0].Error(), record) {
		t.Errorf("the store's findings %+v, %v", st.Store, err)
	}
	for _, overrides := range [][]string{nil, {failover.StoreIntegrity}} {
		a, _, err := s.move(control.MoveRequest{To: home, Reason: "back", Overrides: overrides})
		if err != nil || a.Result != nil || a.Decision.Outcome != failover.Hold {
			t.Errorf("a request with overrides %q: %+v, %v", overrides, a, err)
		}
	}
	if n := p.puts(""); n != before {
		t.Errorf("%d writes after the record was changed", n-before)
	}
	p.wantAudit("move.finished", "page")
}

// spec 9.5: a leadership that is lost ends everything that moves; the controller
// goes on answering, stands again, and moves again once it leads.
func TestLostLeadership(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start()
	s.calm()
	c := p.etcd()
	if _, err := c.Delete(t.Context(), "samlfailover/election/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	s.says("this controller does not lead any more")
	s.until("it leads again", func(control.FederationStatus) bool {
		return strings.Count(s.log.text(), "msg=\"this controller leads\"") == 2
	})
	s.until("the loops go on", func(f control.FederationStatus) bool { return f.Decision.Rule == "active-healthy" })
	var a control.MoveAnswer
	var err error
	s.until("a move is taken", func(control.FederationStatus) bool {
		a, _, err = s.move(control.MoveRequest{To: standby, Reason: "leave", Overrides: []string{failover.NotReady}})
		return err == nil
	})
	if a.Result == nil || a.Result.Moved() != 6 {
		t.Errorf("%+v, %v", a, err)
	}
	p.wantAudit("controller.leads", "controller.leads", "move.finished")
}

// spec 11.1: a backup that was taken in the middle of a move is restored; the
// move is void, and nothing moves by itself.
func TestRestoredBackupMovesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, append(shortCalls, "mode: auto", "mode: approve")...)
	s := p.start()
	s.calm()
	reached, open := p.gate()
	moved := make(chan error, 1)
	go func() {
		_, err := s.client.Move(context.WithoutCancel(t.Context()), control.MoveRequest{To: standby, Reason: "leave", Overrides: []string{failover.NotReady}}, nil)
		moved <- err
	}()
	p.await("the first app is written", reached)
	file := filepath.Join(t.TempDir(), "backup.db")
	m, err := s.client.Backup(t.Context(), control.BackupRequest{File: file})
	if err != nil || m.Size == 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err := s.client.Backup(t.Context(), control.BackupRequest{File: file}); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a backup over a backup: %v", err)
	}
	close(open)
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	p.wantEverywhere(standby, 1)
	if _, _, err := app.RestoreStore(t.Context(), p.setup(&journal{}), file, ""); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("restored over a store: %v", err)
	}
	if err := os.Rename(p.cfg.Store.Folder(), p.cfg.Store.Folder()+".away"); err != nil {
		t.Fatal(err)
	}
	got, dir, err := app.RestoreStore(t.Context(), p.setup(&journal{}), file, "")
	if err != nil || got != m || dir != p.cfg.Store.Folder() {
		t.Fatalf("restored %+v into %s: %v", got, dir, err)
	}
	again := p.start()
	again.until("home could be moved back to", func(f control.FederationStatus) bool { return f.Decision.Rule == failover.FailbackDue })
	h, err := again.client.History(t.Context(), control.HistoryRequest{})
	if err != nil || len(h.Moves) != 1 || h.Moves[0].Result == nil || h.Moves[0].Result.Status != failover.Incomplete || !strings.Contains(h.Moves[0].Result.Why, "void") {
		t.Errorf("history after the restore: %+v, %v", h, err)
	}
	p.wantEverywhere(standby, 1)
}

// spec 11.1: the store key of a single controller is made beside the config, for
// its owner alone; one that is gone is not made anew, because it would open
// nothing.
func TestStoreKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	report, err := app.Check(t.Context(), p.setup(&journal{}))
	warns := func(w string) bool {
		return strings.Contains(w, "no store key is configured") && strings.Contains(w, p.cfg.KeyFile())
	}
	if err != nil || !slices.ContainsFunc(report.Warnings, warns) {
		t.Errorf("check warns of %q, %v", report.Warnings, err)
	}
	s := p.start()
	info, err := os.Stat(p.cfg.KeyFile())
	if err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(p.cfg.KeyFile()) != p.cfg.Dir() {
		t.Errorf("the key: %v, %v", info, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.cfg.KeyFile(), p.cfg.KeyFile()+".gone"); err != nil {
		t.Fatal(err)
	}
	svc, err := app.New(app.Options{Setup: p.setup(&journal{}), UnsafeNoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Run(t.Context()); !finding.Is(err, finding.StoreSetup) || !strings.Contains(err.Error(), "put the key back") {
		t.Errorf("without its key: %v", err)
	}
	if _, err := os.Stat(p.cfg.KeyFile()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made anew: %v", err)
	}
	if err := os.WriteFile(p.cfg.KeyFile(), []byte("bm90IGEga2V5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if svc, err = app.New(app.Options{Setup: p.setup(&journal{}), UnsafeNoSync: true}); err != nil {
		t.Fatal(err)
	}
	if err := svc.Run(t.Context()); !finding.Is(err, finding.StoreSetup) {
		t.Errorf("with a key that is none: %v", err)
	}
	if _, err := config.Load(p.cfg.Path(), config.Options{}); err != nil {
		t.Error(err)
	}
}
