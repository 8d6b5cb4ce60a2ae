package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/store/memory"
)

var outageStory = []string{"suspect", "confirmed", "move-begun", "move-ended", "over"}

// An outage is one incident in PagerDuty, resolved when it is over; everything
// of it arrives in order and once, with the text for the people who sign in.
//
// spec 9.4
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lead()
		defer w.stop()
		w.outage()
		w.cleared()
		synctest.Wait()
		want(t, "the webhook", w.siem.events(t), outageStory)
		want(t, "PagerDuty", w.pd.actions(t), []string{"trigger outage corp", "resolve outage corp"})
		ended := w.siem.bodies(t)[3]
		if fmt.Sprint(ended["user_text"]) != "[Open the AWS tile again.]" || ended["topic"] != "outage corp" || ended["over"] != false {
			t.Errorf("the move's end: %v", ended)
		}
		// The next outage is another incident.
		w.outage()
		synctest.Wait()
		if got := w.pd.actions(t); len(got) != 3 || got[2] != "trigger outage corp" {
			t.Errorf("the second outage: %q", got)
		}
	})
}

// What a loop tells again, because the config was read again or another
// controller leads, is no news.
func TestRepetitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lead()
		w.outage()
		w.loop(pageOf(finding.ForeignACS, "app console"))
		w.outage()
		w.loop(pageOf(finding.ForeignACS, "app console"))
		w.loop(pageOf(finding.ForeignACS, "app other"))
		synctest.Wait()
		w.stop()
		w.lead()
		defer w.stop()
		w.outage()
		w.loop(pageOf(finding.ForeignACS, "app console"))
		w.n.Tell(OfResult(control.MoveResult{ID: "m1", Federation: "corp", Status: failover.Verified, Finished: time.Now()}))
		w.cleared()
		w.n.Tell(OfResult(control.MoveResult{ID: "m1", Federation: "corp", Status: failover.Verified, Finished: time.Now()}))
		synctest.Wait()
		want(t, "the webhook", w.siem.events(t), []string{"suspect", "confirmed", "move-begun", "move-ended", "page", "page", "over"})
	})
}

// What a rule holds is told while there is an outage, once per rule, in the
// words of explain; in calm times a hold is no news.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lead()
		defer w.stop()
		hold := func(rule string) {
			w.loop(control.LoopEvent{Kind: "decision", Text: "x", Decision: &control.Decision{Outcome: failover.Hold, Rule: rule, Why: "because of " + rule, WouldChange: "something else"}})
		}
		hold(failover.ActiveHealthy)
		hold(failover.Paused)
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "us-east-1 is unhealthy"})
		hold(failover.Confirming)
		hold(failover.NoCandidate)
		hold(failover.NoCandidate)
		hold(failover.NotReady)
		synctest.Wait()
		want(t, "the webhook", w.siem.events(t), []string{"confirmed", "hold", "hold"})
		if got := w.siem.bodies(t)[1]; got["title"] != "hold [no-candidate]: because of no-candidate" || fmt.Sprint(got["lines"]) != "[what would change this: something else]" {
			t.Errorf("%v", got)
		}
	})
}

// A move outside an outage is its own topic; one that leaves apps behind keeps
// its incident open, with the steps to do by hand, until a move ends well.
func TestMoveInCalmTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lead()
		defer w.stop()
		w.move(control.MoveEvent{Kind: "started", Text: "switchover: 2 apps move to us-west-2"})
		failed := control.MoveResult{Status: failover.Incomplete, HandSteps: []failover.HandStep{{Field: "ACS", Current: "a", Target: "b"}}}
		w.move(control.MoveEvent{Kind: "finished", Text: "incomplete: 1 of 2", Result: &failed})
		w.move(control.MoveEvent{Kind: "started", Move: "m2", Text: "switchover"})
		w.move(control.MoveEvent{Kind: "finished", Move: "m2", Text: "verified", Result: &control.MoveResult{Status: failover.Verified}})
		synctest.Wait()
		want(t, "PagerDuty", w.pd.actions(t), []string{"trigger move corp", "resolve move corp"})
		want(t, "the webhook", w.siem.events(t), []string{"move-begun", "move-failed", "move-begun", "move-ended"})
		if lines := fmt.Sprint(w.siem.bodies(t)[1]["lines"]); !strings.Contains(lines, "by hand: app , ACS: a -> b") {
			t.Errorf("the hand steps: %s", lines)
		}
	})
}

