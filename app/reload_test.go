package app_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/sandbox/fault"
)

// write replaces the config's file with texts exchanged.
func (p *place) write(pairs ...string) {
	p.t.Helper()
	path := filepath.Join(p.dir, "samlfailover.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			p.t.Fatalf("the config does not say %q:\n%s", pairs[i], text)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	if err := replaceFile(path, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// replaceFile puts a file in the place of another at once: the controller must
// not see half of one.
func replaceFile(path string, data []byte) error {
	return errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path))
}

// reloaded waits until a reload has ended so, and returns the whole status.
func (s *service) reloaded(o control.ReloadOutcome) control.Status {
	s.t.Helper()
	var st control.Status
	s.until("the reload is "+string(o), func(control.FederationStatus) bool {
		var err error
		st, err = s.client.Status(s.t.Context())
		return err == nil && st.Reload != nil && st.Reload.Outcome == o
	})
	return st
}

// reloadRecord is the newest record of a reload.
func (p *place) reloadRecord(action string) (audit.Record, int) {
	p.t.Helper()
	var last audit.Record
	n := 0
	for _, r := range p.records() {
		if r.Action == action {
			last, n = r, n+1
		}
	}
	return last, n
}

// spec 15.3: a changed file is checked, recorded with what changes, and taken
// whole; the digest changes, proposals are void, and the new mode holds.
func TestReload(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	before, err := s.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.breaks(home, fault.Down)
	s.until("the move is proposed", func(f control.FederationStatus) bool { return f.Proposal != nil })
	p.write("interval: 300ms", "interval: 310ms")
	s.reloaded(control.ReloadApplied)
	s.until("the move is proposed anew", func(f control.FederationStatus) bool { return f.Proposal != nil })
	p.wantAudit("move.proposed", "config.reload", "move.proposal-withdrawn", "move.proposed")
	pause, err := s.client.Pause(t.Context(), control.BrakeRequest{Reason: "until the new config is in"})
	if err != nil {
		t.Fatal(err)
	}
	p.write("mode: approve", "mode: auto")
	s.until("the new mode is in force", func(f control.FederationStatus) bool { return f.Mode == "auto" })
	st := s.reloaded(control.ReloadApplied)
	if st.Controller.ConfigDigest == before.Controller.ConfigDigest || st.Controller.ConfigDigest != st.Reload.Digest || st.Reload.Changes != 1 || !st.Controller.Started.Equal(before.Controller.Started) {
		t.Errorf("controller %+v, before %+v, reload %+v", st.Controller, before.Controller, st.Reload)
	}
	f := s.until("the pause holds", func(f control.FederationStatus) bool { return f.Decision.Rule == failover.Paused })
	if f.Mode != "auto" || len(f.Brakes) != 1 || f.Brakes[0].ID != pause.Brake.ID || f.Proposal != nil {
		t.Errorf("status %+v", f)
	}
	r, n := p.reloadRecord("config.reload")
	if n != 2 || !strings.Contains(string(r.Detail), `"path":"federations[workforce].policy.mode","before":"approve","after":"auto","risk":"the controller may do more by itself"`) {
		t.Errorf("%d records, %s", n, r.Detail)
	}
	if !strings.Contains(s.log.text(), "the config changes the controller may do more by itself") {
		t.Error("the log does not say that the mode rises")
	}
	p.wantAudit("pause.set", "config.reload")
	if p.puts("") > 0 {
		t.Error("something was written")
	}
	if _, err := s.client.Resume(t.Context(), control.ReleaseRequest{}); err != nil {
		t.Fatal(err)
	}
	s.until("auto has moved", func(f control.FederationStatus) bool { return f.LastMove != nil && f.LastMove.Moved() == len(f.Apps) })
}

// Another config decides anew who is let in: streams of before end with it.
//
// spec 13.5
func TestReloadEndsStreams(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start()
	s.calm()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.world.ControllerURL()+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.world.StaffToken("margaret"))
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", res, err)
	}
	defer res.Body.Close()
	p.write("interval: 300ms", "interval: 310ms")
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Errorf("the stream goes on under the new config: %v", err)
	}
	s.by("margaret").wants(http.StatusOK, "GET", "/api/v1/status", nil, nil)
}

