package scaletest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

const (
	latency = 20 * time.Millisecond
	allowed = 10 // calls a second that IAM takes in one account
	ourPace = 8  // calls a second that the config allows
	atOnce  = 8  // accounts, the product's own choice

	glance   = 10 * time.Millisecond
	patience = 3 * time.Minute
)

// sizes are the accounts' roles. A small account comes first, so that the first
// waves are short, and the largest one next.
func sizes() []int {
	out := []int{22, 5000, 2001, 2001, 2001, 2001, 1000, 1000, 1000, 1000, 1000}
	for range 89 {
		out = append(out, 22)
	}
	return out
}

// place is the large world, served over sockets, and a config for it.
type place struct {
	*sandbox.World
	seed.Fleet
	t       *testing.T
	dir     string
	program string
	keys    map[string][2]string // of a person in each account
}

func newPlace(t *testing.T) *place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	metadata, err := w.Metadata(w.Demo().Apps[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	planted, err := w.Demo().PlantFleet(w.Cloud(), metadata, sizes())
	if err != nil {
		t.Fatal(err)
	}
	p := &place{World: w, Fleet: planted, t: t, dir: t.TempDir(), program: filepath.Join(t.TempDir(), "samlfailover"), keys: map[string][2]string{}}
	for i, a := range p.accounts() {
		a.SetThrottle(allowed, allowed)
		key := [2]string{fmt.Sprintf("AKIAFLEET%07d", i), "secret-of-" + a.ID()}
		a.AddAccessKey("operator", key[0], key[1], []string{"iam:*"})
		p.keys[a.ID()] = key
	}
	if _, err := w.Fault(fault.Fault{Target: "iam", Effect: fault.Effect{Kind: fault.Latency, Duration: latency}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDir(p.dir); err != nil {
		t.Fatal(err)
	}
	p.configure()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	build := exec.CommandContext(t.Context(), "go", "build", "-o", p.program, "../../cmd/samlfailover")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return p
}

// accounts are the fleet's.
func (p *place) accounts() []*aws.Account {
	var out []*aws.Account
	for _, a := range p.Accounts {
		account, _ := p.Cloud().Account(p.Demo().Partition, a.ID)
		out = append(out, account)
	}
	return out
}

func (p *place) config() string { return filepath.Join(p.dir, "samlfailover.yaml") }

// configure puts the fleet's accounts in the place of the demo's.
func (p *place) configure() {
	p.t.Helper()
	text, err := os.ReadFile(p.config())
	if err != nil {
		p.t.Fatal(err)
	}
	var accounts strings.Builder
	accounts.WriteString("    accounts:\n")
	for _, a := range p.Accounts {
		fmt.Fprintf(&accounts, "      - {id: %q, name: %s, providers: [%q], scan_role: %q, enforce_role: %q}\n", a.ID, a.Name, a.Provider, a.ScanRole, a.EnforceRole)
	}
	out := regexp.MustCompile(`(?s)    accounts:\n.*?(    min_ready_share)`).ReplaceAllString(string(text), strings.ReplaceAll(accounts.String(), "$", "$$")+"$1")
	out = regexp.MustCompile(`iam_calls_per_second: \d+`).ReplaceAllString(out, fmt.Sprintf("iam_calls_per_second: %d", ourPace))
	if err := os.WriteFile(p.config(), []byte(out), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// process is one run of the program.
type process struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	began     time.Time
	took      time.Duration
	ended     chan struct{}
	err       error
	peak      int // kB, the largest resident set seen
}

// start runs the program in an environment of its own.
func (p *place) start(args ...string) *process {
	p.t.Helper()
	r := &process{cmd: exec.Command(p.program, args...), began: time.Now(), ended: make(chan struct{})}
	r.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "SAMLFAILOVER_CONFIG=" + p.config()}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.errs
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(r.kill)
	go func() {
		defer close(r.ended)
		var sampler sync.WaitGroup
		done := make(chan struct{})
		sampler.Go(func() { r.watch(done) })
		r.err = r.cmd.Wait()
		r.took = time.Since(r.began)
		close(done)
		sampler.Wait()
	}()
	return r
}

// watch reads the high-water mark of the resident set until done. That of
// wait4 also counts what this test's process had when it forked.
func (r *process) watch(done chan struct{}) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
		if err != nil {
			continue // it has ended
		}
		if m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			r.peak = max(r.peak, n)
		}
	}
}

