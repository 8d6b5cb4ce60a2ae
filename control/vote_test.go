package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/store/memory"
)

// judged is a loop that decides by the real rules, on a situation that tests
// change, and only pretends to move.
type judged struct {
	mu     sync.Mutex
	s      failover.Situation
	moved  []failover.Request
	err    error
	during func() // called while a move runs
}

func (l *judged) Status() controller.Status { return controller.Status{} }
func (l *judged) Kick()                     {}

func (l *judged) Reread(context.Context) error { return nil }

func (l *judged) decide(req *failover.Request) failover.Decision {
	s := l.s
	s.Request = req
	if req != nil && req.Own {
		s.Request, s.Approval = nil, req.Approval
	}
	return failover.Standard().Decide(s)
}

func (l *judged) Consider(_ context.Context, req *failover.Request) (failover.Situation, failover.Decision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.s, l.decide(req), nil
}

func (l *judged) Submit(_ context.Context, req failover.Request) (failover.Decision, *failover.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return failover.Decision{}, nil, l.err
	}
	d := l.decide(&req)
	if d.Outcome != failover.Move {
		return d, nil, nil
	}
	if l.during != nil {
		l.during()
	}
	l.moved = append(l.moved, req)
	id := failover.MoveID(fmt.Sprintf("m%d", len(l.moved)))
	if req.Approval != nil {
		l.s.History = append(l.s.History, failover.PastMove{ID: id, Proposal: req.Approval.Proposal})
	}
	return d, &failover.Result{ID: id, Status: failover.Verified}, nil
}

// change edits the situation.
func (l *judged) change(f func(*failover.Situation)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.s)
}

// office is a control with people, on a federation where so many have to approve.
type office struct {
	*Control
	loop *judged
	log  *[]string
	box  *memory.Box
}

func newOffice(approvals int) office {
	f := corp()
	f.Policy.Approvals, f.Policy.ApprovalExpires = approvals, 30*time.Minute
	l := &judged{s: failover.Situation{Now: time.Now(), Federation: f, ConfigDigest: "c0ffee"}}
	for _, r := range f.Regions {
		l.s.Verdicts = append(l.s.Verdicts, health.Verdict{Region: r, State: health.Healthy, Configured: 1, For: 1})
		l.s.Shares = append(l.s.Shares, inventory.Share{Region: r, Ready: 1, Total: 1, TakenAt: time.Now()})
	}
	for _, ref := range f.Apps {
		acs, err := east.ACS("")
		if err != nil {
			panic(err) // a Region of the catalogue has one
		}
		l.s.Apps = append(l.s.Apps, failover.AppState{Ref: ref, ReadAt: time.Now(), App: idp.App{ID: idp.AppID(ref.ID), ACS: acs, ACSText: acs.String(), Movable: true}})
	}
	log, box := &[]string{}, &memory.Box{}
	c := &Control{Federations: []federation.Federation{f}, Loops: map[string]Loop{"corp": l}, Brakes: kept(), Record: recorder{log: log}, Events: &Broker{},
		Info: Info{Vantages: []string{"local"}}, Desk: desk(f, box, log)}
	return office{c, l, log, box}
}

func desk(f federation.Federation, box *memory.Box, log *[]string) *Desk {
	return &Desk{Reads: box, Writes: box, Record: recorder{log: log}, Policies: map[string]federation.Policy{f.Name: f.Policy}, Config: "c0ffee", Epoch: 1, Log: slog.New(slog.DiscardHandler)}
}

// outage makes the apps' Region unhealthy.
func outage(s *failover.Situation) {
	s.Verdicts[0].State, s.Verdicts[0].For, s.Verdicts[0].Against = health.Unhealthy, 0, 1
}

// person is an approver who has come in by a way.
func person(name string, way people.Way) Actor {
	return Actor{Person: name, Name: name, Way: way, ID: name + "-" + string(way), Grants: people.Grants{"corp": people.Approver}}
}

var (
	byAda   = person("ada", people.Token)
	byBob   = person("bob", people.Token)
	byEve   = person("eve", people.Slack)
	west2   = MoveRequest{To: "us-west-2", Reason: "ticket 7"}
	machine = Actor{Name: "rundeck", Way: people.SharedToken, Grants: people.Grants{"corp": people.Operator}}
	pager   = Actor{Name: "pager", Way: people.Hook, Grants: people.Grants{"corp": people.Operator}}
)

