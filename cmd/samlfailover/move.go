package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
)

func newPlan(p *program) *cobra.Command {
	var c configured
	var r control.MoveRequest
	cmd := &cobra.Command{
		Use:   "plan --to REGION",
		Short: "What a move would do, and whether a rule would hold it; changes nothing",
		Long: `plan shows every app with before and after, and what stays where it is and why.
It asks the running controller. Exit code 2 when a move would change something, 3 when
a rule would hold it, 0 when there is nothing to move.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				r.Federation = c.federation
				d, err := client.Plan(ctx, r)
				if err != nil {
					return asUsage(err)
				}
				return p.showPlanned(d)
			})
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().StringVar(&r.To, "to", "", "`REGION` to move to")
	cmd.Flags().StringArrayVar(&r.Overrides, "override", nil, "put aside the `RULE` of this name (may be given several times)")
	return cmd
}

// asUsage gives what the controller refuses its exit code: the command line is
// wrong, or a rule does not let it.
func asUsage(err error) error {
	var f *control.Failure
	switch {
	case !errors.As(err, &f):
		return err
	case f.Kind == control.Invalid || f.Kind == control.NotFound:
		return coded{code: exitUsage, err: err}
	case f.Kind == control.Held || f.Kind == control.Forbidden:
		return coded{code: exitHeld, err: err}
	}
	return err
}

// showPlanned prints a decision that was not carried out; the exit code tells
// what it would be.
func (p *program) showPlanned(d control.Decision) error {
	if p.json() {
		if err := p.printJSON(d); err != nil {
			return err
		}
		return quietly(plannedCode(d))
	}
	p.showBrakes(d.Brakes, d.At)
	if d.Plan != nil {
		for _, l := range d.Plan.Lines() {
			p.line("%s", l)
		}
		if age := oldestRead(d); age >= time.Minute {
			p.line("  as read %s ago; a move reads every app again before it writes", age)
		}
		p.line("")
	}
	switch {
	case control.MoveProposes(d):
		p.line("People have to approve this: %s", escape.Terminal(d.Why))
		p.line("Propose it with:")
	case !control.MoveHolds(d):
		p.line("Nothing holds this move. Carry it out with:")
	}
	if !control.MoveHolds(d) || control.MoveProposes(d) {
		overrides := ""
		for _, rule := range d.Plan.Overrides {
			overrides += " --override " + escape.Terminal(rule)
		}
		p.line("  samlfailover move --federation %s --to %s%s --reason \"...\"", escape.Terminal(d.Federation), d.Plan.To, overrides)
	} else {
		p.showHeld(d)
	}
	return quietly(plannedCode(d))
}

// oldestRead is the age of the oldest read that a planned decision rests on.
func oldestRead(d control.Decision) time.Duration {
	var age time.Duration
	for _, s := range d.Plan.Steps {
		age = max(age, d.At.Sub(s.ReadAt))
	}
	return age.Round(time.Second)
}

// showHeld tells why nothing moves; explain has the evidence.
func (p *program) showHeld(d control.Decision) {
	if control.NothingToMove(d) {
		p.line("Nothing to do: %s.", escape.Terminal(d.Why))
		return
	}
	p.line("Held by rule %s: %s", d.Rule, escape.Terminal(d.Why))
	if d.WouldChange != "" {
		p.line("  what would change it: %s", escape.Terminal(d.WouldChange))
	}
	for _, f := range d.Findings {
		p.line("  %s", escape.Terminal(f.Error()))
	}
}

func plannedCode(d control.Decision) int {
	switch {
	case control.NothingToMove(d):
		return exitDone
	case !control.MoveHolds(d), control.MoveProposes(d):
		return exitPending
	}
	return exitHeld
}

func newMove(p *program) *cobra.Command {
	var c configured
	var r control.MoveRequest
	cmd := &cobra.Command{
		Use:   "move --to REGION --reason TEXT",
		Short: "Move a federation's apps to another Region",
		Long: `move points every app of the federation at REGION: sign-in endpoint and landing
page. Each app is read, written, read back and compared whole. What happens is shown
as it happens; when you interrupt this command, the move goes on.

It asks the running controller, and works while the Region being left is down. A rule
may hold the move; --override RULE puts it aside by name (explain --rules lists them),
and that is recorded. Exit code 3 when a rule holds it, 1 when not every app was moved.

Where the policy asks for approvals the move becomes a proposal and waits for others
(proposals, approve): exit code 2. With --propose it does so in any case.

With --output json there is one object per line: {"type":"event",..} as things happen,
at the end {"type":"result","decision":..,"result":..}.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				r.Federation = c.federation
				answer, err := client.Move(ctx, r, func(e control.MoveEvent) { p.showEvent(e) })
				if err != nil {
					return asUsage(err)
				}
				if r.DryRun {
					return p.showPlanned(answer.Decision)
				}
				return p.showMoved(answer)
			})
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().StringVar(&r.To, "to", "", "`REGION` to move to")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "`TEXT` for the record: why, in words that others will read")
	cmd.Flags().StringArrayVar(&r.Overrides, "override", nil, "put aside the `RULE` of this name (may be given several times)")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only say what would happen, like plan")
	cmd.Flags().BoolVar(&r.Ask, "propose", false, "have others approve it first, also where they need not")
	return cmd
}

