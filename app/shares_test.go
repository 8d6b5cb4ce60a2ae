package app

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

func corp(name string) federation.Federation {
	return federation.Federation{Name: name, Partition: east.Partition(), Regions: []signin.Region{east, west}}
}

// rolesKept keeps a scan of so many roles, all of them ready for west.
func rolesKept(t *testing.T, k inventory.Keeper, federation string, roles int, at time.Time) inventory.Snapshot {
	t.Helper()
	snap := inventory.Snapshot{Federation: federation, TakenAt: at, Accounts: []inventory.AccountScan{{ID: "111122223333"}}}
	for range roles {
		snap.Accounts[0].Roles = append(snap.Accounts[0].Roles, inventory.Role{Regions: []inventory.RegionReadiness{{Region: west, State: inventory.Ready}}})
	}
	if err := k.SaveRoles(snap); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(k.RolesPath(federation), at, at); err != nil { // the system's clock may be coarse
		t.Fatal(err)
	}
	return snap
}

// spec 5.6: when an exception ends, what it kept out counts again, without a scan
// and without a restart.
func TestSharesAfterAnException(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := inventory.Keeper{Dir: t.TempDir()}
		f := corp("corp")
		f.Policy.Exceptions = []federation.Exception{{Account: "111122223333", Regions: []signin.Region{west}, Owner: "legal", Reason: "residency", Expires: time.Now().Add(time.Hour)}}
		snap := rolesKept(t, k, "corp", 3, time.Now())
		for i := range snap.Accounts[0].Roles {
			snap.Accounts[0].Roles[i].Account = "111122223333"
		}
		if err := k.SaveRoles(snap); err != nil {
			t.Fatal(err)
		}
		s := newShares(k, []federation.Federation{f}, slog.New(slog.DiscardHandler))
		s.load()
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { s.watch(ctx, func(string) {}) })
		if got := readyIn(s, "corp"); got != 0 {
			t.Errorf("%d count while they are excepted", got)
		}
		time.Sleep(time.Hour + 5*reloadEvery)
		if got := readyIn(s, "corp"); got != 3 {
			t.Errorf("%d count after the exception", got)
		}
		cancel()
		watch.Wait()
	})
}

// readyIn returns the ready roles for west.
func readyIn(s *shares, federation string) int {
	for _, sh := range s.Shares(federation) {
		if sh.Region == west {
			return sh.Ready
		}
	}
	return -1
}

// What another process keeps is noticed within a second, once, and the loop of
// that federation alone is told.
func TestSharesWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := inventory.Keeper{Dir: t.TempDir()}
		log := &logText{}
		s := newShares(k, []federation.Federation{corp("corp"), corp("labs")}, slog.New(slog.NewTextHandler(log, nil)))
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		rolesKept(t, k, "corp", 3, at)
		s.load()
		if readyIn(s, "corp") != 3 || readyIn(s, "labs") != -1 || log.count("") != 1 {
			t.Fatalf("loaded %d and %d; log %s", readyIn(s, "corp"), readyIn(s, "labs"), log.b.String())
		}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		told := map[string]int{}
		var watch sync.WaitGroup
		watch.Go(func() {
			s.watch(ctx, func(federation string) {
				mu.Lock()
				defer mu.Unlock()
				told[federation]++
			})
		})
		expect := func(what string, corp, labs, toldCorp, toldLabs int) {
			t.Helper()
			time.Sleep(5 * reloadEvery)
			mu.Lock()
			defer mu.Unlock()
			if readyIn(s, "corp") != corp || readyIn(s, "labs") != labs || told["corp"] != toldCorp || told["labs"] != toldLabs {
				t.Errorf("%s: ready %d and %d, told %v", what, readyIn(s, "corp"), readyIn(s, "labs"), told)
			}
		}
		time.Sleep(reloadEvery / 2) // from now on no step of the test falls on a tick of the watch
		expect("nothing new", 3, -1, 0, 0)
		rolesKept(t, k, "corp", 5, at.Add(time.Minute))
		expect("one was written", 5, -1, 1, 0)
		rolesKept(t, k, "labs", 7, at.Add(time.Minute))
		expect("the other's first", 5, 7, 1, 1)

		// The saboteur: a file that is no scan leaves the last one in force and is
		// told of once, not every second.
		if err := os.WriteFile(k.RolesPath("corp"), []byte("rubbish"), 0o600); err != nil {
			t.Fatal(err)
		}
		expect("a damaged file", 5, 7, 2, 1)
		if n := log.count("cannot be read"); n != 1 {
			t.Errorf("the damage is logged %d times", n)
		}
		if err := os.Remove(k.RolesPath("labs")); err != nil {
			t.Fatal(err)
		}
		expect("a removed file", 5, 7, 2, 1)
		rolesKept(t, k, "corp", 9, at.Add(time.Hour))
		expect("mended", 9, 7, 3, 1)

		// Our own scan counts at once; the file that it left is no news.
		s.keep(corp("corp"), rolesKept(t, k, "corp", 11, at.Add(2*time.Hour)))
		if readyIn(s, "corp") != 11 {
			t.Errorf("ready %d after our own scan", readyIn(s, "corp"))
		}
		expect("after our own scan", 11, 7, 4, 1)
		cancel()
		watch.Wait()
	})
}

func TestReadinessReport(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if got := readinessReport(corp("corp"), nil, now); !strings.Contains(got, "never scanned") || strings.Contains(got, "0001") {
		t.Errorf("of nothing known: %s", got)
	}
	k := inventory.Keeper{Dir: t.TempDir()}
	snap := rolesKept(t, k, "corp", 2, now.Add(-time.Hour))
	snap.Accounts[0].Roles = append(snap.Accounts[0].Roles, inventory.Role{ARN: "arn:aws:iam::111122223333:role/evil\x1b[31m"})
	s := newShares(k, []federation.Federation{corp("corp")}, slog.New(slog.DiscardHandler))
	s.keep(corp("corp"), snap)
	got := readinessReport(corp("corp"), s.Shares("corp"), now)
	for _, want := range []string{"# Readiness of corp, 2026-01-02T03:04:05Z", "| us-west-2 | 2 | 3 | 0 | 2026-01-02T02:04:05Z |", "| us-east-1 | 0 | 3 |", "## Not ready for us-west-2", `role/evil\u001b[31m`} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") { // spec 13.7
		t.Error("an escape character passes")
	}
}