// asked proposes a move and returns the proposal.
func (o office) asked(t *testing.T, actor Actor) approval.Proposal {
	t.Helper()
	a, err := o.Move(t.Context(), actor, west2, nil)
	if err != nil || a.Result != nil || a.Proposal == nil || a.Proposal.State != approval.Open {
		t.Fatalf("no proposal: %+v, %v", a, err)
	}
	return *a.Proposal
}

func (o office) approve(t *testing.T, actor Actor, id string) (VoteAnswer, error) {
	t.Helper()
	return o.Approve(t.Context(), actor, VoteRequest{ID: id}, nil)
}

// wantRefused checks that nothing came of it and under which code.
func (o office) wantRefused(t *testing.T, why string, err error, kind Kind, rule string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Kind != kind || f.Rule != rule || !strings.Contains(f.Message, " ") {
		t.Errorf("%s: %v, want %s by %q", why, err, kind, rule)
	}
	if len(o.loop.moved) > 0 {
		t.Errorf("%s: it moved", why)
	}
}

// spec 13.3: a person's move waits for another person, and happens once that one
// has approved; each vote is on record before anything is done.
func TestMoveBySecondPerson(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	if p.Need != 1 || p.By.Person != "ada" || p.Digest != p.Plan.Digest || p.Expires.Sub(p.Created) != 30*time.Minute || len(o.loop.moved) > 0 {
		t.Fatalf("%+v", p)
	}
	a, err := o.Approve(t.Context(), byBob, VoteRequest{ID: p.ID, Digest: p.Digest, Comment: "go"}, nil)
	if err != nil || a.Move == nil || a.Move.Result == nil || a.Proposal.State != approval.Done || a.Proposal.Move != "m1" {
		t.Fatalf("%+v, %v", a, err)
	}
	if req := o.loop.moved[0]; req.By != "ada via token" || req.Approval.Proposal != p.ID || strings.Join(req.Approval.By, "") != "bob" {
		t.Errorf("it was carried out as %+v", req)
	}
	want := []string{"ada via token | move.requested", "ada via token | move.proposed | proposal " + p.ID, "bob via token | move.proposal-approved | proposal " + p.ID, "controller | move.proposal-done | proposal " + p.ID}
	for i, w := range want {
		if len(*o.log) != len(want) || !strings.HasPrefix((*o.log)[i], w) {
			t.Fatalf("the record is\n%s", strings.Join(*o.log, "\n"))
		}
	}
	if _, err := o.approve(t, byEve, p.ID); err == nil || len(o.loop.moved) != 1 {
		t.Errorf("it can be approved once more: %v", err)
	}
	list, err := o.Proposals(t.Context(), byBob, ProposalsRequest{})
	if err != nil || len(list.Proposals) > 0 {
		t.Errorf("it still waits: %+v, %v", list, err)
	}
	if list, err := o.Proposals(t.Context(), byBob, ProposalsRequest{All: true}); err != nil || len(list.Proposals) != 1 {
		t.Errorf("it is forgotten: %+v, %v", list, err)
	}
}

