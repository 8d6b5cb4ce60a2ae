package move_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// newTileWorld is newWorld with an app b-west that stands in for b in us-west-2,
// its tile hidden.
func newTileWorld() *world {
	w := newWorld()
	w.fed.Standbys = []federation.Standby{{For: ref("t1", "b"), Region: west, App: ref("t1", "b-west"), Unhide: true}}
	w.putTile("b-west", west, "untouched", true)
	return w
}

// hidden reports whether people do not see the tile.
func (w *world) hidden(id string) bool {
	app, _ := w.app(id)
	return app.Hidden
}

// proofs is a prover that notes whom it was asked about.
type proofs struct {
	mu    sync.Mutex
	asked []string
}

func (p *proofs) Prove(_ context.Context, app federation.AppRef, to signin.Region) (failover.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, app.Name+" "+to.String())
	return failover.P3, nil
}

// There, back and undone: the tile follows the move, b itself is never written,
// and the proof is asked of the app that people use.
// spec 2.10, 4.1
func TestTileFollowsTheMove(t *testing.T) {
	t.Parallel()
	w := newTileWorld()
	prover := &proofs{}
	lead := func() *move.Mover { // the last one is deposed by looking at the journal
		c := w.config()
		c.Prover = prover
		return newMover(t, c)
	}
	res := mustRun(t, lead(), w.plan(t, nil))
	if res.Status != failover.Verified || res.Moved() != 3 || w.hidden("b-west") || w.writes["b"] != 0 || w.writes["b-west"] != 1 {
		t.Fatalf("there: %+v, %v", res, w.writes)
	}
	w.wantAt(t, "b", east, "untouched")
	w.wantAt(t, "b-west", west, "untouched")
	there := w.newest(t)
	res = mustRun(t, lead(), w.plan(t, &failover.Request{To: east, By: "ann", Reason: "home"}))
	if res.Status != failover.Verified || !w.hidden("b-west") {
		t.Fatalf("back: %+v", res)
	}
	for _, want := range []string{"b-west us-west-2", "b us-east-1"} {
		if !slices.Contains(prover.asked, want) {
			t.Errorf("nobody proved %s: %v", want, prover.asked)
		}
	}
	// What the first move wrote is gone already: its undo finds nothing to do.
	if res, err := lead().Undo(t.Context(), there, failover.Request{By: "ann", Reason: "ticket"}); err != nil || res.Moved() != 3 || !w.hidden("b-west") {
		t.Errorf("undo of the first move: %+v %v", res, err)
	}
	if res := mustRun(t, lead(), w.plan(t, nil)); res.Moved() != 3 {
		t.Fatal(res)
	}
	again := w.newest(t)
	res, err := lead().Undo(t.Context(), again, failover.Request{By: "ann", Reason: "ticket"})
	if err != nil || res.Moved() != 3 || !w.hidden("b-west") {
		t.Errorf("undo: %+v %v", res, err)
	}
	w.wantAt(t, "b-west", west, "untouched")
	w.wantRecorded(t)
}

func (w *world) wantRecorded(t *testing.T) {
	t.Helper()
	if len(w.unheard) > 0 {
		t.Errorf("written without a record: %v", w.unheard)
	}
}

// What keeps a tile from being written, however late it comes, with the step for
// a person.
// spec 2.10, 8.6
func TestTileIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		before func(*world) // the plan is made after it
		after  func(*world)
		lock   string
		code   finding.Code
		field  string
	}{
		{"the endpoint was changed since the plan", nil, func(w *world) { w.putTile("b-west", ohio, "theirs", true) }, "", finding.StandbyUnusable, "tile"},
		{"a person has locked the app itself", nil, nil, "t1/b", finding.AppLocked, "/hidden"},
		{"a person has locked the standby app", nil, nil, "t1/b-west", finding.AppLocked, "/hidden"},
		{"the config does not name it any more", nil, func(w *world) { w.fed.Standbys = nil }, "", finding.NotMember, ""},
		{"the config does not allow it", func(w *world) { w.fed.Standbys[0].Unhide = false }, nil, "", finding.TileByHand, "tile"},
	} {
		w := newTileWorld()
		if c.before != nil {
			c.before(w)
		}
		p := w.plan(t, nil)
		if c.after != nil {
			c.after(w)
		}
		cfg, _ := w.braked(t)
		if c.lock != "" {
			cfg, _ = w.braked(t, lockOn(c.lock))
		}
		res, err := newMover(t, cfg).Run(t.Context(), p, failover.Request{})
		if c.code == finding.NotMember {
			if !finding.Is(err, c.code) || w.totalWrites() != 0 {
				t.Errorf("%s: %+v %v", c.why, res, err)
			}
			continue
		}
		if err != nil || res.Status != failover.Incomplete || w.writes["b-west"]+w.writes["b"] != 0 || res.Moved() != 2 {
			t.Errorf("%s: %+v %v, writes %v", c.why, res, err, w.writes)
			continue
		}
		i := slices.IndexFunc(res.Apps, func(a failover.AppResult) bool { return a.App.ID == "b-west" })
		if f := res.Apps[i].Finding; f == nil || f.Code != c.code {
			t.Errorf("%s: %v", c.why, f)
		}
		if len(res.HandSteps) == 0 || !strings.HasPrefix(res.HandSteps[0].Field, c.field) || res.HandSteps[0].App.ID != "b-west" {
			t.Errorf("%s: hand steps %+v", c.why, res.HandSteps)
		}
		for _, h := range res.HandSteps {
			if strings.Contains(h.Field, "sign-in URL") {
				t.Errorf("%s: a person is told to move an endpoint: %+v", c.why, h)
			}
		}
	}
}

// Where nothing stands in, the step for a person is to make such an app, not to
// move the endpoint of one that stays.
// spec 2.10
func TestNothingStandsIn(t *testing.T) {
	t.Parallel()
	w := newTileWorld()
	res := mustRun(t, newMover(t, w.config()), w.plan(t, &failover.Request{To: ohio, By: "ann", Reason: "test"}))
	if res.Status != failover.Incomplete || res.Stuck != 1 || w.writes["b"]+w.writes["b-west"] != 0 {
		t.Errorf("%+v", res)
	}
	if len(res.HandSteps) != 1 || res.HandSteps[0].App.ID != "b" || res.HandSteps[0].Field != "standby app for us-east-2" {
		t.Errorf("hand steps %+v", res.HandSteps)
	}
}

// An undo leaves a tile as somebody has set it since, and never calls it undone.
// spec 4.1, 2.10
func TestUndoKeepsATileThatSomebodySet(t *testing.T) {
	t.Parallel()
	w := newTileWorld()
	mustRun(t, newMover(t, w.config()), w.plan(t, nil))
	past := w.newest(t)
	w.mu.Lock()
	w.docs["b-west"] = []byte(strings.Replace(string(w.docs["b-west"]), `"hidden":false`, `"hidden":null`, 1))
	w.mu.Unlock()
	res, err := newMover(t, w.config()).Undo(t.Context(), past, failover.Request{By: "ann", Reason: "ticket"})
	if err != nil || res.Status != failover.Incomplete || res.Moved() != 2 || w.writes["b-west"] != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	i := slices.IndexFunc(res.Apps, func(a failover.AppResult) bool { return a.App.ID == "b-west" })
	if f := res.Apps[i].Finding; f == nil || f.Code != finding.LaterEdit || !strings.Contains(f.What, "shown") {
		t.Errorf("%v", f)
	}
}