// A sink that fails gets everything later, in order, more and more slowly; the
// others are not held up, and status says what is the matter.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pd.answer = always(500)
		w.lead()
		defer w.stop()
		w.outage()
		w.loop(pageOf(finding.ForeignACS, "app console"))
		time.Sleep(10 * time.Minute)
		want(t, "the webhook", w.siem.events(t), append(slices.Clone(outageStory[:4]), "page"))
		st := w.n.Status()[0]
		if st.Finding == nil || st.Finding.Code != finding.NotifyFailing || !strings.Contains(st.LastError, "status 500") || st.Queued != 2 {
			t.Errorf("the status of the sink that fails: %+v", st)
		}
		if other := w.n.Status()[1]; other.Finding != nil || other.Sent != 5 {
			t.Errorf("the status of the other sink: %+v", other)
		}
		calls := len(w.pd.actions(t))
		if calls < 8 || calls > 25 {
			t.Errorf("%d tries in ten minutes", calls)
		}
		w.pd.set(nil)
		time.Sleep(5 * time.Minute)
		want(t, "PagerDuty once it works", w.pd.actions(t)[calls:], []string{"trigger outage corp", "trigger page corp foreign-acs app console"})
		if st := w.n.Status()[0]; st.Finding != nil || st.Queued != 0 || st.LastError != "" {
			t.Errorf("the status once it works: %+v", st)
		}
		if n := strings.Count(w.log.String(), "did not arrive"); n != 1 {
			t.Errorf("the failure was logged %d times", n)
		}
	})
}

// A sink that names a time is left alone until then.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.siem.answer = func(n int) (outbound.Response, error) {
			if n == 1 {
				return outbound.Response{Status: 429, Header: http.Header{"Retry-After": {"90"}}}, nil
			}
			return outbound.Response{Status: 204}, nil
		}
		w.lead()
		defer w.stop()
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "down"})
		time.Sleep(5 * time.Minute)
		w.siem.mu.Lock()
		defer w.siem.mu.Unlock()
		if got := w.siem.at[1].Sub(w.siem.at[0]); got != 90*time.Second {
			t.Errorf("the second try came after %s", got)
		}
	})
}

// What a sink refuses for good holds up nothing behind it, and is counted.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.siem.answer = func(n int) (outbound.Response, error) {
			return outbound.Response{Status: map[bool]int{true: 400, false: 200}[n == 1]}, nil
		}
		w.lead()
		defer w.stop()
		w.loop(control.LoopEvent{Kind: "suspect", Text: "a"})
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "b"})
		synctest.Wait()
		want(t, "the webhook", w.siem.events(t), []string{"suspect", "confirmed"})
		if st := w.n.Status()[1]; st.GivenUp != 1 || st.Sent != 1 || st.Finding == nil {
			t.Errorf("%+v", st)
		}
	})
}

// slowBox is a store without a majority: writes hang.
type slowBox struct{ memory.Box }