// The abuse table. spec 13.2 spec 13.3 spec 13.4 spec 13.5
func TestApprovalAbuse(t *testing.T) {
	t.Parallel()
	stranger := byBob
	stranger.Grants = people.Grants{"labs": people.Admin}
	viewer := byBob
	viewer.Grants = people.Grants{"corp": people.Viewer}
	root := people.Local("root", people.Socket)
	for _, row := range []struct {
		why       string
		approvals int
		before    func(o office, p approval.Proposal)
		actor     Actor
		vote      VoteRequest
		kind      Kind
		rule      string
	}{
		{"self-approval", 1, nil, byAda, VoteRequest{}, Forbidden, "self-approval"},
		{"self-approval by another identity", 1, nil, person("ada", people.Slack), VoteRequest{}, Forbidden, "self-approval"},
		{"two Slack approvals where two are needed", 2, func(o office, p approval.Proposal) {
			_, _ = o.Approve(context.Background(), person("bob", people.Slack), VoteRequest{ID: p.ID}, nil)
		}, byEve, VoteRequest{}, Forbidden, "slack-once"},
		{"one person twice", 2, func(o office, p approval.Proposal) {
			_, _ = o.Approve(context.Background(), byBob, VoteRequest{ID: p.ID}, nil)
		},
			person("bob", people.Certificate), VoteRequest{}, Held, "approved-already"},
		{"an OS user whom nobody mapped", 1, nil, root, VoteRequest{}, Forbidden, "not-a-person"},
		{"a shared token", 1, nil, Actor{Name: "ci", Way: people.SharedToken, Grants: people.Grants{"corp": people.Admin}}, VoteRequest{}, Forbidden, "not-a-person"},
		{"a hook", 1, nil, Actor{Name: "pager", Way: people.Hook, Grants: people.Grants{"corp": people.Admin}}, VoteRequest{}, Forbidden, "not-a-person"},
		{"a viewer", 1, nil, viewer, VoteRequest{}, Forbidden, "role"},
		{"an approver of another federation finds nothing", 1, nil, stranger, VoteRequest{}, NotFound, ""},
		{"an id that is none", 1, nil, byBob, VoteRequest{ID: "prop-00000000"}, NotFound, ""},
		{"shown something else", 1, nil, byBob, VoteRequest{Digest: "0ther"}, Held, "proposal-changed"},
		{"rejected before", 1, func(o office, p approval.Proposal) {
			_, _ = o.Reject(context.Background(), byEve, VoteRequest{ID: p.ID, Comment: "no"})
		}, byBob, VoteRequest{}, Held, "proposal-closed"},
		{"another config in force", 1, func(o office, _ approval.Proposal) { o.Desk.Config = "other" }, byBob, VoteRequest{}, Held, "proposal-closed"},
		{"a store that was restored", 1, func(o office, _ approval.Proposal) { o.Desk.Epoch = 2 }, byBob, VoteRequest{}, Held, "proposal-closed"},
		{"a controller that does not lead", 1, func(o office, _ approval.Proposal) {
			o.Storage = elsewhere{}
		}, byBob, VoteRequest{}, Held, failover.NotLeader},
	} {
		o := newOffice(row.approvals)
		p := o.asked(t, byAda)
		if row.before != nil {
			row.before(o, p)
		}
		if row.vote.ID == "" {
			row.vote.ID = p.ID
		}
		_, err := o.Approve(t.Context(), row.actor, row.vote, nil)
		o.wantRefused(t, row.why, err, row.kind, row.rule)
	}
	o := newOffice(1)
	p := o.asked(t, byAda)
	_, one := o.approve(t, stranger, p.ID)
	_, none := o.approve(t, stranger, "prop-none")
	if strings.ReplaceAll(one.Error(), p.ID, "ID") != strings.ReplaceAll(none.Error(), "prop-none", "ID") {
		t.Errorf("a foreign id is told apart from an unknown one: %v, %v", one, none)
	}
}

// elsewhere is a store in which another controller leads.
type elsewhere struct{ Storage }

func (elsewhere) Report() StoreReport { return StoreReport{Standing: Standing{Name: "b", Leader: "a"}} }

