package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover"
)

// killing is a place that is served to controllers in processes of their own.
type killing struct {
	*place
	ca, proxy string
	plan      failover.Plan
	came      map[string][]time.Time // writes by app id
}

func newKilling(t *testing.T, apps int) *killing {
	t.Helper()
	k := &killing{place: newPlace(t, apps), ca: filepath.Join(t.TempDir(), "ca.pem"), came: map[string][]time.Time{}}
	if err := os.WriteFile(k.ca, k.world.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.world.Listen(); err != nil {
		t.Fatal(err)
	}
	k.proxy = k.world.ProxyURL()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.world.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the world: %v", err)
		}
	})
	k.plan = k.place.plan(t)
	k.onWrite = func(id string) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.came[id] = append(k.came[id], time.Now())
	}
	return k
}

// controller runs one process to its end or death.
func (k *killing) controller(t *testing.T, dir, at string, next bool) (a answer, err error) {
	t.Helper()
	order, err := json.Marshal(errand{Dir: dir, Proxy: k.proxy, CA: k.ca, Federation: k.fed, Tenants: k.tenants, Plan: k.plan, At: at, Recover: next})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, me)
	// GORACE: else every process under -race sleeps a second at its end.
	cmd.Env = append(os.Environ(), jobEnv+"=1", "GORACE=atexit_sleep_ms=0")
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(order), &out, &said
	if err := cmd.Run(); err != nil {
		return a, fmt.Errorf("%w: %s", err, said.String())
	}
	return a, json.Unmarshal(out.Bytes(), &a)
}

// kills kills a controller at a point and lets another one finish. It returns
// what is wrong then.
func (k *killing) kills(t *testing.T, at string) (wrong []string) {
	t.Helper()
	k.put(t, k.before)
	k.begin()
	k.came = map[string][]time.Time{}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := k.controller(t, dir, at, false)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
		return []string{fmt.Sprintf("the process was not killed: %v", err)}
	}
	a, err := k.controller(t, dir, "", true)
	if err != nil {
		return []string{fmt.Sprintf("the next leader: %v", err)}
	}
	o := a.Outcome
	o.docs, o.writes = k.documents(), k.writes()
	for id, times := range k.came {
		for i, came := range times {
			if count(o.Records, func(r audit.Record) bool { return announces(r, id) && !r.Time.After(came) }) <= i {
				o.unrecorded = append(o.unrecorded, id)
			}
		}
	}
	return o.finished(k.mission, k.before, k.fed.Regions[1], 1)
}

// spec 9.3 spec 9.5 spec 14: the same with processes that the kernel kills, over
// an embedded store on disk and TLS to the world: every point with CRASH_ALL, a
// sample of them otherwise.
func TestProcessKilledAnywhere(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("processes are killed with a signal, which this system has not")
	}
	all := os.Getenv("CRASH_ALL") != ""
	for _, apps := range []int{1, 3, 6} {
		if apps == 6 && !all {
			continue
		}
		t.Run(fmt.Sprintf("%d apps", apps), func(t *testing.T) {
			t.Parallel()
			points := pointsOverStore(t, apps)
			if !all {
				points = share(points, 3, len(points)/5)
			}
			t.Logf("%d points", len(points))
			for lane := range lanes {
				t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
					t.Parallel()
					k := newKilling(t, apps)
					for _, at := range share(points, lane, lanes) {
						report(t, at, k.kills(t, at))
					}
				})
			}
		})
	}
}

// pointsOverStore lists the points of a run in a process of its own, which are
// those of a run inside this one.
func pointsOverStore(t *testing.T, apps int) []string {
	t.Helper()
	k := newKilling(t, apps)
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a, err := k.controller(t, dir, "", false)
	if err != nil {
		t.Fatal(err)
	}
	var inside []string
	for _, p := range movePoints(t, apps) {
		inside = append(inside, p.String())
	}
	if !slices.Equal(a.Points, inside) {
		t.Errorf("a process of its own passes other points:\n%s\nand one inside the test:\n%s", strings.Join(a.Points, "\n"), strings.Join(inside, "\n"))
	}
	return a.Points
}
