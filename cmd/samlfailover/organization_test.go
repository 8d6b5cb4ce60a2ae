package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// soon bounds what a command may take in an outage, on a busy machine: two
// questions to IAM of three seconds each, and what it takes to start.
const soon = 20 * time.Second

// timed runs the program and fails the test when it hangs.
func timed(t *testing.T, env map[string]string, args ...string) ran {
	t.Helper()
	begin := time.Now()
	out := cli(t, env, args...)
	if took := time.Since(begin); took > soon {
		t.Errorf("%v took %s", args, took)
	}
	return out
}

// asked counts requests and connections to a service after an entry of the log.
func (l *lived) asked(service string, after uint64) int {
	return l.Requests().Count(after, func(e reqlog.Entry) bool { return e.Service == service })
}

// In an outage of us-east-1 the scan says at once that IAM is silent, asks it
// twice at most, asks Organizations not at all, and shows the last scan with its
// age; so do the commands that ask nobody. Accounts may be listed or come from
// the organization.
// spec 5.6, 6.2, 9.2
func TestScanWhileUSEast1IsDown(t *testing.T) {
	t.Parallel()
	for _, fromOrganization := range []bool{false, true} {
		for _, kind := range []string{"down", "blackhole", "5xx"} {
			t.Run(fmt.Sprintf("%s, organization %t", kind, fromOrganization), func(t *testing.T) {
				t.Parallel()
				w := newWorldOf(t, sandbox.Options{FromOrganization: fromOrganization})
				cli(t, w.env, "sandbox", "fault", "us-east-1", kind).wants(t, exitDone)
				timed(t, w.env, "trust", "scan").wants(t, exitFailed, "IAM does not answer", "[iam-silent]", "Nothing is known from before.")
				cli(t, w.env, "readiness").wants(t, exitFailed, "never read")
				cli(t, w.env, "sandbox", "heal").wants(t, exitDone)
				calm := cli(t, w.env, "trust", "scan")
				calm.wants(t, exitDone, "us-west-2")
				if strings.Contains(calm.out, "last scan") || strings.Contains(calm.out, "iam-silent") {
					t.Errorf("in calm times it speaks of an outage:\n%s", calm.out)
				}
				cli(t, w.env, "sandbox", "fault", "us-east-1", kind).wants(t, exitDone)
				before := w.Requests().Last()
				out := timed(t, w.env, "trust", "scan")
				out.wants(t, exitFailed, "IAM does not answer", "What follows is the last scan: ", " old, of ", "a move needs none of it")
				for _, line := range strings.Split(calm.out, "\n")[:4] {
					if !strings.Contains(out.out, line) {
						t.Errorf("the last known readiness %q is not shown:\n%s", line, out.out)
					}
				}
				if n := strings.Count(out.out, "next: a partition's IAM"); n != 1 {
					t.Errorf("the silence is told %d times", n)
				}
				if iam, org := w.asked("iam", before), w.asked("organizations", before); iam == 0 || iam > 4 || org != 0 {
					t.Errorf("IAM was asked %d times, Organizations %d times", iam, org)
				}
				age(t, w.env)
				timed(t, w.env, "trust", "plan").wants(t, exitFailed, "iam-silent")
				timed(t, w.env, "readiness").wants(t, exitDone, "Scanned ", "IAM does not answer", "71 of 78 roles will work in us-west-2.")
				timed(t, w.env, "trust", "explain", w.Demo().NotReady()[0].ARN, "--region", "us-west-2").wants(t, exitDone)
				cli(t, w.env, "sandbox", "heal").wants(t, exitDone)
				cli(t, w.env, "trust", "scan").wants(t, exitDone)
			})
		}
	}
}

// age checks that a scan that read nothing does not make what is known younger.
func age(t *testing.T, env map[string]string) {
	t.Helper()
	var was, is control.Snapshot
	if err := json.Unmarshal([]byte(timed(t, env, "trust", "scan", "--output", "json").out), &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(timed(t, env, "trust", "scan", "--output", "json").out), &is); err != nil {
		t.Fatal(err)
	}
	if was.TakenAt.IsZero() || !was.TakenAt.Equal(is.TakenAt) || !is.Unread() || len(is.Notes) == 0 {
		t.Errorf("taken at %s, then at %s; unread %t; %v", was.TakenAt, is.TakenAt, is.Unread(), is.Notes)
	}
}

// Accounts that come from the organization are the same as the listed ones: its
// management account, the one that is suspended and the one that is excluded are
// left out and told. While Organizations alone is away, those of the last read
// count, and the program says how old that is.
// spec 5.6
func TestAccountsFromOrganizations(t *testing.T) {
	t.Parallel()
	listed, found := newWorld(t), newWorldOf(t, sandbox.Options{FromOrganization: true})
	var want, got control.Snapshot
	for _, x := range []struct {
		w    *lived
		into *control.Snapshot
	}{{listed, &want}, {found, &got}} {
		r := cli(t, x.w.env, "trust", "scan", "--output", "json")
		r.wants(t, exitDone)
		lines := strings.Split(strings.TrimSpace(r.out), "\n") // progress, then the result
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), x.into); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range listed.Demo().Regions {
		if a, b := want.Share(r), got.Share(r); a.Total != b.Total || a.Ready != b.Ready || a.Total == 0 {
			t.Errorf("%s: %d of %d when listed, %d of %d when found", r, a.Ready, a.Total, b.Ready, b.Total)
		}
	}
	if len(got.Accounts) != len(want.Accounts) {
		t.Errorf("%d accounts, want %d", len(got.Accounts), len(want.Accounts))
	}
	cli(t, found.env, "trust", "scan").wants(t, exitDone, "management account is not looked at", seed.ClosedAccount+" (old-shop) (suspended)", "[account-left-out]")
	cli(t, found.env, "check").wants(t, exitDone, "6 accounts of federation workforce come from its AWS organization", "account-left-out", "retail-test")
	cli(t, found.env, "sandbox", "fault", "organizations", "down").wants(t, exitDone)
	out := timed(t, found.env, "trust", "scan")
	out.wants(t, exitFailed, "[organization-unreadable]", "those of ", " ago count", "us-west-2  71     78")
	timed(t, found.env, "check").wants(t, exitFailed, "organization-unreadable", "6 accounts of federation workforce")
	cli(t, found.env, "trust", "apply", "--yes").wants(t, exitDone, "written", "organization-unreadable")
	if n := len(found.writes()); n != 4 {
		t.Errorf("%d writes", n)
	}
	cli(t, found.env, "sandbox", "heal").wants(t, exitDone)
	cli(t, found.env, "sandbox", "fault", "organizations", "throttle", "--for", "3s").wants(t, exitDone)
	cli(t, found.env, "trust", "scan").wants(t, exitDone)
	narrow := found.edited(t, "all: true", "ous: ["+found.Demo().Organization.Units[seed.UnitProduction]+"]")
	found.env = narrow
	cli(t, found.env, "sandbox", "fault", "organizations", "down").wants(t, exitDone)
	cli(t, found.env, "trust", "scan").wants(t, exitFailed, "only the listed ones count", "What follows is the last scan: ")
	cli(t, found.env, "readiness").wants(t, exitDone, "of 78 roles will work in us-west-2")
	cli(t, found.env, "sandbox", "heal").wants(t, exitDone)
	cli(t, found.env, "trust", "scan").wants(t, exitDone, "us-west-2")
}
