package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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

// What a reload lets the controller do, and a config that is refused, is told to
// whom the config names; it is recorded first. A pace that changes is nobody's
// business.
//
// spec 15.3
func TestReloadIsTold(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	told := func(word string) (receiver.Message, bool) {
		all := p.world.Receiver().Messages()
		i := slices.IndexFunc(all, func(m receiver.Message) bool {
			return m.Event == "config" && strings.Contains(m.Title+strings.Join(m.Lines, "\n"), word)
		})
		if i < 0 {
			return receiver.Message{}, false
		}
		return all[i], true
	}
	p.write("interval: 300ms", "interval: 310ms")
	s.reloaded(control.ReloadApplied)
	p.write("mode: approve", "mode: auto")
	s.until("the new mode is told", func(control.FederationStatus) bool { _, is := told("may do more by itself"); return is })
	m, _ := told("may do more by itself")
	if want := []string{"federations[workforce].policy.mode: approve -> auto"}; !slices.Equal(m.Lines, want) || m.Over || m.Severity != "warning" {
		t.Errorf("%+v", m)
	}
	if r, n := p.reloadRecord("config.reload"); n != 2 {
		t.Errorf("%d records", n)
	} else if at, err := time.Parse(time.RFC3339Nano, m.Time); err != nil || at.Before(r.Time) {
		t.Errorf("told at %s, recorded at %s: %v", m.Time, r.Time, err)
	}
	p.write("mode: auto", "mode: atuo")
	s.until("the refusal is told", func(control.FederationStatus) bool { _, is := told("atuo"); return is })
	for _, m := range p.world.Receiver().Messages() {
		if strings.Contains(m.Title+strings.Join(m.Lines, ""), "310ms") {
			t.Errorf("a pace is told: %+v", m)
		}
	}
	if got := len(p.world.PagerDuty().Incidents()); got != 0 {
		t.Errorf("%d incidents", got)
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
