package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newUndo(p *program) *cobra.Command {
	var c configured
	var r control.UndoRequest
	cmd := &cobra.Command{
		Use:   "undo [MOVE] --reason TEXT",
		Short: "Take a finished move back: only what it wrote, only where that still stands",
		Long: `undo takes back what the move of this ID wrote (history lists them), without an ID the
newest move of the federation. Each app is read again: a field that the move wrote and
that still holds what it wrote gets its former value back; what anybody edited since
stays, and is shown. What happens is shown as it happens; when you interrupt this
command, the undo goes on.

It is refused toward a Region that is not healthy; --override no-candidate puts that
aside, and is recorded. Exit code 3 when a rule holds it, 1 when not every app went back,
2 when it became a proposal, because the policy asks for approvals.

--dry-run reads the apps and shows what would change; exit code 2 if something would.
With --output json there is one object per line, as with move.`,
		Args: maybeOne("the ID of one move"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.Move = args[0]
			}
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				r.Federation = c.federation
				answer, err := client.Undo(ctx, r, func(e control.MoveEvent) { p.showEvent(e) })
				if err != nil {
					return asUsage(err)
				}
				if r.DryRun {
					return p.showUndoPreview(answer)
				}
				return p.showMoved(answer)
			})
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().StringVar(&r.Reason, "reason", "", "`TEXT` for the record: why, in words that others will read")
	cmd.Flags().StringArrayVar(&r.Overrides, "override", nil, "put aside the `RULE` of this name (may be given several times)")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only say what would happen")
	return cmd
}

// showUndoPreview prints what an undo would change and what it would keep.
func (p *program) showUndoPreview(a control.MoveAnswer) error {
	code, changes := exitHeld, 0
	for _, app := range a.Preview {
		changes += len(app.Changes)
	}
	if !control.MoveHolds(a.Decision) || control.MoveProposes(a.Decision) {
		if code = exitDone; changes > 0 {
			code = exitPending
		}
	}
	if p.json() {
		if err := p.printJSON(a); err != nil {
			return err
		}
		return quietly(code)
	}
	p.showBrakes(a.Decision.Brakes, a.Decision.At)
	for _, app := range a.Preview {
		p.line("  %s back to %s", escape.Terminal(app.App.Name), app.To)
		for _, c := range app.Changes {
			p.line("    %s  %s -> %s", escape.Terminal(string(c.Pointer)), rawText(c.Before), rawText(c.After))
		}
		if len(app.Changes) == 0 && app.Error == nil {
			p.line("    nothing to change")
		}
		p.showProblems(app.Notes)
		if app.Error != nil {
			p.showFinding(*app.Error)
		}
	}
	p.line("")
	switch {
	case control.MoveProposes(a.Decision):
		p.line("People have to approve this: %s", escape.Terminal(a.Decision.Why))
	case control.MoveHolds(a.Decision):
		p.showHeld(a.Decision)
	default:
		p.line("Nothing holds this undo.")
	}
	return quietly(code)
}

// rawText shows a JSON value for a terminal.
func rawText(raw []byte) string {
	if raw == nil {
		return "(absent)"
	}
	return escape.Terminal(string(raw))
}
