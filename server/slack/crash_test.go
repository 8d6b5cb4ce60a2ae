package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	sim "github.com/samlfailover/samlfailover/sandbox/slack"
)

// takenUp has a controller that acknowledges a move and dies at once, and another
// one that takes over after a while. It reports what is not as it has to be.
func takenUp(w *world, after time.Duration) error {
	w.use.move = carries(w, "move-1", "ada via slack")
	// The desk is there and nobody works what lies on it: killed after the
	// acknowledgement.
	w.app.sit(w.desk)
	d := w.types("ada", "move us-west-2 it is down")
	if !d.Acknowledged() {
		return fmt.Errorf("not acknowledged: %+v", d)
	}
	settle(after)
	next := w.controller()
	w.running(next, w.desk, func() { settle(time.Minute) })
	third := w.controller()
	w.running(third, w.desk, func() { settle(time.Minute) })
	return errors.Join(called(w, `move us-west-2 "" "it is down"`), wants(w.sees(""), "2 of 2 apps moved", "Console signs in at us-west-2"), empty(w))
}

// spec 13.1
func TestKilledBetweenAcknowledgementAndWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if err := takenUp(newWorld(t, nil), 3*time.Minute); err != nil {
			t.Error(err)
		}
	})
}

// A request that waited for more than ten minutes is not done any more.
func TestTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.app.sit(w.desk)
		w.types("ada", "move us-west-2 it is down")
		settle(11 * time.Minute)
		w.running(w.controller(), w.desk, func() {})
		if err := errors.Join(called(w), wants(w.sees("U0ADA"), "Nothing was done", "waited for 11m"), empty(w)); err != nil {
			t.Error(err)
		}
		if err := takenUp(newWorld(t, nil), 11*time.Minute); err == nil {
			t.Error("the check of what is taken up does not see that it was too old")
		}
	})
}

// Whoever is nobody any more when the request is worked on, as under the next
// config, gets nothing done.
//
// spec 13.2
func TestNobodyAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.app.sit(w.desk)
		w.types("ada", "move us-west-2 it is down")
		w.opts = func(o *Options) { o.People = staff{} }
		w.running(w.controller(), w.desk, func() {})
		if err := errors.Join(called(w), wants(w.sees("U0ADA"), "Nothing was done", "belongs to nobody in the config"), empty(w)); err != nil {
			t.Error(err)
		}
	})
}

// lost is a desk on which nothing stays.
type lost struct{ Desk }

func (lost) Put(context.Context, string, []byte) error { return nil }

// unmarked is a desk that does not note that work was begun.
type unmarked struct{ Desk }

func (u unmarked) Put(ctx context.Context, key string, value []byte) error {
	if strings.Contains(string(value), `"begun"`) {
		return nil
	}
	return u.Desk.Put(ctx, key, value)
}

func (unmarked) Delete(context.Context, ...string) error { return nil }

func TestDeskSaboteurs(t *testing.T) {
	t.Parallel()
	for why, wrap := range map[string]func(Desk) Desk{
		"nothing stays on the desk":        func(d Desk) Desk { return lost{d} },
		"nobody notes that work was begun": func(d Desk) Desk { return unmarked{d} },
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if err := takenUp(newWorld(t, func(w *world) { w.desk = wrap(w.desk) }), time.Minute); err == nil {
					t.Error("the check does not see it")
				}
			})
		})
	}
}

// cutOff has a controller that stops in the middle of what it does.
func cutOff(w *world, text string, then func()) {
	ctx, kill := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.app.Run(ctx, w.desk) }()
	synctest.Wait()
	w.types("ada", text)
	settle(2 * time.Second)
	kill()
	<-done
	then()
	w.running(w.controller(), w.desk, func() { settle(2 * time.Minute) })
}