// kill ends it as the kernel does, and waits.
func (r *process) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.ended
}

// wait returns when it has ended by itself, and fails unless it ended well.
func (p *place) wait(r *process) {
	p.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		p.t.Fatalf("%v has not ended after %s", r.cmd.Args[1:], patience)
	}
	if r.err != nil {
		p.t.Fatalf("%v: %v\n%s", r.cmd.Args[1:], r.err, r.errs.String())
	}
}

// writes are how often each role was written, by ARN.
func (p *place) writes() map[string]int {
	out := map[string]int{}
	for _, a := range p.accounts() {
		for role, n := range a.Tally().Writes {
			out["arn:aws:iam::"+a.ID()+":role/teams/"+role] += n
		}
	}
	return out
}

// calls are how often IAM was asked, in all, and how often it refused because
// that was too fast.
func (p *place) calls() (listed, all, throttled int) {
	for _, a := range p.accounts() {
		n := a.Tally()
		for action, k := range n.Calls {
			if all += k; action == "ListRoles" {
				listed += k
			}
		}
		throttled += n.Throttled
	}
	return listed, all, throttled
}

// The last line of what a command prints as JSON is its result.
func result[T any](t *testing.T, r *process) T {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(r.out.Bytes()), []byte("\n"))
	var v T
	if err := json.Unmarshal(lines[len(lines)-1], &v); err != nil {
		t.Fatalf("%v: %.300s", err, lines[len(lines)-1])
	}
	return v
}

// notReady are the roles that do not admit the standby Region, by ARN.
func (p *place) notReady(s control.Snapshot) []string {
	var out []string
	for _, f := range s.Share(p.Demo().Standby()).NotReady {
		out = append(out, f.Subject)
	}
	slices.Sort(out)
	return out
}

// large are how many of the accounts have a thousand roles or more: with the
// first, small one they have nine tenths of all roles.
const large = 11

// listWithAWS lists the roles of the large accounts with the AWS CLI, as many
// accounts at once as the product does, and returns how long that takes and how
// many roles that were. For all hundred of them it would have to start a hundred
// times.
func (p *place) listWithAWS(cli string) (took time.Duration, roles int) {
	p.t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, a := range p.accounts()[:large] {
		roles += sizes()[i]
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			key := p.keys[a.ID()]
			cmd := exec.CommandContext(p.t.Context(), cli, "iam", "list-roles", "--output", "json")
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "HTTPS_PROXY=" + p.ProxyURL(), "AWS_CA_BUNDLE=" + filepath.Join(p.dir, "ca.pem"),
				"AWS_ACCESS_KEY_ID=" + key[0], "AWS_SECRET_ACCESS_KEY=" + key[1], "AWS_DEFAULT_REGION=us-west-2", "AWS_EC2_METADATA_DISABLED=true"}
			out, err := cmd.Output()
			var got struct{ Roles []json.RawMessage }
			if err != nil || json.Unmarshal(out, &got) != nil || len(got.Roles) != sizes()[i] {
				p.t.Errorf("aws iam list-roles in %s: %v, %d roles of %d", a.ID(), err, len(got.Roles), sizes()[i])
			}
		})
	}
	all.Wait()
	return time.Since(began), roles
}

