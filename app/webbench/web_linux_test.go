package webbench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/server/api"
)

const (
	clients = 200
	moves   = 20 // with them, and as many without
	blocks  = 4  // of moves in turn without and with, so that the machine's other work falls on both
	latency = 50 * time.Millisecond
	between = 2 * time.Second // moves: the pace of 10 calls a second per tenant is to hold none of them up for the one before
	limit   = 1.10

	patience = 60 * time.Second
	glance   = 50 * time.Millisecond
)

// program is the real binary, serving in a simulated world of this process.
type program struct {
	t     *testing.T
	world *sandbox.World
	cmd   *exec.Cmd
	log   bytes.Buffer // read after its end only
	ended chan struct{}
	base  string
	token string
	alone *http.Client // of whoever asks for the moves
}

// serve builds the program, starts it and waits until it knows everything.
func serve(t *testing.T) *program {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{})
	must(t, err)
	for _, tenant := range w.Demo().Tenants {
		_, err := w.Fault(fault.Fault{Target: tenant.Kind, Effect: fault.Effect{Kind: fault.Latency, Duration: latency}})
		must(t, err)
	}
	must(t, w.Listen())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
	dir := t.TempDir()
	must(t, w.WriteDir(dir))
	config := filepath.Join(dir, "samlfailover.yaml")
	text, err := os.ReadFile(config)
	must(t, err)
	for _, edit := range [][2]string{
		{"min_ready_share: 0.9", "min_ready_share: 0.5"}, // enough of the demo's roles are ready then
		{"mode: auto", "mode: approve"},                  // nothing moves but what is asked for
	} {
		if !bytes.Contains(text, []byte(edit[0])) {
			t.Fatalf("the config lacks %s", edit[0])
		}
		text = bytes.Replace(text, []byte(edit[0]), []byte(edit[1]), 1)
	}
	must(t, os.WriteFile(config, text, 0o600))

	binary := filepath.Join(t.TempDir(), "samlfailover")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/samlfailover").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	p := &program{t: t, world: w, cmd: exec.Command(binary, "serve"), ended: make(chan struct{}), base: w.ControllerURL(), token: w.StaffToken("ada"), alone: clientAt(clients)}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "SAMLFAILOVER_CONFIG=" + config}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // a signal of ours
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.ended
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.log.String())
		}
	})
	p.calm()
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends one request and decodes its answer.
func (p *program) ask(method, path string, body, into any) (int, error) {
	res, err := send(p.t.Context(), p.alone, method, p.base+api.Base+path, p.token, body)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it has been read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(raw, into); err != nil || res.StatusCode >= 300 {
		return res.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, raw)
	}
	return res.StatusCode, nil
}

// calm waits until every Region is healthy, every app read, every role scanned.
func (p *program) calm() {
	p.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		var f control.FederationStatus
		_, err := p.ask("GET", "/federations/"+seed.Federation, nil, &f)
		if err == nil && (f.Decision.Rule == failover.ActiveHealthy || f.Decision.Rule == failover.FailbackDue) && !slices.ContainsFunc(f.Regions, func(r control.RegionStatus) bool { return r.State != "healthy" || r.ScannedAt.IsZero() }) &&
			!slices.ContainsFunc(f.Apps, func(a control.AppStatus) bool { return a.ReadAt.IsZero() }) {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatal("the program has ended")
		case <-late.C:
			p.t.Fatalf("waited in vain until all is known and well: %v, %+v", err, f.Decision)
		case <-tick.C:
		}
	}
}

// move moves the federation and returns how long it took: as the move's own
// record says it, and as whoever asked for it saw it.
func (p *program) move(to string) (own, seen time.Duration) {
	p.t.Helper()
	select {
	case <-time.After(between):
	case <-p.ended:
		p.t.Fatal("the program has ended")
	}
	p.calm()
	began := time.Now()
	var a api.MoveStanding
	_, err := p.ask("POST", "/moves?wait=30s", api.MoveBody{Federation: seed.Federation, To: to, Reason: "a switchover to measure"}, &a)
	seen = time.Since(began)
	must(p.t, err)
	if want := len(p.world.Demo().Apps); a.State != api.MoveDone || a.Result == nil || a.Result.Moved() != want {
		p.t.Fatalf("the move to %s: %+v", to, a)
	}
	return a.Result.Finished.Sub(a.Result.Started), seen
}

