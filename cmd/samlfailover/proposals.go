package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newProposals(p *program) *cobra.Command {
	var c configured
	var r control.ProposalsRequest
	cmd := &cobra.Command{
		Use:   "proposals [ID]",
		Short: "Moves that wait for people to approve them",
		Long: `proposals lists the moves that wait: what would happen, who asks, how many approvals
each has and needs, and until when. With an ID it shows that one whole, with every app's
before and after, decided or not; with --all those that were decided in the last 30 days
too.`,
		Args: maybeOne("the ID of one proposal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.ID = args[0]
			}
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				r.Federation = c.federation
				list, err := client.Proposals(ctx, r)
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(list)
				}
				if len(list.Proposals) == 0 {
					p.line("Nothing waits for approval.")
				}
				for i, one := range list.Proposals {
					if i > 0 {
						p.line("")
					}
					p.showProposal(one, r.ID != "")
				}
				return nil
			})
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().BoolVar(&r.All, "all", false, "the decided ones too")
	return cmd
}

func newApprove(p *program) *cobra.Command {
	var c configured
	var r control.VoteRequest
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Approve a proposed move; the last approval that it needs carries it out",
		Long: `approve shows the proposal and approves exactly that: when anything of it has changed
by the time it is carried out, it is not carried out. You need the role approver and must
be a person of the config (people), by your OS user or your own token. Nobody approves a
move of their own; a person counts once, and all approvals by Slack count once.

With the last approval that is needed the move begins, and is shown as it happens; when
you interrupt this command, it goes on. Exit code 0 when every app was moved, 1 when not,
2 when more approvals are needed, 3 when the approval was refused or a rule holds the move.

With --output json there is one object per line: {"type":"event",..} as things happen,
at the end {"type":"result","proposal":..,"move":..}.`,
		Args: oneArgument("the ID of a proposal (samlfailover proposals lists them)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.ID = args[0]
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				list, err := client.Proposals(ctx, control.ProposalsRequest{ID: r.ID})
				if err != nil {
					return asUsage(err)
				}
				for _, one := range list.Proposals {
					r.Digest = one.Digest
					if !p.json() {
						p.showProposal(one, true)
						p.line("")
					}
				}
				answer, err := client.Approve(ctx, r, func(e control.MoveEvent) { p.showEvent(e) })
				if err != nil {
					return asUsage(err)
				}
				return p.showVoted(answer)
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	cmd.Flags().StringVar(&r.Comment, "comment", "", "`TEXT` for the record")
	return cmd
}

func newReject(p *program) *cobra.Command {
	var c configured
	var r control.VoteRequest
	cmd := &cobra.Command{
		Use:   "reject ID --reason TEXT",
		Short: "Reject a proposed move, or take back your own",
		Long: `reject ends a proposal: it can no longer be approved. Approvers may, and whoever has
proposed it. What the controller proposes by itself it does not propose again before the
proposal would have expired, as long as it is the same move. Exit code 3 when it is refused.`,
		Args: oneArgument("the ID of a proposal (samlfailover proposals lists them)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.ID = args[0]
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				answer, err := client.Reject(ctx, r)
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(answer)
				}
				p.showProposal(answer.Proposal, false)
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	cmd.Flags().StringVar(&r.Comment, "reason", "", "`TEXT` for the record: why, in words that others will read")
	return cmd
}

// showProposal prints a proposal; whole with every step.
func (p *program) showProposal(one control.Proposal, whole bool) {
	p.line("%s  %s of federation %s: %s", one.ID, escape.Terminal(one.What()), escape.Terminal(one.Federation), one.State)
	p.line("  asked for by %s at %s: %s", escape.Terminal(one.By.String()), one.Created.UTC().Format(time.RFC3339), escape.Terminal(one.Reason))
	if len(one.Overrides) > 0 {
		p.line("  it puts aside: %s", escape.Terminal(strings.Join(one.Overrides, ", ")))
	}
	for _, v := range one.Votes {
		comment := ""
		if v.Comment != "" {
			comment = ": " + v.Comment
		}
		p.line("  approved by %s at %s%s", escape.Terminal(v.String()), v.At.UTC().Format(time.RFC3339), escape.Terminal(comment))
	}
	if one.Why != "" {
		p.line("  %s", escape.Terminal(one.Why))
	}
	if one.Move != "" {
		p.line("  carried out by move %s", one.Move)
	}
	if whole && one.Plan != nil {
		for _, l := range one.Plan.Lines() {
			p.line("  %s", l)
		}
	}
	if whole {
		p.showBack(one)
	}
	p.showNeeds(one)
}

// showNeeds says what an undecided proposal waits for, with the command.
func (p *program) showNeeds(one control.Proposal) {
	switch one.State {
	case control.ProposalOpen:
		p.line("  %d of %s; it expires at %s", one.Count(), approvals(one.Need), one.Expires.UTC().Format(time.RFC3339))
		p.line("  an approver: samlfailover approve %s", one.ID)
	case control.ProposalApproved:
		p.line("  approved, and not carried out yet; until %s: samlfailover approve %s", one.Expires.UTC().Format(time.RFC3339), one.ID)
	}
}

// approvals counts approvals in words.
func approvals(n int) string {
	if n == 1 {
		return "1 approval"
	}
	return fmt.Sprintf("%d approvals", n)
}

// showWaits says that a move was not begun and has become a proposal.
func (p *program) showWaits(one control.Proposal) {
	p.line("Nothing is moved yet: proposal %s waits for %s, and expires at %s.", one.ID, approvals(one.Missing()), one.Expires.UTC().Format(time.RFC3339))
	p.line("Each of them, by another person with the role approver:")
	p.line("  samlfailover approve %s", one.ID)
}

// showVoted prints what became of an approval; the exit code tells it too.
func (p *program) showVoted(a control.VoteAnswer) error {
	code := exitPending
	switch {
	case a.Move != nil && a.Move.Result != nil:
		code = movedCode(*a.Move)
	case a.Move != nil:
		code = exitHeld
	}
	if p.json() {
		if err := p.printJSON(struct {
			Type string `json:"type"`
			control.VoteAnswer
		}{"result", a}); err != nil {
			return err
		}
		return quietly(code)
	}
	switch {
	case a.Move == nil:
		p.line("Approved.")
		p.showWaits(a.Proposal)
	case a.Move.Result == nil && a.Proposal.State == control.ProposalVoid:
		p.showHeld(a.Move.Decision)
		p.line("Proposal %s is void: what was approved is not what would happen now. Propose it again.", a.Proposal.ID)
	case a.Move.Result == nil:
		p.showHeld(a.Move.Decision)
		p.line("Proposal %s stays approved until %s; once nothing holds it: samlfailover approve %s", a.Proposal.ID, a.Proposal.Expires.UTC().Format(time.RFC3339), a.Proposal.ID)
	default:
		return p.showMoved(*a.Move)
	}
	return quietly(code)
}