func (*slowBox) Put(ctx context.Context, _ string, _ []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

// A sink and a store that hang cost whoever tells nothing at all, and the other
// sink is told within seconds.
//
// spec 9.2
func TestTellNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.box = &slowBox{}
		w.pd.hangs = true
		w.lead()
		defer w.stop()
		synctest.Wait()
		begun := time.Now()
		w.outage()
		for i := range 5000 {
			w.loop(pageOf(finding.ForeignACS, fmt.Sprint("app ", i)))
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("telling took %s", took)
		}
		time.Sleep(20 * time.Second)
		// A warning may make way for the many pages, before it is sent; what is critical does not.
		if got := w.siem.events(t); len(got) < 5 || !slices.Contains(got[:2], "confirmed") {
			t.Errorf("the other sink was told %d messages: %q", len(got), got[:min(5, len(got))])
		}
		if st := w.n.Status()[1]; st.Lost == 0 {
			t.Errorf("nothing is said to be lost: %+v", st)
		}
		if n := strings.Count(w.log.String(), "cannot be kept"); n != 1 {
			t.Errorf("that nothing can be kept was logged %d times", n)
		}
	})
}

// What a leader could not send, the next one sends, in order and once.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pd.answer = always(503)
		w.lead()
		w.outage()
		synctest.Wait()
		w.loop(control.LoopEvent{Kind: "decision", Decision: &control.Decision{Outcome: failover.Hold, Rule: failover.NotReady, Why: "x"}})
		w.stop() // what was told to the very end is kept
		before := len(w.pd.actions(t))
		w.pd.set(nil)
		w.lead()
		defer w.stop()
		w.cleared()
		synctest.Wait()
		want(t, "PagerDuty by the next leader", w.pd.actions(t)[before:], []string{"trigger outage corp", "trigger outage corp", "resolve outage corp"})
		want(t, "the webhook", w.siem.events(t), []string{"suspect", "confirmed", "move-begun", "move-ended", "hold", "over"})
		if left, _ := w.box.All(t.Context()); slices.ContainsFunc(keys(left), func(k string) bool { return strings.HasPrefix(k, outPrefix) }) {
			t.Errorf("left in the box: %q", keys(left))
		}
	})
}

func keys(m map[string][]byte) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// stuckBox cannot delete: a leader that dies between a delivery and its note.
type stuckBox struct{ memory.Box }

func (*stuckBox) Delete(context.Context, ...string) error { return errors.New("killed") }

// The saboteur of "once": a delivery that is not noted is repeated, and the
// repetition is known by its id and its dedup key.
func TestAtLeastOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.box = &stuckBox{}
		w.lead()
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "down"})
		synctest.Wait()
		w.stop()
		w.lead()
		defer w.stop()
		synctest.Wait()
		got := w.siem.bodies(t)
		if len(got) != 2 || got[0]["id"] != got[1]["id"] {
			t.Errorf("%v", got)
		}
		want(t, "PagerDuty", w.pd.actions(t), []string{"trigger outage corp", "trigger outage corp"})
	})
}

// A queue is bounded; what is missed least goes first.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.siem.answer = always(500)
		w.lead()
		defer w.stop()
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "down"})
		for i := range 400 {
			w.move(control.MoveEvent{Kind: "started", Move: failover.MoveID(fmt.Sprint("m", i)), Text: "x"})
		}
		w.cleared()
		time.Sleep(time.Minute)
		st := w.n.Status()[1]
		if st.Queued != longestQueue || st.GivenUp != 402-longestQueue {
			t.Errorf("%+v", st)
		}
		left := len(w.siem.events(t))
		w.siem.set(nil)
		time.Sleep(5 * time.Minute)
		got := w.siem.events(t)[left:]
		if len(got) != longestQueue || got[0] != "confirmed" || got[len(got)-1] != "over" {
			t.Errorf("%d sent, first %s, last %s", len(got), got[0], got[len(got)-1])
		}
	})
}

// What is a day old is no news.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.pd.answer = always(401)
		w.lead()
		defer w.stop()
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "down"})
		time.Sleep(giveUpAfter + time.Hour)
		if st := w.n.Status()[0]; st.Queued != 0 || st.GivenUp != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// An outage that ends while nobody leads is over for PagerDuty too, and a
