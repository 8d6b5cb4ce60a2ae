package app_test

import (
	"errors"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server/api"
	"github.com/samlfailover/samlfailover/server/problem"
)

// What is refused is refused with the same kind, rule and words, whichever way it
// was asked: on the socket, by a command over the network, by the API.
func TestSameWordsEverywhere(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: approve").start()
	s.calm()
	ada := s.by("ada")
	network, err := app.DialServer(s.world.ControllerURL(), ada.token, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	for _, c := range []struct {
		why    string
		asks   func(*app.Client) error
		method string
		path   string
		body   any
		kind   control.Kind
	}{
		{"a Region that is none", func(c *app.Client) error {
			_, err := c.Plan(t.Context(), control.MoveRequest{To: "moon-1"})
			return err
		}, "POST", "/plan", api.MoveBody{To: "moon-1"}, control.Invalid},
		{"a Region of another partition", func(c *app.Client) error {
			_, err := c.Plan(t.Context(), control.MoveRequest{To: "us-gov-west-1"})
			return err
		}, "POST", "/plan", api.MoveBody{To: "us-gov-west-1"}, control.Invalid},
		{"no Region", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{Reason: "r"}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{Reason: "r"}, control.Invalid},
		{"no reason", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{To: standby}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{To: standby}, control.Invalid},
		{"an override that is no rule", func(c *app.Client) error {
			_, err := c.Move(t.Context(), control.MoveRequest{To: standby, Reason: "r", Overrides: []string{"gravity"}}, nil)
			return err
		}, "POST", "/moves", api.MoveBody{To: standby, Reason: "r", Overrides: []string{"gravity"}}, control.Invalid},
		{"a federation that there is not", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "nowhere", "")
			return err
		}, "GET", "/federations/nowhere/decision", nil, control.NotFound},
		{"a Region that the federation has not", func(c *app.Client) error {
			_, err := c.Explain(t.Context(), "", "ap-south-1")
			return err
		}, "GET", "/federations/" + fed + "/decision?region=ap-south-1", nil, control.NotFound},
		{"a move that there is not", func(c *app.Client) error {
			_, err := c.History(t.Context(), control.HistoryRequest{Move: "20200101-x"})
			return err
		}, "GET", "/moves/20200101-x", nil, control.NotFound},
		{"nothing to undo", func(c *app.Client) error {
			_, err := c.Undo(t.Context(), control.UndoRequest{Reason: "r"}, nil)
			return err
		}, "POST", "/moves/latest/undo", api.UndoBody{Reason: "r"}, control.NotFound},
		{"a document of before a move that there is not", func(c *app.Client) error {
			_, err := c.RestoreFull(t.Context(), control.FullRestoreRequest{App: "x", Move: "20200101-x", Reason: "r"})
			return err
		}, "POST", "/moves/20200101-x/restore", api.RestoreBody{App: "x", Reason: "r"}, control.NotFound},
		{"a pause of nothing that there is", func(c *app.Client) error {
			_, err := c.Resume(t.Context(), control.ReleaseRequest{ID: "pause-x"})
			return err
		}, "DELETE", "/pauses/pause-x", nil, control.NotFound},
		{"a lock of an app that there is not", func(c *app.Client) error {
			_, err := c.Lock(t.Context(), control.BrakeRequest{App: "x", Reason: "r"})
			return err
		}, "POST", "/locks", api.BrakeBody{App: "x", Reason: "r"}, control.NotFound},
		{"a proposal that there is not", func(c *app.Client) error {
			_, err := c.Approve(t.Context(), control.VoteRequest{ID: "prop-x"}, nil)
			return err
		}, "POST", "/proposals/prop-x/approve", api.VoteBody{}, control.NotFound},
	} {
		var local, remote *control.Failure
		var p problem.Problem
		ada.ask(c.method, "/api/v1"+c.path, c.body, &p)
		if err := c.asks(s.client); !errors.As(err, &local) {
			t.Errorf("%s: on the socket %v", c.why, err)
			continue
		}
		if err := c.asks(network); !errors.As(err, &remote) {
			t.Errorf("%s: over the network %v", c.why, err)
			continue
		}
		if local.Kind != c.kind || *local != *remote {
			t.Errorf("%s: on the socket %+v, over the network %+v", c.why, local, remote)
		}
		if p.Kind != string(local.Kind) || p.Detail != local.Message || p.Rule != local.Rule {
			t.Errorf("%s: by the API %+v, on the socket %+v", c.why, p, local)
		}
	}
}
