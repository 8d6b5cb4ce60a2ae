package crashtest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// job is what a process does with its life.
type job func(context.Context, *process) error

func resume(ctx context.Context, p *process) error { return p.resume(ctx) }

// forward moves every app away from home.
func (s *site) forward(t testing.TB) job {
	plan := s.plan(t)
	return func(ctx context.Context, p *process) error { return p.move(ctx, plan) }
}

// back takes the last move back.
func (s *site) back(t testing.TB) job {
	past := s.save(t).past
	if len(past) == 0 {
		t.Fatal("there is no move to take back")
	}
	return func(ctx context.Context, p *process) error { return p.undo(ctx, past[0]) }
}

// outcome looks at everything.
func (s *site) outcome(t testing.TB) outcome {
	t.Helper()
	st := s.save(t)
	o := outcome{Open: st.open, Past: st.past, docs: st.docs, writes: st.writes, unrecorded: st.unrecorded}
	var err error
	if o.Records, err = s.audit.records(); err != nil {
		o.Broken = err.Error()
	}
	return o
}

// dies runs a job that has to end at a point; it reports whether it did. A second
// token of a tenant is asked for only if two apps of it ask at the same moment: a
// run in which they did not is no error.
func (s *site) dies(t testing.TB, at point, do job) bool {
	t.Helper()
	f := &fuse{at: at.String()}
	err := s.live(t, f, do)
	switch {
	case f.dead():
		return true
	case at.what == "token" && err == nil:
		return false
	default:
		t.Errorf("the point %s was not reached (%v)", at, err)
		return false
	}
}

// recovers lets the last leader finish what is open, and carry out the move
// again if it had left no trace. It returns what is wrong then.
func (s *site) recovers(t testing.TB, do job, undone bool) (wrong []string) {
	t.Helper()
	if err := s.live(t, &fuse{}, resume); err != nil {
		return []string{fmt.Sprintf("the last recovery: %v", err)}
	}
	at, moves := s.fed.Regions[1], 1
	if undone {
		at, moves = s.fed.Regions[0], 2
	}
	if st := s.save(t); len(st.past) < moves && len(st.open) == 0 {
		if !undone {
			wrong = s.outcome(t).untouched(s.before)
		}
		if err := s.live(t, &fuse{}, do); err != nil {
			return append(wrong, fmt.Sprintf("the same again: %v", err))
		}
	}
	return append(wrong, s.outcome(t).finished(s.mission, s.before, at, moves)...)
}

// pointsOf runs a job to its end and returns the points on its way.
func (s *site) pointsOf(t testing.TB, do job) []point {
	t.Helper()
	f := &fuse{}
	if err := s.live(t, f, do); err != nil {
		t.Fatalf("without any crash: %v", err)
	}
	return f.points()
}

// sample is all points, but under the race detector, where each run costs ten
// times as much: every nth for a move of n apps.
func sample(points []point, apps int) []point {
	if underRace {
		return share(points, len(points)/2%apps, apps)
	}
	return points
}

// movePoints is the list of points of a move of so many apps, made by a run.
func movePoints(t *testing.T, apps int) (points []point) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, apps)
		points = s.pointsOf(t, s.forward(t))
		report(t, "no crash", s.outcome(t).finished(s.mission, s.before, s.fed.Regions[1], 1))
	})
	return points
}

// undoPoints is the same for the undo of such a move.
func undoPoints(t *testing.T, apps int) (points []point) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, apps)
		s.pointsOf(t, s.forward(t))
		points = s.pointsOf(t, s.back(t))
		report(t, "no crash", s.outcome(t).finished(s.mission, s.before, s.fed.Regions[0], 2))
	})
	return points
}

func report(t testing.TB, at string, wrong []string) {
	t.Helper()
	for _, w := range wrong {
		t.Errorf("%s: %s", at, w)
	}
}

// share deals points to so many tests that run side by side.
func share[T any](points []T, i, of int) (out []T) {
	for ; i < len(points); i += of {
		out = append(out, points[i])
	}
	return out
}

// lanes is how many worlds live side by side.
const lanes = 4

// inLanes runs f on a share of the points each, in a world and in virtual time
// of its own. Codecs and checks keep their answers there (memos); those of the
// killed processes do not.
func inLanes(t *testing.T, apps int, points []point, f func(t *testing.T, s *site, points []point)) {
	t.Helper()
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane+1), func(t *testing.T) {
			t.Parallel()
			for part := range slices.Chunk(share(points, lane, lanes), 30) { // no world grows old
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, apps)
					s.codecs, s.seen = memos{}, &verdicts{known: map[string][]string{}}
					f(t, s, part)
				})
			}
		})
	}
}