// A caller who leaves does not stop the move, and its end is kept.
func TestApproverLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(1)
		p := o.asked(t, byAda)
		ctx, leave := context.WithCancel(t.Context())
		o.loop.during = func() { leave(); time.Sleep(time.Minute) }
		if _, err := o.Approve(ctx, byBob, VoteRequest{ID: p.ID}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		time.Sleep(2 * time.Minute)
		if got, _, err := o.Desk.find(t.Context(), p.ID); err != nil || got.State != approval.Done || got.Move != "m1" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// spec 13.3: the controller's own proposal has no requester and takes one, a
// shared token's may be an approver's and takes one more, a hook's asks again for
// the same only once.
func TestWhoseProposal(t *testing.T) {
	t.Parallel()
	o := newOffice(0)
	o.loop.change(outage)
	_, d, _ := o.loop.Consider(t.Context(), nil)
	own, fresh, err := o.Desk.Offer(t.Context(), d)
	if err != nil || !fresh || own.Need != 1 || !own.Own() {
		t.Fatalf("%+v %v %v", own, fresh, err)
	}
	if again, fresh, err := o.Desk.Offer(t.Context(), d); err != nil || fresh || again.ID != own.ID {
		t.Errorf("the same is proposed twice: %+v %v", again, err)
	}
	if asked := o.Desk.Asked(t.Context(), "corp"); asked == nil || asked.Proposal != own.ID {
		t.Errorf("nobody is asked: %+v", asked)
	}
	if a, err := o.approve(t, byEve, own.ID); err != nil || a.Proposal.State != approval.Done || o.loop.moved[0].By != "eve via slack" {
		t.Errorf("%+v, %v", a, err)
	}
	if o.Desk.Asked(t.Context(), "corp") != nil {
		t.Error("it is still asked")
	}

	o = newOffice(1)
	if p := o.asked(t, machine); p.Need != 2 {
		t.Errorf("a shared token's proposal needs %d", p.Need)
	}
	one, two := o.asked(t, pager), o.asked(t, pager)
	if one.Need != 1 || one.ID != two.ID {
		t.Errorf("an alert that comes again: %+v %+v", one, two)
	}
}

// Propose asks also where nobody has to, and what a rule holds is not proposed.
func TestPropose(t *testing.T) {
	t.Parallel()
	o := newOffice(0)
	a, err := o.Propose(t.Context(), byAda, west2)
	if err != nil || a.Proposal.ID == "" || len(o.loop.moved) > 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if done, err := o.approve(t, byBob, a.Proposal.ID); err != nil || done.Proposal.State != approval.Done {
		t.Errorf("%+v, %v", done, err)
	}
	held, err := o.Propose(t.Context(), byAda, MoveRequest{To: "us-east-1", Reason: "home"})
	if err != nil || held.Proposal.ID != "" || held.Move == nil || held.Move.Decision.Rule != failover.NothingToMove {
		t.Errorf("%+v, %v", held, err)
	}
	viewer := byAda
	viewer.Grants = people.Grants{"corp": people.Viewer}
	_, err = o.Propose(t.Context(), viewer, west2)
	wantFailure(t, err, Forbidden, "operator")
}

// An alert makes the loop look again, at a controller that leads.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	o.loop.change(outage)
	if d, err := o.Evaluate(t.Context(), pager, "corp"); err != nil || d.Outcome != failover.Propose || d.Plan.To != west {
		t.Errorf("%+v, %v", d, err)
	}
	viewer := pager
	viewer.Grants = people.Grants{"corp": people.Viewer}
	_, err := o.Evaluate(t.Context(), viewer, "corp")
	wantFailure(t, err, Forbidden, "operator")
	o.Storage = elsewhere{}
	_, err = o.Evaluate(t.Context(), pager, "corp")
	wantFailure(t, err, Held, "leads")
	l := &loop{err: controller.ErrStopped}
	l.status.Apps = []failover.AppState{{ReadAt: time.Now().Add(-time.Minute)}}
	ctl, _ := newControl(l)
	if _, err := ctl.Evaluate(t.Context(), ada, ""); !errors.Is(err, controller.ErrStopped) {
		t.Errorf("a loop that has stopped: %v", err)
	}
}

// spec 8.6: an admin may put the rule aside by name, nobody less.
func TestOverridingApproval(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	alone := MoveRequest{To: "us-west-2", Reason: "alone at 3 a.m.", Overrides: []string{failover.Approval}}
	_, err := o.Move(t.Context(), byAda, alone, nil)
	wantFailure(t, err, Forbidden, "admin")
	o.Moves = moves{past: []move.Record{ended("m9", noon)}}
	_, err = o.Undo(t.Context(), byAda, UndoRequest{Reason: "x", Overrides: []string{failover.Approval}}, nil)
	if err == nil || len(o.loop.moved) > 0 {
		t.Errorf("an approver undoes alone: %v", err)
	}
	if a, err := o.Move(t.Context(), people.Local("root", people.Socket), alone, nil); err != nil || a.Result == nil {
		t.Errorf("%+v, %v", a, err)
	}
	if !strings.Contains(strings.Join(*o.log, "\n"), `"overrides":["approval"]`) {
		t.Error("it is not on record")
	}
}

// An undo takes approvals as a move does.
func TestUndoNeedsApproval(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	o.loop.change(func(s *failover.Situation) {
		for i := range s.Apps {
			acs, err := west.ACS("")
			if err != nil {
				t.Fatal(err)
			}
			s.Apps[i].App.ACS, s.Apps[i].App.ACSText = acs, acs.String()
		}
	})
	o.Moves = moves{past: []move.Record{ended("m9", noon)}}
	a, err := o.Undo(t.Context(), byAda, UndoRequest{Reason: "ticket 8"}, nil)
	if err != nil || a.Proposal == nil || a.Proposal.Plan != nil || a.Proposal.Digest == "" || a.Proposal.What() != "undo move m9" || len(o.loop.moved) > 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if done, err := o.approve(t, byBob, a.Proposal.ID); err != nil || done.Proposal.State != approval.Done || o.loop.moved[0].Undoes.Move != "m9" {
		t.Errorf("%+v, %v", done, err)
	}
}

