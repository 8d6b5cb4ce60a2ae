package move_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// listener collects events.
type listener struct {
	mu     sync.Mutex
	events []move.Event
}

func (l *listener) hear(e move.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *listener) at(app string, p move.Phase) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.App == app && e.Phase == p {
			return e.Time, true
		}
	}
	return time.Time{}, false
}

// spec 3 spec 9.1 spec 9.4
func TestMove(t *testing.T) {
	t.Parallel()
	w, heard := newWorld(), &listener{}
	c := w.config()
	c.Events = heard.hear
	res := mustRun(t, newMover(t, c), w.plan(t, nil))
	if res.Status != failover.Partial || res.Proof != failover.P1 || res.Moved() != 3 || len(res.HandSteps) != 0 {
		t.Errorf("the move ended as %+v", res)
	}
	if !strings.Contains(res.Why, "P1") || len(res.UserText) == 0 {
		t.Errorf("why %q, %d lines for users", res.Why, len(res.UserText))
	}
	for _, id := range []string{"a", "b", "c"} {
		w.wantAt(t, id, west, "untouched")
	}
	if w.recorded[0] != "move.start" || len(w.unheard) > 0 {
		t.Errorf("written before it was recorded: %v (record: %v)", w.unheard, w.recorded)
	}
	leadDone, _ := heard.at("a", move.Verified)
	for _, id := range []string{"b", "c"} {
		if at, ok := heard.at(id, move.Planned); !ok || at.Before(leadDone) {
			t.Errorf("app %s began at %s, before the lead was verified at %s", id, at, leadDone)
		}
	}
	past, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
	if err != nil || len(past) != 1 || past[0].Result.Status != failover.Partial || past[0].By != failover.Controller {
		t.Errorf("the journal holds %+v (%v)", past, err)
	}
}

// spec 14: the saboteur is a recorder that cannot write.
func TestNoRecordNoWrite(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := w.plan(t, nil)
	w.norecord = errors.New("disk full")
	_, err := newMover(t, w.config()).Run(t.Context(), p, failover.Request{})
	if !finding.Is(err, finding.RecordMissing) || w.totalWrites() != 0 {
		t.Errorf("%d writes without a record, error %v", w.totalWrites(), err)
	}
	if open, err := w.config().Journal.Open(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("the journal holds %v (%v)", open, err)
	}
}

// failingRecorder fails from its nth record on.
type failingRecorder struct {
	*world
	n atomicInt
}

type atomicInt struct {
	mu sync.Mutex
	n  int
}

func (a *atomicInt) down() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n--
	return a.n
}

func (f *failingRecorder) Record(ctx context.Context, actor, action, subject string, detail any) error {
	if f.n.down() < 0 {
		return errors.New("disk full")
	}
	return f.world.Record(ctx, actor, action, subject, detail)
}

// spec 14
func TestRecordLostOnTheWay(t *testing.T) {
	t.Parallel()
	for n := 1; n < 9; n++ {
		w := newWorld()
		c := w.config()
		c.Recorder = &failingRecorder{world: w, n: atomicInt{n: n}}
		res := mustRun(t, newMover(t, c), w.plan(t, nil))
		if len(w.unheard) > 0 || res.Moved() != w.totalWrites() {
			t.Errorf("record %d lost: %v written without a record, %d moved, %d writes", n, w.unheard, res.Moved(), w.totalWrites())
		}
	}
}

// losing is a term that is lost after n questions.
type losing struct {
	move.Term
	n    atomicInt
	lost func()
}

func (l *losing) Remaining(ctx context.Context) (time.Duration, error) {
	if l.n.down() < 0 {
		l.lost()
		return 0, move.ErrDeposed
	}
	return l.Term.Remaining(ctx)
}

