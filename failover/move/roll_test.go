package move_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
)

// silent is a tenant that never answers.
type silent struct{ tenant }

func (silent) Read(ctx context.Context, _ idp.AppID) (idp.Document, error) {
	<-ctx.Done()
	return idp.Document{}, ctx.Err()
}

// spec 2.5: a tenant that never answers delays no app of another, neither as one
// of the rest nor, by more than the lead's patience, as the lead's.
func TestSilentTenantDelaysNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		silent  string
		others  []string
		atMost  time.Duration
		blocked int
	}{
		{"t2", []string{"a", "b"}, time.Second, 1},
		{"t1", []string{"c"}, 31 * time.Second, 2}, // the lead lives there
	} {
		synctest.Test(t, func(t *testing.T) {
			w, heard := newWorld(), &listener{}
			cfg := w.config()
			vendors := w.vendors()
			vendors[c.silent] = move.Vendor{Tenant: silent{tenant{w}}, Codec: codec{}}
			cfg.Apps, cfg.Events, cfg.Limits.Attempts = vendors, heard.hear, 3
			start := time.Now()
			res := mustRun(t, newMover(t, cfg), w.plan(t, nil))
			for _, id := range c.others {
				if at, ok := heard.at(id, move.Verified); !ok || at.Sub(start) > c.atMost {
					t.Errorf("tenant %s is silent: app %s was done %v after %s", c.silent, id, ok, at.Sub(start))
				}
			}
			if res.Status != failover.Incomplete || res.Moved() != len(c.others) || len(res.HandSteps) != 2*c.blocked {
				t.Errorf("tenant %s is silent: ended as %+v", c.silent, res)
			}
		})
	}
}

// spec 8.2 spec 9.3: right after a move that ended incomplete a second failover,
// out of the Region that the first one led to, takes every app along, also the
// one that the first could not write.
func TestSecondFailoverAfterAnIncompleteOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail = func(op string, id idp.AppID) error {
			if id == "b" && op == "write" {
				return finding.Finding{Code: finding.IdPRejected, What: "no"}
			}
			return nil
		}
		if res := mustRun(t, newMover(t, w.config()), w.plan(t, nil)); res.Status != failover.Incomplete || res.Moved() != 2 {
			t.Fatalf("the first ended as %+v", res)
		}
		w.fail = nil
		res := mustRun(t, newMover(t, w.config()), w.planWith(t, func(s *failover.Situation) {
			s.Verdicts[1].State, s.Verdicts[0].State = health.Unhealthy, health.Unhealthy
		}))
		if res.Status != failover.Partial || res.Moved() != 3 || res.To != ohio {
			t.Errorf("the second ended as %+v", res)
		}
		for _, id := range []string{"a", "b", "c"} {
			w.wantAt(t, id, ohio, "untouched")
		}
	})
}

// spec 9.5: a new leader touches nothing before one call deadline has passed; a
// write of its predecessor that is still on its way is seen and not repeated.
func TestResumeWaitsOutTheLastCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := w.config()
		p := w.plan(t, nil)
		r := move.Record{ID: "m0", Federation: "corp", Cause: failover.Failover, To: west, Steps: []move.StepRecord{{App: p.Steps[0].App, From: east}}}
		if err := c.Journal.Begin(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		next := w.config()
		next.Limits.CallDeadline = 4 * time.Second
		first := time.Time{}
		w.fail = func(string, idp.AppID) error {
			if first.IsZero() {
				first = time.Now()
			}
			return nil
		}
		start := time.Now()
		late := time.AfterFunc(3900*time.Millisecond, func() { w.put("a", west, "untouched") }) // the predecessor's write lands
		defer late.Stop()
		res, err := newMover(t, next).Resume(t.Context(), "corp")
		if err != nil || len(res) != 1 || res[0].Moved() != 1 || w.totalWrites() != 0 {
			t.Fatalf("resumed to %+v (%v) with %d writes", res, err, w.totalWrites())
		}
		if waited := first.Sub(start); waited < 4*time.Second {
			t.Errorf("the first call came %s after the start, want at least 4 s", waited)
		}
	})
}
