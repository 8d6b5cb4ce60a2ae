package hooks

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/hooks/sources"
	"github.com/samlfailover/samlfailover/store/memory"
)

// What each hook does, by what the rules say: an alert can only ask.
//
// spec 13.1
func TestAsking(t *testing.T) {
	t.Parallel()
	moves := due()
	moves.Outcome = failover.Move
	paused := due()
	paused.Outcome, paused.Rule = failover.Hold, failover.Paused
	for _, c := range []struct {
		why   string
		rules control.Decision
		r     func() *http.Request
		did   string
		to    string
	}{
		{"a move that is due", due(), func() *http.Request { return pagerDuty("e") }, "looks true, proposals 0, moves 1", "us-west-2"},
		{"in calm times no alert moves anything", calm(), func() *http.Request { return pagerDuty("e") }, "looks true, proposals 0, moves 0", ""},
		{"nor what a rule holds", paused, func() *http.Request { return pagerDuty("e") }, "looks true, proposals 0, moves 0", ""},
		{"what the controller moves itself is not moved twice", moves, func() *http.Request { return pagerDuty("e") }, "looks true, proposals 0, moves 0", ""},
		{"a Region that the hook may name", due(), func() *http.Request { return signed("runbook", `{"to":"eu-west-1"}`) }, "looks true, proposals 0, moves 1", "eu-west-1"},
		{"a look only", due(), func() *http.Request { return signed("look", ``) }, "looks true, proposals 0, moves 0", ""},
		{"a proposal", due(), func() *http.Request { return alert("firing") }, "looks true, proposals 1, moves 0", "us-west-2"},
		{"no proposal without a Region to go to", calm(), func() *http.Request { return alert("firing") }, "looks true, proposals 0, moves 0", ""},
		{"an alert that is resolved has a look taken", due(), func() *http.Request { return alert("resolved") }, "looks true, proposals 0, moves 0", ""},
		{"a federation that is gone", due(), func() *http.Request { return signed("lost", ``) }, "looks true, proposals 0, moves 0", ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.site.set(c.rules)
				l := w.start(nil).lead()
				defer l.stop()
				synctest.Wait()
				if status, body := l.do(c.r()); status != http.StatusAccepted || body["status"] != "accepted" {
					t.Fatalf("%d %v", status, body)
				}
				synctest.Wait()
				if got := w.site.did(); got != c.did {
					t.Errorf("%s, want %s", got, c.did)
				}
				for _, r := range append(w.site.moves, w.site.proposed...) {
					if r.To != c.to || r.Federation != "corp" || !strings.Contains(r.Reason, "hook ") || len(r.Overrides) > 0 {
						t.Errorf("asked for %+v", r)
					}
				}
				if a := w.site.by[0]; a.Way != people.Hook || a.Person != "" {
					t.Errorf("asked as %+v", a)
				}
				if got := w.records.lines(); len(got) != 2 || !strings.Contains(got[0], " via hook hook.asked ") || !strings.Contains(got[1], "hook.done") {
					t.Errorf("the record: %q", got)
				}
			})
		})
	}
}

// An alert that comes before it is known whether it is right waits for that: our
// own probes confirm it, or a controller that has just been started has yet to look.
func TestWaitsForConfirmation(t *testing.T) {
	for _, rule := range []string{failover.Confirming, failover.OwnNetwork, failover.Quorum, failover.ActiveUnknown} {
		t.Run(rule, func(t *testing.T) { waitsFor(t, rule) })
	}
}

func waitsFor(t *testing.T, rule string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.site.set(control.Decision{Outcome: failover.Hold, Rule: rule, Why: "not yet"})
		l := w.start(nil).lead()
		defer l.stop()
		synctest.Wait()
		l.do(pagerDuty("e"))
		time.Sleep(time.Minute)
		if got := w.site.did(); got != "looks true, proposals 0, moves 0" {
			t.Error(got)
		}
		w.site.set(due())
		time.Sleep(lookAgain)
		synctest.Wait()
		if got := w.site.did(); got != "looks true, proposals 0, moves 1" {
			t.Error(got)
		}
	})
}

