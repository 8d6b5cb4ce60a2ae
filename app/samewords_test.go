package app_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server/api"
)

// What is refused is refused with the same kind, rule and words, and what the rules
// say is told in the same ones, whichever way it was asked: on the socket, by a
// command over the network, by the API, and by a slash command where there is one
// (typed "": Slack has no such command, or its own form asks for the missing word
// before any use case is reached, as a shell's usage does).
//
// spec 13.1
func TestSameWordsEverywhere(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: observe\n    approvals: 1").start()
	s.calm()
	ada := s.by("ada")
	d := s.doors("ada")
	for _, c := range []struct {
		why    string
		asks   func(*app.Client) error
		method string
		path   string
		body   any
		kind   control.Kind
		typed  string
	}{
		{"a Region that is none", func(c *app.Client) error {
			_, err := c.Plan(t.Context(), control.MoveRequest{To: "moon-1"})
			return err
		}, "POST", "/plan", api.MoveBody{To: "moon-1"}, control.Invalid, "plan moon-1"},
		{"a Region of another partition", func(c *app.Client) error {
			_, err := c.Plan(t.Context(), control.MoveRequest{To: "us-gov-west-1"})
			return err
		}, "POST", "/plan", api.MoveBody{To: "us-gov-west-1"}, control.Invalid, "plan us-gov-west-1"},
		{"no Region", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{Reason: "r"}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{Reason: "r"}, control.Invalid, ""},
		{"no reason", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{To: standby}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{To: standby}, control.Invalid, ""},
		{"an override that is no rule", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{To: standby, Reason: "r", Overrides: []string{"gravity"}}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{To: standby, Reason: "r", Overrides: []string{"gravity"}}, control.Invalid, ""},
		{"a federation that there is not", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "nowhere", "")
			return err
		}, "GET", "/federations/nowhere/decision", nil, control.NotFound, "explain in nowhere"},
		{"a Region that the federation has not", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "", "ap-south-1")
			return err
		}, "GET", "/federations/" + fed + "/decision?region=ap-south-1", nil, control.NotFound, "explain ap-south-1"},
		{"a move that there is not", func(c *app.Client) error {
			_, err := c.History(t.Context(), control.HistoryRequest{Move: "20200101-x"})
			return err
		}, "GET", "/moves/20200101-x", nil, control.NotFound, "history 20200101-x"},
		{"nothing to undo", func(c *app.Client) error {
			_, err := c.Undo(t.Context(), control.UndoRequest{Reason: "r"}, nil)
			return err
		}, "POST", "/moves/latest/undo", api.UndoBody{Reason: "r"}, control.NotFound, ""},
		{"a document of before a move that there is not", func(c *app.Client) error {
			_, err := c.RestoreFull(t.Context(), control.FullRestoreRequest{App: "x", Move: "20200101-x", Reason: "r"})
			return err
		}, "POST", "/moves/20200101-x/restore", api.RestoreBody{App: "x", Reason: "r"}, control.NotFound, ""},
		{"a pause of nothing that there is", func(c *app.Client) error {
			_, err := c.Resume(t.Context(), control.ReleaseRequest{ID: "pause-x"})
			return err
		}, "DELETE", "/pauses/pause-x", nil, control.NotFound, "resume pause-x"},
		{"a lock of an app that there is not", func(c *app.Client) error {
			_, err := c.Lock(t.Context(), control.BrakeRequest{App: "x", Reason: "r"})
			return err
		}, "POST", "/locks", api.BrakeBody{App: "x", Reason: "r"}, control.NotFound, ""},
		{"a proposal that there is not", func(c *app.Client) error {
			_, err := c.Approve(t.Context(), control.VoteRequest{ID: "prop-x"}, nil)
			return err
		}, "POST", "/proposals/prop-x/approve", api.VoteBody{}, control.NotFound, "approve prop-x"},
		{"a move to a Region that is none", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{To: "moon-1", Reason: "r"}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{To: "moon-1", Reason: "r"}, control.Invalid, "move moon-1 r"},
		{"a pause of a federation that there is not", func(c *app.Client) error {
			_, err := c.Pause(t.Context(), control.BrakeRequest{Federation: "nowhere", Reason: "r", For: "2h"})
			return err
		}, "POST", "/pauses", api.BrakeBody{Federation: "nowhere", Reason: "r", For: "2h"}, control.NotFound, "pause 2h in nowhere r"},
		{"a pause that is too long", func(c *app.Client) error {
			_, err := c.Pause(t.Context(), control.BrakeRequest{Reason: "r", For: "900000h"})
			return err
		}, "POST", "/pauses", api.BrakeBody{Reason: "r", For: "900000h"}, control.Invalid, "pause 900000h r"},
		{"a rejection of a proposal that there is not", func(c *app.Client) error {
			_, err := c.Reject(t.Context(), control.VoteRequest{ID: "prop-x", Comment: "r"})
			return err
		}, "POST", "/proposals/prop-x/reject", api.VoteBody{Comment: "r"}, control.NotFound, "reject prop-x r"},
		{"a proposal to show that there is not", func(c *app.Client) error {
			_, err := c.Proposals(t.Context(), control.ProposalsRequest{ID: "prop-x"})
			return err
		}, "GET", "/proposals/prop-x", nil, control.NotFound, "proposals prop-x"},
		{"the history of a federation that there is not", func(c *app.Client) error {
			_, err := c.History(t.Context(), control.HistoryRequest{Federation: "nowhere"})
			return err
		}, "GET", "/moves?federation=nowhere", nil, control.NotFound, "history in nowhere"},
		// Slack reads the status for these three, and the API the federation's own page.
		{"the status of a federation that there is not", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "nowhere", "")
			return err
		}, "GET", "/federations/nowhere", nil, control.NotFound, "status in nowhere"},
		{"the health of a Region that the federation has not", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "", "ap-south-1")
			return err
		}, "GET", "/federations/" + fed + "/decision?region=ap-south-1", nil, control.NotFound, "health ap-south-1"},
		{"the readiness for a Region that is none", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "", "moon-1")
			return err
		}, "GET", "/federations/" + fed + "/decision?region=moon-1", nil, control.Invalid, "readiness moon-1"},
	} {
		d.wants(c.why, c.kind, asked{refusal(c.asks), c.method, c.path, c.body, c.typed})
	}
	s.rulesSayTheSame(d)
	s.rolesSayTheSame()
	s.votesSayTheSame(ada)
}

