package move

import (
	"context"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
)

// UndoOf makes the record of a move that takes another one back (spec 4.1): for
// every app the changes that the former move wrote, or may have written. Apps
// that it never came to write are left out.
func UndoOf(past Record, req failover.Request) (Record, error) {
	if past.Result == nil {
		return Record{}, fmt.Errorf("undo move %s: %w", past.ID, ErrOpenMove)
	}
	r := Record{ID: newID(), Federation: past.Federation, Cause: failover.Switchover, By: req.By, Reason: req.Reason,
		Overrides: req.Overrides, Undoes: past.ID, Started: time.Now().UTC()}
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