// spec 9.5: from the moment the lease is lost nothing is written.
func TestDeposedLeaderWritesNothing(t *testing.T) {
	t.Parallel()
	for n := range 16 {
		w := newWorld()
		c := w.config()
		var at int
		var once sync.Once
		c.Term = &losing{Term: c.Term, n: atomicInt{n: n}, lost: func() { once.Do(func() { at = w.totalWrites() }) }}
		c.Limits.Parallel = 1
		w.fed.Apps = w.fed.Apps[:2] // one tenant, one app at a time: no write is on its way elsewhere
		res, err := newMover(t, c).Run(t.Context(), w.plan(t, nil), failover.Request{})
		if err == nil && res.Moved() != 2 {
			t.Errorf("lost at question %d: no error and %d moved", n, res.Moved())
		}
		if err != nil && (!errors.Is(err, move.ErrDeposed) || w.totalWrites() != at) {
			t.Errorf("lost at question %d with %d writes, ended with %d: %v", n, at, w.totalWrites(), err)
		}
	}
}

// spec 2.5 spec 9.3: a tenant that is read-only delays nobody else and leaves
// exact hand steps.
func TestPartialFailureRollsForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, heard := newWorld(), &listener{}
		w.fail = func(op string, id idp.AppID) error {
			if op == "write" && id == "a" {
				return busy()
			}
			return nil
		}
		c := w.config()
		c.Events = heard.hear
		start := time.Now()
		res := mustRun(t, newMover(t, c), w.plan(t, nil))
		if res.Status != failover.Incomplete || res.Moved() != 2 || res.Apps[0].Attempts != 6 {
			t.Errorf("the move ended as %+v", res)
		}
		if at, ok := heard.at("c", move.Verified); !ok || at.Sub(start) > time.Second {
			t.Errorf("the app of the other tenant was done after %s", at.Sub(start))
		}
		want := failover.HandStep{App: ref("t1", "a"), AdminURL: "https://admin.example/a", Field: "/acs",
			Current: "https://signin.aws.amazon.com/saml", Target: "https://us-west-2.signin.aws.amazon.com/saml"}
		if !slices.Contains(res.HandSteps, want) || len(res.HandSteps) != 2 {
			t.Errorf("hand steps are %+v", res.HandSteps)
		}
	})
}

// spec 9.3
func TestRetriesCure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var left atomicInt
		left.n = 3
		w.fail = func(op string, id idp.AppID) error {
			if op == "read" && id == "b" && left.down() >= 0 {
				return finding.Finding{Code: finding.IdPThrottled, What: "too many requests"}
			}
			return nil
		}
		if res := mustRun(t, newMover(t, w.config()), w.plan(t, nil)); res.Status != failover.Partial || w.writes["b"] != 1 {
			t.Errorf("the move ended as %+v with %d writes", res, w.writes["b"])
		}
	})
}

// spec 1.4: an app with a foreign endpoint is not written, the others move.
func TestForeignAppIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.docs["b"] = []byte(`{"acs":"https://evil.example/saml","relay":"","other":"untouched"}`)
	res := mustRun(t, newMover(t, w.config()), w.plan(t, nil))
	if res.Status != failover.Incomplete || res.Moved() != 2 || w.writes["b"] != 0 {
		t.Errorf("the move ended as %+v", res)
	}
	if res.Stuck != 1 || res.Meant() != 3 || !strings.HasPrefix(res.Why, "2 of 3 moved; ") {
		t.Errorf("the foreign app is not counted: %+v", res)
	}
	if len(res.HandSteps) != 1 || res.HandSteps[0].Current != "https://evil.example/saml" || res.HandSteps[0].Target != "https://us-west-2.signin.aws.amazon.com/saml" {
		t.Errorf("hand steps are %+v", res.HandSteps)
	}
}

// spec 8.2 spec 2.9: an app that somebody moved since is left to them.
func TestDriftStandsDown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := w.plan(t, nil)
	w.put("b", ohio, "theirs")
	res := mustRun(t, newMover(t, w.config()), p)
	if res.Status != failover.Incomplete || res.Apps[1].Finding == nil || res.Apps[1].Finding.Code != finding.AppDrifted {
		t.Errorf("the move ended as %+v", res)
	}
	w.wantAt(t, "b", ohio, "theirs")
	if res.Moved() != 2 {
		t.Errorf("one app that drifted holds up the others: %+v", res)
	}
}

