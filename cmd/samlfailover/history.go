package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newHistory(p *program) *cobra.Command {
	var c configured
	var r control.HistoryRequest
	cmd := &cobra.Command{
		Use:   "history [MOVE]",
		Short: "The moves so far: who, why, what became of each app, what is left to do by hand",
		Long: `history lists open and past moves, newest first. With the ID of a move it shows each
app with what was proved, the rules that were put aside, and the hand steps that still
remain. It asks the running controller.

With --output json it prints {"moves":[..]}: each move as the journal keeps it, with its
steps, notes, result and remaining hand steps.`,
		Args: maybeOne("the ID of one move"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.Move = args[0]
			}
			if cmd.Flags().Changed("limit") && r.Limit < 1 {
				return usagef("--limit %d: a number from 1", r.Limit)
			}
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				r.Federation = c.federation
				h, err := client.History(ctx, r)
				if err != nil {
					return asUsage(err)
				}
				switch {
				case p.json():
					return p.printJSON(h)
				case r.Move != "":
					p.showPastMove(h.Moves[0])
				default:
					p.showHistory(h)
				}
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	cmd.Flags().StringVar(&c.federation, "federation", "", "only the federation of this `NAME`")
	cmd.Flags().IntVar(&r.Limit, "limit", 20, "at most `N` moves")
	return cmd
}

// showHistory prints moves as a table.
func (p *program) showHistory(h control.History) {
	if len(h.Moves) == 0 {
		p.line("No move so far.")
		return
	}
	rows := [][]string{{"MOVE", "FEDERATION", "WHAT", "TO", "APPS", "ENDED", "PROOF", "BY", "REASON"}}
	for _, m := range h.Moves {
		apps, ended, proof := strconv.Itoa(len(m.Steps)), "running", ""
		if res := m.Result; res != nil {
			apps, ended, proof = movedOf(*res), string(res.Status), res.Proof.String()
		}
		rows = append(rows, []string{escape.Terminal(string(m.ID)), escape.Terminal(m.Federation), whatMove(m), m.To.String(), apps, ended, proof,
			escape.Terminal(m.By), escape.Terminal(m.Reason)})
	}
	p.table(rows)
	if h.More > 0 {
		p.line("%d older ones are not shown; use --limit", h.More)
	}
	for _, m := range h.Moves {
		if len(m.Remaining) > 0 {
			p.line("")
			p.line("Still to do by hand after %s:", escape.Terminal(string(m.ID)))
			p.showHandSteps(m.Remaining)
		}
	}
}

// whatMove says what kind of move it was.
func whatMove(m control.PastMove) string {
	if m.Whole {
		return "full restore of before " + escape.Terminal(string(m.Undoes))
	}
	if m.Undoes != "" {
		return "undo of " + escape.Terminal(string(m.Undoes))
	}
	return string(m.Cause)
}

func (p *program) showPastMove(m control.PastMove) {
	p.line("Move %s of federation %s: %s to %s", escape.Terminal(string(m.ID)), escape.Terminal(m.Federation), whatMove(m), m.To)
	p.line("  started %s by %s", m.Started.UTC().Format(time.RFC3339), escape.Terminal(m.By))
	if m.Reason != "" {
		p.line("  reason: %s", escape.Terminal(m.Reason))
	}
	if len(m.Overrides) > 0 {
		p.line("  rules put aside: %s", escape.Terminal(strings.Join(m.Overrides, ", ")))
	}
	if m.Result == nil {
		p.line("  It has not ended; apps: %d", len(m.Steps))
		for _, n := range m.Notes {
			p.line("  %s  %s is %s", n.At.Local().Format(time.TimeOnly), escape.Terminal(n.App), n.Phase)
		}
		return
	}
	p.line("  ended %s: %s apps, %s, proof %s", m.Result.Finished.UTC().Format(time.RFC3339), movedOf(*m.Result), m.Result.Status, m.Result.Proof)
	if m.Result.Why != "" {
		p.line("  %s", escape.Terminal(m.Result.Why))
	}
	p.line("")
	rows := [][]string{{"APP", "FROM", "MOVED", "PROOF", "TRIES"}}
	for i, a := range m.Result.Apps {
		from := ""
		if i < len(m.Steps) && m.Undoes == "" {
			from = m.Steps[i].From.String()
		}
		moved := "no"
		if a.Moved {
			moved = "yes"
		}
		rows = append(rows, []string{escape.Terminal(a.App.Name), dash(from), moved, a.Proof.String(), strconv.Itoa(a.Attempts)})
	}
	for _, l := range m.Left {
		rows = append(rows, []string{escape.Terminal(l.App.Name), dash(l.Region.String()), "stayed", "", escape.Terminal(l.Why)})
	}
	p.table(rows)
	p.showNotes(*m.Result)
	if len(m.Remaining) > 0 {
		p.line("")
		p.line("Still to do by hand:")
		p.showHandSteps(m.Remaining)
	}
}

// showNotes prints what has to be known of single apps.
func (p *program) showNotes(res control.MoveResult) {
	for _, a := range res.Apps {
		if a.Finding != nil {
			p.showFinding(*a.Finding)
		}
		p.showProblems(a.Notes)
	}
}

// showHandSteps prints what a person has to set in the IdP's own pages.
func (p *program) showHandSteps(steps []control.HandStep) {
	for _, h := range steps {
		p.line("By hand, app %s: set %s to %s (now %s)", escape.Terminal(h.App.Name), escape.Terminal(h.Field), escape.Terminal(h.Target), escape.Terminal(h.Current))
		if h.AdminURL != "" {
			p.line("  at %s", escape.Terminal(h.AdminURL))
		}
	}
}

func movedOf(res control.MoveResult) string {
	return fmt.Sprintf("%d of %d", res.Moved(), res.Meant())
}
