package move

import (
	"context"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// Snapshot is one app's whole document as a move read it before it wrote.
type Snapshot struct {
	Federation string
	Move       failover.MoveID
	App        federation.AppRef
	Document   idp.Document
}

// Snapshots keeps whole documents, for nothing but a full restore (spec 4.2): no
// move and no undo needs them. Safe for concurrent use.
type Snapshots interface {
	// Keep is durable on return; the newest of one move and app counts.
	Keep(ctx context.Context, s Snapshot) error
	// Drop forgets the documents of a federation's older moves.
	Drop(ctx context.Context, federation string) error
}

// keepWithin is the most that one document may cost a move.
const keepWithin = time.Second

// snapshot keeps the document of an app that is about to be written first by this
// move: what a later try reads may hold our own write. A document that cannot be
// kept stops nothing; the result says so. A full restore keeps none: it would push
// out those that the next one needs, and its record has all that it replaces.
func (x *run) snapshot(ctx context.Context, a *appRun, before idp.Document) {
	if x.m.Snapshots == nil || x.r.Whole || len(a.wrote) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	a.unkept = nil
	err := x.m.Snapshots.Keep(ctx, Snapshot{Federation: x.f.Name, Move: x.r.ID, App: a.step.App, Document: before})
	if err == nil {
		return
	}
	x.m.Log.Warn("the app's document from before the move is not kept: restore --full cannot put it back", "move", x.r.ID, "app", a.step.App.Name, "error", err)
	a.unkept = &finding.Finding{Code: finding.SnapshotMissing, Subject: "app " + a.step.App.Name,
		What: "the whole document from before the move is not kept", Why: err.Error(),
		Remedy: "nothing to do for the move or its undo; only restore --full of this move and app is not possible"}
}

// drop forgets documents of older moves once a move has ended.
func (x *run) drop(ctx context.Context) {
	if x.m.Snapshots == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	if err := x.m.Snapshots.Drop(ctx, x.f.Name); err != nil {
		x.m.Log.Warn("documents of older moves could not be dropped; the next move drops them", "move", x.r.ID, "error", err)
	}
}
