package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

// watched is the result of one round.
func watched(t *testing.T, r ran) control.WatchRound {
	t.Helper()
	var out control.WatchRound
	if err := json.Unmarshal([]byte(r.out), &out); err != nil {
		t.Fatalf("%v: %s%s", err, r.out, r.err)
	}
	return out
}

func tells(r control.WatchRound, code finding.Code, subject string) bool {
	for _, f := range r.Findings {
		if f.Code == code && (subject == "" || f.Subject == subject) {
			return true
		}
	}
	return false
}

// A watch that reports writes nothing; one that enforces adds what is missing and
// nothing else, keeps to a freeze that came since, and tells of what somebody
// else has changed afterwards.
// spec 5.1, 5.4, 5.8, 14
func TestTrustWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	guarded := guard(t, w)
	_, before, _ := w.Cloud().RoleByARN(guarded)
	once := func(env map[string]string, args ...string) ran {
		return cli(t, env, append([]string{"trust", "watch", "--once", "--output", "json"}, args...)...)
	}
	r := once(w.env)
	r.wants(t, exitPending)
	if got := watched(t, r); got.Lacking < 3 || got.Report != nil || !tells(got, finding.TrustDrift, "") || len(w.writes()) > 0 {
		t.Fatalf("report: %+v, writes %v", got, w.writes())
	}
	frozen := w.edited(t, "\nstore:\n", "\nfreeze:\n  - {from: "+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+", until: "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+", why: peak sales}\nstore:\n")
	r = once(frozen, "--mode", "enforce")
	r.wants(t, exitHeld)
	if got := watched(t, r); !strings.Contains(got.Held, "peak sales") || len(w.writes()) > 0 {
		t.Fatalf("in a freeze: %+v, writes %v", got, w.writes())
	}
	r = once(w.env, "--mode", "enforce", "--max-roles", "1")
	if got := watched(t, r); r.code != exitPending || len(w.writes()) != 1 || got.Run == "" {
		t.Fatalf("one role: exit code %d, %+v, writes %v", r.code, got, w.writes())
	}
	r = once(w.env, "--mode", "enforce")
	got := watched(t, r)
	r.wants(t, exitPending) // the Deny is left
	if got.Report == nil || got.Report.Counts["written"] < 2 || len(w.writes()) != 1+got.Report.Counts["written"] {
		t.Fatalf("enforce: %+v, writes %v", got.Report, w.writes())
	}
	if _, now, _ := w.Cloud().RoleByARN(guarded); now.Trust != before.Trust {
		t.Error("the Deny was edited")
	}
	record := filepath.Join(w.dir, "data", "runs", got.Run, "audit.jsonl")
	cli(t, w.env, "audit", "verify", record).wants(t, exitDone, "whole")
	if text, err := os.ReadFile(record); err != nil || !strings.Contains(string(text), " via watch") {
		t.Errorf("the record does not say who: %v", err)
	}

	role := got.Report.Outcomes[0].Role
	account, is, _ := w.Cloud().RoleByARN(role)
	account.ChangeRole(is.Name, func(r *world.Role) {
		r.Trust = strings.ReplaceAll(r.Trust, `https://us-west-2.signin.aws.amazon.com/saml`, `https://eu-north-1.signin.aws.amazon.com/saml`)
	})
	r = once(w.env)
	if got := watched(t, r); !tells(got, finding.TrustForeign, role) || r.code != exitPending {
		t.Errorf("somebody changed %s: %+v", role, got.Findings)
	}
	cli(t, w.env, "trust", "scan").wants(t, exitDone, "trust-changed-elsewhere", role, "CloudTrail")
	once(w.env, "--mode", "obey").wants(t, exitUsage, "enforce")
	once(w.env, "--schedule", "now and then").wants(t, exitUsage, "@hourly")
	cli(t, w.env, "trust", "watch", "--schedule", "off").wants(t, exitUsage, "--once")
}