// What cannot be had now is asked for again, and not for ever: an old alert moves
// nothing.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.site.set(due())
		w.site.err = errors.New("the loop is being replaced")
		l := w.start(nil).lead()
		defer l.stop()
		synctest.Wait()
		l.do(pagerDuty("e"))
		time.Sleep(staleAfter + time.Minute)
		w.site.mu.Lock()
		w.site.err = nil
		w.site.mu.Unlock()
		time.Sleep(time.Minute)
		if got := w.site.did(); got != "looks true, proposals 0, moves 0" {
			t.Error(got)
		}
		if got := w.records.lines(); !strings.Contains(got[len(got)-1], "not done within 15m") {
			t.Errorf("the record: %q", got)
		}
	})
}

// The abuse table: each is refused with a clear problem, nothing happens, and no
// secret shows.
//
// spec 13.1
func TestAbuse(t *testing.T) {
	t.Parallel()
	old := func(r *http.Request) *http.Request { return r } // made before the clock moves on
	for _, c := range []struct {
		why    string
		r      func() *http.Request
		after  time.Duration
		status int
		code   string
	}{
		{"a bad signature", func() *http.Request {
			r := signed("runbook", `{}`)
			r.Header.Set("Samlfailover-Signature", "v1=00")
			return r
		}, 0, 401, "bad-credential"},
		{"no signature", func() *http.Request { return post("/hooks/runbook", `{}`) }, 0, 401, "bad-credential"},
		{"a signature of another hook", func() *http.Request { r := signed("look", `{}`); r.URL.Path = "/hooks/runbook"; return r }, 0, 401, "bad-credential"},
		{"an old one", func() *http.Request { return old(signed("runbook", `{}`)) }, 6 * time.Minute, 401, "too-old"},
		{"an old event", func() *http.Request { return old(pagerDuty("e")) }, 16 * time.Minute, 401, "too-old"},
		{"PagerDuty's with our own secret's other way", func() *http.Request { return signed("pd", `{}`) }, 0, 401, "bad-credential"},
		{"a wrong name", func() *http.Request { return signed("nobody", `{}`) }, 0, 404, "not-found"},
		{"a name with a path", func() *http.Request { return post("/hooks/..%2fpd", `{}`) }, 0, 404, "not-found"},
		{"no name", func() *http.Request { return post("/hooks/", `{}`) }, 0, 404, "not-found"},
		{"a GET", func() *http.Request { return httptest.NewRequest(http.MethodGet, "/hooks/pd", nil) }, 0, 405, "no-route"},
		{"10 MB", func() *http.Request { return signed("runbook", `{"reason":"`+strings.Repeat("a", 10<<20)+`"}`) }, 0, 413, "too-large"},
		{"a bomb of brackets", func() *http.Request { return signed("runbook", strings.Repeat(`{"a":[`, 20000)) }, 0, 400, "unreadable"},
		{"a bomb of PagerDuty", func() *http.Request { return pagerDutyWith("pd", strings.Repeat(`[`, 100000)) }, 0, 400, "unreadable"},
		{"a key that is not for it", func() *http.Request { return signed("runbook", `{"action":"move","federation":"labs"}`) }, 0, 400, "unreadable"},
		{"a Region that it may not name", func() *http.Request { return signed("runbook", `{"to":"us-west-2"}`) }, 0, 422, "invalid"},
		{"a Region by a hook that may name none", func() *http.Request { return signed("look", `{"to":"us-west-2"}`) }, 0, 422, "invalid"},
		{"a wrong token", func() *http.Request { r := alert("firing"); r.Header.Set("Authorization", "Bearer x"); return r }, 0, 401, "bad-credential"},
		{"a text that acts on a log", func() *http.Request { return post("/hooks/a%0aINFO%1b[31m", `{}`) }, 0, 404, "not-found"},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.site.set(due())
				l := w.start(nil).lead()
				defer l.stop()
				synctest.Wait()
				r := c.r()
				time.Sleep(c.after)
				status, body := l.do(r)
				if status != c.status || body["type"] != "urn:samlfailover:problem:"+c.code {
					t.Errorf("%d %v, want %d %s", status, body, c.status, c.code)
				}
				synctest.Wait()
				if got := w.site.did(); got != "looks false, proposals 0, moves 0" || len(w.records.lines()) > 0 {
					t.Errorf("it did something: %s, %q", got, w.records.lines())
				}
				if log := w.log.String(); strings.Contains(log, "MARKER") || strings.Contains(log, "\x1b") || strings.Count(log, "\n") > 1 {
					t.Errorf("the log: %q", log)
				}
			})
		})
	}
}

