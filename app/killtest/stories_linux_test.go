package killtest

import (
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/slack"
	"github.com/samlfailover/samlfailover/server/api"
)

// door is a way to ask for a move. ask returns when the request is acknowledged;
// again sends the very same request once more, as its sender would who has got no
// answer, and a second one of the same person.
type door struct {
	name    string
	edits   []string
	before  func(*place)
	ask     func(*place) (again func())
	inSlack bool
}

func doors() []door {
	body := api.MoveBody{To: standby, Reason: "the Region is down"}
	return []door{
		{name: "a slash command", inSlack: true, ask: func(p *place) func() {
			d := p.types("ada", "move "+standby+" the Region is down")
			return func() {
				h := d.Header.Clone()
				h.Set("X-Slack-Retry-Num", "1")
				h.Set("X-Slack-Retry-Reason", "http_timeout")
				if got := p.Slack().Send(p.Context(), false, h, d.Body); got.Status != http.StatusOK {
					p.Errorf("Slack's second try was answered with %+v", got)
				}
				if got := p.Slack().Send(p.Context(), false, d.Header, d.Body); got.Status != http.StatusConflict {
					p.Errorf("a copy of the request was answered with %+v", got)
				}
			}
		}},
		{name: "a button", inSlack: true, edits: []string{"accept_fewer_vantages: true", "approvals: 1"},
			before: func(p *place) {
				p.types("ada", "move "+standby+" the Region is down")
				p.until("the proposal has its buttons", func() bool { return strings.Contains(strings.Join(p.said(), ""), "[Approve]") })
			},
			ask: func(p *place) func() {
				ts, err := p.Slack().Newest(channel, "Approve")
				must(p.T, err)
				var window slack.Message // as grace's own window shows it still
				for _, m := range p.Slack().Messages("C0INCIDENT", "") {
					if m.TS == ts {
						window = m
					}
				}
				d, err := p.Slack().Press(p.Context(), "grace", window, "Approve")
				if err != nil || !d.Acknowledged() {
					p.Fatalf("grace presses Approve: %+v, %v", d, err)
				}
				return func() {
					if got := p.Slack().Send(p.Context(), true, d.Header, d.Body); got.Status != http.StatusConflict {
						p.Errorf("a copy of the click was answered with %+v", got)
					}
					if d, err := p.Slack().Press(p.Context(), "grace", window, "Approve"); err != nil || !d.Acknowledged() {
						p.Errorf("grace presses Approve again: %+v, %v", d, err)
					}
				}
			}},
		{name: "PagerDuty's webhook", edits: []string{"accept_fewer_vantages: true # one vantage: fine for a demo, not for production", ""},
			before: func(p *place) {
				_, err := p.Fault(fault.Fault{Target: "us-east-1", Effect: fault.Effect{Kind: fault.Down}})
				must(p.T, err)
				p.until("the controller proposes", func() bool { return p.federation().Proposal != nil })
			},
			ask: func(p *place) func() {
				p.PagerDuty().Trigger("AWS sign-in is down")
				event := ""
				p.until("the webhook is acknowledged", func() bool {
					for _, d := range p.PagerDuty().Deliveries() {
						if d.Type == "incident.triggered" && d.Status == http.StatusAccepted {
							event = d.Event
						}
					}
					return event != ""
				})
				return func() {
					if d, err := p.PagerDuty().Redeliver(p.Context(), event); err != nil || d.Status != http.StatusConflict {
						p.Errorf("a copy of the event was answered with %+v, %v", d, err)
					}
				}
			}},
		{name: "the API", ask: func(p *place) func() {
			first := p.send("ada", "POST", "/moves", "key-1", body)
			if first.status != http.StatusAccepted && first.status != http.StatusOK || first.location == "" {
				p.Fatalf("the move was answered with %d %s", first.status, first.body)
			}
			return func() {
				got := p.send("ada", "POST", "/moves", "key-1", body)
				if got.status != first.status || !got.replayed || got.location != first.location || string(got.body) != string(first.body) {
					p.Errorf("the same request again was answered with %d %s, the first one with %d %s", got.status, got.body, first.status, first.body)
				}
			}
		}},
	}
}

// moment is when the program is killed: what is slow from then on, what must have
// come about before, and how long after that; racy: writes may be on their way.
type moment struct {
	name  string
	slow  func(*place) []string
	until func(*place) bool
	after func() time.Duration
	racy  bool
}

func moments() []moment {
	nothing := func(*place) []string { return nil }
	now := func(*place) bool { return true }
	atOnce := func() time.Duration { return 0 }
	return []moment{
		{"between acknowledgement and work", (*place).vendors, now, atOnce, false},
		{"in the middle of the move", func(*place) []string { return []string{"onelogin"} }, func(p *place) bool { return p.written("") >= 3 }, atOnce, true},
		{"before it is told", func(*place) []string { return []string{"slack"} }, func(p *place) bool {
			f := p.federation()
			return f.LastMove != nil && !f.Moving
		}, atOnce, false},
		{"at once, with nothing held up", nothing, now, atOnce, true},
		// A move of the six apps takes some 200 ms here.
		{"at any time, with nothing held up", nothing, now, func() time.Duration { return time.Duration(rand.Int64N(int64(300 * time.Millisecond))) }, true},
	}
}

// spec 13.2: journaled, acknowledged, then worked: whenever the program is killed
// after the acknowledgement, the move happens, once, and what people see is true.
func TestKilledAfterAcknowledgement(t *testing.T) {
	if os.Getenv("TEST_KILL") != "1" {
		t.Skip("twenty stories of the real binary, killed and started again, take a minute; TEST_KILL=1 runs them (make kills)")
	}
	for _, d := range doors() {
		for _, m := range moments() {
			t.Run(d.name+", "+m.name, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, d.edits...)
				p.start()
				p.calm()
				if d.before != nil {
					d.before(p)
				}
				slow := m.slow(p)
				p.slows(slow...)
				again := d.ask(p)
				p.until("it is time", func() bool { return m.until(p) })
				after := m.after()
				<-time.After(after)
				written := p.written("")
				p.kill()
				p.heals(slow...)
				if got := p.written(""); got != written && !m.racy {
					t.Errorf("%d writes, and %d after the program was killed", written, got)
				}
				t.Logf("killed %s after that, after %d writes", after, written)
				p.start()
				p.until("the move is over", func() bool {
					f := p.federation()
					return f.LastMove != nil && !f.Moving && p.leads()
				})
				var bad error
				p.until("it is told", func() bool {
					was := bad
					if bad = judge(p.end(d.inSlack, m.racy)); bad != nil && (was == nil || was.Error() != bad.Error()) {
						t.Logf("not yet: %v", bad)
					}
					return bad == nil
				})
				again()
				looked := p.federation().Decision.At
				p.until("the controller has looked anew", func() bool { return p.federation().Decision.At.After(looked) })
				if err := judge(p.end(d.inSlack, m.racy)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
