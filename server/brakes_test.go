package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
)

// The routes of pauses and locks lead to their own use case each, with who asks
// and what was asked.
func TestBrakeRoutes(t *testing.T) {
	t.Parallel()
	var heard []string
	s := newServer(t, cases{
		brake: func(kind string, a control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error) {
			heard = append(heard, "set "+kind+" "+string(a.Way)+" "+r.Federation+r.App+" "+r.Reason+" "+r.For)
			return control.BrakeAnswer{Brake: control.Brake{ID: kind + "-1"}, Moving: []string{"corp"}}, nil
		},
		release: func(kind string, a control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error) {
			heard = append(heard, "release "+kind+" "+r.ID)
			if r.ID == "" {
				return control.ReleaseAnswer{}, &control.Failure{Kind: control.Invalid, Message: "name one"}
			}
			return control.ReleaseAnswer{Released: []control.Brake{{ID: r.ID}}}, nil
		},
	})
	h := s.Handler()
	for _, c := range []struct{ path, body, heard, answer string }{
		{"/v1/pauses", `{"federation":"corp","reason":"freeze","for":"2h"}`, "set pause socket corp freeze 2h", `"id":"pause-1"`},
		{"/v1/locks", `{"app":"prod","reason":"audit"}`, "set lock socket prod audit ", `"moving":["corp"]`},
		{"/v1/pauses/release", `{"id":"pause-1"}`, "release pause pause-1", `"released":[{"id":"pause-1"`},
		{"/v1/locks/release", `{"id":"lock-1"}`, "release lock lock-1", `"released":[{"id":"lock-1"`},
	} {
		heard = nil
		res := ask(h, "POST", c.path, c.body, nil)
		var answer json.RawMessage
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(answer), c.answer) {
			t.Errorf("%s answers %d %s (%v)", c.path, res.StatusCode, answer, err)
		}
		if len(heard) != 1 || heard[0] != c.heard {
			t.Errorf("%s: heard %q, want %q", c.path, heard, c.heard)
		}
		wantProblem(t, ask(h, "POST", c.path, `{"app":`, nil), http.StatusBadRequest, "cannot be read")
		wantProblem(t, ask(h, "POST", c.path, `{"until":"tomorrow"}`, nil), http.StatusBadRequest, "until")
	}
	wantProblem(t, ask(h, "POST", "/v1/locks/release", `{}`, nil), http.StatusUnprocessableEntity, "name one")
}

// Undo streams like a move; history takes its questions from the query.
func TestUndoAndHistoryRoutes(t *testing.T) {
	t.Parallel()
	var asked control.HistoryRequest
	s := newServer(t, cases{
		undo: func(a control.Actor, r control.UndoRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error) {
			if r.Move == "" {
				return control.MoveAnswer{}, &control.Failure{Kind: control.NotFound, Message: "nothing to undo"}
			}
			follow(control.MoveEvent{Text: string(a.Way) + " undoes " + r.Move})
			return control.MoveAnswer{Result: &control.MoveResult{ID: "m2"}}, nil
		},
		history: func(r control.HistoryRequest) (control.History, error) {
			asked = r
			return control.History{More: 7}, nil
		},
	})
	h := s.Handler()
	res := ask(h, "POST", "/v1/undo", `{"move":"m1","reason":"x","dry_run":false}`, nil)
	lines := json.NewDecoder(res.Body)
	var event, end MoveLine
	if err := errors.Join(lines.Decode(&event), lines.Decode(&end)); err != nil || event.Event == nil || event.Event.Text != "socket undoes m1" || end.Answer == nil || end.Answer.Result.ID != "m2" {
		t.Errorf("lines %+v, %+v (%v)", event, end, err)
	}
	wantProblem(t, ask(h, "POST", "/v1/undo", `{}`, nil), http.StatusNotFound, "nothing to undo")
	var got control.History
	if err := json.NewDecoder(ask(h, "GET", "/v1/history?federation=corp&move=m1&limit=3", "", nil).Body).Decode(&got); err != nil || got.More != 7 || asked != (control.HistoryRequest{Federation: "corp", Move: "m1", Limit: 3}) {
		t.Errorf("history: %+v, %v; asked %+v", got, err, asked)
	}
	for _, bad := range []string{"0", "-1", "many", "1.5"} {
		wantProblem(t, ask(h, "GET", "/v1/history?limit="+bad, "", nil), http.StatusUnprocessableEntity, "whole number")
	}
}