// showEvent prints one step of a move as it happens.
func (p *program) showEvent(e control.MoveEvent) {
	if p.json() {
		line := struct {
			Type  string            `json:"type"`
			Event control.MoveEvent `json:"event"`
		}{"event", e}
		_ = p.printJSON(line) // a broken pipe ends the command by itself; the move goes on
		return
	}
	who := ""
	if e.App != "" && !strings.HasPrefix(e.Text, e.App) {
		who = escape.Terminal(e.App) + ": "
	}
	p.line("%s  %s%s", e.Time.Local().Format(time.TimeOnly), who, escape.Terminal(e.Text))
	if e.Finding != nil {
		p.line("          %s", escape.Terminal(e.Finding.Error()))
	}
}

func (p *program) showMoved(a control.MoveAnswer) error {
	if p.json() {
		if err := p.printJSON(struct {
			Type string `json:"type"`
			control.MoveAnswer
		}{"result", a}); err != nil {
			return err
		}
		return quietly(movedCode(a))
	}
	if a.Proposal != nil {
		p.showWaits(*a.Proposal)
		return quietly(movedCode(a))
	}
	if a.Result == nil {
		p.showHeld(a.Decision)
		return quietly(movedCode(a))
	}
	res := a.Result
	p.line("")
	p.showBrakes(a.Decision.Brakes, a.Decision.At)
	p.line("%d of %d apps moved %sto %s: %s, proof %s", res.Moved(), res.Meant(), back(*res), res.To, res.Status, res.Proof)
	p.showDoubts(*res)
	for _, app := range res.Apps {
		p.showProblems(app.Notes)
	}
	p.showHandSteps(res.HandSteps)
	if len(res.UserText) > 0 {
		p.line("")
		p.line("Tell the people who sign in:")
		for _, l := range res.UserText {
			p.line("  %s", escape.Terminal(l))
		}
	}
	return quietly(movedCode(a))
}

// showDoubts tells why a move ended as anything but verified; what keeps apps
// from being proven once, with their names.
func (p *program) showDoubts(res control.MoveResult) {
	var unproved []finding.Finding
	for _, app := range res.Apps {
		if app.Moved && app.Finding != nil {
			unproved = append(unproved, *app.Finding)
		}
	}
	switch {
	case !control.MoveIncomplete(res) && len(unproved) > 0:
		p.line("  Every app is written and read back; a login through these is not proven:")
		p.showGrouped(unproved)
	case res.Why != "":
		p.line("  %s", escape.Terminal(res.Why))
	}
}

// back is the word that tells an undo from a move.
func back(res control.MoveResult) string {
	if res.Undoes != "" {
		return "back "
	}
	return ""
}

func movedCode(a control.MoveAnswer) int {
	switch {
	case a.Proposal != nil:
		return exitPending
	case a.Result == nil && control.NothingToMove(a.Decision):
		return exitDone
	case a.Result == nil:
		return exitHeld
	case control.MoveIncomplete(*a.Result):
		return exitFailed
	}
	return exitDone
}
