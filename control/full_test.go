package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/people"
)

// wholes plays the comparison: one value of the move's, one that stays.
type wholes struct {
	seen, stored string
	same         bool // nothing differs that could go back
	err          error
	asked        int
}

func (w *wholes) Compare(_ context.Context, past move.Record, app federation.AppRef) (move.Comparison, error) {
	w.asked++
	if w.err != nil {
		return move.Comparison{}, w.err
	}
	c := move.Comparison{App: app, Move: past.ID, To: east, Stored: w.stored, Seen: w.seen, Differences: []idp.Difference{{Pointer: "/id", Stays: true}}}
	if !w.same {
		c.Differences = append(c.Differences, idp.Difference{Pointer: "/label", Stored: json.RawMessage(`"was"`), Live: json.RawMessage(`"is"`)})
	}
	return c, nil
}

// archive is an office with a finished move to compare with.
type archive struct {
	office
	w *wholes
}

func newArchive(approvals int) archive {
	o, w := newOffice(approvals), &wholes{seen: "s1", stored: "d1"}
	o.Moves, o.Wholes = moves{past: []move.Record{ended("m0", noon)}}, w
	return archive{o, w}
}

// chief is an admin of corp.
func chief(name string, way people.Way) Actor {
	a := person(name, way)
	a.Grants = people.Grants{"corp": people.Admin}
	return a
}

func fullOf(o archive) FullRestoreRequest {
	return FullRestoreRequest{App: o.Federations[0].Apps[0].Name, Move: "m0", Reason: "ticket 9"}
}

// wanted asks for the restore as ada and returns the proposal.
func (o archive) wanted(t *testing.T) approval.Proposal {
	t.Helper()
	a, err := o.RestoreFull(t.Context(), chief("ada", people.Token), fullOf(o))
	if err != nil || a.Proposal == nil || a.Proposal.State != approval.Open || len(o.loop.moved) > 0 {
		t.Fatalf("no proposal: %+v, %v", a, err)
	}
	return *a.Proposal
}

// spec 4.2: a whole document goes back only once another person has approved
// exactly that, also where the policy needs no approvals.
func TestFullRestore(t *testing.T) {
	t.Parallel()
	o := newArchive(0)
	p := o.wanted(t)
	if p.Need != 1 || !strings.Contains(p.What(), "whole as it was before move m0") || p.Request.Undoes.Whole.Seen != "s1" || len(p.Request.Undoes.Whole.Back) != 1 {
		t.Fatalf("%+v", p)
	}
	a, err := o.approve(t, byBob, p.ID)
	if err != nil || a.Proposal.State != approval.Done || len(o.loop.moved) != 1 || o.w.asked != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	req := o.loop.moved[0]
	if u := req.Undoes; u == nil || u.Move != "m0" || len(u.Apps) != 1 || u.Whole == nil || string(u.Whole.Back[0].Before) != `"was"` || req.Approval == nil {
		t.Errorf("it was carried out as %+v", req)
	}
	if !strings.HasPrefix((*o.log)[0], "ada via token | restore-full.requested | federation corp") {
		t.Errorf("the record is %q", *o.log)
	}
}

// What is refused before anybody is asked. spec 4.2 spec 13.3 spec 13.5
func TestFullRestoreRefused(t *testing.T) {
	t.Parallel()
	foreign := fmt.Errorf("the stored document may not be written: %w", finding.Finding{Code: finding.ForeignACS, Subject: "app a", What: "evil.example"})
	unproven := finding.Finding{Code: finding.UnprovenKind, Subject: "app a", What: "its kind is not proven"}
	for _, row := range []struct {
		why    string
		change func(o *archive, r *FullRestoreRequest)
		actor  Actor
		kind   Kind
		rule   string
	}{
		{"an approver is no admin", nil, byAda, Forbidden, ""},
		{"a hook", nil, pager, Forbidden, ""},
		{"no reason", func(_ *archive, r *FullRestoreRequest) { r.Reason = "" }, chief("ada", people.Token), Invalid, ""},
		{"no app", func(_ *archive, r *FullRestoreRequest) { r.App = "" }, chief("ada", people.Token), Invalid, ""},
		{"an unknown app", func(_ *archive, r *FullRestoreRequest) { r.App = "other" }, chief("ada", people.Token), NotFound, ""},
		{"an unknown move", func(_ *archive, r *FullRestoreRequest) { r.Move = "m9" }, chief("ada", people.Token), NotFound, ""},
		{"an admin of elsewhere", nil, Actor{Person: "x", Name: "x", Way: people.Token, Grants: people.Grants{"labs": people.Admin}}, NotFound, ""},
		{"a move is open", func(o *archive, _ *FullRestoreRequest) {
			o.Moves = moves{past: []move.Record{ended("m0", noon)}, open: []move.Record{{ID: "m1", Federation: "corp"}}}
		}, chief("ada", people.Token), Held, ""},
		{"another controller leads", func(o *archive, _ *FullRestoreRequest) { o.Storage = elsewhere{} }, chief("ada", people.Token), Held, failover.NotLeader},
		{"a foreign endpoint in the stored document", func(o *archive, _ *FullRestoreRequest) { o.w.err = foreign }, chief("ada", people.Token), Held, string(finding.ForeignACS)},
		{"an unproven kind", func(o *archive, _ *FullRestoreRequest) { o.w.err = unproven }, chief("ada", people.Token), Held, string(finding.UnprovenKind)},
		{"nothing kept", func(o *archive, _ *FullRestoreRequest) { o.w.err = move.ErrNotKept }, chief("ada", people.Token), NotFound, ""},
	} {
		o := newArchive(0)
		r := fullOf(o)
		if row.change != nil {
			row.change(&o, &r)
		}
		a, err := o.RestoreFull(t.Context(), row.actor, r)
		var f *Failure
		if !errors.As(err, &f) || f.Kind != row.kind || row.rule != "" && f.Rule != row.rule || a.Proposal != nil {
			t.Errorf("%s: %+v, %v", row.why, a.Proposal, err)
		}
		if left, _ := o.box.All(t.Context()); len(left) > 0 || len(*o.log) > 0 {
			t.Errorf("%s: something was kept or recorded", row.why)
		}
	}
}