// A run that was cut off in the middle of a write is finished first, and no role
// is written twice.
func TestTrustWatchResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := cli(t, w.env, "trust", "apply", "--yes", "--max-roles", "2")
	id := regexp.MustCompile(`--resume (\S+)`).FindStringSubmatch(first.out + first.err)[1]
	record := filepath.Join(w.dir, "data", "runs", id, "audit.jsonl")
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	// As a kill leaves it: the record's end, and its head, were not written.
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	if err := os.WriteFile(record, []byte(strings.Join(lines[:len(lines)-1], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	var last struct {
		Seq  uint64 `json:"seq"`
		Hash string `json:"hash"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-2]), &last); err != nil {
		t.Fatal(err)
	}
	head, err := json.Marshal(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record+".head", append(head, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	r := cli(t, w.env, "trust", "watch", "--once", "--mode", "enforce", "--output", "json")
	got := watched(t, r)
	if r.code != exitDone || len(got.Resumed) != 1 || got.Resumed[0] != id {
		t.Fatalf("exit code %d, %+v: %s", r.code, got, r.err)
	}
	seen := map[string]int{}
	for _, a := range w.Cloud().Accounts() {
		for role, n := range a.Tally().Writes {
			seen[role] += n
		}
	}
	for role, n := range seen {
		if n != 1 {
			t.Errorf("%s was written %d times", role, n)
		}
	}
	if len(seen) < 3 {
		t.Errorf("written: %v", seen)
	}
}

// A watch goes on until it is told to stop, and then ends well.
func TestTrustWatchRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	out := &syncBuffer{}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, &program{Args: []string{"trust", "watch", "--schedule", "@hourly"}, Env: w.env, In: strings.NewReader(""), Out: out, Err: io.Discard})
	}()
	if !poll(func() bool { return strings.Contains(out.String(), "lack audiences") }) {
		t.Errorf("no round: %s", out.String())
	}
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

// A controller puts the heads of trust runs into its own record, so that audit
// verify can tell that one was replaced; its scheduled scan tells what somebody
// else has changed, and writes nothing.
// spec 5.8, 14
func TestTrustRunsInTheMainRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := cli(t, w.env, "trust", "apply", "--yes", "--max-roles", "2", "--output", "json")
	lines := strings.Split(strings.TrimSpace(first.out), "\n")
	var report control.TrustReport
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &report); err != nil {
		t.Fatal(err)
	}
	role := report.Outcomes[0].Role
	account, is, _ := w.Cloud().RoleByARN(role)
	account.ChangeRole(is.Name, func(r *world.Role) { r.Trust = strings.ReplaceAll(r.Trust, "us-west-2", "eu-north-1") })
	if err := os.RemoveAll(filepath.Join(w.dir, "data", "inventory")); err != nil { // so that it scans at once
		t.Fatal(err)
	}
	env := w.env
	log := w.serve(t)
	if !poll(func() bool {
		r := cli(t, env, "audit", "verify")
		return r.code == exitDone && strings.Contains(r.out, "vouches for all")
	}) {
		t.Fatalf("the main record does not hold the run's head: %s", cli(t, env, "audit", "verify").out)
	}
	before := len(w.writes())
	if !poll(func() bool { return strings.Contains(log.String(), "trust-changed-elsewhere") }) {
		t.Errorf("the scheduled scan does not tell that %s was changed:\n%s", role, log.String())
	}
	if n := len(w.writes()); n != before {
		t.Errorf("the serving process has written: %v", w.writes())
	}
	runs, err := filepath.Glob(filepath.Join(w.dir, "data", "runs", "*"))
	if err != nil || len(runs) != 1 {
		t.Fatalf("%v, %v", runs, err)
	}
	if err := os.RemoveAll(runs[0]); err != nil {
		t.Fatal(err)
	}
	cli(t, env, "audit", "verify").wants(t, exitFailed, "trust-run-altered", filepath.Base(runs[0]), "gone")
}
