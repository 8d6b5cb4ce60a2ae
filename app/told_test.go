package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/pagerduty"
	"github.com/samlfailover/samlfailover/sandbox/receiver"
)

// An outage is one incident in PagerDuty, told as it goes on and resolved when it
// is over; the company's webhook gets the whole story, with the words for the
// people who sign in.
//
// spec 9.4
func TestOutageIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start()
	s.calm()
	s.breaks(home, fault.Down)
	s.until("the outage is told to its end", func(control.FederationStatus) bool {
		return slices.ContainsFunc(p.world.Receiver().Messages(), func(m receiver.Message) bool { return m.Event == "over" && m.Topic == "outage workforce" }) && slices.ContainsFunc(p.world.PagerDuty().Incidents(), func(i pagerduty.Incident) bool {
			return strings.Contains(i.Key, "outage") && i.Status == pagerduty.Resolved
		})
	})
	var events []string
	for _, m := range p.world.Receiver().Messages() {
		if m.Federation != "" && !slices.Contains([]string{"page", "hold"}, m.Event) {
			events = append(events, m.Event)
		}
		if m.Again {
			t.Errorf("told twice: %+v", m)
		}
		if m.Event == "move-ended" && (len(m.UserText) == 0 || !strings.Contains(m.UserText[0], standby)) {
			t.Errorf("the text for the people who sign in: %q", m.UserText)
		}
	}
	if want := []string{"confirmed", "move-begun", "move-ended", "over"}; !slices.Equal(events, want) {
		t.Errorf("told %q, want %q", events, want)
	}
	st, err := s.client.Status(t.Context())
	if err != nil || len(st.Sinks) != 2 || st.Sinks[0].Sent == 0 || st.Sinks[0].Finding != nil {
		t.Errorf("the status of the sinks: %+v, %v", st.Sinks, err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{p.world.PagerDuty().RoutingKey(), p.world.Receiver().Secret()} {
		if strings.Contains(s.log.text(), secret) {
			t.Error("a secret is in the log")
		}
	}
}

// PagerDuty and the webhook are gone in the outage: the move is made all the
// same, and both are told of it once they are back, by the next leader.
//
// spec 9.2
func TestDeadSinksCostAMoveNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.start()
	s.calm()
	for _, sink := range []string{"pagerduty", "webhook"} {
		s.breaks(sink, fault.Blackhole)
	}
	s.breaks(home, fault.Down)
	f := s.until("the apps are moved", func(f control.FederationStatus) bool { return f.LastMove != nil && !f.Moving })
	if f.LastMove.Moved() != f.LastMove.Meant() {
		t.Errorf("%+v", f.LastMove)
	}
	if got := p.world.PagerDuty().Incidents(); len(got) > 0 {
		t.Errorf("PagerDuty was reached: %+v", got)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for _, sink := range []string{"pagerduty", "webhook"} {
		if _, err := p.world.Heal(sink); err != nil {
			t.Fatal(err)
		}
	}
	s = p.start()
	s.until("the next leader has told what is left", func(control.FederationStatus) bool {
		return slices.ContainsFunc(p.world.Receiver().Messages(), func(m receiver.Message) bool { return m.Event == "move-ended" })
	})
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

// notify test says for each sink what came back, and needs no controller.
func TestTestSinks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	by := people.Local("ada", people.CLI)
	got, err := app.TestSinks(t.Context(), p.setup(&journal{}), "", by)
	if err != nil || len(got) != 2 || !got[0].OK || !got[1].OK || !strings.Contains(got[0].Receipt, "resolve accepted") {
		t.Errorf("%+v, %v", got, err)
	}
	if i := p.world.PagerDuty().Incidents(); len(i) != 1 || i[0].Status != pagerduty.Resolved || !strings.Contains(i[0].Title, "ada") {
		t.Errorf("%+v", i)
	}
	p.breaks("webhook", fault.Refuse)
	got, err = app.TestSinks(t.Context(), p.setup(&journal{}), "company", by)
	if err != nil || len(got) != 1 || got[0].OK || got[0].Error == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = app.TestSinks(t.Context(), p.setup(&journal{}), "nobody", by); err == nil || !strings.Contains(err.Error(), "on-call") {
		t.Errorf("%v", err)
	}
}