// spec 13.5: lists are filtered, and the status shows what waits.
func TestProposalsAreFiltered(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	stranger := byBob
	stranger.Grants = people.Grants{"labs": people.Admin}
	if list, err := o.Proposals(t.Context(), stranger, ProposalsRequest{All: true}); err != nil || len(list.Proposals) > 0 {
		t.Errorf("a stranger sees %+v, %v", list, err)
	}
	_, err := o.Proposals(t.Context(), stranger, ProposalsRequest{ID: p.ID})
	wantFailure(t, err, NotFound)
	if list, err := o.Proposals(t.Context(), byBob, ProposalsRequest{ID: p.ID}); err != nil || len(list.Proposals) != 1 || list.Proposals[0].Plan == nil {
		t.Errorf("%+v, %v", list, err)
	}
	if st := o.Status(t.Context(), byBob); len(st.Federations[0].Proposals) != 1 || st.Federations[0].Proposals[0].ID != p.ID {
		t.Errorf("%+v", st.Federations[0].Proposals)
	}
}

// What is not on record does not happen. spec 14
func TestVoteNeedsRecord(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	p := o.asked(t, byAda)
	o.Desk.Record = recorder{err: errors.New("the disk is full")}
	if _, err := o.approve(t, byBob, p.ID); err == nil || len(o.loop.moved) > 0 {
		t.Errorf("an approval without a record: %v", err)
	}
	if _, err := o.Reject(t.Context(), byBob, VoteRequest{ID: p.ID, Comment: "no"}); err == nil {
		t.Error("a rejection without a record")
	}
	if got, _, err := o.Desk.find(t.Context(), p.ID); err != nil || got.State != approval.Open || len(got.Votes) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A rejected proposal of the controller is not made again while it would have
// stood, and is never escalated.
func TestRejectedStaysRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(0)
		o.loop.change(outage)
		_, d, _ := o.loop.Consider(t.Context(), nil)
		own, _, err := o.Desk.Offer(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Reject(t.Context(), byBob, VoteRequest{ID: own.ID, Comment: "we know better"}); err != nil {
			t.Fatal(err)
		}
		if got, fresh, err := o.Desk.Offer(t.Context(), d); err != nil || fresh || got.State != approval.Rejected || o.Desk.Asked(t.Context(), "corp") != nil {
			t.Errorf("%+v %v %v", got, fresh, err)
		}
		time.Sleep(31 * time.Minute)
		if got, fresh, err := o.Desk.Offer(t.Context(), d); err != nil || !fresh || got.State != approval.Open {
			t.Errorf("it is never asked again: %+v %v %v", got, fresh, err)
		}
	})
}

// The next leader takes over what still stands. spec 13.4 spec 15.3
func TestTakeOver(t *testing.T) {
	t.Parallel()
	o := newOffice(2)
	waits := o.asked(t, byAda)
	carried := o.asked(t, byBob)
	for _, a := range []Actor{byAda, byEve} {
		o.loop.err = controller.ErrStopped // and the controller dies
		_, _ = o.approve(t, a, carried.ID)
	}
	journal := moves{past: []move.Record{{ID: "m7", Federation: "corp", Approval: &failover.Approved{Proposal: carried.ID}}}}
	states := func(d *Desk) string {
		all, err := d.list(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range all {
			out = append(out, map[string]string{waits.ID: "waits", carried.ID: "carried"}[p.ID]+" "+string(p.State)+" "+string(p.Move))
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	if got := states(o.Desk); got != "carried approved , waits open " {
		t.Fatal(got)
	}
	next := desk(o.Federations[0], o.box, o.log)
	if err := next.TakeOver(t.Context(), journal); err != nil || states(next) != "carried done m7, waits open " {
		t.Errorf("%s, %v", states(next), err)
	}
	reloaded := desk(o.Federations[0], o.box, o.log)
	reloaded.Config = "other"
	if err := reloaded.TakeOver(t.Context(), journal); err != nil || states(reloaded) != "carried done m7, waits void " {
		t.Errorf("%s, %v", states(reloaded), err)
	}
	reader := &Desk{Reads: o.box, Record: recorder{log: o.log}, Log: o.Desk.Log}
	if states(reader) != "carried done m7, waits void " {
		t.Errorf("a follower sees %s", states(reader))
	}
}

// Proposals do not pile up.
func TestDeskIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(1)
		for i := range maxOpen {
			o.asked(t, person(fmt.Sprintf("p%d", i), people.Token))
		}
		_, err := o.Move(t.Context(), byAda, west2, nil)
		wantFailure(t, err, Held, "50 proposals")
		time.Sleep(keepEnded + time.Hour)
		o.loop.change(func(s *failover.Situation) {
			s.Now = time.Now()
			for i := range s.Apps {
				s.Apps[i].ReadAt = s.Now
			}
		})
		o.asked(t, byAda)
		if all, err := o.Desk.list(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("%d are kept, %v", len(all), err)
		}
	})
}