// processor is the processor time that the program has used.
func (p *program) processor() time.Duration {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	must(p.t, err)
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // user and system, in hundredths of a second
		n, err := strconv.Atoi(f)
		must(p.t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// series are the moves of one kind.
type series struct {
	own, seen      []time.Duration
	wall, computed time.Duration // of all of them, waits in between included
}

func (s *series) String() string {
	return fmt.Sprintf("%d moves: median %s (%s to %s), as seen by who asked %s; the program used %.0f %% of a core", len(s.own), quantile(s.own, 50), quantile(s.own, 0), quantile(s.own, 100),
		quantile(s.seen, 50), 100*s.computed.Seconds()/s.wall.Seconds())
}

// quantile is the value that so many percent do not exceed.
func quantile(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	if percent == 50 && len(sorted)%2 == 0 {
		return ((sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2).Round(100 * time.Microsecond)
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(100 * time.Microsecond)
}

// load is what the kernel calls the machine's load of the last minute.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(raw))[0]
}

// A crowd that looks does not hold a move up: the figures are those of
// docs/benchmarks.md. All of it, program, world and crowd, shares one machine.
func TestMoveBeforeACrowd(t *testing.T) {
	if os.Getenv("TEST_WEB") != "1" {
		t.Skip("40 moves of the real binary take minutes; TEST_WEB=1 runs it (make bench)")
	}
	p := serve(t)
	demo := p.world.Demo()
	home, standby := demo.Regions[0].String(), demo.Standby().String()
	p.move(standby) // the first moves open connections and fetch tokens
	p.move(home)

	var without, with series
	var all seen
	for block := range 2 * blocks {
		s, c := &without, (*away)(nil)
		if block%2 == 1 {
			s, c = &with, sendAway(t, p.base, p.token)
		}
		began, used := time.Now(), p.processor()
		for range moves / blocks {
			to := standby
			if (len(without.own)+len(with.own))%2 == 1 {
				to = home
			}
			own, seen := p.move(to)
			s.own, s.seen = append(s.own, own), append(s.seen, seen)
		}
		s.wall, s.computed = s.wall+time.Since(began), s.computed+p.processor()-used
		if c != nil {
			got := c.leave(t)
			if len(got.Failures) > 0 {
				t.Fatalf("%d of the crowd's requests failed, the first one: %s", len(got.Failures), got.Failures[0])
			}
			all = seen{append(all.Looks, got.Looks...), all.Bytes + got.Bytes, all.Events + got.Events, all.Lasted + got.Lasted, nil}
		}
	}
	ratio := quantile(with.own, 50).Seconds() / quantile(without.own, 50).Seconds()
	t.Logf("without clients: %v", &without)
	t.Logf("with %d clients: %v", clients, &with)
	rate := float64(len(all.Looks)) / all.Lasted.Seconds()
	t.Logf("the crowd: %d status answers of %d bytes, %.0f a second, p50 %s, p99 %s; %d events", len(all.Looks), all.Bytes/int64(max(1, len(all.Looks))), rate, quantile(all.Looks, 50), quantile(all.Looks, 99), all.Events)
	t.Logf("ratio %.3f, limit %.2f; load of the machine %s", ratio, limit, load())
	if all.Events < clients*moves {
		t.Errorf("%d events in %d streams over %d moves: the streams were not served", all.Events, clients, moves)
	}
	if rate < 0.95*clients {
		t.Errorf("%.0f answers a second to %d clients who ask once a second: the crowd was starved, so the ratio says nothing", rate, clients)
	}
}

// A crowd says so when it is not answered: otherwise a measurement before a
// server that refuses would look good.
func TestCrowdRefused(t *testing.T) {
	serves := func(status int, begins string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			if !strings.HasSuffix(r.URL.Path, "/events") {
				_, _ = io.WriteString(w, "{}")
				return
			}
			_, _ = io.WriteString(w, begins)
			if begins != "" {
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		}
	}
	for _, c := range []struct {
		why    string
		server http.HandlerFunc
		says   string
	}{
		{"all is answered", serves(200, "event: alive\n\n"), ""},
		{"every request is refused", serves(429, ""), "429"},
		{"the streams end at once", serves(200, ""), "the stream has ended"},
		{"events are left out", serves(200, "event: missed\n\nevent: alive\n\n"), "some were missed"},
	} {
		t.Run(c.why, func(t *testing.T) {
			server := httptest.NewServer(c.server)
			defer server.Close()
			got := strings.Join(gather(server.URL, "a token", 2).leave().Failures, "; ")
			if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
				t.Errorf("the crowd says %q, want %q", got, c.says)
			}
		})
	}
}