// A copy of a request does nothing a second time: at once, after a restart, at
// another controller, and at its end.
//
// spec 13.1
func TestReplays(t *testing.T) {
	for name, request := range map[string]func() *http.Request{"pagerduty": func() *http.Request { return pagerDuty("e") }, "hmac": func() *http.Request { return signed("runbook", `{}`) }} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.site.set(due())
			first, second := w.start(nil).lead(), w.start(nil)
			synctest.Wait()
			again := copyOf(request())
			replay := func(why string, c *controller, status int, code string) {
				got, body := c.do(again())
				if got != status || body["type"] != "urn:samlfailover:problem:"+code {
					t.Errorf("%s, %s: %d %v", name, why, got, body)
				}
			}
			if status, _ := first.do(again()); status != http.StatusAccepted {
				t.Fatalf("%s: %d", name, status)
			}
			replay("at once", first, 409, "replayed")
			replay("at one who does not lead", second, 503, "not-leader")
			synctest.Wait()
			w.site.set(due()) // whatever the first one led to
			replay("once it is done", first, 409, "replayed")
			first.stop()
			second.lead()
			synctest.Wait()
			replay("at the next leader", second, 409, "replayed")
			second.stop()
			w.box = &memory.Box{} // a store that has forgotten its boxes still knows what was used
			third := w.start(nil).lead()
			synctest.Wait()
			replay("after the box was emptied", third, 409, "replayed")
			time.Sleep(40 * time.Minute)
			replay("when nobody remembers it", third, 401, "too-old")
			synctest.Wait()
			third.stop()
			if n := len(w.site.moves); n != 1 {
				t.Errorf("%s: %d moves", name, n)
			}
			if left, _ := w.box.All(t.Context()); len(left) > 0 {
				t.Errorf("%s: %d records are left", name, len(left))
			}
		})
	}
}

// A request that was turned away with "send it again" is taken when it is sent
// again, although it is marked as used by then; and once.
//
// spec 13.1
func TestTurnedAwayComesAgain(t *testing.T) {
	for _, step := range []string{"put", "once", "record"} {
		for name, request := range map[string]func() *http.Request{"pd": func() *http.Request { return pagerDuty("e") }, "runbook": func() *http.Request { return signed("runbook", `{}`) }, "am": func() *http.Request { return alert("firing") }} {
			t.Run(step+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.site.set(due())
					l := w.start(nil).lead()
					defer l.stop()
					synctest.Wait()
					again := copyOf(request())
					*l.it.fail = step
					for range 2 {
						if status, body := l.do(again()); status != http.StatusServiceUnavailable || !strings.HasPrefix(fmt.Sprint(body["next"]), "send it again") {
							t.Errorf("%d %v", status, body)
						}
					}
					synctest.Wait()
					if got := w.site.did(); got != "looks false, proposals 0, moves 0" {
						t.Errorf("turned away, and %s", got)
					}
					*l.it.fail = ""
					if status, body := l.do(again()); status != http.StatusAccepted || body["status"] != "accepted" {
						t.Errorf("again: %d %v", status, body)
					}
					synctest.Wait()
					did := w.site.did()
					if did != "looks true, proposals 0, moves 1" && did != "looks true, proposals 1, moves 0" {
						t.Errorf("taken, and %s", did)
					}
					if _, body := l.do(again()); body["status"] == "accepted" {
						t.Errorf("once more: %v", body)
					}
					synctest.Wait()
					if got := w.site.did(); got != did {
						t.Errorf("once more, and %s", got)
					}
				})
			})
		}
	}
}