// rulesSayTheSame: what the rules say of a plan, of a move and of how things
// stand, in calm times and while a pause holds.
func (s *service) rulesSayTheSame(d doors) {
	t := s.t
	plan := func(c *app.Client) (said, error) {
		got, err := c.Plan(t.Context(), control.MoveRequest{To: standby})
		return ofDecision(got), err
	}
	why := func(c *app.Client) (said, error) {
		got, err := c.Explain(t.Context(), "", standby)
		return ofDecision(got.Decision), err
	}
	looks := func(when string) {
		d.wants("a plan "+when, "", asked{plan, "POST", "/plan", api.MoveBody{To: standby}, "plan " + standby})
		d.wants("an explanation "+when, "", asked{why, "GET", "/federations/" + fed + "/decision?region=" + standby, nil, "explain " + standby})
		now := func(c *app.Client) (said, error) {
			got, err := c.Status(t.Context())
			return ofDecision(got.Federations[0].Decision), err
		}
		d.wants("the status "+when, "", asked{now, "GET", "/federations/" + fed, nil, "status"})
	}
	looks("in calm times")
	b, err := d.remote.Pause(t.Context(), control.BrakeRequest{Reason: "nobody moves now", For: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	looks("while a pause holds")
	d.wants("a move while a pause holds", "", asked{func(c *app.Client) (said, error) {
		got, err := c.Move(t.Context(), control.MoveRequest{To: standby, Reason: "r"}, nil)
		return ofDecision(got.Decision), err
	}, "POST", "/moves", api.MoveBody{To: standby, Reason: "r"}, "move " + standby + " r"})
	if _, err := s.client.Resume(t.Context(), control.ReleaseRequest{ID: b.Brake.ID}); err != nil {
		t.Fatal(err)
	}
}

// rolesSayTheSame: a viewer may not act. On the socket everybody is the
// machine's own admin, so nobody is a viewer there.
func (s *service) rolesSayTheSame() {
	t := s.t
	d := s.doors("margaret")
	d.local = nil
	for _, c := range []struct {
		why string
		a   asked
	}{
		{"a viewer's move", asked{refusal(func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{To: standby, Reason: "r"}, nil)
			return err
		}), "POST", "/moves", api.MoveBody{To: standby, Reason: "r"}, "move " + standby + " r"}},
		{"a viewer's pause", asked{refusal(func(c *app.Client) error {
			_, err := c.Pause(t.Context(), control.BrakeRequest{Federation: fed, Reason: "r", For: "1h"})
			return err
		}), "POST", "/pauses", api.BrakeBody{Federation: fed, Reason: "r", For: "1h"}, "pause 1h in " + fed + " r"}},
	} {
		d.wants(c.why, control.Forbidden, c.a)
	}
}

// votesSayTheSame: votes that do not count.
func (s *service) votesSayTheSame(ada outside) {
	t := s.t
	var m api.MoveStanding
	ada.wants(202, "POST", "/api/v1/moves", api.MoveBody{To: standby, Reason: "disk work"}, &m)
	id := m.Proposal.ID
	approve := refusal(func(c *app.Client) error {
		_, err := c.Approve(t.Context(), control.VoteRequest{ID: id}, nil)
		return err
	})
	reject := refusal(func(c *app.Client) error {
		_, err := c.Reject(t.Context(), control.VoteRequest{ID: id, Comment: "no"})
		return err
	})
	yes := asked{approve, "POST", "/proposals/" + id + "/approve", api.VoteBody{}, "approve " + id}
	no := asked{reject, "POST", "/proposals/" + id + "/reject", api.VoteBody{Comment: "no"}, "reject " + id + " no"}
	for first, why := range map[string]string{"ada": "her own proposal", "margaret": "a viewer's approval", "katherine": "an operator's approval"} {
		d := s.doors(first)
		d.local = nil // another person
		d.wants(why, control.Forbidden, yes)
	}
	// A digest is in a button's value, not in what one types.
	d := s.doors("grace")
	atSocket := d.local // its person is none of the config's, whose approval never counts
	d.local = nil
	d.wants("an approval of something else", control.Held, asked{refusal(func(c *app.Client) error {
		_, err := c.Approve(t.Context(), control.VoteRequest{ID: id, Digest: "another"}, nil)
		return err
	}), "POST", "/proposals/" + id + "/approve", api.VoteBody{Digest: "another"}, ""})
	if _, err := d.remote.Reject(t.Context(), control.VoteRequest{ID: id, Comment: "not today"}); err != nil {
		t.Fatal(err)
	}
	d.wants("an approval of what was rejected", control.Held, yes)
	d.local = atSocket
	d.wants("a rejection of what was rejected", control.Held, no)
	if n := s.puts(""); n > 0 {
		t.Errorf("%d writes", n)
	}
}