// Stopped in the middle of a move, the next one does not move again: it waits
// for the move that is in the journal and ends the same message in the true
// state.
func TestCutOffInAMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.move = func(ctx context.Context, r control.MoveRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error) {
			follow(control.MoveEvent{Time: time.Now(), App: "Console", Text: "Console is being written"})
			w.use.change(func(c *cases) { c.history = []control.PastMove{journalled("move-1", "ada via slack", r.Reason, nil)} })
			<-ctx.Done()
			return control.MoveAnswer{}, ctx.Err()
		}
		cutOff(w, "move us-west-2 it is down", func() {
			time.AfterFunc(30*time.Second, func() { // the leader carries it on
				res := result("move-1")
				w.use.change(func(c *cases) { c.history[0].Result, c.status = &res, standing("us-west-2") })
			})
		})
		all := w.slack.Messages(incident, "")
		if len(all) != 1 {
			t.Fatalf("%d messages: %s", len(all), w.sees(""))
		}
		if err := errors.Join(called(w, `move us-west-2 "" "it is down"`), wants(all[0].All(), "2 of 2 apps moved"), wants(strings.Join(all[0].Past, ""), "Console is being written"), empty(w)); err != nil {
			t.Error(err)
		}
	})
}

// Stopped before anything was in the journal, the move is begun again: what was
// acknowledged is done. What has become too old meanwhile is not, and that is said.
func TestCutOffBeforeTheJournal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		down  time.Duration
		calls int
		says  []string
	}{
		{time.Second, 2, []string{"2 of 2 apps moved"}},
		{tooOld, 1, []string{"Nothing was moved", "no such move is in its record", "old; next: "}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.use.move = func(ctx context.Context, _ control.MoveRequest, _ func(control.MoveEvent)) (control.MoveAnswer, error) {
				<-ctx.Done()
				return control.MoveAnswer{}, ctx.Err()
			}
			cutOff(w, "move us-west-2 it is down", func() {
				time.Sleep(c.down)
				w.use.change(func(u *cases) { u.status, u.move = standing("us-west-2"), carries(w, "move-1", "ada via slack") })
			})
			want := slices.Repeat([]string{`move us-west-2 "" "it is down"`}, c.calls)
			if err := errors.Join(called(w, want...), wants(w.sees("U0ADA"), c.says...), empty(w)); err != nil {
				t.Errorf("down for %s: %v", c.down, err)
			}
		})
	}
}

// A vote that was begun and is not with the proposal is cast again.
func TestCutOffBeforeTheVote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.proposals = []approval.Proposal{openProposal("prop-1")}
		w.use.approve = func(ctx context.Context, _ control.Actor, _ control.VoteRequest, _ func(control.MoveEvent)) (control.VoteAnswer, error) {
			<-ctx.Done()
			return control.VoteAnswer{}, ctx.Err()
		}
		cutOff(w, "approve prop-1", func() {
			w.use.change(func(u *cases) {
				u.approve = func(_ context.Context, a control.Actor, _ control.VoteRequest, _ func(control.MoveEvent)) (control.VoteAnswer, error) {
					res := result("move-1")
					w.use.change(func(c *cases) {
						c.proposals[0].State, c.proposals[0].Move, c.proposals[0].Votes = "done", "move-1", []approval.Vote{{Person: a.Person, Name: a.Name, Way: a.Way}}
						c.history = []control.PastMove{journalled("move-1", "controller", "r", &res)}
					})
					return control.VoteAnswer{Proposal: openProposal("prop-1")}, nil
				}
			})
		})
		if err := errors.Join(called(w, `approve prop-1 "" ""`, `approve prop-1 "" ""`), wants(w.sees(""), "done: 1 of 1 approvals"), empty(w)); err != nil {
			t.Error(err)
		}
	})
}

func TestCutOffInAVote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.proposals = []approval.Proposal{openProposal("prop-1")}
		w.use.approve = func(ctx context.Context, a control.Actor, _ control.VoteRequest, _ func(control.MoveEvent)) (control.VoteAnswer, error) {
			w.use.change(func(c *cases) {
				c.proposals[0].State, c.proposals[0].Votes = approval.Approved, []approval.Vote{{Person: a.Person, Name: a.Name, Way: a.Way}}
			})
			<-ctx.Done()
			return control.VoteAnswer{}, ctx.Err()
		}
		cutOff(w, "approve prop-1", func() {
			// The next leader calls it done at once, and goes on with the move.
			w.use.change(func(c *cases) {
				c.proposals[0].State, c.proposals[0].Move = "done", "move-1"
				c.history = []control.PastMove{journalled("move-1", "controller", "r", nil)}
			})
			time.AfterFunc(30*time.Second, func() {
				res := result("move-1")
				w.use.change(func(c *cases) { c.history = []control.PastMove{journalled("move-1", "controller", "r", &res)} })
			})
		})
		if err := errors.Join(called(w, `approve prop-1 "" ""`), wants(w.sees(""), "2 of 2 apps moved", "done: 1 of 1 approvals"), empty(w)); err != nil {
			t.Error(err)
		}
	})
}

