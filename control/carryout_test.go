package control

import (
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/people"
)

// spec 13.4: what is not what was approved does not happen, and the proposal is
// void; what only has to wait stays approved.
func TestExecutionChecksAgain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why    string
		change func(*failover.Situation)
		rule   string
		state  approval.State
	}{
		{"an app was edited", func(s *failover.Situation) { s.Apps[0].App.RelayState = "https://console.aws.amazon.com/x" }, failover.Approval, approval.Void},
		{"an app is gone", func(s *failover.Situation) { s.Apps = s.Apps[:1] }, failover.Approval, approval.Void},
		{"another config", func(s *failover.Situation) { s.ConfigDigest = "other" }, failover.Approval, approval.Void},
		{"the Region is not allowed any more", func(s *failover.Situation) { s.Federation.Regions = s.Federation.Regions[:1] }, failover.AllowedRegions, approval.Void},
		{"the Region broke", func(s *failover.Situation) { s.Verdicts[1].State = health.Unhealthy }, failover.NoCandidate, approval.Approved},
		{"a freeze began", func(s *failover.Situation) {
			s.Freezes = []federation.Freeze{{From: s.Now, Until: s.Now.Add(time.Hour), Moves: federation.FreezePlanned}}
		}, failover.Frozen, approval.Approved},
	} {
		o := newOffice(1)
		p := o.asked(t, byAda)
		o.loop.change(row.change)
		a, err := o.approve(t, byBob, p.ID)
		if err != nil || a.Move == nil || a.Move.Decision.Rule != row.rule || a.Proposal.State != row.state || len(o.loop.moved) > 0 {
			t.Errorf("%s: %+v, %v", row.why, a, err)
		}
	}
}

// What has to wait is carried out by whoever approves again, or has; once.
func TestApprovedLater(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	o.loop.change(func(s *failover.Situation) { s.Verdicts[1].State = health.Unhealthy })
	if a, err := o.approve(t, byBob, p.ID); err != nil || a.Proposal.State != approval.Approved {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := o.approve(t, byAda, p.ID); err == nil {
		t.Error("who has asked carries it out")
	}
	o.loop.change(func(s *failover.Situation) { s.Verdicts[1].State = health.Healthy })
	o.loop.during = func() {
		if _, err := o.approve(t, byBob, p.ID); err == nil || !strings.Contains(err.Error(), "is being carried out") {
			t.Errorf("while it is carried out: %v", err)
		}
	}
	if a, err := o.approve(t, byBob, p.ID); err != nil || a.Proposal.State != approval.Done || len(o.loop.moved) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// Who has approved carries out later only with the role to approve: what this
// person shows now may vouch for less, as a token of an OIDC issuer does.
//
// spec 13.2
func TestApprovedLaterWithLess(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	o.loop.change(func(s *failover.Situation) { s.Verdicts[1].State = health.Unhealthy })
	if a, err := o.approve(t, byBob, p.ID); err != nil || a.Proposal.State != approval.Approved {
		t.Fatalf("%+v, %v", a, err)
	}
	o.loop.change(func(s *failover.Situation) { s.Verdicts[1].State = health.Healthy })
	less := byBob
	less.Way, less.Grants = people.OIDC, people.Grants{"corp": people.Viewer}
	_, err := o.approve(t, less, p.ID)
	o.wantRefused(t, "as a viewer", err, Held, "proposal-closed")
}

// Two who carry out the same proposal, one of whom read it before the other was
// done: it stays done.
func TestCarriedOutMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	late := p
	late.State = approval.Approved
	if a, err := o.approve(t, byBob, p.ID); err != nil || a.Proposal.State != approval.Done {
		t.Fatalf("%+v, %v", a, err)
	}
	_, err := o.carryOut(t.Context(), late, nil)
	wantFailure(t, err, Held, "is done by now")
	now, _, err := o.Desk.find(t.Context(), p.ID)
	if err != nil || now.State != approval.Done || len(o.loop.moved) != 1 {
		t.Errorf("%d moves, %+v, %v", len(o.loop.moved), now, err)
	}
}

// A loop that has stopped, such as for a reload, leaves the proposal approved and
// says how to go on.
func TestApprovedAndNotCarriedOut(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	o.loop.err = controller.ErrStopped
	a, err := o.approve(t, byBob, p.ID)
	wantFailure(t, err, Failed, "samlfailover approve "+p.ID)
	if a.Proposal.State != approval.Approved {
		t.Errorf("%+v", a.Proposal)
	}
	o.loop.err = nil
	if a, err := o.approve(t, byBob, p.ID); err != nil || a.Proposal.State != approval.Done {
		t.Errorf("%+v, %v", a, err)
	}
}