// spec 9.3 spec 9.5 spec 14: a move that is killed at any boundary is finished
// by the next leader: every app is there, written once and recorded before, with
// everything else as it was and with a snapshot that leads back. Every fifth of
// them is then taken back.
func TestMoveKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, apps := range []int{1, 3, 6} {
		t.Run(fmt.Sprintf("%d apps", apps), func(t *testing.T) {
			t.Parallel()
			points := movePoints(t, apps)
			t.Logf("%d points", len(points))
			inLanes(t, apps, sample(points, apps), func(t *testing.T, s *site, points []point) {
				start, do := s.save(t), s.forward(t)
				for i, at := range points {
					s.restore(t, start)
					s.dies(t, at, do)
					report(t, at.String(), s.recovers(t, do, false))
					if i%5 == 0 {
						s.pointsOf(t, s.back(t))
						report(t, at.String()+", then undo", s.outcome(t).finished(s.mission, s.before, s.fed.Regions[0], 2))
					}
				}
			})
		})
	}
}

// spec 4.1 spec 9.3: so is the undo of a move.
func TestUndoKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, apps := range []int{1, 3, 6} {
		t.Run(fmt.Sprintf("%d apps", apps), func(t *testing.T) {
			t.Parallel()
			points := undoPoints(t, apps)
			t.Logf("%d points", len(points))
			inLanes(t, apps, sample(points, apps), func(t *testing.T, s *site, points []point) {
				s.pointsOf(t, s.forward(t))
				start, do := s.save(t), s.back(t)
				for _, at := range points {
					s.restore(t, start)
					s.dies(t, at, do)
					report(t, at.String(), s.recovers(t, do, true))
				}
			})
		})
	}
}

// spec 9.5: and so is a move whose recovery is killed as well, at any of the
// recovery's own boundaries. With CRASH_ALL these are all pairs ("most": of 6
// apps those of every fifth first crash). Without, first
// crashes that leave the same to the next leader count once for 3 and 6 apps,
// only a few of them are tried for 6, and even fewer of everything under the race
// detector, where each costs ten times as much.
func TestRecoveryKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ apps, every, underRace int }{{1, 1, 8}, {3, 1, 52}, {6, 49, 196}} {
		t.Run(fmt.Sprintf("%d apps", c.apps), func(t *testing.T) {
			t.Parallel()
			every, done := c.every, &sync.Map{}
			switch {
			case os.Getenv("CRASH_ALL") == "most" && c.apps == 6:
				every, done = 5, nil
			case os.Getenv("CRASH_ALL") != "":
				every, done = 1, nil
			case underRace:
				every = c.underRace
			case c.apps == 1:
				done = nil
			}
			points := movePoints(t, c.apps)
			allPairs(t, c.apps, share(points, len(points)/2%every, every), done)
		})
	}
}

// allPairs kills moves at every point given, and their recoveries at every point
// that those have. done (nil: none) are the states that need no second look.
func allPairs(t *testing.T, apps int, points []point, done *sync.Map) {
	t.Helper()
	var pairs, states atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d first crashes, %d of them looked at, %d pairs", len(points), states.Load(), pairs.Load())
		if pairs.Load() < 20*states.Load() {
			t.Error("too few pairs of crashes: the boundaries are not where they should be")
		}
	})
	inLanes(t, apps, points, func(t *testing.T, s *site, points []point) {
		start, do := s.save(t), s.forward(t)
		for _, at := range points {
			s.restore(t, start)
			s.dies(t, at, do)
			if done != nil {
				if _, known := done.LoadOrStore(s.leaves(t), true); known {
					report(t, at.String(), s.recovers(t, do, false))
					continue
				}
			}
			states.Add(1)
			pairs.Add(s.diesAgain(t, at, do))
		}
	})
}

// diesAgain kills the recovery of a move that was killed at a point, at every
// point that a recovery has, each time from what the first crash had left.
func (s *site) diesAgain(t *testing.T, at point, do job) (pairs int64) {
	t.Helper()
	left := s.save(t)
	second := s.pointsOf(t, resume)
	for _, again := range second {
		s.restore(t, left)
		if !s.dies(t, again, resume) {
			continue
		}
		report(t, at.String()+" and "+again.String(), s.recovers(t, do, false))
		if t.Failed() {
			break
		}
	}
	return int64(len(second))
}

// leaves says all that a next leader may find, in any world: of each app what it
// holds, how often it was written, and what the journal says.
func (s *site) leaves(t *testing.T) string {
	t.Helper()
	st := s.save(t)
	out := fmt.Sprintf("%d open, %d ended", len(st.open), len(st.past))
	for _, app := range s.fed.Apps {
		changed := differing(s.before[app.ID], st.docs[app.ID])
		delete(changed, stampOf(app))
		out += fmt.Sprintf("\n%s: written %d times: %v", app.Name, st.writes[app.ID], changed)
		for _, n := range st.notes() {
			if n.App == app.String() {
				out += fmt.Sprintf("; %s %v %v", n.Phase, n.Proof, n.Changes)
			}
		}
	}
	return out
}
