package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// inSlack is the channel of the simulated Slack in which the app is.
type inSlack struct {
	p    *place
	chat *slack.Workspace
}

const incidentChannel = "incident"

func (s inSlack) types(user, text string) slack.Delivery {
	s.p.t.Helper()
	ctx, cancel := context.WithTimeout(s.p.t.Context(), patience)
	defer cancel()
	d, err := s.chat.Type(ctx, user, incidentChannel, "/samlfailover "+text)
	if err != nil || !d.Acknowledged() {
		s.p.t.Fatalf("%s types %s: %+v, %v", user, text, d, err)
	}
	return d
}

// presses presses a button of the newest message that has it.
func (s inSlack) presses(user, label string) {
	s.p.t.Helper()
	ctx, cancel := context.WithTimeout(s.p.t.Context(), patience)
	defer cancel()
	ts, err := s.chat.Newest(incidentChannel, label)
	if err != nil {
		s.p.t.Fatal(err)
	}
	if d, err := s.chat.Click(ctx, user, incidentChannel, ts, label); err != nil || !d.Acknowledged() {
		s.p.t.Fatalf("%s presses %s: %+v, %v", user, label, d, err)
	}
}

// shows returns all that a person sees.
func (s inSlack) shows(user string) string {
	s.p.t.Helper()
	all, err := s.chat.Seen(incidentChannel, user)
	if err != nil {
		s.p.t.Fatal(err)
	}
	var out []string
	for _, m := range all {
		out = append(out, m.All())
	}
	return strings.Join(out, "\n---\n")
}

// shown waits until a person sees all of the words.
func (s inSlack) shown(user string, words ...string) string {
	s.p.t.Helper()
	until := time.Now().Add(patience)
	for {
		text := s.shows(user)
		var missing error
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = errors.Join(missing, fmt.Errorf("%q is missing", w))
			}
		}
		if missing == nil {
			return text
		}
		if time.Now().After(until) {
			s.p.t.Fatalf("%v in:\n%s", missing, text)
		}
		<-time.After(glance)
	}
}

// The whole story of an outage by Slack alone: a look, the controller's proposal
// with its buttons, an approval by a click, and the message that ends in the true
// state.
//
// spec 13.2, 13.3
func TestOutageBySlack(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	c := inSlack{p, p.world.Slack()}
	if d := c.types("ada", "status"); !strings.Contains(d.Said, "signs in at "+home) || !strings.Contains(d.Said, "hold [active-healthy]") {
		t.Errorf("status: %s", d.Said)
	}
	if d := c.types("alan", "status"); !strings.Contains(d.Said, "belongs to nobody in the config") {
		t.Errorf("somebody whom nobody mapped: %s", d.Said)
	}
	if d := c.types("margaret", "plan "+standby); !strings.Contains(d.Said, "Plan for workforce") {
		t.Errorf("plan: %s", d.Said)
	}
	c.types("margaret", "move "+standby+" I would like to")
	c.shown("U0MARGARET", "forbidden: margaret via slack has viewer in all federations; this needs the role operator")
	p.breaks(home, fault.Down)
	c.shown("", "Proposal prop-", "by controller", "[Approve]", "0 of 1 approvals")
	c.presses("katherine", "Approve")
	c.shown("U0KATHERINE", "forbidden [role]: katherine via slack has operator in all federations; an approval needs the role approver")
	c.presses("grace", "Approve")
	text := c.shown("", "done: 1 of 1 approvals", "approved by grace via slack", "6 of 6 apps moved to "+standby, "signs in at "+standby, "Tell the people who sign in", "saml2aws")
	if strings.Contains(text, "[Approve]") {
		t.Errorf("what is done still has its buttons:\n%s", text)
	}
	if n := len(c.chat.Messages("C0INCIDENT", "")); n != 1 {
		t.Errorf("%d messages for one proposal and one move:\n%s", n, text)
	}
	p.wantAudit("move.proposed", "move.proposal-approved", "move.start", "move.finished", "move.proposal-done")
	for _, r := range p.records() {
		if r.Action == "move.proposal-approved" && r.Actor != "grace via slack" {
			t.Errorf("%+v", r)
		}
	}
	s.stop()
	if _, _, err := audit.Verify(p.auditPath()); err != nil {
		t.Error(err)
	}
}

// A person's move where two others have to approve: the requester's own approval
// and a second one from Slack do not count.
//
// spec 13.2
func TestTwoApprovalsNeverBothFromSlack(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve\n    approvals: 2", "{role: approver}", "{role: admin}", "{role: operator}", "{role: admin}")
	s := p.start()
	defer s.stop()
	s.calm()
	c := inSlack{p, p.world.Slack()}
	c.types("ada", "move "+standby+" in workforce disk work")
	c.shown("U0ADA", "it is now proposal prop-")
	c.shown("", "reason: disk work", "by ada via slack", "[Approve]", "0 of 2 approvals")
	c.presses("ada", "Approve")
	c.shown("U0ADA", "forbidden [self-approval]")
	c.presses("grace", "Approve")
	c.shown("", "1 of 2 approvals", "approved by grace via slack")
	c.presses("katherine", "Approve")
	c.shown("U0KATHERINE", "[slack-once]", "all of Slack counts once")
	c.shown("", "1 of 2 approvals")
	c.presses("katherine", "Reject")
	c.shown("", "rejected", "pressed Reject in Slack")
	if p.puts("") != 0 {
		t.Error("apps were written")
	}
}
