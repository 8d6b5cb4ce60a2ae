package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/people"
)

// moves plays the journal.
type moves struct {
	open, past []move.Record
	err        error
}

func (m moves) Open(context.Context) ([]move.Record, error) { return m.open, m.err }

func (m moves) Past(_ context.Context, name string) ([]move.Record, error) {
	var out []move.Record
	for _, r := range m.past {
		if r.Federation == name {
			out = append(out, r)
		}
	}
	return out, m.err
}

// previewer plays the mover's preview.
type previewer struct{ asked []failover.MoveID }

func (p *previewer) PreviewUndo(_ context.Context, past move.Record) ([]move.UndoPreview, error) {
	p.asked = append(p.asked, past.ID)
	return []move.UndoPreview{{App: past.Steps[0].App, To: east}}, nil
}

// ended is a move of corp to us-west-2 that wrote its two apps.
func ended(id failover.MoveID, at time.Time) move.Record {
	f := corp()
	r := move.Record{ID: id, Federation: "corp", Cause: failover.Failover, To: west, By: "bob", Reason: "outage", Started: at,
		Result: &failover.Result{ID: id, To: west, Status: failover.Partial, Finished: at.Add(time.Minute)}}
	for _, a := range f.Apps {
		r.Steps = append(r.Steps, move.StepRecord{App: a, From: east})
		r.Notes = append(r.Notes, move.StepNote{App: a.String(), Phase: move.Planned, Changes: []idp.Change{{Pointer: "/acs"}}})
		r.Result.HandSteps = append(r.Result.HandSteps, failover.HandStep{App: a, Field: "acs"})
	}
	return r
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// spec 4.1 spec 14: an undo names the move, is recorded first, and asks the loop
// with what would be taken back.
func TestUndo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, move, want string }{
		{"the newest, where none is named", "", "m2"},
		{"the one that is named", "m1", "m1"},
	} {
		l := &loop{decision: failover.Decision{Outcome: failover.Move}, result: &failover.Result{ID: "m3"}}
		l.tell = []move.Event{{Federation: "corp", Text: "one"}}
		ctl, log := newControl(l)
		ctl.Moves = moves{past: []move.Record{ended("m2", noon), ended("m1", noon.Add(-time.Hour))}}
		var heard []string
		a, err := ctl.Undo(t.Context(), ada, UndoRequest{Move: c.move, Reason: "ticket 8", Overrides: []string{failover.NoCandidate}}, func(e move.Event) { heard = append(heard, e.Text) })
		if err != nil || a.Result == nil || len(l.submitted) != 1 || len(heard) != 1 {
			t.Fatalf("%s: %+v, %v", c.why, a, err)
		}
		req := l.submitted[0]
		if req.Undoes == nil || string(req.Undoes.Move) != c.want || len(req.Undoes.Apps) != 2 || req.To != east || req.By != "ada via socket" || req.Overrides[0] != failover.NoCandidate {
			t.Errorf("%s: asked for %+v", c.why, req)
		}
		if len(*log) != 2 || !strings.HasPrefix((*log)[0], "ada via socket | undo.requested | federation corp | ") || !strings.Contains((*log)[0], `"move":"`+c.want+`"`) || (*log)[1] != "submit" {
			t.Errorf("%s: recorded %q", c.why, *log)
		}
	}
}

// A dry run reads and changes nothing; no reason is needed.
func TestUndoDryRun(t *testing.T) {
	t.Parallel()
	l := &loop{decision: failover.Decision{Outcome: failover.Hold, Rule: failover.NoCandidate}}
	ctl, log := newControl(l)
	p := &previewer{}
	ctl.Moves, ctl.Undoer = moves{past: []move.Record{ended("m1", noon)}}, p
	a, err := ctl.Undo(t.Context(), ada, UndoRequest{DryRun: true}, nil)
	if err != nil || a.Decision.Rule != failover.NoCandidate || len(a.Preview) != 1 || len(p.asked) != 1 || len(l.submitted)+len(*log) > 0 || l.asked[0].Undoes == nil {
		t.Errorf("%+v, %v; submitted %v, recorded %v", a, err, l.submitted, *log)
	}
}