// A Region that the hook may not ask for any more when its request is worked on,
// as by the next leader under another config, is not moved to.
func TestRegionWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.site.set(due())
		w.site.err = errors.New("the loop is being replaced")
		l := w.start(nil).lead()
		synctest.Wait()
		if status, body := l.do(signed("runbook", `{"to":"eu-west-1"}`)); status != http.StatusAccepted {
			t.Fatalf("%d %v", status, body)
		}
		synctest.Wait()
		l.stop()
		w.site.err = nil
		w.hooks[1].Source.MayName = nil
		l = w.start(nil).lead()
		defer l.stop()
		synctest.Wait()
		if got := w.site.did(); !strings.HasSuffix(got, "proposals 0, moves 0") {
			t.Error(got)
		}
		if got := w.records.lines(); !strings.Contains(got[len(got)-1], "may not ask for eu-west-1 any more") {
			t.Errorf("the record: %q", got)
		}
	})
}

// The saboteur: controllers that do not share what was used, and have lost their
// box, take a replay.
func TestSharingIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := newWorld(t), newWorld(t)
		a, b := one.start(nil).lead(), other.start(nil).lead()
		defer a.stop()
		defer b.stop()
		synctest.Wait()
		again := copyOf(pagerDuty("e"))
		a.do(again())
		if status, _ := b.do(again()); status != http.StatusAccepted {
			t.Errorf("%d: so it is not the shared state that refuses a replay", status)
		}
	})
}

// Alertmanagers come in pairs and repeat themselves: that is no attack, and does
// nothing twice.
func TestAlertmanagerRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.site.set(due())
		l := w.start(nil).lead()
		defer l.stop()
		synctest.Wait()
		for range 3 {
			if status, body := l.do(alert("firing")); status != http.StatusAccepted {
				t.Errorf("%d %v", status, body)
			}
			synctest.Wait()
		}
		time.Sleep(4 * time.Minute)
		l.do(alert("firing"))
		synctest.Wait()
		if n := len(w.site.proposed); n != 1 {
			t.Errorf("%d proposals", n)
		}
		time.Sleep(time.Hour)
		l.do(alert("firing")) // the alert still stands, and is told again
		synctest.Wait()
		if n := len(w.site.proposed); n != 2 {
			t.Errorf("%d proposals an hour later", n)
		}
	})
}

// Killed before and after every step, the process has what was acknowledged done
// once by its successor; the sender, who repeats what was not acknowledged, gets
// it done once too.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	points := 0
	for n := 1; ; n++ {
		blown := false
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.site.set(due())
				f := &fuse{left: n}
				victim := w.start(f).lead()
				synctest.Wait()
				again := copyOf(pagerDuty("e"))
				status, _ := victim.do(again())
				time.Sleep(5 * time.Second)
				f.mu.Lock()
				blown = f.dead
				f.dead = true
				f.mu.Unlock()
				victim.stop()
				next := w.start(nil).lead()
				synctest.Wait()
				if status != http.StatusAccepted {
					next.do(again())
				}
				time.Sleep(time.Minute)
				next.stop()
				if n := len(w.site.moves); n != 1 {
					t.Errorf("answered %d, and %d moves: %q", status, n, w.records.lines())
				}
			})
		})
		if points++; !blown {
			break
		}
	}
	if points < 10 {
		t.Errorf("only %d points", points)
	}
}

// A flood of good requests is bounded; what waits is worked on.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.site.set(control.Decision{Outcome: failover.Hold, Rule: failover.Confirming})
		l := w.start(nil).lead()
		defer l.stop()
		synctest.Wait()
		got := map[int]int{}
		for i := range 200 {
			status, _ := l.do(pagerDuty(fmt.Sprint("e", i)))
			got[status]++
		}
		if got[202] != mostWaiting || got[429] != 200-mostWaiting {
			t.Errorf("%v", got)
		}
	})
}

// A hook that would let an unsigned source move is refused, whoever wrote it.
//
// spec 13.1
func TestUnsignedMayNotMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.start(nil)
	o := c.h.o
	o.Hooks = []Hook{{Name: "am", Action: Move, Source: sources.Source{Kind: sources.Alertmanager}}}
	if _, err := New(o); err == nil {
		t.Error("taken")
	}
}
