package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// From start to end: it answers once it says so, knows everything after a
// while, says what must be said, and leaves nothing behind.
func TestServiceLife(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = map[string]string{"AWS_ENDPOINT_URL_STS": "https://evil.example/marker-value", "AWS_ENDPOINT_URL": "", "HTTPS_PROXY": "http://unused.example:1"}
	s := p.start()
	f := s.calm()
	if len(f.Apps) != 6 || len(f.Regions) != 3 || f.Regions[1].Roles != 78 || f.Regions[1].Ready != 71 || f.Moving || f.Proposal != nil {
		t.Errorf("status %+v", f)
	}
	for _, a := range f.Apps {
		if a.Region.String() != home || !a.Movable || a.Error != nil {
			t.Errorf("app %+v", a)
		}
	}
	if len(f.Notes) != 2 || !strings.Contains(f.Notes[0], "One vantage only") { // spec 7.3
		t.Errorf("notes %q", f.Notes)
	}
	st, err := s.client.Status(t.Context())
	if err != nil || st.Controller.Version != "test" || st.Controller.Proxy != p.world.ProxyURL() || st.Controller.Config != p.cfg.Path() {
		t.Errorf("controller %+v, %v", st.Controller, err)
	}
	e, err := s.client.Explain(t.Context(), "", standby)
	if err != nil || e.Region == nil || e.Region.State != "healthy" || e.Decision.Rule != "active-healthy" {
		t.Errorf("explanation %+v, %v", e, err)
	}
	d, err := s.client.Plan(t.Context(), control.MoveRequest{To: standby})
	if err != nil || d.Outcome != failover.Move || len(d.Plan.Steps) != 6 {
		t.Errorf("plan %+v, %v", d, err)
	}
	if p.puts("") > 0 {
		t.Error("looking has written")
	}
	s.wantStartLog()
	s.refusesSecond()
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(p.cfg.Store.Dir, "run", "api.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := s.client.Status(t.Context()); !errors.Is(err, app.ErrNoController) || !strings.Contains(err.Error(), "samlfailover serve") {
		t.Errorf("asking nobody: %v", err)
	}
	p.wantAudit("controller.started")
}

// wantStartLog: spec 15.2.
func (s *service) wantStartLog() {
	s.t.Helper()
	block, _ := pem.Decode(s.world.CAPEM())
	sum := sha256.Sum256(block.Bytes)
	text := s.log.text()
	lower := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	for _, want := range []string{s.world.ProxyURL(), "proxy_from=network.proxy", "subject=", "expires=", "AWS_ENDPOINT_URL_STS", "obeyed=false", "one vantage only"} {
		if !strings.Contains(text, want) {
			s.t.Errorf("the start log lacks %q:\n%s", want, text)
		}
	}
	if !strings.Contains(lower, hex.EncodeToString(sum[:])) {
		s.t.Errorf("the start log lacks the CA's SHA-256:\n%s", text)
	}
	nevers := []string{"marker-value", s.world.Demo().Controller.SecretKey} // spec 15.1
	for _, t := range s.world.Demo().Tenants {
		nevers = append(nevers, t.Secret)
	}
	for _, never := range nevers {
		if strings.Contains(text, never) {
			s.t.Errorf("the start log holds %q", never)
		}
	}
}

// refusesSecond: two controllers on one data folder would be two leaders.
func (s *service) refusesSecond() {
	s.t.Helper()
	second, err := app.New(app.Options{Setup: s.setup(&journal{}), Ready: func(string) { s.t.Error("the second controller is ready") }})
	if err != nil {
		s.t.Fatal(err)
	}
	err = second.Run(s.t.Context())
	if err == nil || !strings.Contains(err.Error(), s.cfg.Store.Dir) || !strings.Contains(err.Error(), "stop the other first") {
		s.t.Errorf("the second controller: %v", err)
	}
	if _, err := s.dial().Status(s.t.Context()); err != nil {
		s.t.Errorf("the first controller does not answer any more: %v", err)
	}
}