// Each bad undo is refused with the words that help; nothing is recorded.
func TestBadUndos(t *testing.T) {
	t.Parallel()
	undo, running, idle := ended("m2", noon), ended("m3", noon), ended("m4", noon)
	undo.Undoes, running.Result, idle.Notes = "m1", nil, nil
	gone := errors.New("journal gone")
	for _, c := range []struct {
		why  string
		in   moves
		r    UndoRequest
		kind Kind
		says string
	}{
		{"no reason", moves{past: []move.Record{ended("m1", noon)}}, UndoRequest{}, Invalid, "--reason"},
		{"an unknown rule", moves{past: []move.Record{ended("m1", noon)}}, UndoRequest{Reason: "x", Overrides: []string{"all"}}, Invalid, "no-candidate"},
		{"nothing has moved", moves{}, UndoRequest{Reason: "x"}, NotFound, "samlfailover history"},
		{"an id that is not there", moves{past: []move.Record{ended("m1", noon)}}, UndoRequest{Move: "m9", Reason: "x"}, NotFound, "m9"},
		{"the newest is an undo", moves{past: []move.Record{undo}}, UndoRequest{Reason: "x"}, Invalid, "the undo of m1"},
		{"the undo of an undo", moves{past: []move.Record{undo}}, UndoRequest{Move: "m2", Reason: "x"}, Invalid, "samlfailover move --to"},
		{"a move that runs", moves{open: []move.Record{running}}, UndoRequest{Move: "m3", Reason: "x"}, Held, "still running"},
		{"a move that wrote nothing", moves{past: []move.Record{idle}}, UndoRequest{Reason: "x"}, Invalid, "wrote nothing"},
		{"an unknown federation", moves{}, UndoRequest{Federation: "crop", Reason: "x"}, NotFound, "corp"},
		{"a journal that cannot be read", moves{err: gone}, UndoRequest{Reason: "x"}, "", ""},
	} {
		l := &loop{}
		ctl, log := newControl(l)
		ctl.Moves = c.in
		_, err := ctl.Undo(t.Context(), ada, c.r, nil)
		if c.kind == "" {
			if !errors.Is(err, gone) {
				t.Errorf("%s: %v", c.why, err)
			}
		} else {
			wantFailure(t, err, c.kind, c.says)
		}
		if len(*log)+len(l.submitted) > 0 {
			t.Errorf("%s: recorded %q, submitted %v", c.why, *log, l.submitted)
		}
	}
}

// An undo takes the role operator, and the rule approval is an admin's to put
// aside there too.
//
// spec 8.6
func TestUndoNeedsItsRole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role people.Role
		r    UndoRequest
		says string
	}{
		{people.Viewer, UndoRequest{Reason: "x"}, "needs the role operator"},
		{people.Viewer, UndoRequest{Move: "m1", Reason: "x"}, "needs the role operator"},
		{people.Approver, UndoRequest{Reason: "x", Overrides: []string{failover.Approval}}, "only an admin"},
	} {
		l := &loop{}
		ctl, log := newControl(l)
		ctl.Moves = moves{past: []move.Record{ended("m1", noon)}}
		_, err := ctl.Undo(t.Context(), Actor{Person: "vic", Name: "vic", Way: people.Token, Grants: people.Grants{"corp": c.role}}, c.r, nil)
		wantFailure(t, err, Forbidden, c.says)
		if len(*log)+len(l.submitted) > 0 {
			t.Errorf("%s: recorded %q, submitted %v", c.role, *log, l.submitted)
		}
	}
}

// History shows open and past moves, newest first, and of the newest what is
// still to be done by hand.
func TestHistory(t *testing.T) {
	t.Parallel()
	running := ended("m3", noon.Add(2*time.Hour))
	running.Result = nil
	acs, err := west.ACS("")
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int, at time.Time) failover.AppState {
		return failover.FromInventory(inventory.AppRead{Ref: corp().Apps[n], ReadAt: at, ACS: acs})
	}
	l := &loop{}
	ctl, _ := newControl(l)
	in := moves{past: []move.Record{ended("m2", noon), ended("m1", noon.Add(-time.Hour))}}
	ctl.Moves = in
	l.status = controller.Status{Apps: []failover.AppState{read(0, noon.Add(time.Hour)), read(1, noon)}}
	h, err := ctl.History(t.Context(), ada, HistoryRequest{})
	if err != nil || len(h.Moves) != 2 || h.Moves[0].ID != "m2" || h.More != 0 {
		t.Fatalf("%+v, %v", h, err)
	}
	if left := h.Moves[0].Remaining; len(left) != 1 || left[0].App.Name != "dev" || len(h.Moves[1].Remaining) != 0 {
		t.Errorf("prod was read there after the move, dev was not, and m1 is not the newest: %+v, %+v", left, h.Moves[1].Remaining)
	}
	if h, err = ctl.History(t.Context(), ada, HistoryRequest{Federation: "corp", Limit: 1}); err != nil || len(h.Moves) != 1 || h.More != 1 {
		t.Errorf("with a limit: %+v, %v", h, err)
	}
	in.open = []move.Record{running}
	ctl.Moves = in
	if h, err = ctl.History(t.Context(), ada, HistoryRequest{}); err != nil || len(h.Moves) != 3 || h.Moves[0].ID != "m3" || h.Moves[0].Result != nil || len(h.Moves[1].Remaining) != 0 {
		t.Errorf("with an open move: %+v, %v", h, err)
	}
	if h, err = ctl.History(t.Context(), ada, HistoryRequest{Move: "m1"}); err != nil || len(h.Moves) != 1 || h.Moves[0].ID != "m1" {
		t.Errorf("one move: %+v, %v", h, err)
	}
	raw, err := json.Marshal(h)
	var back History
	if err != nil || json.Unmarshal(raw, &back) != nil || back.Moves[0].Steps[0].From != east {
		t.Errorf("%s does not come back", raw)
	}
	_, err = ctl.History(t.Context(), ada, HistoryRequest{Move: "m9"})
	wantFailure(t, err, NotFound, "m9")
	_, err = ctl.History(t.Context(), ada, HistoryRequest{Federation: "crop"})
	wantFailure(t, err, NotFound, "corp")
	ctl.Moves = moves{}
	if h, err = ctl.History(t.Context(), ada, HistoryRequest{}); err != nil || h.Moves == nil || len(h.Moves) != 0 {
		t.Errorf("no move at all: %+v, %v", h, err)
	}
}
