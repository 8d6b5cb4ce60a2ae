package controller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// story runs f with a loop inside a bubble of virtual time.
func story(t *testing.T, mode federation.Mode, prepare func(w *world), f func(t *testing.T, w *world, c *Controller)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		if prepare != nil {
			prepare(w)
		}
		c, stop := w.start(t, mode)
		defer stop()
		synctest.Wait()
		f(t, w, c)
	})
}

// elapse lets virtual time go by and waits until the loop rests, so that the
// test may look at the world without its lock.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func wantDecision(t *testing.T, c *Controller, outcome failover.Action, rule string) {
	t.Helper()
	synctest.Wait()
	if d := c.Status().Decision; d.Outcome != outcome || d.Rule != rule {
		t.Errorf("decided %s by %q, want %s by %q: %s", d.Outcome, d.Rule, outcome, rule, d.Why)
	}
}

// spec 8.1 spec 8.5 spec 2.4: the whole story of an outage in mode auto.
func TestOutage(t *testing.T) {
	story(t, federation.Auto, nil, func(t *testing.T, w *world, c *Controller) {
		wantDecision(t, c, failover.Hold, failover.ActiveHealthy)
		reads := w.see().reads
		elapse(20 * time.Second)
		if w.see().reads != reads {
			t.Errorf("%d reads of the apps in calm times", w.see().reads-reads)
		}
		suspected := time.Now()
		w.set(east, health.Unknown, true)
		wantDecision(t, c, failover.Hold, failover.Confirming)
		if w.see().reads == reads {
			t.Error("the apps were not read when the Region became suspect")
		}
		elapse(4 * time.Second)
		confirmed := time.Now()
		w.with(func() { w.slow = 3 * time.Second })
		w.set(east, health.Unhealthy, false)
		elapse(10 * time.Second)
		wantDecision(t, c, failover.Hold, failover.ActiveHealthy)
		i := *c.Status().Incident
		if !i.Suspected.Equal(suspected) || !i.Confirmed.Equal(confirmed) || !i.Decided.Equal(confirmed) || i.MoveFinished.Sub(i.MoveStarted) != 3*time.Second || i.Cleared.IsZero() {
			t.Errorf("the incident's times are %+v", i)
		}
		if w.see().runs != 1 || c.Status().LastMove == nil || w.see().at["a"] != west {
			t.Errorf("%d moves, last %+v", w.see().runs, c.Status().LastMove)
		}
		if w.heard(EventSuspect) != 1 || w.heard(EventConfirmed) != 1 || w.heard(EventCleared) != 1 {
			t.Errorf("told %+v", w.see().events)
		}
		w.set(east, health.Healthy, false)
		elapse(time.Hour)
		wantDecision(t, c, failover.Hold, failover.FailbackDue)
		d, res, err := c.Submit(t.Context(), failover.Request{To: east, By: "ann", Reason: "home"})
		if err != nil || d.Cause != failover.Failback || res == nil || w.see().at["b"] != east {
			t.Errorf("failback decided %s (%s), result %+v, error %v", d.Outcome, d.Why, res, err)
		}
		wantDecision(t, c, failover.Hold, failover.ActiveHealthy)
	})
}

// spec 2.4: apps are read every five minutes, and when they are asked for; a
// failing read is told to who asked.
func TestReads(t *testing.T) {
	story(t, federation.Approve, nil, func(t *testing.T, w *world, c *Controller) {
		first := w.see().reads
		elapse(4*time.Minute + 50*time.Second)
		if n := w.see().reads - first; n != 0 {
			t.Errorf("%d reads before five minutes had passed", n)
		}
		elapse(20 * time.Second)
		if n := w.see().reads - first; n != 2 {
			t.Errorf("%d reads of two apps after five minutes", n)
		}
		if err := c.Reread(t.Context()); err != nil || w.see().reads-first != 4 {
			t.Errorf("asked for: %d reads, %v", w.see().reads-first, err)
		}
		w.with(func() { w.readErr = errGone })
		if err := c.Reread(t.Context()); err == nil || !strings.Contains(err.Error(), "app a of federation corp") || !strings.Contains(err.Error(), "app b") {
			t.Errorf("a failing IdP: %v", err)
		}
	})
}