// wantRecordFirst makes every write check, before it takes effect, that its
// start and the write itself are on record (spec 14). It returns the apps that
// were written.
func (p *place) wantRecordFirst() (written func() []string) {
	var mu sync.Mutex
	var seen []string
	p.beforeWrites(func(id string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, id)
		if missing := unrecorded(p.auditPath(), id); missing != "" {
			p.t.Errorf("app %s is written without %s on record", id, missing)
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// unrecorded names what a write of an app lacks in the audit file.
func unrecorded(path, app string) string {
	started, announced := false, false
	err := audit.Read(path, func(r audit.Record) error {
		started = started || r.Action == "move.start"
		announced = announced || started && r.Action == "move.write" && strings.Contains(string(r.Detail), app)
		return nil
	})
	switch {
	case err != nil:
		return "a readable file: " + err.Error()
	case !started:
		return "the move"
	case !announced:
		return "the write"
	}
	return ""
}

// The saboteurs: records that do not cover a write.
func TestUnrecorded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if unrecorded(path, "one") == "" {
		t.Error("no file at all")
	}
	l, err := audit.Open(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i, step := range []struct {
		action, detail string
		covered        bool
	}{{"move.requested", "", false}, {"move.write", "tenant/one", false}, {"move.start", "tenant/one", false}, {"move.write", "tenant/two", false}, {"move.write", "tenant/one", true}} {
		if err := l.Record(t.Context(), "x", step.action, "y", step.detail); err != nil {
			t.Fatal(err)
		}
		if got := unrecorded(path, "one") == ""; got != step.covered {
			t.Errorf("after step %d (%s %s): covered %v", i, step.action, step.detail, got)
		}
	}
}

// Mode approve: an outage leads to a proposal and no write; an operator's move
// carries it out. After a restart, with the IdP gone, the apps are known.
func TestApproveThenRestart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve", "accept_fewer_vantages: true", "accept_fewer_vantages: false")
	written := p.wantRecordFirst()
	s := p.start()
	s.calm()
	p.breaks(home, fault.Down)
	f := s.until("the move is proposed", func(f control.FederationStatus) bool { return f.Proposal != nil })
	if f.Decision.Outcome != failover.Propose || f.Proposal.To.String() != standby || len(f.Proposal.Steps) != 6 || f.Incident == nil || f.Incident.Confirmed.IsZero() {
		t.Errorf("proposal %+v, decision %+v", f.Proposal, f.Decision)
	}
	if len(written()) > 0 {
		t.Fatal("a proposal has written")
	}
	a, events, err := s.move(control.MoveRequest{To: standby, Reason: "home is down"})
	if err != nil || a.Result == nil || a.Result.Moved() != 6 || a.Result.Status != failover.Partial || a.Result.Cause != failover.Failover {
		t.Fatalf("the move: %+v, %v", a, err)
	}
	if len(events) == 0 || events[0].Kind != move.EventStarted || events[len(events)-1].Kind != move.EventFinished {
		t.Errorf("events %+v", events)
	}
	if len(written()) != 6 || p.puts("") != 6 {
		t.Errorf("written %v in %d requests", written(), p.puts(""))
	}
	for _, d := range p.world.Demo().Apps {
		if !strings.Contains(p.acs(d.ID), standby) {
			t.Errorf("app %s is at %s", d.Label, p.acs(d.ID))
		}
	}
	f = s.until("the proposal is gone", func(f control.FederationStatus) bool { return f.Proposal == nil })
	if f.LastMove == nil || f.LastMove.ID != a.Result.ID || f.Apps[0].Region.String() != standby {
		t.Errorf("status after the move %+v", f)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	p.wantAudit("controller.started", "move.proposed", "move.requested", "move.start", "move.write", "move.app-verified", "move.finished", "move.proposal-withdrawn")
	for _, r := range p.records() {
		if r.Action == "move.requested" && !strings.HasSuffix(r.Actor, " via socket") {
			t.Errorf("the move was asked for by %q", r.Actor)
		}
	}

	for _, vendor := range vendorsOf(p.world) {
		p.breaks(vendor, fault.Refuse)
	}
	s = p.start()
	f = s.until("apps and roles are shown as kept", func(f control.FederationStatus) bool {
		for _, a := range f.Apps {
			if a.Error == nil {
				return false
			}
		}
		return f.Regions[1].Roles > 0
	})
	for _, a := range f.Apps { // spec 2.4
		if a.Region.String() != standby || a.ReadAt.IsZero() || a.ACS == "" {
			t.Errorf("after the restart app %+v", a)
		}
	}
	if r := f.Regions[1]; r.Roles != 78 || r.Ready != 71 || r.ScannedAt.IsZero() {
		t.Errorf("after the restart Region %+v", r)
	}
}

// spec 9.2: a controller that starts in the middle of an outage asks IAM for
// nothing until it is over.
func TestStartInOutage(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: observe")
	p.breaks(home, fault.ServerError) // it still takes connections, and so would IAM
	s := p.start()
	s.until("the outage is confirmed and the scan waits", func(f control.FederationStatus) bool {
		return f.Regions[0].State == "unhealthy" && strings.Contains(s.log.text(), "a scheduled job waits")
	})
	if n := p.world.Requests().Count(0, func(e reqlog.Entry) bool { return e.Service == "iam" }); n > 0 {
		t.Errorf("%d requests to IAM in the outage", n)
	}
	if _, err := p.world.Heal(home); err != nil {
		t.Fatal(err)
	}
	s.until("the roles are scanned after it", func(f control.FederationStatus) bool { return f.Regions[0].Roles == 78 })
}

// Mode observe says what it would do, and does nothing.
func TestObserve(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: observe")
	s := p.start()
	s.calm()
	p.breaks(home, fault.Down)
	f := s.until("the outage is decided on", func(f control.FederationStatus) bool { return f.Decision.Rule == failover.Approval })
	if f.Decision.Outcome != failover.Hold || f.Decision.Plan == nil || f.Decision.Plan.To.String() != standby || f.Proposal != nil || f.LastMove != nil {
		t.Errorf("decision %+v, proposal %+v", f.Decision, f.Proposal)
	}
	if n := p.puts(""); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// spec 1.4: an app on a foreign host is not written, the others move, and the
// move ends incomplete with the steps for hands.
func TestForeignACS(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	bad := p.world.Demo().Apps[1]
	const evil = "https://evil.example/saml"
	err := p.world.EditApp(bad.ID, func(doc map[string]any) {
		doc["settings"].(map[string]any)["app"].(map[string]any)["overrideAcsURL"] = evil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.wantRecordFirst()
	s := p.start()
	f := s.until("the app is found foreign", func(f control.FederationStatus) bool { return len(f.Apps[1].Findings) > 0 })
	if f.Apps[1].Findings[0].Code != finding.ForeignACS || f.Apps[1].Movable || f.Apps[1].ACS != evil {
		t.Errorf("app %+v", f.Apps[1])
	}
	s.calm()
	p.breaks(home, fault.Down)
	f = s.until("a move has ended", func(f control.FederationStatus) bool { return f.LastMove != nil })
	res := f.LastMove
	if res.Status != failover.Incomplete || res.Moved() != 5 || !strings.Contains(res.Why, bad.Label) {
		t.Errorf("the move ended %s: %s", res.Status, res.Why)
	}
	if len(res.HandSteps) == 0 || res.HandSteps[0].App.ID != bad.ID || res.HandSteps[0].Current != evil || !strings.Contains(res.HandSteps[0].Target, standby) ||
		!strings.Contains(res.HandSteps[0].AdminURL, "acme-admin.okta.com") {
		t.Errorf("hand steps %+v", res.HandSteps)
	}
	if p.puts(bad.ID) != 0 || p.acs(bad.ID) != evil {
		t.Errorf("the foreign app was written %d times and is at %s", p.puts(bad.ID), p.acs(bad.ID))
	}
	for _, good := range slices.Concat(p.world.Demo().Apps[:1], p.world.Demo().Apps[2:]) {
		if !strings.Contains(p.acs(good.ID), standby) {
			t.Errorf("app %s is at %s", good.Label, p.acs(good.ID))
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	p.wantAudit("page", "move.start", "move.finished")
	if !strings.Contains(s.log.text(), "level=ERROR") || !strings.Contains(s.log.text(), string(finding.ForeignACS)) {
		t.Error("nobody was paged in the log")
	}
}

// spec 2.5: a read-only tenant keeps its apps queued with retries; then the
// exact steps for hands are shown.
func TestReadOnlyTenant(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	p.world.Org().SetReadOnly(true)
	p.world.PingOne().SetReadOnly(true)
	p.world.OneLogin().SetReadOnly(true)
	s := p.start()
	s.calm()
	a, events, err := s.move(control.MoveRequest{To: standby, Reason: "read-only"})
	if err != nil || a.Result == nil {
		t.Fatalf("%+v, %v", a, err)
	}
	retries := 0
	for _, e := range events {
		if e.Kind == move.EventRetry {
			retries++
		}
	}
	if retries < 2 || a.Result.Status != failover.Incomplete || a.Result.Moved() != 0 || a.Result.Proof != failover.Unproven {
		t.Errorf("%d retries, result %+v", retries, a.Result)
	}
	acs := map[string]bool{}
	for _, h := range a.Result.HandSteps {
		if h.AdminURL == "" || h.Field == "" || h.Target == "" || h.Current == h.Target {
			t.Errorf("hand step %+v", h)
		}
		if strings.Contains(h.Field, "ssoAcsUrl") || strings.Contains(h.Field, "sign-in URL") {
			acs[h.App.ID] = strings.Contains(h.Target, standby)
		}
	}
	for _, d := range p.world.Demo().Apps {
		if !acs[d.ID] || strings.Contains(p.acs(d.ID), standby) {
			t.Errorf("app %s: hand steps %+v, endpoint %s", d.Label, a.Result.HandSteps, p.acs(d.ID))
		}
	}
}

// breakAudit makes every further record fail, as a full disk would.
func (p *place) breakAudit() {
	p.t.Helper()
	head := p.auditPath() + ".head"
	for _, err := range []error{os.Remove(head), os.MkdirAll(filepath.Join(head, "in-the-way"), 0o700)} {
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// Promise 8: no record, no change; neither by a person nor by the controller.
func TestNoRecordNoWrite(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start()
	s.calm()
	p.breakAudit()
	if a, _, err := s.move(control.MoveRequest{To: standby, Reason: "x"}); err == nil || !strings.Contains(err.Error(), "audit record") {
		t.Errorf("a move without a record: %+v, %v", a, err)
	}
	p.breaks(home, fault.Down)
	s.until("the controller has tried to move", func(control.FederationStatus) bool {
		return strings.Contains(s.log.text(), "a move did not run to its end")
	})
	if n := p.puts(""); n > 0 {
		t.Errorf("%d writes without a record", n)
	}
}

// A move goes on when whoever asked for it goes away.
func TestMoveOutlivesClient(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	release := make(chan struct{})
	p.world.Org().BeforeWrite(func(string) { <-release })
	_, err := s.client.Move(ctx, control.MoveRequest{To: standby, Reason: "I leave early"}, func(move.Event) { leave() })
	close(release)
	if err == nil || !strings.Contains(err.Error(), "may go on") {
		t.Errorf("the client says %v", err)
	}
	f := s.until("the move has ended", func(f control.FederationStatus) bool { return f.LastMove != nil })
	if f.LastMove.Moved() != 6 {
		t.Errorf("%+v", f.LastMove)
	}
}

// Each way in which a start can fail leaves no socket and no goroutine (TestMain)
// behind, and the next start works.
func TestStartFails(t *testing.T) {
	t.Parallel()
	run := func(dir string) string { return filepath.Join(dir, "run") }
	for _, c := range []struct {
		name, says  string
		spoil, mend func(dir string) error
	}{
		{"the data folder is a file", "data folder",
			func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, os.Remove},
		{"the run folder is open to others", "chmod 700",
			func(dir string) error { return errors.Join(os.MkdirAll(run(dir), 0o700), os.Chmod(run(dir), 0o755)) }, //nolint:gosec // the saboteur
			func(dir string) error { return os.Chmod(run(dir), 0o700) }},                                           //nolint:gosec // a folder needs its x bit
		{"the audit file is broken", "audit",
			func(dir string) error {
				return errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "audit.jsonl"), []byte("rubbish\n"), 0o600))
			},
			func(dir string) error { return os.Remove(filepath.Join(dir, "audit.jsonl")) }},
		{"the first record cannot be made", "record the start",
			func(dir string) error { return os.MkdirAll(filepath.Join(dir, "audit.jsonl.head.tmp"), 0o700) },
			func(dir string) error {
				return errors.Join(os.Remove(filepath.Join(dir, "audit.jsonl.head.tmp")), os.Remove(filepath.Join(dir, "audit.jsonl")))
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			if err := c.spoil(p.cfg.Store.Dir); err != nil {
				t.Fatal(err)
			}
			svc, err := app.New(app.Options{Setup: p.setup(&journal{}), Ready: func(string) { t.Error("ready") }})
			if err != nil {
				t.Fatal(err)
			}
			if err := svc.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one about %q", err, c.says)
			}
			if _, err := os.Lstat(filepath.Join(run(p.cfg.Store.Dir), "api.sock")); err == nil {
				t.Error("a socket was left behind")
			}
			if n := p.world.Requests().Last(); n > 0 {
				t.Errorf("%d requests by a controller that did not start", n)
			}
			if err := c.mend(p.cfg.Store.Dir); err != nil {
				t.Fatal(err)
			}
			p.start()
		})
	}
}

// A context that has ended before the start ends it at once, and cleanly.
func TestStartInterrupted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	svc, err := app.New(app.Options{Setup: p.setup(&journal{})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := svc.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	raw, err := json.Marshal(p.records())
	if err != nil || string(raw) != "null" {
		t.Errorf("recorded %s, %v", raw, err)
	}
}
