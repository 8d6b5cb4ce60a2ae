package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newFullRestore(p *program) *cobra.Command {
	var c configured
	var r control.FullRestoreRequest
	var full bool
	cmd := &cobra.Command{
		Use:   "restore --full --app APP --move ID --reason TEXT",
		Short: "Put one app's whole document back as it was before a move, once another person approves",
		Long: `restore --full compares three states of one app: its whole document as the move read it
before it wrote, what the move wrote, and the app as it is now. It shows every value in
which they differ and asks other people to approve that the former ones go back, what
somebody else has changed since with them. To take back only what a move wrote, use undo.

It needs the role admin, and the approval of another person with the role approver
(samlfailover approve ID). Nothing is written before. When the app has changed by then,
in any value, the proposal is void and nothing is written.

Values that hold keys, steer who may use the app, or are the vendor's own stay as they
are and are named. A document with an endpoint outside AWS, or of a kind of app that is
not proven, is refused. Documents are kept of the last three moves of a federation.

--dry-run only shows the comparison. Exit code 0 when nothing differs that could go back,
2 when something would change or a proposal was made, 3 when a rule or a finding holds it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !full {
				return usagef("say --full if the whole document shall go back, with others' edits since; to take back only what a move wrote: samlfailover undo MOVE --reason TEXT")
			}
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				r.Federation = c.federation
				answer, err := client.RestoreFull(ctx, r)
				if err != nil {
					return asUsage(err)
				}
				return p.showFullRestore(answer)
			})
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().BoolVar(&full, "full", false, "the whole document, not only what the move wrote")
	cmd.Flags().StringVar(&r.App, "app", "", "the `APP`: its name, its id, or TENANT/ID")
	cmd.Flags().StringVar(&r.Move, "move", "", "the move's `ID`; its document is of before it")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "`TEXT` for the record: why, in words that others will read")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only show the comparison")
	return cmd
}

// showFullRestore prints the comparison, and what became of the request.
func (p *program) showFullRestore(a control.FullRestoreAnswer) error {
	changes, code := a.Changes(), exitDone
	switch {
	case changes > 0 && control.MoveHolds(a.Decision) && !control.MoveProposes(a.Decision):
		code = exitHeld
	case changes > 0:
		code = exitPending
	}
	if p.json() {
		if err := p.printJSON(a); err != nil {
			return err
		}
		return quietly(code)
	}
	w := a.Comparison
	p.line("%s as it was before move %s, read at %s", escape.Terminal(w.App.Name), escape.Terminal(string(w.Move)), w.StoredAt.UTC().Format("2006-01-02 15:04:05 UTC"))
	for _, d := range w.Differences {
		if d.Stays {
			p.line("  %s  differs and stays as it is", escape.Terminal(string(d.Pointer)))
			continue
		}
		whose := "somebody has changed it"
		if d.Ours {
			whose = "the move wrote it"
		}
		p.line("  %s  %s -> %s  (%s)", escape.Terminal(string(d.Pointer)), rawText(d.Live), rawText(d.Stored), whose)
		if d.Wrote != nil && !d.Ours {
			p.line("    the move wrote %s", rawText(d.Wrote))
		}
	}
	p.showProblems(w.Notes)
	p.line("")
	switch {
	case changes == 0:
		p.line("Nothing to put back.")
	case a.Proposal != nil:
		p.showWaits(*a.Proposal)
	case code == exitHeld:
		p.showHeld(a.Decision)
	default:
		p.line("%d values would go back, once another person has approved. Without --dry-run this asks for it.", changes)
	}
	return quietly(code)
}

// showBack prints what a proposed full restore would change.
func (p *program) showBack(one control.Proposal) {
	if one.Request.Undoes == nil || one.Request.Undoes.Whole == nil {
		return
	}
	for _, c := range one.Request.Undoes.Whole.Back {
		p.line("  %s  %s -> %s", escape.Terminal(string(c.Pointer)), rawText(c.After), rawText(c.Before))
	}
}
