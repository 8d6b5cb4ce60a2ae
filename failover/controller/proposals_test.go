package controller

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
)

// keeper keeps the controller's own proposals for 30 minutes each.
type keeper struct {
	mu  sync.Mutex
	all []approval.Proposal
}

func (k *keeper) Offer(_ context.Context, d failover.Decision) (approval.Proposal, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.all {
		if p = p.At(time.Now()); p.Digest == d.Digest && p.State == approval.Open {
			return p, false, nil
		}
	}
	p := approval.Proposal{ID: approval.NewID(), Federation: d.Federation, Digest: d.Digest, By: approval.Itself(), Created: time.Now(), Expires: time.Now().Add(30 * time.Minute),
		Need: 1, State: approval.Open}
	k.all = append(k.all, p)
	return p, true, nil
}

func (k *keeper) Withdraw(_ context.Context, _, why string) error {
	k.end(func(p approval.Proposal) approval.Proposal { return p.Voided(why, time.Now()) })
	return nil
}

func (k *keeper) Escalated(_ context.Context, id string, by failover.MoveID) error {
	k.end(func(p approval.Proposal) approval.Proposal {
		if p.ID != id {
			return p
		}
		return p.Carried(by, time.Now())
	})
	return nil
}

// end changes the open proposals.
func (k *keeper) end(f func(approval.Proposal) approval.Proposal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range k.all {
		if p.At(time.Now()).State == approval.Open {
			k.all[i] = f(p)
		}
	}
}

func (k *keeper) Asked(context.Context, string) *failover.Asked {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.all {
		if p.At(time.Now()).State == approval.Open && len(p.Votes) == 0 {
			return &failover.Asked{Proposal: p.ID, Digest: p.Digest, Since: p.Created}
		}
	}
	return nil
}

func (k *keeper) states() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, p := range k.all {
		out = append(out, string(p.At(time.Now()).State))
	}
	return strings.Join(out, " ")
}

// asking is an outage in mode approve, with proposals that are kept.
func asking(t *testing.T, escalate time.Duration, f func(t *testing.T, w *world, k *keeper, c *Controller)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, k := newWorld(), &keeper{}
		cfg := configOf(w, federation.Approve)
		cfg.Proposals, cfg.Federation.Policy.EscalateAfter = k, escalate
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		started(t, c.Run, func() {
			w.set(east, health.Unhealthy, false)
			elapse(10 * time.Second)
			f(t, w, k, c)
		})
	})
}

// A proposal that nobody has answered in time is made again, and one that no
// longer stands is withdrawn.
func TestProposalIsKept(t *testing.T) {
	asking(t, 0, func(t *testing.T, w *world, k *keeper, c *Controller) {
		wantDecision(t, c, failover.Propose, failover.Approval)
		if d := c.Status().Decision; !strings.Contains(d.WouldChange, "samlfailover approve "+k.all[0].ID) || k.states() != "open" {
			t.Errorf("%s: %s", k.states(), d.WouldChange)
		}
		elapse(31 * time.Minute)
		if k.states() != "expired open" || w.heard(EventProposal) != 2 {
			t.Errorf("%s, told %d times", k.states(), w.heard(EventProposal))
		}
		w.set(east, health.Healthy, false)
		elapse(10 * time.Second)
		if k.states() != "expired void" || c.Status().Proposal != nil || w.heard(EventWithdrawn) != 1 {
			t.Errorf("%s, %+v", k.states(), c.Status().Proposal)
		}
	})
}

// spec 13.3: what nobody answers is carried out after escalate_after, once, with
// its record before.
func TestEscalates(t *testing.T) {
	asking(t, 15*time.Minute, func(t *testing.T, w *world, k *keeper, _ *Controller) {
		elapse(14 * time.Minute)
		if w.see().runs != 0 {
			t.Fatal("it moves too early")
		}
		w.with(func() { w.norecord = errGone })
		elapse(2 * time.Minute)
		if w.see().runs != 0 {
			t.Fatal("it moves without a record")
		}
		w.with(func() { w.norecord = nil })
		elapse(time.Minute)
		if n := w.see().runs; n != 1 || k.states() != "done" || !slices.Contains(w.see().recorded, "move.proposal-escalated") || !slices.Contains(w.see().recorded, "page") {
			t.Errorf("%d moves, %s, recorded %v", n, k.states(), w.see().recorded)
		}
		elapse(time.Hour)
		if n := w.see().runs; n != 1 {
			t.Errorf("%d moves", n)
		}
	})
}

// An answer, even one of two approvals, ends the waiting for none.
func TestAnsweredIsNotEscalated(t *testing.T) {
	asking(t, 15*time.Minute, func(t *testing.T, w *world, k *keeper, _ *Controller) {
		k.end(func(p approval.Proposal) approval.Proposal {
			p.Votes = []approval.Vote{{Person: "bob"}}
			return p
		})
		elapse(20 * time.Minute)
		if w.see().runs != 0 {
			t.Error("it moves although somebody has answered")
		}
	})
}

// spec 13.3 spec 13.4: the controller's own job is carried out on an approval of
// exactly that.
func TestSubmitOwn(t *testing.T) {
	asking(t, 0, func(t *testing.T, w *world, k *keeper, c *Controller) {
		req := failover.Request{To: west, By: "bob via slack", Own: true, Approval: &failover.Approved{Proposal: "prop-1", Digest: "other", By: []string{"bob"}, Count: 1}}
		d, res, err := c.Submit(t.Context(), req)
		if err != nil || res != nil || d.Outcome != failover.Hold || d.Rule != failover.Approval {
			t.Errorf("an approval of something else: %+v, %v", d, err)
		}
		req.Approval.Digest = c.Status().Proposal.Digest
		d, res, err = c.Submit(t.Context(), req)
		if err != nil || res == nil || d.Cause != failover.Failover || w.past[0].By != "bob via slack" {
			t.Errorf("%+v, %v", d, err)
		}
		synctest.Wait()
		if w.see().runs != 1 {
			t.Errorf("%d moves", w.see().runs)
		}
	})
}
