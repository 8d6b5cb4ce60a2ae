package controller

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// configOf is the config of a controller in the world.
func configOf(w *world, mode federation.Mode) Config {
	return Config{
		Federation: federation.Federation{Name: "corp", Partition: east.Partition(), Regions: []signin.Region{east, west},
			Apps:   []federation.AppRef{{Name: "a", Tenant: "okta", ID: "0oa1"}, {Name: "b", Tenant: "okta", ID: "0oa2"}},
			Policy: federation.Policy{Mode: mode, AcceptFewerVantages: true}},
		Vantages: []failover.Vantage{{Name: "here"}}, Apps: w, Verdicts: w, Changed: w.changed, Shares: w, Moves: w, Mover: w, Recorder: w,
		Events: w.hear, Log: slog.New(slog.DiscardHandler)}
}

// started runs a function of a controller until the test's part has ended.
func started(t *testing.T, run func(context.Context) error, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	synctest.Wait()
	f()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// kept are the apps as a leader has read them.
func kept(at time.Time) func() []failover.AppState {
	return func() []failover.AppState {
		var out []failover.AppState
		for i, name := range []string{"a", "b"} {
			acs, err := east.ACS("")
			if err != nil {
				panic(err)
			}
			id := []string{"0oa1", "0oa2"}[i]
			out = append(out, failover.AppState{Ref: federation.AppRef{Name: name, Tenant: "okta", ID: id}, ReadAt: at,
				App: idp.App{ID: idp.AppID(id), ACS: acs, ACSText: acs.String(), Movable: true}})
		}
		return out
	}
}

// spec 9.5: who does not lead sees and says what the leader would do, and does
// none of it: no read, no move, no record, no word.
func TestWatch(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mode    federation.Mode
		outcome failover.Action
		rule    string
	}{{federation.Auto, failover.Hold, failover.NotLeader}, {federation.Approve, failover.Propose, failover.Approval}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			c, err := New(configOf(w, row.mode))
			if err != nil {
				t.Fatal(err)
			}
			watch := func(ctx context.Context) error {
				return c.Watch(ctx, kept(time.Now()), func() string { return "ctl-b leads" })
			}
			started(t, watch, func() {
				wantDecision(t, c, failover.Hold, failover.ActiveHealthy)
				if s := c.Status(); len(s.Apps) != 2 || s.Apps[0].App.Region() != east {
					t.Errorf("apps %+v", s.Apps)
				}
				w.set(east, health.Unhealthy, false)
				wantDecision(t, c, row.outcome, row.rule)
				s := c.Status()
				if row.mode == federation.Auto && !strings.Contains(s.Decision.Why, "ctl-b leads") {
					t.Errorf("why %q", s.Decision.Why)
				}
				if (s.Proposal != nil) != (row.outcome == failover.Propose) {
					t.Errorf("proposal %+v", s.Proposal)
				}
				w.with(func() { w.open = []move.Record{{ID: "m0", Federation: "corp", To: west}} })
				elapse(10 * time.Second)
				if !c.Status().Moving {
					t.Error("the leader's open move does not show")
				}
				w.with(func() { w.journal = errGone })
				elapse(10 * time.Second)
				wantDecision(t, c, failover.Hold, failover.JournalUnread)
			})
			if got := w.see(); got.reads+got.runs+got.resumed+len(got.recorded)+len(got.events) > 0 {
				t.Errorf("it has acted: %+v", got)
			}
		})
	}
}

// spec 9.5: once nothing new may begin, a move that runs is ended and the loop
// returns by itself, although the context still holds.
func TestHalt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.slow = 30 * time.Second
		halt := make(chan struct{})
		cfg := configOf(w, federation.Auto)
		cfg.Halt = halt
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(t.Context()) }()
		synctest.Wait()
		w.set(east, health.Unhealthy, false)
		synctest.Wait()
		close(halt)
		elapse(20 * time.Second)
		if len(ended) > 0 {
			t.Error("the loop has left the move alone")
		}
		elapse(20 * time.Second)
		if len(ended) != 1 || w.see().runs != 1 || w.see().at["a"] != west {
			t.Errorf("ended %d, %d moves, the app is at %s", len(ended), w.see().runs, w.see().at["a"])
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		halt := make(chan struct{})
		close(halt)
		cfg := configOf(w, federation.Auto)
		cfg.Halt = halt
		w.set(east, health.Unhealthy, false)
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context()); err != nil || w.see().runs > 0 {
			t.Errorf("%v, %d moves", err, w.see().runs)
		}
	})
}

// spec 11.1: a record that is not what was stored holds by its own rule, wherever
// it is met, is paged with its key, and keeps an open move from being resumed.
func TestDistrust(t *testing.T) {
	t.Parallel()
	bad := finding.Finding{Code: finding.StoreIntegrity, Subject: "store key x/journal/corp/head", What: "a record in the store cannot be trusted"}
	for why, sabotage := range map[string]func(w *world, c *Config){
		"the journal cannot be believed": func(w *world, _ *Config) { w.journal = bad },
		"another record was found changed": func(w *world, c *Config) {
			c.Distrusted = func() []finding.Finding { return []finding.Finding{bad} }
			w.open = []move.Record{{ID: "m0", Federation: "corp", To: west}}
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				cfg := configOf(w, federation.Auto)
				sabotage(w, &cfg)
				w.set(east, health.Unhealthy, false)
				c, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				started(t, c.Run, func() {
					elapse(time.Minute)
					d := c.Status().Decision
					if d.Outcome != failover.Hold || d.Rule != failover.StoreIntegrity && d.Rule != failover.MoveOpen {
						t.Errorf("decided %s by %s: %s", d.Outcome, d.Rule, d.Why)
					}
				})
				if got := w.see(); got.runs > 0 || got.resumed > 0 || w.count("page") != 1 {
					t.Errorf("%d moves, resumed %d times, recorded %v", got.runs, got.resumed, got.recorded)
				}
			})
		})
	}
}

// A status that is asked for before the first look says that it holds, and why:
// an empty decision could be taken for anything.
func TestNotDecidedYet(t *testing.T) {
	t.Parallel()
	c, err := New(configOf(newWorld(), federation.Auto))
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Status().Decision; d.Outcome != failover.Hold || d.Federation != "corp" || d.Why == "" || d.WouldChange == "" || d.At.IsZero() {
		t.Errorf("decision %+v", d)
	}
}
