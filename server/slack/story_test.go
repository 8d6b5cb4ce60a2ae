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
	"github.com/samlfailover/samlfailover/federation"
	sim "github.com/samlfailover/samlfailover/sandbox/slack"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// app is an app of these tests, as a status shows it at a Region.
func appAt(name, region string) control.AppStatus {
	return control.AppStatus{App: name, Region: signin.MustRegion(region), ReadAt: time.Now()}
}

// moved is a federation whose two apps sign in at a Region.
func standing(region string) control.Status {
	return control.Status{Federations: []control.FederationStatus{{Name: "workforce", Mode: federation.Approve, Apps: []control.AppStatus{appAt("Console", region), appAt("Retail", region)},
		Regions:  []control.RegionStatus{{Region: signin.MustRegion("us-east-1"), State: "unhealthy", Reason: "no answer"}, {Region: signin.MustRegion("us-west-2"), State: "healthy", Ready: 7, Roles: 9, ScannedAt: time.Now()}},
		Decision: control.Decision{Outcome: "hold", Rule: "cooldown", Why: "it is too soon", WouldChange: "time"}}}}
}

// result is how a move of the two apps ended.
func result(id string) control.MoveResult {
	ref := func(n string) federation.AppRef { return federation.AppRef{Name: n, Tenant: "corp", ID: n} }
	r := control.MoveResult{Federation: "workforce", Cause: "switchover", To: signin.MustRegion("us-west-2"), Status: "verified: partial", Why: "nobody signed in", Proof: control.ProvedReadBack,
		Started: time.Now(), Finished: time.Now(), UserText: []string{"AWS sign-in now goes through us-west-2. Open the AWS tile again.", "saml2aws: run saml2aws login --force"}}
	setID(&r.ID, id)
	for _, n := range []string{"Console", "Retail"} {
		r.Apps = append(r.Apps, struct {
			App      federation.AppRef  `json:"app"`
			Moved    bool               `json:"moved"`
			Proof    control.ProofLevel `json:"proof"`
			Attempts int                `json:"attempts"`
			Finding  *control.Finding   `json:"finding,omitempty"`
			Notes    []control.Finding  `json:"notes,omitempty"`
		}{App: ref(n), Moved: true, Proof: control.ProvedReadBack, Attempts: 1})
	}
	return r
}

func setID[T ~string](to *T, id string) { *to = T(id) }

// journalled is a move as history shows it.
func journalled(id, by, reason string, res *control.MoveResult) control.PastMove {
	var m control.PastMove
	setID(&m.ID, id)
	m.Federation, m.Cause, m.To, m.By, m.Reason, m.Started, m.Result = "workforce", "switchover", signin.MustRegion("us-west-2"), by, reason, time.Now(), res
	return m
}

// carries plays a move of two apps that takes a while.
func carries(w *world, id, by string) func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
	return func(_ context.Context, r control.MoveRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error) {
		for _, app := range []string{"Console", "Retail"} {
			follow(control.MoveEvent{Time: time.Now(), Federation: "workforce", App: app, Text: app + " is being written"})
			pause(context.Background(), 3*time.Second)
		}
		res := result(id)
		w.use.change(func(c *cases) {
			c.history = append([]control.PastMove{journalled(id, by, r.Reason, &res)}, c.history...)
			c.status = standing("us-west-2")
		})
		return control.MoveAnswer{Result: &res}, nil
	}
}

// settle waits until everything that takes virtual time is over.
func settle(d time.Duration) {
	pause(context.Background(), d) // virtual: everything here runs in a bubble
	synctest.Wait()
}

func TestLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) { w.use.status = standing("us-east-1") })
		w.running(w.app, nil, func() { // a follower answers these too
			for _, c := range []struct {
				text string
				want []string
				call string
			}{
				{"status", []string{"workforce, mode approve", "Console signs in at us-east-1", "us-east-1 unhealthy", "hold [cooldown]: it is too soon", "what would change this: time"}, ""},
				{"status in nowhere", []string{"not-found", `no federation is called "nowhere"; the config has: workforce`}, ""},
				{"plan us-west-2 in workforce", []string{"hold [cooldown]: it is too soon", "what would change this: time"}, `plan us-west-2 "workforce"`},
				{"readiness us-west-2", []string{"us-west-2: 7 of 9 roles are ready"}, ""},
				{"readiness", []string{"us-east-1: never scanned", "us-west-2: 7 of 9"}, ""},
				{"readiness eu-west-1", []string{"not-found", "is not a Region of federation workforce"}, ""},
				{"health", []string{"us-west-2 healthy", "us-east-1 unhealthy: no answer"}, ""},
				{"history", []string{"Moves, newest first", "none yet"}, ""},
				{"history move-x", []string{"not-found: no move has the id move-x"}, ""},
				{"explain", []string{"hold [active-healthy]: us-east-1 is healthy"}, `explain "" ""`},
				{"proposals", []string{"No proposal is waiting."}, ""},
				{"help", []string{"/samlfailover move REGION [in FEDERATION] REASON", "/samlfailover pause TIME"}, ""},
				{"help pause", []string{"/samlfailover pause TIME"}, ""},
				{"stauts", []string{"did you mean status?"}, ""},
			} {
				before := len(w.use.called())
				d := w.types("ada", c.text)
				if !d.Acknowledged() || d.Tries != 1 {
					t.Errorf("%s: %+v", c.text, d)
				}
				if err := wants(d.Said, c.want...); err != nil {
					t.Errorf("%s: %v", c.text, err)
				}
				if calls := w.use.called()[before:]; c.call == "" && len(calls) > 0 || c.call != "" && !slices.Equal(calls, []string{c.call}) {
					t.Errorf("%s: called %q", c.text, calls)
				}
			}
		})
		if all := w.slack.Messages(incident, ""); len(all) != 0 {
			t.Errorf("looks are for who asks alone, and everybody saw %+v", all)
		}
		if err := w.clean(); err != nil {
			t.Error(err)
		}
	})
}

// What control says is told in its words, with kind and rule, whatever the verb.
func TestRefusalsAreControlsOwn(t *testing.T) {
	t.Parallel()
	failures := []struct {
		err  error
		want string
	}{
		{&control.Failure{Kind: control.Forbidden, Message: "ada via slack has viewer in workforce; this needs the role operator"}, "forbidden: ada via slack has viewer"},
		{&control.Failure{Kind: control.Held, Rule: "not-leader", Message: "it does not lead"}, "held [not-leader]: it does not lead"},
		{&control.Failure{Kind: control.Invalid, Message: "name the Region"}, "invalid: name the Region"},
		{errors.New("read the journal: no majority"), "failed: read the journal: no majority"},
	}
	for _, f := range failures {
		for _, text := range []string{"plan us-west-2", "explain", "history", "move us-west-2 because", "pause 2h because", "resume", "approve prop-1", "reject prop-1 no"} {
			t.Run(text+"/"+f.want, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, func(w *world) { w.use.fails = f.err; w.use.status = standing("us-east-1") })
					w.use.move = func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
						return control.MoveAnswer{}, f.err
					}
					w.leading(func() { w.types("ada", text) })
					if err := wants(w.sees("U0ADA"), f.want); err != nil {
						t.Error(err)
					}
					if strings.Contains(w.sees("U0GRACE"), f.want) {
						t.Error("others see what one was refused")
					}
				})
			})
		}
	}
}

// aMove runs a move by a typed command and reports what is not as it has to be:
// one call, one message that everybody sees, edited as things go on, which ends
// in what control reads back.
func aMove(w *world, at string) error {
	w.use.change(func(c *cases) { c.status, c.move = standing("us-east-1"), carries(w, "move-1", "ada via slack") })
	var said string
	w.leading(func() {
		d := w.types("ada", "move us-west-2 in workforce it is down")
		said = d.Said
		settle(4 * time.Second)
		if n := len(w.slack.Messages(incident, "")); n != 1 {
			said += fmt.Sprintf(" (%d messages while it runs)", n)
		}
		settle(time.Minute)
		w.use.change(func(c *cases) { c.status = standing(at) })
	})
	all := w.slack.Messages(incident, "")
	if len(all) != 1 {
		return fmt.Errorf("everybody sees %d messages: %+v", len(all), all)
	}
	m := all[0]
	return errors.Join(wants(said, "Taken: move"), wants(m.All(), "switchover of workforce to us-west-2: verified: partial", "2 of 2 apps moved to us-west-2", "begun", "by ada via slack", "reason: it is down",
		"as read from the identity providers:", "Console signs in at us-west-2", "Tell the people who sign in", "Open the AWS tile again", "saml2aws"),
		wants(strings.Join(m.Past, "\n"), "Moving to us-west-2, asked by ada: it is down", "Console is being written", "Retail is being written"),
		called(w, `move us-west-2 "workforce" "it is down"`), w.clean(), empty(w))
}

func called(w *world, want ...string) error {
	if got := w.use.called(); !slices.Equal(got, want) {
		return fmt.Errorf("called %q, want %q", got, want)
	}
	return nil
}