func TestTwoMovesDoNotOverlap(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := w.config()
	if err := c.Journal.Begin(t.Context(), move.Record{ID: "m0", Federation: "corp"}); err != nil {
		t.Fatal(err)
	}
	if _, err := newMover(t, c).Run(t.Context(), w.plan(t, nil), failover.Request{}); !errors.Is(err, move.ErrOpenMove) || w.totalWrites() != 0 {
		t.Errorf("a second move ended with %v and %d writes", err, w.totalWrites())
	}
}

// spec 8.6 spec 9.5: what a record names is checked against the config in force.
func TestRecordsAreNotTrusted(t *testing.T) {
	t.Parallel()
	rows := map[string]func(*move.Record){
		"an app of nobody":         func(r *move.Record) { r.Steps[0].App = ref("t1", "stranger") },
		"a Region not allowed":     func(r *move.Record) { r.To = ca },
		"no Region":                func(r *move.Record) { r.To = signin.Region{} },
		"an app of another tenant": func(r *move.Record) { r.Steps[0].App.Tenant = "t9" },
	}
	for name, forge := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.docs["stranger"] = w.docs["a"]
				r := move.Record{ID: "m0", Federation: "corp", Cause: failover.Failover, To: west, Steps: []move.StepRecord{{App: ref("t1", "a"), From: east}}}
				forge(&r)
				c := w.config()
				if err := c.Journal.Begin(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				res, err := newMover(t, w.config()).Resume(t.Context(), "corp")
				if err != nil || len(res) != 1 || res[0].Status != failover.Incomplete || w.totalWrites() != 0 {
					t.Errorf("resumed to %+v (%v) with %d writes", res, err, w.totalWrites())
				}
			})
		})
	}
	w := newWorld()
	p := w.plan(t, nil)
	w.fed.Apps = w.fed.Apps[1:]
	if _, err := newMover(t, w.config()).Run(t.Context(), p, failover.Request{}); !finding.Is(err, finding.NotMember) || w.totalWrites() != 0 {
		t.Errorf("a plan with an app that left the federation ended with %v", err)
	}
}

// spec 4.1
func TestUndo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	mustRun(t, newMover(t, w.config()), w.plan(t, nil))
	w.mu.Lock()
	w.docs["b"] = []byte(strings.Replace(string(w.docs["b"]), "untouched", "edited later", 1))
	w.docs["c"] = []byte(strings.Replace(string(w.docs["c"]), "us-west-2.console", "us-east-2.console", 1))
	w.mu.Unlock()
	c := w.config()
	past, err := c.Journal.(move.Archive).Past(t.Context(), "corp")
	if err != nil {
		t.Fatal(err)
	}
	res, err := newMover(t, c).Undo(t.Context(), past[0], failover.Request{By: "ann", Reason: "ticket 8"})
	if err != nil || res.Moved() != 3 {
		t.Fatalf("undo ended as %+v (%v)", res, err)
	}
	if n := res.Apps[2].Notes; len(n) != 1 || n[0].Code != finding.LaterEdit || len(res.Apps[0].Notes) > 0 || res.Undoes != past[0].ID {
		t.Errorf("the later edit is not shown: %+v", res)
	}
	w.wantAt(t, "a", east, "untouched")
	w.wantAt(t, "b", east, "edited later")
	w.wantAt(t, "c", east, "untouched")
	if _, b := w.app("c"); b.Relay != "https://us-east-2.console.aws.amazon.com/" {
		t.Errorf("the later RelayState did not survive: %s", b.Relay)
	}
	if _, b := w.app("a"); b.Relay != "https://us-east-1.console.aws.amazon.com/" {
		t.Errorf("the RelayState is not back: %s", b.Relay)
	}
}

var _ move.Prover = proverFunc(nil)

type proverFunc func(ctx context.Context, app federation.AppRef) (failover.Level, error)

func (p proverFunc) Prove(ctx context.Context, app federation.AppRef, _ signin.Region) (failover.Level, error) {
	return p(ctx, app)
}