// spec 5.4, 6.1, 14: the figures are those of docs/benchmarks.md.
func TestScale(t *testing.T) {
	if os.Getenv("TEST_SCALE") != "1" {
		t.Skip("20,000 roles with the real binary take minutes; TEST_SCALE=1 runs it")
	}
	p := newPlace(t)
	drifted := slices.Sorted(slices.Values(p.Drifted))
	peak := 0

	scan := p.start("trust", "scan", "--output", "json")
	p.wait(scan)
	peak = max(peak, scan.peak)
	if got := p.notReady(result[control.Snapshot](t, scan)); !slices.Equal(got, drifted) {
		t.Fatalf("%d roles are not ready, want %d", len(got), len(drifted))
	}
	listed, all, _ := p.calls()
	t.Logf("trust scan: %d roles in %d accounts, %d drifted: %.1f s, %d ListRoles, %d IAM calls, VmHWM %.0f MB",
		p.Roles, len(p.Accounts), len(drifted), scan.took.Seconds(), listed, all, float64(scan.peak)/1e3)
	if want := 5 + 4*3 + 5*1 + 90*1; listed != want {
		t.Errorf("%d ListRoles, want %d", listed, want)
	}
	p.compare(listed)
	p.applyAndKill(drifted, &peak)

	after := p.start("trust", "scan", "--output", "json")
	p.wait(after)
	if got := p.notReady(result[control.Snapshot](t, after)); len(got) > 0 {
		t.Errorf("%d roles are still not ready", len(got))
	}
	peak = max(peak, after.peak)
	t.Logf("largest resident set of any of these processes: %.0f MB (limit 200 MB)", float64(peak)/1e3)
	if peak > 200_000 {
		t.Errorf("the largest resident set is %d kB", peak)
	}
}

// compare times the AWS CLI over the same accounts.
func (p *place) compare(before int) {
	const cli = "/usr/bin/aws" // Debian's; another one in PATH may be of any version
	if _, err := os.Stat(cli); err != nil {
		if os.Getenv("TEST_ALL") == "1" {
			p.t.Fatal("there is no awscli here; on Debian: apt-get install awscli (TEST_ALL=1: nothing may be left out)")
		}
		p.t.Logf("without the AWS CLI beside it: %v", err)
		return
	}
	took, roles := p.listWithAWS(cli)
	listed, _, _ := p.calls()
	p.t.Logf("aws iam list-roles in the %d largest accounts, %d at once: %d roles, %.1f s, %d ListRoles", large, atOnce, roles, took.Seconds(), listed-before)
}

// applyAndKill applies and kills the process whenever so many roles were
// written; the run is resumed each time and ends well at last.
func (p *place) applyAndKill(drifted []string, peak *int) {
	_, _, slowed := p.calls() // by the AWS CLI
	began := time.Now()
	run := p.start("trust", "apply", "--yes", "--output", "json")
	kills := 0
	for _, at := range []int{1, 150, 400, len(drifted)} {
		for until := time.Now().Add(patience); len(p.writes()) < at; {
			select {
			case <-run.ended:
				p.t.Fatalf("apply ended after %d writes: %v\n%s", len(p.writes()), run.err, run.errs.String())
			case <-time.After(glance):
			}
			if time.Now().After(until) {
				p.t.Fatalf("%d roles were written after %s, want %d", len(p.writes()), patience, at)
			}
		}
		run.kill()
		kills++
		*peak = max(*peak, run.peak)
		run = p.start("trust", "apply", "--resume", p.runID(), "--yes", "--output", "json")
	}
	p.wait(run)
	*peak = max(*peak, run.peak)
	report := result[control.TrustReport](p.t, run)
	if n := report.Counts[fleet.Written]; n != len(drifted) || report.Stopped != nil {
		p.t.Errorf("the report counts %v, stopped: %v", report.Counts, report.Stopped)
	}
	writes := p.writes()
	if got := slices.Sorted(maps.Keys(writes)); !slices.Equal(got, drifted) {
		p.t.Errorf("%d roles were written, want %d", len(got), len(drifted))
	}
	for role, n := range writes {
		if n != 1 {
			p.t.Errorf("%s was written %d times", role, n)
		}
	}
	_, _, throttled := p.calls()
	if throttled > slowed {
		p.t.Errorf("%d calls were throttled at %d a second", throttled-slowed, ourPace)
	}
	record := filepath.Join(p.dir, "data", "runs", p.runID(), "audit.jsonl")
	if _, err := app.VerifyAudit(record); err != nil {
		p.t.Errorf("the run's audit record: %v", err)
	}
	p.t.Logf("trust apply: %d roles, %d times killed and resumed: %.1f s, each written once, no call throttled", len(drifted), kills, time.Since(began).Seconds())
}

// runID is the id of the one run with a folder.
func (p *place) runID() string {
	p.t.Helper()
	runs, err := os.ReadDir(filepath.Join(p.dir, "data", "runs"))
	if err != nil || len(runs) != 1 {
		p.t.Fatalf("%d runs: %v", len(runs), err)
	}
	return runs[0].Name()
}
