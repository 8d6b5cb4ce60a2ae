package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// UndoOf makes the record of a move that takes another one back (spec 4.1): for
// every app the changes that the former move wrote, or may have written. Apps
// that it never came to write are left out.
func UndoOf(past Record, req failover.Request) (Record, error) {
	if req.Undoes != nil && req.Undoes.Whole != nil {
		return restoreOf(past, req)
	}
	if past.Result == nil {
		return Record{}, fmt.Errorf("undo move %s: %w", past.ID, ErrOpenMove)
	}
	if past.Undoes != "" {
		return Record{}, fmt.Errorf("move %s is itself the undo of %s; to go the other way use: samlfailover move --to REGION", past.ID, past.Undoes)
	}
	r := Record{ID: newID(), Federation: past.Federation, Cause: failover.Switchover, By: req.By, Reason: req.Reason,
		Overrides: req.Overrides, Undoes: past.ID, Approval: req.Approval, Started: time.Now().UTC()}
	for _, s := range past.Steps {
		wrote := past.wrote(s.App)
		if len(wrote) == 0 {
			continue
		}
		if s.From.IsZero() {
			return Record{}, fmt.Errorf("undo move %s: the Region that app %s came from is not recorded; move it with: samlfailover move --to REGION", past.ID, s.App.Name)
		}
		r.Steps = append(r.Steps, StepRecord{App: s.App, From: s.From, Before: s.Before, RelayBefore: s.RelayBefore, Undo: wrote})
	}
	if len(r.Steps) == 0 {
		return Record{}, fmt.Errorf("undo move %s: it wrote nothing: %w", past.ID, failover.ErrNothingToMove)
	}
	r.To = r.Steps[0].From
	return r, nil
}

// Undoing returns what an undo of the move would take back, for the rules; to
// is where its first app goes back to.
func (r Record) Undoing() (u failover.Undoing, to signin.Region, err error) {
	back, err := UndoOf(r, failover.Request{})
	if err != nil {
		return u, to, err
	}
	u.Move = r.ID
	for _, s := range back.Steps {
		u.Apps = append(u.Apps, failover.UndoApp{App: s.App, To: s.From})
	}
	return u, back.To, nil
}

// UndoPreview is what an undo would do to one app as it is now: the changes to
// make, and the findings about values that somebody edited later and that stay.
type UndoPreview struct {
	App     federation.AppRef `json:"app"`
	To      signin.Region     `json:"to"`
	Changes []idp.Change      `json:"changes,omitempty"`
	Notes   []finding.Finding `json:"notes,omitempty"`
	Error   *finding.Finding  `json:"error,omitempty"` // the app could not be read, or may not be written
}

// PreviewUndo reads every app that a move wrote and says what an undo would
// change. It writes nothing.
func (m *Mover) PreviewUndo(ctx context.Context, past Record) ([]UndoPreview, error) {
	back, err := UndoOf(past, failover.Request{})
	if err != nil {
		return nil, err
	}
	out := make([]UndoPreview, len(back.Steps))
	var g errgroup.Group
	g.SetLimit(16)
	for i, s := range back.Steps {
		g.Go(func() error {
			out[i] = m.previewUndo(ctx, s)
			return nil
		})
	}
	return out, g.Wait()
}

// errPreview stops a step once it is known what it would write.
var errPreview = errors.New("only a preview")

func (m *Mover) previewUndo(ctx context.Context, s StepRecord) UndoPreview {
	ctx, cancel := context.WithTimeout(ctx, m.Limits.CallDeadline)
	defer cancel()
	stop := func(context.Context, idp.Document, []idp.Change) error { return errPreview }
	res, err := m.Apps.Undo(ctx, s.App, s.Undo, idp.Hooks{Planned: stop})
	out := UndoPreview{App: s.App, To: s.From, Changes: res.Changes, Notes: res.Findings}
	if err != nil && !errors.Is(err, errPreview) {
		out.Error = asFinding(s.App, finding.IdPUnreachable, "the app could not be looked at", err)
	}
	return out
}

// elsewhere says that an app which an undo has dealt with is not where it came
// from: somebody has moved it on, and that is kept (spec 4.1).
func (x *run) elsewhere(a *appRun) *finding.Finding {
	at := a.last.App.Region()
	if s, ok := x.f.Standby(a.step.App); ok && x.r.Undoes != "" {
		return tileElsewhere(s, a)
	}
	if x.r.Undoes == "" || at == a.step.From {
		return nil
	}
	return &finding.Finding{Code: finding.LaterEdit, Subject: "app " + a.step.App.Name,
		What: fmt.Sprintf("the app signs in at %s and not where the move had put it, so the undo left it there", at),
		Why:  "somebody changed it after the move", Remedy: "if it shall go back too, do the hand steps"}
}

// tileElsewhere says that an undo left a tile as somebody has set it since.
func tileElsewhere(s federation.Standby, a *appRun) *finding.Finding {
	meant, is := failover.TileOf(s, a.step.From), tileWord(a.last.App)
	if is == meant {
		return nil
	}
	return &finding.Finding{Code: finding.LaterEdit, Subject: "app " + s.App.Name,
		What: fmt.Sprintf("the app's tile is %s and not as the move had put it, so the undo left it", is),
		Why:  "somebody changed it after the move", Remedy: fmt.Sprintf("if it shall be %s, set it by hand", meant)}
}

// wrote returns the changes noted for an app.
func (r Record) wrote(app federation.AppRef) []idp.Change {
	for _, n := range r.Notes {
		if n.App == app.String() && n.Phase == Planned {
			return n.Changes
		}
	}
	return nil
}

// Undo takes a finished move back. Whether the Regions it leads to are healthy
// is for the caller to decide first, with the failover rules.
func (m *Mover) Undo(ctx context.Context, past Record, req failover.Request) (failover.Result, error) {
	f, err := m.federation(past.Federation)
	if err != nil {
		return failover.Result{}, err
	}
	r, err := UndoOf(past, req)
	if err != nil {
		return failover.Result{}, err
	}
	for _, s := range r.Steps {
		if err := permitted(f, r, s); err != nil {
			return failover.Result{}, fmt.Errorf("undo move %s: %w", past.ID, err)
		}
	}
	return m.begin(ctx, f, r, r.Steps)
}

// inverse turns changes round, for people.
func inverse(wrote []idp.Change) []idp.Change {
	var out []idp.Change
	for _, c := range wrote {
		out = append(out, idp.Change{Pointer: c.Pointer, Before: c.After, After: c.Before})
	}
	return out
}