// Stopped after the vote was kept and before its move was in the journal, the next
// leader's work carries the proposal out; while somebody else does, it waits.
func TestCutOffAfterTheVote(t *testing.T) {
	t.Parallel()
	for _, other := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.use.proposals = []approval.Proposal{openProposal("prop-1")}
			w.use.approve = func(ctx context.Context, a control.Actor, _ control.VoteRequest, _ func(control.MoveEvent)) (control.VoteAnswer, error) {
				w.use.change(func(c *cases) {
					c.proposals[0].State, c.proposals[0].Votes = approval.Approved, []approval.Vote{{Person: a.Person, Name: a.Name, Way: a.Way}}
				})
				<-ctx.Done()
				return control.VoteAnswer{}, ctx.Err()
			}
			over := func() {
				res := result("move-1")
				w.use.change(func(c *cases) {
					c.proposals[0].State, c.proposals[0].Move = "done", "move-1"
					c.history = []control.PastMove{journalled("move-1", "controller", "r", &res)}
				})
			}
			cutOff(w, "approve prop-1", func() {
				w.use.change(func(u *cases) {
					u.approve = func(context.Context, control.Actor, control.VoteRequest, func(control.MoveEvent)) (control.VoteAnswer, error) {
						if other {
							time.AfterFunc(time.Second, over)
							return control.VoteAnswer{}, &control.Failure{Kind: control.Held, Message: "it is being carried out"}
						}
						over()
						res := result("move-1")
						return control.VoteAnswer{Proposal: openProposal("prop-1"), Move: &control.MoveAnswer{Result: &res}}, nil
					}
				})
			})
			if err := errors.Join(called(w, `approve prop-1 "" ""`, `approve prop-1 "" ""`), wants(w.sees(""), "2 of 2 apps moved", "done: 1 of 1 approvals"), empty(w)); err != nil {
				t.Errorf("somebody else carries it out: %t: %v", other, err)
			}
		})
	}
}

// A pause that was begun is set if it has not been, and else shown.
func TestCutOffInAPause(t *testing.T) {
	t.Parallel()
	for _, set := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.use.status = standing("us-east-1") })
			calls, says := []string{`pause 2h "" "because"`}, []string{"Paused", "because"}
			if set {
				w.use.status.Federations[0].Brakes = []control.Brake{{Kind: control.PauseKind, ID: "pause-1", By: "ada via slack", Reason: "because", Since: time.Now()}}
				calls, says = nil, []string{"was stopped while it worked on this request (pause)", "pause pause-1: ada via slack"}
			}
			r := request{key: "k", came: time.Now(), team: team, channel: incident, user: "U0ADA", text: "pause 2h because", begun: time.Now()}
			d, err := w.slack.Type(t.Context(), "ada", incident, "/samlfailover status")
			if err != nil {
				t.Fatal(err)
			}
			r.answer = secretOf(d)
			if err := w.desk.Put(t.Context(), r.key, r.keep()); err != nil {
				t.Fatal(err)
			}
			w.leading(func() {})
			if err := errors.Join(called(w, calls...), wants(w.sees(""), says...), empty(w)); err != nil {
				t.Errorf("set before: %t: %v", set, err)
			}
		})
	}
}

// Slack tries again when it was not acknowledged in time; nothing is done twice.
func TestSlackTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := 0
		w := newWorld(t, nil)
		h := w.app.Handler()
		w.hosts["127.0.0.1:1"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(rw, r)
			if slow++; slow < 3 {
				pause(r.Context(), 4*time.Second) // the answer is late
			}
		})
		var d sim.Delivery
		w.leading(func() {
			var err error
			if d, err = w.slack.Type(t.Context(), "ada", incident, "/samlfailover pause 2h because"); err != nil {
				t.Error(err)
			}
		})
		if err := called(w, `pause 2h "" "because"`); err != nil || d.Tries != 3 || !d.Acknowledged() {
			t.Errorf("%+v, %v", d, err)
		}
	})
}