// spec 15.3: the saboteurs are files that must not be taken: each is refused
// with its reason, the config from before stays, and a good file is taken again.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	first, err := s.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.dir, "samlfailover.yaml")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		why   string
		spoil func()
		says  string
	}{
		{"a word that is no mode", func() { p.write("mode: approve", "mode: atuo") }, "atuo"},
		{"others can change the file", func() { s.must(replaceOpen(path, append(good, '\n'))) }, "can be changed by other users"},
		{"the file is gone", func() { s.must(os.Remove(path)) }, "cannot be read"},
		{"state elsewhere", func() { s.must(replaceFile(path, good)); p.write("dir: data", "dir: elsewhere") }, "restart"},
		{"a secret that is not there", func() { s.must(replaceFile(path, good)); p.write("token: file:secrets/", "token: file:secrets/none-") }, "none"},
	} {
		c.spoil()
		s.until(c.why+" is refused", func(control.FederationStatus) bool {
			st, err := s.client.Status(t.Context())
			return err == nil && st.Reload != nil && st.Reload.Outcome == control.ReloadRefused && strings.Contains(strings.Join(st.Reload.Errors, " "), c.says)
		})
		if st, err := s.client.Status(t.Context()); err != nil || st.Controller.ConfigDigest != first.Controller.ConfigDigest || st.Federations[0].Mode != "approve" {
			t.Errorf("%s: %+v, %v", c.why, st.Controller, err)
		}
		if r, n := p.reloadRecord("config.refused"); n != i+1 || !strings.Contains(string(r.Detail), c.says) {
			t.Errorf("%s: %d records, %s", c.why, n, r.Detail)
		}
		s.must(replaceFile(path, good))
		s.reloaded(control.ReloadUnchanged)
	}
	if _, n := p.reloadRecord("config.reload"); n != 0 {
		t.Errorf("%d configs were taken", n)
	}
}

// replaceOpen is replaceFile for a file that others can change.
func replaceOpen(path string, data []byte) error {
	return errors.Join(os.WriteFile(path+".new", data, 0o600), os.Chmod(path+".new", 0o622), os.Rename(path+".new", path)) //nolint:gosec // the saboteur
}

// must fails the test on an error; that a file was gone before is none.
func (s *service) must(errs ...error) {
	s.t.Helper()
	for _, err := range errs {
		if err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
	}
}

// spec 15.3: a reload waits for a move that runs, and says so; the move ends as
// it was planned.
func TestReloadWaitsForAMove(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	entered, let := make(chan struct{}), make(chan struct{})
	free := sync.OnceFunc(func() { close(let) })
	t.Cleanup(free)
	first := true
	p.world.Org().BeforeWrite(func(string) {
		if first {
			first = false
			close(entered)
			<-let
		}
	})
	type end struct {
		a   control.MoveAnswer
		err error
	}
	ended := make(chan end, 1)
	go func() {
		a, err := s.client.Move(t.Context(), control.MoveRequest{To: standby, Reason: "test"}, nil)
		ended <- end{a, err}
	}()
	select {
	case <-entered:
	case <-time.After(patience):
		t.Fatal("the move does not begin")
	}
	p.write("interval: 300ms", "interval: 310ms")
	s.reloaded(control.ReloadWaiting)
	if _, n := p.reloadRecord("config.reload"); n != 1 {
		t.Errorf("%d records of the reload", n)
	}
	free()
	got := <-ended
	if got.err != nil || got.a.Result == nil || got.a.Result.Moved() != got.a.Result.Meant() {
		t.Errorf("the move: %+v, %v", got.a, got.err)
	}
	s.reloaded(control.ReloadApplied)
	f := s.until("the last move is known", func(f control.FederationStatus) bool { return f.LastMove != nil })
	if f.LastMove.ID != got.a.Result.ID {
		t.Errorf("the last move is %s, was %s", f.LastMove.ID, got.a.Result.ID)
	}
}

// Whoever asks for a reload gets one although the file is the same: secrets are
// read again.
func TestReloadOnRequest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.reload = make(chan os.Signal, 1)
	s := p.start()
	s.calm()
	p.reload <- syscall.SIGHUP
	st := s.reloaded(control.ReloadApplied)
	if st.Reload.Changes != 0 || st.Reload.Trigger != "somebody asked for it" {
		t.Errorf("reload %+v", st.Reload)
	}
	s.calm()
}

// A list of accounts in a file of its own is watched like the config, from the
// moment on at which the config names it.
func TestReloadOfAccountsFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	list := filepath.Join(p.dir, "more.yaml")
	write := func(account string) {
		if err := replaceFile(list, []byte("- id: \""+account+"\"\n  providers: [arn:aws:iam::"+account+":saml-provider/Okta]\n")); err != nil {
			t.Fatal(err)
		}
	}
	named := func(account string) func(control.FederationStatus) bool {
		return func(control.FederationStatus) bool {
			r, _ := p.reloadRecord("config.reload")
			return strings.Contains(string(r.Detail), account)
		}
	}
	write("999900001111")
	p.write("    accounts:\n", "    accounts_file: more.yaml\n    accounts:\n")
	s.until("the account of the file is the controller's", named("999900001111"))
	write("999900002222")
	s.until("another account is seen in the file", named("999900002222"))
}
