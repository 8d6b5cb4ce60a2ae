package failover

import (
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// undoOf is a request to take back a move that brought both apps to us-west-2,
// a from us-east-1 and b from us-east-2.
func undoOf(overrides ...string) *Request {
	return &Request{To: east, By: "ann", Reason: "ticket 8", Overrides: overrides,
		Undoes: &Undoing{Move: "m1", Apps: []UndoApp{{ref("a"), east}, {ref("b"), ohio}}}}
}

// moved is calm after that move.
func moved() Situation {
	return with(calm(), func(s *Situation) {
		s.Apps = []AppState{appIn("a", west), appIn("b", west)}
		s.Request = undoOf()
	})
}

// spec 4.1 spec 8.6: an undo goes back to healthy Regions only, each of them,
// unless a person puts that aside by name.
func TestUndoDecision(t *testing.T) {
	t.Parallel()
	sick := func(i int, r signin.Region) func(*Situation) {
		return func(s *Situation) { s.Verdicts[i] = verdict(r, health.Unhealthy, 3) }
	}
	override := func(rules ...string) func(*Situation) { return func(s *Situation) { s.Request = undoOf(rules...) } }
	for _, row := range []struct {
		why     string
		s       Situation
		outcome Action
		rule    string
		says    string
	}{
		{"all is well", moved(), Move, "", "2 apps to take back what move m1 wrote, because ann asks for it: ticket 8"},
		{"its first Region is unhealthy", with(moved(), sick(0, east)), Hold, NoCandidate, "leads back to us-east-1, which is unhealthy"},
		{"its second Region is unhealthy", with(moved(), sick(2, ohio)), Hold, NoCandidate, "leads back to us-east-2"},
		{"the Region that it leaves is unhealthy", with(moved(), sick(1, west)), Move, "", ""},
		{"a Region of which nothing is known", with(moved(), func(s *Situation) { s.Verdicts = s.Verdicts[1:] }), Hold, NoCandidate, "not probed yet"},
		{"overridden by name", with(with(moved(), sick(0, east)), override(NoCandidate)), Move, "", ""},
		{"overridden by another name", with(with(moved(), sick(0, east)), override(NotReady)), Hold, NoCandidate, ""},
		{"paused", with(moved(), func(s *Situation) { s.Brakes = []Brake{{ID: "p1", Kind: BrakePause, By: "bob"}} }), Hold, Paused, "bob paused"},
		{"all locked", with(moved(), func(s *Situation) { s.Brakes = []Brake{lockOn("")} }), Hold, Locked, "ann locked"},
		{"one locked", with(moved(), func(s *Situation) { s.Brakes = []Brake{lockOn("b")} }), Move, "", "1 app to take back"},
		{"too few roles are ready there", with(moved(), func(s *Situation) { s.Shares[0] = share(east, 3, 60) }), Hold, NotReady, "3 of 60"},
		{"a Region that left the federation", with(moved(), func(s *Situation) { s.Federation.Regions = []signin.Region{east, west} }), Hold, AllowedRegions, "us-east-2"},
		{"a move is open", with(moved(), func(s *Situation) { s.OpenMove = &OpenMove{ID: "m7"} }), Hold, MoveOpen, "m7"},
		{"no reason", with(moved(), func(s *Situation) { s.Request.Reason = "" }), Hold, BadRequest, "reason"},
		{"apps that left the federation", with(moved(), func(s *Situation) { s.Request.Undoes.Apps = []UndoApp{{ref("z"), east}} }), Hold, NothingToMove, "not in the federation"},
	} {
		d := Standard().Decide(row.s)
		if d.Outcome != row.outcome || d.Rule != row.rule || !strings.Contains(d.Why, row.says) {
			t.Errorf("%s: decided %s by %q: %s", row.why, d.Outcome, d.Rule, d.Why)
		}
		if d.Rule == NoCandidate && !strings.Contains(d.WouldChange, "samlfailover undo m1 --federation corp --reason TEXT --override no-candidate") {
			t.Errorf("%s: the way out is %q", row.why, d.WouldChange)
		}
		if d.Plan != nil {
			t.Errorf("%s: there is a plan that nobody may run: %+v", row.why, d.Plan)
		}
	}
}