// finding that is no more; one that only flickers is not.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var mu sync.Mutex
		flicker := map[Kind]Standing{}
		stand := func(outage, page Standing) {
			mu.Lock()
			defer mu.Unlock()
			flicker[Outage], flicker[Finding] = outage, page
		}
		stand(Stands, Stands)
		w.gone = func(topic Topic) Standing {
			mu.Lock()
			defer mu.Unlock()
			return flicker[topic.Kind]
		}
		w.lead()
		w.loop(control.LoopEvent{Kind: "confirmed", Text: "us-east-1 is unhealthy"})
		w.loop(pageOf(finding.ForeignACS, "app console"))
		synctest.Wait()
		w.stop()
		stand(Unknown, Unknown) // the next leader has not looked yet
		w.lead()
		defer w.stop()
		time.Sleep(5 * time.Minute)
		stand(Unknown, Gone)
		time.Sleep(20 * time.Second)
		stand(Unknown, Stands)
		time.Sleep(5 * time.Minute)
		want(t, "PagerDuty so far", w.pd.actions(t), []string{"trigger outage corp", "trigger page corp foreign-acs app console"})
		stand(Gone, Gone)
		time.Sleep(time.Minute)
		want(t, "PagerDuty at the end", w.pd.actions(t)[2:], []string{"resolve outage corp", "resolve page corp foreign-acs app console"})
		if got := w.siem.bodies(t)[2]; got["title"] != "no longer so: us-east-1 is unhealthy" || got["over"] != true {
			t.Errorf("%v", got)
		}
	})
}

// A sink hears only of its events and federations, and of the end of what it was
// told of.
func TestChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.chose = []Event{MoveFailed}
		w.lead()
		defer w.stop()
		w.outage()
		w.cleared()
		synctest.Wait()
		want(t, "a sink for failed moves", w.siem.events(t), nil)
	})
	one := Sink{Events: everything, Federations: []string{"corp"}}
	for federation, wanted := range map[string]bool{"corp": true, "labs": false, "": false} {
		if got := one.wants(Notice{Event: Page, Federation: federation}, false); got != wanted {
			t.Errorf("a page of %q: %v", federation, got)
		}
	}
}

// A sink that the config does not name any more leaves nothing behind.
func TestSinkRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.box.Put(t.Context(), outPrefix+"old/1", []byte(`{"notice":{"id":"1"}}`)); err != nil {
			t.Fatal(err)
		}
		if err := w.box.Put(t.Context(), outPrefix+"pd/2", []byte(`rubbish`)); err != nil {
			t.Fatal(err)
		}
		w.lead()
		defer w.stop()
		synctest.Wait()
		if left, _ := w.box.All(t.Context()); len(left) > 0 {
			t.Errorf("left in the box: %q", keys(left))
		}
	})
}

// What a config changes for people is told, again when it comes again, and has no
// end of which anybody would be told; what is nobody's business is no news.
//
// spec 15.3
func TestConfigChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.chose = []Event{Config}
		w.gone = func(Topic) Standing { return Gone }
		w.lead()
		defer w.stop()
		mode := Change{Path: "federations[corp].policy.mode", Before: "approve", After: "auto", Risk: "the controller may do more by itself"}
		pace := Change{Path: "health.interval", Before: "10s", After: "20s"}
		for _, changes := range [][]Change{{mode, pace}, {pace}, {mode, {Path: "people[eve]", After: "admin", Risk: "who may do what"}}, {}} {
			if n, news := OfReload("d1", changes); news {
				w.n.Tell(n)
			}
		}
		w.n.Tell(OfRefusal([]string{"line 3: no such mode"}))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		want(t, "the webhook", w.siem.events(t), []string{"config", "config", "config"})
		all := w.siem.bodies(t)
		for i, lines := range []string{"[federations[corp].policy.mode: approve -> auto]", "[federations[corp].policy.mode: approve -> auto people[eve]: (nothing) -> admin]", "[line 3: no such mode]"} {
			if all[i]["over"] != false || fmt.Sprint(all[i]["lines"]) != lines {
				t.Errorf("%v", all[i])
			}
		}
	})
}
