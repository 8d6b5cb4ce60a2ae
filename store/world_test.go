package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/failover/failovertest"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store/seal"
)

// patience is how long a real store may take for what has to happen.
const patience = 30 * time.Second

// testKey is a store key that every test knows.
func testKey(t testing.TB) *seal.Codec {
	t.Helper()
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(7 * i)
	}
	c, err := seal.New(secret.New(base64.StdEncoding.EncodeToString(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// single returns the options of a single member in a folder, without syncs.
func single(t testing.TB, dir string) Options {
	t.Helper()
	return Options{Name: "one", Embedded: &Embedded{Dir: dir, RuntimeDir: "/tmp", Ballast: -1, UnsafeNoSync: true}, Seal: testKey(t), Log: testLog()}
}

// testLog shows the log of store and etcd when STORE_TEST_LOG is set.
func testLog() *slog.Logger {
	if os.Getenv("STORE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

// private returns a folder that only we may enter.
func private(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens a store and closes it with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared is the one embedded server of the package's tests.
type shared struct{ server *Store }

var (
	server   shared //nolint:gochecknoglobals // one server for all tests of the package
	prefixes atomic.Int64
)

func TestMain(m *testing.M) {
	if job := os.Getenv("STORE_TEST_JOB"); job != "" {
		os.Exit(child(job))
	}
	os.Exit(withServer(m))
}

func withServer(m *testing.M) int {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	t := &testing.B{} // only for its Helper and Fatal
	s, err := Open(context.Background(), single(t, dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server.server = s
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// fresh returns an empty store on the shared server.
func fresh(t testing.TB) *Store {
	t.Helper()
	o := server.server.opts
	o.Prefix = fmt.Sprintf("test%d/", prefixes.Add(1))
	return attach(t, o)
}

// attach returns a store on the shared server with options of its own.
func attach(t testing.TB, o Options) *Store {
	t.Helper()
	s := &Store{opts: o, log: o.Log, bridge: server.server.bridge, client: server.server.client}
	s.life, s.end = context.WithCancel(context.Background())
	s.leases = presence{s: s}
	t.Cleanup(s.quit)
	return s
}

// lead campaigns within patience.
func lead(t testing.TB, s *Store) *Term {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	term, err := s.Campaign(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// world is a store for the conformance suites. Its former leader crashes: the
// lease goes without a word, as at the start of a single member.
type world struct {
	s    *Store
	term *Term
}

func (w *world) next(ctx context.Context) (*Term, error) {
	if w.term != nil {
		if _, err := w.s.client.Revoke(ctx, w.term.session.Lease()); err != nil {
			return nil, err
		}
	}
	var err error
	w.term, err = w.s.Campaign(ctx)
	return w.term, err
}

// Lead implements failovertest.World.
func (w *world) Lead(ctx context.Context) (move.Journal, move.Term, error) {
	t, err := w.next(ctx)
	if err != nil {
		return nil, nil, err
	}
	return t.Journal(), t, nil
}

// LeadBrakes implements failovertest.BrakesWorld.
func (w *world) LeadBrakes(ctx context.Context) (move.Brakes, error) {
	t, err := w.next(ctx)
	if err != nil {
		return nil, err
	}
	return t.Brakes(), nil
}

// spec 9.5, 11.1
func TestJournal(t *testing.T) {
	t.Parallel()
	failovertest.RunJournal(t, func(t *testing.T) failovertest.World { return &world{s: fresh(t)} })
}

// spec 9.5
func TestTerm(t *testing.T) {
	t.Parallel()
	failovertest.RunTerm(t, func(t *testing.T) failovertest.World { return &world{s: fresh(t)} })
}

func TestBrakes(t *testing.T) {
	t.Parallel()
	failovertest.RunBrakes(t, func(t *testing.T) failovertest.BrakesWorld { return &world{s: fresh(t)} })
}

func clientPrefix() clientv3.OpOption { return clientv3.WithPrefix() }

func appsOf(name string) inventory.AppSnapshot { return inventory.AppSnapshot{Federation: name} }
