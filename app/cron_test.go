package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/sandbox/fault"
)

// seldom makes the probes' own pace so slow that it sees nothing while a test
// lasts; what the schedule asks for comes each second.
func (p *place) seldom(check string) {
	p.cfg.Health.Interval = 5 * time.Minute
	p.cfg.Schedules.HealthCheck, p.cfg.Schedules.AppReads = check, "@every 1s"
}

// awaitRuns waits until a job of the schedule has run so many times more.
func (s *service) awaitRuns(job string, n int) {
	s.t.Helper()
	ends := map[time.Time]bool{}
	s.until(job+" has run", func(control.FederationStatus) bool {
		st, err := s.client.Status(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, j := range st.Schedules {
			if j.Name == job && j.LastOutcome == control.JobDone {
				ends[j.LastEnd] = true
			}
		}
		return len(ends) > n // the first one may have ended before
	})
}

// The whole story by the clock alone: nobody and no hook asks, the probes' own
// pace is five minutes; the scheduled check finds the outage, it is confirmed, and
// a federation in mode auto moves.
func TestOutageByTheClock(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.seldom("@every 1s")
	s := p.start()
	s.calm()
	s.breaks(home, fault.Down)
	f := s.until("the move is made", func(f control.FederationStatus) bool { return f.LastMove != nil && !f.Moving })
	if f.LastMove.Moved() != f.LastMove.Meant() || f.LastMove.To.String() != standby || f.LastMove.Cause != failover.Failover {
		t.Errorf("%+v", f.LastMove)
	}
	for _, a := range f.Apps {
		if got := p.acs(a.ID); !strings.Contains(got, standby) {
			t.Errorf("app %s signs in at %s", a.App, got)
		}
	}
	for _, r := range s.records() {
		if r.Action == "move.start" && r.Actor != failover.Controller {
			t.Errorf("the move is %s's", r.Actor)
		}
	}
	s.awaitRuns("health_check", 2) // it goes on in the outage
	s.wantAudit("move.start", "move.finished")
}

// The clock bypasses no rule: what it finds is proposed in mode approve and only
// said in mode observe.
//
// spec 8.1
func TestClockKeepsToTheMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"approve", "observe"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "mode: auto", "mode: "+mode)
			p.seldom("@every 1s")
			s := p.start()
			s.calm()
			s.breaks(home, fault.Down)
			f := s.until("the outage is decided on", func(f control.FederationStatus) bool {
				return f.Regions[0].State == "unhealthy" && f.Decision.Rule == failover.Approval && (f.Proposal != nil || mode == "observe")
			})
			s.awaitRuns("health_check", 2)
			if n := p.puts(""); n > 0 || f.LastMove != nil || (f.Proposal != nil) != (mode == "approve") {
				t.Errorf("%d writes, moved by %+v, proposal %+v", n, f.LastMove, f.Proposal)
			}
		})
	}
}

// The saboteur of the story: the same world without the scheduled check does not
// see the outage, so it was the clock and nothing else that moved the apps.
func TestNoClockNoMove(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.seldom("off")
	s := p.start()
	s.calm()
	s.breaks(home, fault.Down)
	s.awaitRuns("app_reads", 3)
	f := s.until("the status is read", func(control.FederationStatus) bool { return true })
	if n := p.puts(""); n != 0 || f.LastMove != nil || f.Regions[0].State != "healthy" {
		t.Errorf("%d writes, %+v, %+v", n, f.LastMove, f.Regions[0])
	}
}