// What holds or voids a restore that waits. spec 13.2 spec 13.3 spec 13.4
func TestFullRestoreAbuse(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		why   string
		after func(o archive)
		actor Actor
		state approval.State
	}{
		{"self-approval", nil, chief("ada", people.Token), approval.Open},
		{"self-approval by Slack", nil, chief("ada", people.Slack), approval.Open},
		{"a shared token", nil, Actor{Name: "ci", Way: people.SharedToken, Grants: people.Grants{"corp": people.Admin}}, approval.Open},
		{"the app has changed", func(o archive) { o.w.seen = "s2" }, byBob, approval.Void},
		{"the stored document is another", func(o archive) { o.w.stored = "d2" }, byBob, approval.Void},
		{"it is not kept any more", func(o archive) { o.w.err = move.ErrNotKept }, byBob, approval.Void},
		{"the app holds a foreign endpoint now", func(o archive) { o.w.err = finding.Finding{Code: finding.ForeignACS} }, byBob, approval.Void},
		{"the identity provider does not answer", func(o archive) { o.w.err = finding.Finding{Code: finding.IdPUnreachable} }, byBob, approval.Approved},
	} {
		o := newArchive(0)
		p := o.wanted(t)
		if row.after != nil {
			row.after(o)
		}
		_, err := o.approve(t, row.actor, p.ID)
		list, _ := o.Proposals(t.Context(), byBob, ProposalsRequest{ID: p.ID})
		if len(o.loop.moved) > 0 || list.Proposals[0].State != row.state || row.state != approval.Void && err == nil {
			t.Errorf("%s: %s, %v", row.why, list.Proposals[0].State, err)
		}
	}
}

// A saboteur: a request that says it restores a whole document and that nobody
// has approved does not pass the rules, and neither does an approval of another
// document.
func TestFullRestoreNeedsItsApproval(t *testing.T) {
	t.Parallel()
	o := newArchive(0)
	c, err := o.w.Compare(t.Context(), ended("m0", noon), o.Federations[0].Apps[0])
	if err != nil {
		t.Fatal(err)
	}
	bare := fullRequest(c, "ada", "x")
	d, _, err := o.loop.Submit(t.Context(), bare)
	if err != nil || d.Outcome != failover.Propose {
		t.Errorf("unapproved: %s, %v", d.Outcome, err)
	}
	good := d.Digest
	c.Seen = "s2"
	other := fullRequest(c, "ada", "x")
	other.Approval = &failover.Approved{Proposal: "p", Digest: good, Count: 1}
	if d, _, err = o.loop.Submit(t.Context(), other); err != nil || d.Outcome == failover.Move || d.Rule != failover.Approval {
		t.Errorf("an approval of something else: %s by %s, %v", d.Outcome, d.Rule, err)
	}
	bare.Approval = &failover.Approved{Proposal: "p", Digest: good, Count: 1}
	if d, _, err = o.loop.Submit(t.Context(), bare); err != nil || d.Outcome != failover.Move {
		t.Errorf("its own approval: %s by %s (%s), %v", d.Outcome, d.Rule, d.Why, err)
	}
}

// A locked app, a dry run, and one with nothing to put back become no proposal.
func TestFullRestoreWithoutProposal(t *testing.T) {
	t.Parallel()
	o := newArchive(0)
	dry := fullOf(o)
	dry.DryRun, dry.Reason = true, ""
	if a, err := o.RestoreFull(t.Context(), chief("ada", people.Token), dry); err != nil || a.Proposal != nil || a.Changes() != 1 || a.Decision.Outcome != failover.Propose {
		t.Errorf("a dry run: %+v, %v", a, err)
	}
	o.w.same = true
	if a, err := o.RestoreFull(t.Context(), chief("ada", people.Token), fullOf(o)); err != nil || a.Proposal != nil || a.Changes() != 0 {
		t.Errorf("nothing to put back: %+v, %v", a, err)
	}
	o.w.same = false
	o.loop.change(func(s *failover.Situation) {
		s.Brakes = []failover.Brake{{ID: "b", Kind: failover.BrakeLock, Federation: "corp", App: o.Federations[0].Apps[0].String(), Since: time.Now(), By: "bob"}}
	})
	if a, err := o.RestoreFull(t.Context(), chief("ada", people.Token), fullOf(o)); err != nil || a.Proposal != nil || a.Decision.Outcome == failover.Move {
		t.Errorf("locked: %+v, %v", a.Decision, err)
	}
}