// spec 8.1: in mode approve one proposal is made, once, and taken back when it
// no longer stands.
func TestProposal(t *testing.T) {
	story(t, federation.Approve, nil, func(t *testing.T, w *world, c *Controller) {
		w.set(east, health.Unhealthy, false)
		elapse(10 * time.Minute)
		wantDecision(t, c, failover.Propose, failover.Approval)
		if p := c.Status().Proposal; p == nil || p.To != west || w.see().runs != 0 || w.count("move.proposed") != 1 || w.heard(EventProposal) != 1 {
			t.Errorf("proposal %+v, %d moves, recorded %v", p, w.see().runs, w.see().recorded)
		}
		w.set(east, health.Healthy, false)
		synctest.Wait()
		if c.Status().Proposal != nil || w.count("move.proposal-withdrawn") != 1 {
			t.Errorf("the proposal stands: %v", w.see().recorded)
		}
	})
}

// spec 14: what cannot be recorded is not proposed.
func TestNoRecordNoProposal(t *testing.T) {
	story(t, federation.Approve, func(w *world) { w.norecord = errGone }, func(t *testing.T, w *world, c *Controller) {
		w.set(east, health.Unhealthy, false)
		synctest.Wait()
		if c.Status().Proposal != nil || w.heard(EventProposal) != 0 {
			t.Error("proposed without a record")
		}
		w.with(func() { w.norecord = nil })
		elapse(10 * time.Second)
		synctest.Wait()
		if c.Status().Proposal == nil {
			t.Error("never proposed, although the record works again")
		}
	})
}

// spec 2.4: a failing or hanging IdP leaves the last good read standing.
func TestLastGoodReadCounts(t *testing.T) {
	for name, break1 := range map[string]func(w *world){
		"fails": func(w *world) { w.readErr = errGone },
		"hangs": func(w *world) { w.hang = true },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, federation.Approve, nil, func(t *testing.T, w *world, c *Controller) {
				w.with(func() { break1(w) })
				w.set(east, health.Unhealthy, false)
				elapse(10 * time.Second)
				wantDecision(t, c, failover.Propose, failover.Approval)
				if a := c.Status().Apps[0]; a.Error == nil || a.ReadAt.IsZero() || a.App.Region() != east {
					t.Errorf("the app's state is %+v", a)
				}
				elapse(25 * time.Hour)
				wantDecision(t, c, failover.Hold, failover.ActiveUnknown)
			})
		})
	}
}

