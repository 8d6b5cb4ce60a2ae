package crashtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// The saboteurs: each process is wrong in one way.
type (
	// forgetsNote does not keep what an app held before.
	forgetsNote struct{ move.Journal }
	// skipsApp forgets the last app of a move that is resumed.
	skipsApp struct{ move.Journal }
	// neverEnds keeps moves open.
	neverEnds struct{ move.Journal }
	// recordsLate keeps a record back until the next one.
	recordsLate struct {
		move.Recorder
		mu   *sync.Mutex
		late *[]func()
	}
	// blind writes an app that is in place already.
	blind struct{ move.Vendors }
	// careless changes another value of the app as well.
	careless struct {
		move.Vendors
		s *site
	}
)

func (j forgetsNote) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	if n.Phase == move.Planned {
		return nil
	}
	return j.Journal.Note(ctx, id, n)
}

func (j skipsApp) Open(ctx context.Context) ([]move.Record, error) {
	open, err := j.Journal.Open(ctx)
	for i := range open {
		open[i].Steps = open[i].Steps[:len(open[i].Steps)-1]
	}
	return open, err
}

func (j neverEnds) Finish(context.Context, failover.MoveID, failover.Result) error { return nil }

func (r recordsLate) Record(ctx context.Context, actor, action, subject string, detail any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, late := range *r.late {
		late()
	}
	*r.late = []func(){func() { _ = r.Recorder.Record(ctx, actor, action, subject, detail) }}
	return nil
}

func (b blind) Step(ctx context.Context, app federation.AppRef, to signin.Target, h idp.Hooks) (idp.StepResult, error) {
	v := b.Vendors[app.Tenant]
	doc, err := v.Tenant.Read(ctx, idp.AppID(app.ID))
	if err == nil && v.Codec.Describe(doc).Region() == to.To {
		_ = v.Tenant.Write(ctx, doc, nil)
	}
	return b.Vendors.Step(ctx, app, to, h)
}

func (c careless) Step(ctx context.Context, app federation.AppRef, to signin.Target, h idp.Hooks) (idp.StepResult, error) {
	err := c.s.world.EditApp(app.ID, func(doc map[string]any) { doc["note"] = "somebody was here" })
	if err != nil {
		return idp.StepResult{}, err
	}
	return c.Vendors.Step(ctx, app, to, h)
}

// Each saboteur is refused at some point, in the words of the check that is
// meant for it.
func TestSaboteursAreRefused(t *testing.T) {
	t.Parallel()
	points := movePoints(t, 3)
	for _, c := range []struct {
		name, says string
		bad        func(*site) sabotage
	}{
		{"a journal that forgets a note", "the journal does not say what was written", func(*site) sabotage {
			return sabotage{journal: func(j move.Journal) move.Journal { return forgetsNote{j} }}
		}},
		{"a journal that never ends a move", "they are forgotten", func(*site) sabotage {
			return sabotage{journal: func(j move.Journal) move.Journal { return neverEnds{j} }}
		}},
		{"a recorder that records after the write", "before that was in the audit record", func(*site) sabotage {
			return sabotage{recorder: func(r move.Recorder) move.Recorder { return recordsLate{r, &sync.Mutex{}, &[]func(){}} }}
		}},
		{"a resume that skips an app", "was written 0 times, want 1", func(*site) sabotage {
			return sabotage{journal: func(j move.Journal) move.Journal { return skipsApp{j} }}
		}},
		{"a resume that writes blindly", "was written 2 times, want 1", func(*site) sabotage {
			return sabotage{apps: func(v move.Vendors) move.Apps { return blind{v} }}
		}},
		{"a move that touches another value", `/note was  and is "somebody was here"`, func(s *site) sabotage {
			return sabotage{apps: func(v move.Vendors) move.Apps { return careless{v, s} }}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, 3)
				s.codecs = memos{}
				start, do := s.save(t), s.forward(t)
				s.bad = c.bad(s)
				for _, at := range points {
					s.restore(t, start)
					_ = s.live(t, &fuse{at: at.String()}, do)
					wrong := s.recovers(t, do, false)
					if strings.Contains(strings.Join(wrong, "\n"), c.says) {
						return
					}
				}
				t.Errorf("no check refuses it with %q", c.says)
			})
		})
	}
}

// The checks also see what nobody of ours has done.
func TestChecksSeeTheAftermath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 1)
		s.pointsOf(t, s.forward(t))
		good := s.outcome(t)
		for _, c := range []struct {
			name, says string
			spoil      func(*outcome)
		}{
			{"a record cut out of the chain", "the audit chain", func(o *outcome) {
				s.audit.lines = append(s.audit.lines[:1:1], s.audit.lines[2:]...)
				*o = s.outcome(t)
			}},
			{"an app of nobody's was written", "none of the move's apps", func(o *outcome) { o.writes = map[string]int{"other": 1, s.fed.Apps[0].ID: 1} }},
			{"an app is back home", "signs in at us-east-1", func(o *outcome) { o.docs = s.before }},
			{"a second move", "2 ended moves, want 1", func(o *outcome) { o.Past = append(o.Past, o.Past[0]) }},
		} {
			o := good
			c.spoil(&o)
			wrong := o.finished(s.mission, s.before, s.fed.Regions[1], 1)
			if !strings.Contains(strings.Join(wrong, "\n"), c.says) {
				t.Errorf("%s: %q, want %q", c.name, wrong, c.says)
			}
		}
		if wrong := good.untouched(s.before); len(wrong) < 2 {
			t.Errorf("a move without a trace in the journal passes: %q", wrong)
		}
		if wrong := good.finished(s.mission, s.before, s.fed.Regions[1], 1); len(wrong) > 0 {
			t.Errorf("the good outcome: %q", wrong)
		}
	})
}
