package crashtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store"
	"github.com/samlfailover/samlfailover/store/seal"
)

// jobEnv makes the test binary a controller that can be killed: it reads its
// errand from standard input.
const jobEnv = "CRASHTEST_JOB"

// errand is what a controller of its own process is to do.
type errand struct {
	Dir        string // of the store
	Proxy, CA  string // to the simulated world
	Federation federation.Federation
	Tenants    []seed.Tenant // with credentials of the simulated world
	Plan       failover.Plan
	At         string // the point to die at; "": nowhere
	Recover    bool   // a next leader: finish what is open, or move if nothing is
}

// answer is what the controller says when it has done its errand.
type answer struct {
	Outcome outcome
	Points  []string
}

func TestMain(m *testing.M) {
	if os.Getenv(jobEnv) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	debug.SetGCPercent(400) // thousands of moves, and next to nothing to keep of them
	os.Exit(m.Run())
}

// child is a controller: the store, its own network, and the errand.
func child() (err error) {
	var e errand
	if err := json.NewDecoder(os.Stdin).Decode(&e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := openStore(ctx, e.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	term, err := s.Campaign(ctx)
	if err != nil {
		return err
	}
	network, err := outbound.New(outbound.Settings{Proxy: e.Proxy, CAFile: e.CA})
	if err != nil {
		return err
	}
	f := &fuse{at: e.At, die: killed}
	p, err := newProcess(mission{fed: e.Federation, tenants: e.Tenants, limits: move.Limits{CallDeadline: callDeadline}},
		seat{term.Journal(), term, term.Brakes(), term.Audit()}, network.Shared(), f, sabotage{})
	if err != nil {
		return err
	}
	if err := e.run(ctx, p, term); err != nil {
		return err
	}
	var out answer
	if out.Outcome, err = leftIn(ctx, s, term, e.Federation.Name); err != nil {
		return err
	}
	for _, at := range f.points() {
		out.Points = append(out.Points, at.String())
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// run does the errand.
func (e errand) run(ctx context.Context, p *process, term *store.Term) error {
	if !e.Recover {
		return p.move(ctx, e.Plan)
	}
	if err := p.resume(ctx); err != nil {
		return err
	}
	past, err := term.Journal().Past(ctx, e.Federation.Name)
	if err != nil || len(past) > 0 {
		return err
	}
	return p.move(ctx, e.Plan)
}

// killed ends this process as the kernel would: at once, with nothing flushed.
func killed() {
	me, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = me.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}

const (
	// patience bounds the life of a process.
	patience = 60 * time.Second
	// callDeadline is what a next leader waits out.
	callDeadline = 300 * time.Millisecond
)

// openStore opens an embedded member without syncs: what a killed process has
// written is in the kernel's hands, and only a crash of the machine needs more.
func openStore(ctx context.Context, dir string) (*store.Store, error) {
	key, err := seal.New(secret.New(base64.StdEncoding.EncodeToString([]byte("a key of 32 bytes for this test.")[:32])))
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Options{Name: "one", Seal: key,
		Embedded: &store.Embedded{Dir: dir, RuntimeDir: "/tmp", Ballast: -1, UnsafeNoSync: true}})
}

// leftIn reads what the journal and the audit record hold.
func leftIn(ctx context.Context, s *store.Store, term *store.Term, federationName string) (o outcome, err error) {
	if o.Open, err = term.Journal().Open(ctx); err != nil {
		return o, err
	}
	if o.Past, err = term.Journal().Past(ctx, federationName); err != nil {
		return o, err
	}
	reads, err := s.Reads(ctx)
	if err != nil {
		return o, err
	}
	err = reads.Audit(ctx, 1, 0, func(r audit.Record) error {
		o.Records = append(o.Records, r)
		return nil
	})
	if err != nil { // it checks the chain
		o.Broken = err.Error()
	}
	return o, nil
}