// empty reports what is left on the desk.
func empty(w *world) error {
	all, err := w.desk.All(w.t.Context())
	if err != nil || len(all) > 0 {
		return fmt.Errorf("on the desk: %d requests, %w", len(all), err)
	}
	return nil
}

// spec 9.4, 13.2
func TestMoveIsOneMessageThatEndsInTheTrueState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		if err := aMove(w, "us-west-2"); err != nil {
			t.Error(err)
		}
		if a := w.use.actors[0]; a.Person != "ada" || a.ID != team+"/U0ADA" || a.String() != "ada via slack" {
			t.Errorf("the actor is %+v", a)
		}
	})
}

// What the use case returned is not what is told: the journal and the identity
// providers are read back.
func TestTheEndIsReadBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.move = func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
			claimed, true_ := result("move-1"), result("move-1")
			true_.Status, true_.Apps[1].Moved, true_.Why = "incomplete", false, "Retail refused"
			w.use.change(func(c *cases) {
				c.history = []control.PastMove{journalled("move-1", "ada via slack", "r", &true_)}
				c.status = standing("us-east-1")
			})
			return control.MoveAnswer{Result: &claimed}, nil
		}
		w.leading(func() { w.types("ada", "move us-west-2 because") })
		if err := wants(w.sees(""), "incomplete", "1 of 2 apps moved", "Retail refused", "Console signs in at us-east-1"); err != nil {
			t.Error(err)
		}
	})
}

// Without a bot token the answers go through the response_url: one when it
// begins and one at the end.
func TestMoveWithoutBotToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) { w.opts = func(o *Options) { o.Bot = secret.Value{} } })
		w.use.move = carries(w, "move-1", "ada via slack")
		w.leading(func() { w.types("ada", "move us-west-2 it is down"); settle(time.Minute) })
		all := w.slack.Messages(incident, "")
		if len(all) != 2 {
			t.Fatalf("%d messages: %s", len(all), w.sees(""))
		}
		if err := errors.Join(wants(all[0].All(), "Moving to us-west-2"), wants(all[1].All(), "2 of 2 apps moved")); err != nil {
			t.Error(err)
		}
	})
}

// A move that takes longer than the response_url lasts is told by the bot; so is
// the end of one whose beginning Slack refused.
func TestSlackThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for why, c := range map[string]struct {
		down time.Duration
		host string
	}{
		"Slack's API is down for two minutes": {2 * time.Minute, "slack.com"},
		"all of Slack is down for a minute":   {time.Minute, ""},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.use.move = carries(w, "move-1", "ada via slack")
				until := time.Now().Add(c.down)
				for _, host := range []string{"slack.com", "hooks.slack.com"} {
					if c.host != "" && c.host != host {
						continue
					}
					real := w.hosts[host]
					w.hosts[host] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						if time.Now().Before(until) {
							rw.WriteHeader(http.StatusServiceUnavailable)
							return
						}
						real.ServeHTTP(rw, r)
					})
				}
				w.leading(func() {
					began := time.Now()
					w.types("ada", "move us-west-2 it is down")
					if took := time.Since(began); took > time.Second {
						t.Errorf("acknowledged after %s", took)
					}
					settle(5 * time.Minute)
				})
				if err := errors.Join(wants(w.sees(""), "2 of 2 apps moved"), called(w, `move us-west-2 "" "it is down"`), empty(w)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// open is a proposal of the controller.
func openProposal(id string) approval.Proposal {
	return approval.Proposal{ID: id, Federation: "workforce", Digest: "00ffab", By: approval.Itself(), Created: time.Now(), Expires: time.Now().Add(time.Hour), Need: 1, State: approval.Open}
}

// shown posts a proposal with its buttons, as proposals does, for everybody.
func shown(w *world, p approval.Proposal) sim.Message {
	w.t.Helper()
	if _, err := w.app.wire.post(w.t.Context(), incident, proposalPage(p)); err != nil {
		w.t.Fatal(err)
	}
	all := w.slack.Messages(incident, "")
	return all[len(all)-1]
}

// approves plays an approval that is enough: the move is carried out.
func approves(w *world) func(context.Context, control.Actor, control.VoteRequest, func(control.MoveEvent)) (control.VoteAnswer, error) {
	return func(ctx context.Context, a control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error) {
		var p approval.Proposal
		w.use.change(func(c *cases) {
			c.proposals[0].Votes, c.proposals[0].State = append(c.proposals[0].Votes, approval.Vote{Person: a.Person, Name: a.Name, Way: a.Way}), approval.Approved
		})
		answer, err := carries(w, "move-1", "controller")(ctx, control.MoveRequest{Reason: "the controller's own"}, follow)
		w.use.change(func(c *cases) {
			c.proposals[0].State, c.proposals[0].Move = "done", "move-1"
			p = c.proposals[0]
		})
		return control.VoteAnswer{Proposal: p, Move: &answer}, err
	}
}

func TestApproveByButton(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.proposals, w.use.approve = []approval.Proposal{openProposal("prop-1")}, approves(w)
		w.leading(func() {
			m := shown(w, w.use.proposals[0])
			for range 2 { // a double click
				if d, err := w.slack.Press(t.Context(), "ada", m, "Approve"); err != nil || !d.Acknowledged() {
					t.Errorf("%+v, %v", d, err)
				}
			}
			settle(time.Minute)
		})
		all := w.slack.Messages(incident, "")
		if len(all) != 1 {
			t.Fatalf("%d messages: %s", len(all), w.sees(""))
		}
		if _, there := all[0].Button("Approve"); there {
			t.Error("a proposal that is done still has its buttons")
		}
		if err := errors.Join(called(w, `approve prop-1 "00ffab" ""`), wants(all[0].All(), "2 of 2 apps moved", "done: 1 of 1 approvals", "approved by ada via slack", "carried out as move move-1"),
			wants(strings.Join(all[0].Past, "\n"), "Carrying out proposal prop-1, approved by ada"), w.clean(), empty(w)); err != nil {
			t.Error(err)
		}
	})
}