// Proofs run beside the moves: with one app at a time, every app is moved while
// the first of the others is still being proved.
//
// spec 9.1
func TestProofHoldsNoMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, heard := newWorld(), &listener{}
		c := w.config()
		c.Limits.Parallel, c.Events = 1, heard.hear
		c.Prover = proverFunc(func(ctx context.Context, a federation.AppRef) (failover.Level, error) {
			if a.Name != "a" {
				<-ctx.Done()
				return failover.P1, ctx.Err()
			}
			return failover.P3, nil
		})
		start := time.Now()
		if res := mustRun(t, newMover(t, c), w.plan(t, nil)); res.Moved() != 3 || res.Proof != failover.P1 {
			t.Errorf("%+v", res)
		}
		for _, app := range []string{"b", "c"} {
			if at, ok := heard.at(app, move.Verified); !ok || at.Sub(start) > 5*time.Second {
				t.Errorf("%s was read back after %s", app, at.Sub(start))
			}
		}
	})
}

// spec 3 spec 9.1
func TestProof(t *testing.T) {
	t.Parallel()
	operator := &failover.Request{To: west, By: "ann", Reason: "test"}
	good := func(l failover.Level) proverFunc {
		return func(context.Context, federation.AppRef) (failover.Level, error) { return l, nil }
	}
	leadFails := proverFunc(func(_ context.Context, a federation.AppRef) (failover.Level, error) {
		if a.Name == "a" {
			return failover.P1, errors.New("the portal does not answer")
		}
		return failover.P4, nil
	})
	hangs := proverFunc(func(ctx context.Context, _ federation.AppRef) (failover.Level, error) {
		<-ctx.Done()
		return failover.Unproven, ctx.Err()
	})
	unprepared := proverFunc(func(context.Context, federation.AppRef) (failover.Level, error) {
		return failover.P1, fmt.Errorf("no test user: %w", move.ErrUnprovable)
	})
	rows := []struct {
		name   string
		prover proverFunc
		req    *failover.Request
		status failover.Status
		level  failover.Level
		moved  int
	}{
		{"every app logs in", good(failover.P4), nil, failover.Verified, failover.P4, 3},
		{"assertions suffice", good(failover.P3), operator, failover.Verified, failover.P3, 3},
		{"a canary alone is not verified", good(failover.P2), nil, failover.Partial, failover.P2, 3},
		{"a failover goes on without the lead's proof, and the worst app counts", leadFails, nil, failover.Partial, failover.P1, 3},
		{"a switchover stops without the lead's proof", leadFails, operator, failover.Incomplete, failover.P1, 1},
		{"a switchover goes on where nothing speaks against the lead and no more can be shown", unprepared, operator, failover.Partial, failover.P1, 3},
		{"a failover waits for a proof that never comes, but not for ever", hangs, nil, failover.Partial, failover.P1, 3},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, heard := newWorld(), &listener{}
				c := w.config()
				c.Prover, c.Events = row.prover, heard.hear
				start := time.Now()
				res := mustRun(t, newMover(t, c), w.plan(t, row.req))
				if res.Status != row.status || res.Proof != row.level || res.Moved() != row.moved {
					t.Errorf("ended %s at %s with %d moved (%s), want %s at %s with %d", res.Status, res.Proof, res.Moved(), res.Why, row.status, row.level, row.moved)
				}
				if at, ok := heard.at("c", move.Planned); ok && at.Sub(start) > 31*time.Second {
					t.Errorf("the others began after %s", at.Sub(start))
				}
			})
		})
	}
}

// What is wrong with a whole tenant is told once, with every app that it is
// about, and an app's name is not repeated.
func TestReasonsAreToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	c := w.config()
	c.Prover = proverFunc(func(_ context.Context, app federation.AppRef) (failover.Level, error) {
		f := finding.Finding{Code: finding.ProofMissing, Subject: "app " + app.Name, What: "no test user", Remedy: "make one"}
		if app.ID == "c" {
			f.Why = "another tenant"
		}
		return failover.P1, fmt.Errorf("%w: %w", move.ErrUnprovable, f)
	})
	res := mustRun(t, newMover(t, c), w.plan(t, nil))
	name := func(i int) string { return res.Apps[i].App.Name }
	want := "proven to P1 read-back only: " + name(0) + ", " + name(1) + ": no test user [proof-missing]; next: make one; " +
		name(2) + ": no test user: another tenant [proof-missing]; next: make one"
	if res.Why != want {
		t.Errorf("why %q, want %q", res.Why, want)
	}
}
