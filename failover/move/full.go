package move

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// KeptDocuments finds what Snapshots has kept; ok is false for what it has not.
type KeptDocuments interface {
	Kept(ctx context.Context, federation string, id failover.MoveID, app federation.AppRef) (doc idp.Document, ok bool, err error)
}

// ErrNotKept: there is no document of that app from before that move.
var ErrNotKept = errors.New("no document of the app from before the move is kept")

// Wholes compares apps with their documents of before a move, for putting such a
// document back (spec 4.2). It writes nothing. Safe for concurrent use.
type Wholes struct {
	Documents KeptDocuments
	Vendors   Vendors
	Within    time.Duration // of the read; 0 means 15 s
}

// Comparison is what a full restore would do to one app. The values that stay are
// left out: they may be keys.
type Comparison struct {
	App      federation.AppRef `json:"app"`
	Move     failover.MoveID   `json:"move"`
	To       signin.Region     `json:"to"`        // where the stored document signs in
	StoredAt time.Time         `json:"stored_at"` // when the move read it
	Stored   string            `json:"stored"`    // SHA-256 of the stored document
	// Seen is the SHA-256 of all values in which the two differ: any change of the
	// app, but for what the vendor changes by itself, gives another one.
	Seen        string            `json:"seen"`
	Differences []idp.Difference  `json:"differences"`
	Notes       []finding.Finding `json:"notes,omitempty"`
}

// Undoing is what the rules and an approval get to see of it.
func (c Comparison) Undoing() failover.Undoing {
	return failover.Undoing{Move: c.Move, Apps: []failover.UndoApp{{App: c.App, To: c.To}},
		Whole: &failover.Whole{Stored: c.Stored, Seen: c.Seen, Back: idp.Back(c.Differences)}}
}

// Compare reads an app and compares it with its document of before a move, which
// must have ended. It refuses documents that may not be written (spec 1.4, 2.8),
// and is ErrNotKept where there is none.
func (w Wholes) Compare(ctx context.Context, past Record, app federation.AppRef) (Comparison, error) {
	stored, ok, err := w.Documents.Kept(ctx, past.Federation, past.ID, app)
	if err != nil {
		return Comparison{}, fmt.Errorf("look for the document of app %s from before move %s: %w", app.Name, past.ID, err)
	}
	i := slices.IndexFunc(past.Steps, func(s StepRecord) bool { return s.App.Same(app) })
	if !ok || i < 0 {
		return Comparison{}, fmt.Errorf("app %s, move %s: %w", app.Name, past.ID, ErrNotKept)
	}
	v, err := w.Vendors.of(app)
	if err != nil {
		return Comparison{}, err
	}
	within := w.Within
	if within <= 0 {
		within = 15 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	live, err := v.Tenant.Read(ctx, idp.AppID(app.ID))
	if err != nil {
		return Comparison{}, fmt.Errorf("read app %s: %w", app.Name, err)
	}
	rows, err := idp.ThreeWay(v.Codec, stored, past.wrote(past.Steps[i].App), live)
	if err != nil {
		return Comparison{}, err
	}
	then := v.Codec.Describe(stored)
	out := Comparison{App: past.Steps[i].App, Move: past.ID, To: then.Region(), StoredAt: stored.ReadAt, Differences: rows}
	if out.Stored, err = digestOf(stored.Raw); err == nil {
		out.Seen, err = digestOf(rows)
	}
	if err != nil {
		return Comparison{}, err
	}
	if f, ok := idp.StaysFinding(stored.ID, rows); ok {
		out.Notes = append(out.Notes, f)
	}
	if _, foreign := signin.ParseRelayState(then.RelayState); foreign != nil && then.RelayState != v.Codec.Describe(live).RelayState {
		out.Notes = append(out.Notes, finding.Finding{Code: finding.ForeignRelayState, Subject: "app " + app.Name,
			What: "the RelayState of the stored document will not be written", Why: foreign.Error(), Remedy: "set it by hand if it is meant"})
	}
	for i, r := range out.Differences {
		if r.Stays {
			out.Differences[i] = idp.Difference{Pointer: r.Pointer, Stays: true}
		}
	}
	return out, nil
}

func digestOf(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("digest of a comparison: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// restoreOf makes the record of a move that puts one app's whole document back as
// it was before a past move.
func restoreOf(past Record, req failover.Request) (Record, error) {
	u := req.Undoes
	if past.Result == nil {
		return Record{}, fmt.Errorf("put back a document of before move %s: %w", past.ID, ErrOpenMove)
	}
	i := slices.IndexFunc(past.Steps, func(s StepRecord) bool { return len(u.Apps) == 1 && s.App.Same(u.Apps[0].App) })
	if i < 0 || len(u.Whole.Back) == 0 || u.Apps[0].To.IsZero() {
		return Record{}, fmt.Errorf("put back a document of before move %s: %w", past.ID, failover.ErrNothingToMove)
	}
	s := past.Steps[i]
	return Record{ID: newID(), Federation: past.Federation, Cause: failover.Switchover, To: u.Apps[0].To, By: req.By, Reason: req.Reason, Undoes: past.ID,
		Whole: true, Approval: req.Approval, Started: time.Now().UTC(),
		Steps: []StepRecord{{App: s.App, From: u.Apps[0].To, Before: s.Before, RelayBefore: s.RelayBefore, Undo: u.Whole.Back}}}, nil
}
