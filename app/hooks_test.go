package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/pagerduty"
)

// The whole story by PagerDuty's webhook alone: in calm times it moves nothing;
// in an outage of a federation that asks people, it has the move made that the
// rules find due, once; a copy of it does nothing, also after a restart; our own
// incident asks for nothing.
//
// spec 13.1
func TestStoryByPagerDuty(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve", "accept_fewer_vantages: true # one vantage: fine for a demo, not for production", "")
	s := p.start()
	s.calm()
	pd := p.world.PagerDuty()

	pd.Trigger("somebody's own alarm")
	s.until("the hook has looked and moved nothing", func(control.FederationStatus) bool {
		return s.hookDone("not moved: the rules say") || s.hookDone("nothing to ask for")
	})

	s.breaks(home, fault.Down)
	s.until("the controller proposes, and does nothing by itself", func(f control.FederationStatus) bool { return f.Proposal != nil })
	if n := p.puts(""); n != 0 {
		t.Fatalf("%d writes before anybody has asked", n)
	}
	s.until("our own incident is in PagerDuty", func(control.FederationStatus) bool {
		for _, i := range pd.Incidents() {
			if strings.HasPrefix(i.Key, "samlfailover/outage") {
				return true
			}
		}
		return false
	})
	if n := p.puts(""); n != 0 {
		t.Fatalf("our own incident has made %d writes", n)
	}
	pd.Trigger("AWS sign-in is down")
	f := s.until("the move is made", func(f control.FederationStatus) bool { return f.LastMove != nil && !f.Moving })
	if f.LastMove.Moved() != f.LastMove.Meant() || f.LastMove.To.String() != standby {
		t.Errorf("%+v", f.LastMove)
	}
	for _, a := range f.Apps {
		if got := p.acs(a.ID); !strings.Contains(got, standby) {
			t.Errorf("app %s signs in at %s", a.App, got)
		}
	}
	s.until("what became of it is recorded", func(control.FederationStatus) bool { return s.hookDone("moved: ") })
	s.until("the outage is over for PagerDuty", func(control.FederationStatus) bool {
		for _, i := range pd.Incidents() {
			if strings.HasPrefix(i.Key, "samlfailover/outage") && i.Status == pagerduty.Resolved {
				return true
			}
		}
		return false
	})
	writes := p.puts("")
	s.replayed(pd)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	s = p.start()
	s.until("the next run has looked", func(f control.FederationStatus) bool { return f.Decision.Rule == "active-healthy" })
	s.replayed(pd)
	if got := p.puts(""); got != writes {
		t.Errorf("%d writes, %d after the replays", writes, got)
	}
	p.wantAudit("hook.asked", "hook.done", "hook.asked", "move.requested", "move.start", "move.finished", "hook.done")
	for _, d := range pd.Deliveries() {
		if d.Status != http.StatusAccepted && d.Status != http.StatusOK && d.Status != http.StatusConflict {
			t.Errorf("a webhook was answered with %+v", d)
		}
	}
	if strings.Contains(s.log.text(), pd.WebhookSecret()) {
		t.Error("the secret is in the log")
	}
}

// hookDone reports whether a request of a hook has ended so.
func (s *service) hookDone(outcome string) bool {
	for _, r := range s.records() {
		if r.Action == "hook.done" && strings.Contains(string(r.Detail), outcome) {
			return true
		}
	}
	return false
}

// replayed sends PagerDuty's last event about a trigger again, and wants it
// refused.
func (s *service) replayed(pd *pagerduty.Account) {
	s.t.Helper()
	last := ""
	for _, d := range pd.Deliveries() {
		if d.Type == "incident.triggered" && d.Status == http.StatusAccepted {
			last = d.Event
		}
	}
	d, err := pd.Redeliver(s.t.Context(), last)
	if err != nil || d.Status != http.StatusConflict || !strings.Contains(d.Said, "urn:samlfailover:problem:replayed") {
		s.t.Errorf("a copy of an event was answered with %+v, %v", d, err)
	}
}

// Alertmanager's alert becomes a proposal, which people decide on; a wrong
// credential and a wrong name are refused.
//
// spec 13.1
func TestAlertmanagerProposes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve", "accept_fewer_vantages: true # one vantage: fine for a demo, not for production", "")
	s := p.start()
	s.calm()
	s.breaks(home, fault.Down)
	s.until("the controller proposes", func(f control.FederationStatus) bool { return f.Proposal != nil })
	if status, said, err := p.world.Alertmanager().Fire(t.Context(), "AWSSignInDown"); err != nil || status != http.StatusAccepted {
		t.Fatalf("%d %s %v", status, said, err)
	}
	s.until("it is proposed", func(control.FederationStatus) bool { return s.hookDone("proposed as ") })
	if n := p.puts(""); n != 0 {
		t.Errorf("%d writes", n)
	}
	for path, want := range map[string]int{"/hooks/alertmanager": http.StatusUnauthorized, "/hooks/nobody": http.StatusNotFound} {
		resp, err := http.Post(p.world.ControllerURL()+path, "application/json", strings.NewReader(`{"version":"4"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
}