// A vote that control refuses is told to who clicked, and the message shows the
// proposal as it is: never the click.
func TestRefusedClick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.proposals = []approval.Proposal{openProposal("prop-1")}
		w.use.approve = func(context.Context, control.Actor, control.VoteRequest, func(control.MoveEvent)) (control.VoteAnswer, error) {
			w.use.change(func(c *cases) {
				c.proposals[0].State, c.proposals[0].Why = "void", "the apps are not what was approved"
			})
			return control.VoteAnswer{}, &control.Failure{Kind: control.Held, Rule: "approval", Message: "you proposed this move yourself"}
		}
		w.leading(func() {
			m := shown(w, w.use.proposals[0])
			w.clicks("ada", m.TS, "Approve")
		})
		if err := errors.Join(wants(w.sees("U0ADA"), "held [approval]: you proposed this move yourself"), wants(w.sees(""), "void: 0 of 1 approvals", "the apps are not what was approved")); err != nil {
			t.Error(err)
		}
		if strings.Contains(w.sees(""), "[Approve]") || strings.Contains(w.sees("U0GRACE"), "yourself") {
			t.Errorf("others see:\n%s", w.sees("U0GRACE"))
		}
	})
}

func TestRejectByButton(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.use.proposals = []approval.Proposal{openProposal("prop-1")}
		w.leading(func() {
			m := shown(w, w.use.proposals[0])
			w.clicks("grace", m.TS, "Reject")
		})
		if err := errors.Join(called(w, `reject prop-1 "00ffab" "pressed Reject in Slack, without a word"`), wants(w.sees(""), "rejected by grace")); err != nil {
			t.Error(err)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.leading(func() {
			w.types("ada", "pause 2h in workforce disk work")
			w.types("grace", "resume all")
		})
		if err := errors.Join(called(w, `pause 2h "workforce" "disk work"`, `resume "" "" true`), wants(w.sees(""), "Paused", "pause-abcde", "disk work", "Nothing was paused"), w.clean()); err != nil {
			t.Error(err)
		}
	})
}

// A follower does not take what it could not keep, and says who leads.
func TestFollowerSaysWhoLeads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(w *world) {
			w.use.status = standing("us-east-1")
			w.use.status.Store = &control.StoreReport{Standing: control.Standing{Name: "ctl-b", Leader: "ctl-a"}}
			w.use.proposals = []approval.Proposal{openProposal("prop-1")}
		})
		w.running(w.app, nil, func() {
			d := w.types("ada", "move us-west-2 it is down")
			if err := wants(d.Said, "Nothing was done", "controller ctl-a leads, this one is ctl-b"); err != nil {
				t.Error(err)
			}
			m := shown(w, w.use.proposals[0])
			w.clicks("ada", m.TS, "Approve")
			if err := wants(w.sees("U0ADA"), "controller ctl-a leads"); err != nil {
				t.Error(err)
			}
		})
		if err := errors.Join(called(w), empty(w)); err != nil {
			t.Error(err)
		}
	})
}