// Two operators and the controller at once: never two moves.
func TestNoOverlap(t *testing.T) {
	story(t, federation.Auto, func(w *world) { w.slow = 30 * time.Second }, func(t *testing.T, w *world, c *Controller) {
		w.set(east, health.Unhealthy, false)
		synctest.Wait()
		if !c.Status().Moving {
			t.Fatal("no move is going on")
		}
		d, res, err := c.Submit(t.Context(), failover.Request{To: west, By: "ann", Reason: "now"})
		if err != nil || res != nil || d.Rule != failover.MoveOpen {
			t.Errorf("a second request got %s by %s (%v)", d.Outcome, d.Rule, err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Exclusively(t.Context(), func(context.Context) error { return errGone }) }()
		elapse(time.Minute)
		if err := <-done; !errors.Is(err, errGone) {
			t.Errorf("exclusive work ended with %v", err)
		}
		if w.see().overlaps != 0 || w.see().runs != 1 {
			t.Errorf("%d moves, %d overlaps", w.see().runs, w.see().overlaps)
		}
	})
}

// spec 9.5
func TestResumesFirst(t *testing.T) {
	story(t, federation.Auto, func(w *world) {
		w.open = []move.Record{{ID: "m0", Federation: "corp", To: west}}
		w.set(east, health.Unhealthy, false)
	}, func(t *testing.T, w *world, c *Controller) {
		elapse(time.Minute)
		if w.see().resumed != 1 || w.see().overlaps != 0 {
			t.Errorf("resumed %d times", w.see().resumed)
		}
	})
}

func TestUnreadableJournalHolds(t *testing.T) {
	story(t, federation.Auto, func(w *world) { w.journal = errGone }, func(t *testing.T, w *world, c *Controller) {
		w.set(east, health.Unhealthy, false)
		elapse(time.Minute)
		wantDecision(t, c, failover.Hold, failover.JournalUnread)
		if w.see().runs != 0 {
			t.Error("moved without knowing what is open")
		}
		w.with(func() { w.journal = nil })
		elapse(10 * time.Second)
		if w.see().runs != 1 {
			t.Errorf("%d moves once the journal answered", w.see().runs)
		}
	})
}

// spec 8.4 spec 9.3: a move that ends incomplete is tried again, not at once and
// not for ever.
func TestIncompleteIsPaced(t *testing.T) {
	story(t, federation.Auto, func(w *world) { w.status = failover.Incomplete }, func(t *testing.T, w *world, c *Controller) {
		w.set(east, health.Unhealthy, false)
		synctest.Wait()
		wantDecision(t, c, failover.Hold, failover.Cooldown)
		if w.see().runs != 1 {
			t.Errorf("%d moves at once", w.see().runs)
		}
		elapse(3 * time.Minute)
		wantDecision(t, c, failover.Propose, failover.BudgetSpent)
		if w.see().runs != 2 || w.count("page") == 0 {
			t.Errorf("%d moves in three minutes, recorded %v", w.see().runs, w.see().recorded)
		}
	})
}

func TestHeldRequestMovesNothing(t *testing.T) {
	story(t, federation.Auto, nil, func(t *testing.T, w *world, c *Controller) {
		d, res, err := c.Submit(t.Context(), failover.Request{To: signin.MustRegion("ca-central-1"), By: "ann", Reason: "try"})
		if err != nil || res != nil || d.Rule != failover.AllowedRegions || w.see().runs != 0 {
			t.Errorf("got %s by %s, %+v, %v", d.Outcome, d.Rule, res, err)
		}
		_, d, err = c.Consider(t.Context(), &failover.Request{To: west, By: "ann", Reason: "look"})
		if err != nil || d.Outcome != failover.Move || w.see().runs != 0 {
			t.Errorf("considering decided %s by %s (%v) with %d moves", d.Outcome, d.Rule, err, w.see().runs)
		}
	})
}

// spec 6.2: a sudden drop of the share is paged, in log and audit, once.
func TestReadinessDropPages(t *testing.T) {
	story(t, federation.Auto, nil, func(t *testing.T, w *world, c *Controller) {
		elapse(time.Minute)
		if w.count("page") != 0 {
			t.Errorf("paged in calm times: %v", w.see().recorded)
		}
		w.mu.Lock()
		w.dropped = &finding.Finding{Code: finding.ReadinessDropped, Subject: "federation corp in us-west-2", What: "fewer", Remedy: "look"}
		w.mu.Unlock()
		elapse(10 * time.Minute)
		if w.count("page") != 1 || !slices.ContainsFunc(c.Status().Decision.Findings, func(f finding.Finding) bool { return f.Code == finding.ReadinessDropped }) {
			t.Errorf("recorded %v, found %v", w.see().recorded, c.Status().Decision.Findings)
		}
	})
}

func TestStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c, stop := w.start(t, federation.Auto)
		stop()
		if _, _, err := c.Submit(t.Context(), failover.Request{To: west, By: "ann", Reason: "late"}); !errors.Is(err, ErrStopped) {
			t.Errorf("a stopped controller says %v", err)
		}
	})
}

// A move that cannot be started, such as for want of an audit record, is tried
// again at a pace, and the status says what is the matter.
func TestMoveThatCannotStartIsPaced(t *testing.T) {
	story(t, federation.Auto, func(w *world) { w.refuse = errors.New("no space left on device") }, func(t *testing.T, w *world, c *Controller) {
		w.set(east, health.Unhealthy, false)
		for range 600 { // news ten times a second for a minute
			elapse(100 * time.Millisecond)
			c.Kick()
		}
		wantDecision(t, c, failover.Hold, failover.CannotStart)
		if w.runs < 5 || w.runs > 8 {
			t.Errorf("tried %d times in a minute, want about six", w.runs)
		}
		w.mu.Lock()
		w.refuse = nil
		w.mu.Unlock()
		elapse(15 * time.Second)
		wantDecision(t, c, failover.Hold, failover.ActiveHealthy)
	})
}
