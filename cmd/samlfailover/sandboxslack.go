package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

func newSandboxSlack(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "slack",
		Short: "Use the simulated Slack of the running sandbox as one of its people",
		Long: `slack types commands and presses buttons in the running sandbox, as Slack itself would send
them to the controller of the config that the sandbox wrote, and shows what is in a channel.
The config maps ada (admin), grace (approver), katherine (operator) and margaret (viewer); alan,
mary and dorothy are members whom it does not know. The app is in the channel incident.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newSandboxSlackType(p), newSandboxSlackClick(p), newSandboxSlackMessages(p))
	return c
}

// inSlack are the flags that say who and where.
func inSlack(c *cobra.Command, r *admin.SlackRequest) {
	c.Flags().StringVar(&r.User, "user", "ada", "`NAME` of the person")
	c.Flags().StringVar(&r.Channel, "channel", "incident", "`NAME` of the channel")
}

func newSandboxSlackType(p *program) *cobra.Command {
	var r admin.SlackRequest
	c := &cobra.Command{
		Use:   "type TEXT...",
		Short: "Type a slash command, such as: sandbox slack type status",
		Long: `type sends what follows /samlfailover, signed as Slack signs it, and prints what the person
sees at once. Exit code 1 when the controller did not acknowledge it in time.`,
		Args: func(cmd *cobra.Command, args []string) error {
			return oneArgument("the TEXT to type")(cmd, args[:min(1, len(args))])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Command = "/samlfailover " + strings.Join(args, " ")
			return p.useSlack(cmd.Context(), r)
		},
	}
	inSlack(c, &r)
	return c
}

func newSandboxSlackClick(p *program) *cobra.Command {
	var r admin.SlackRequest
	c := &cobra.Command{
		Use:   "click BUTTON",
		Short: "Press a button of a message, such as: sandbox slack click Approve",
		Long: `click presses the button with this label, of the newest message in the channel that has
one. What comes of it is in the channel: sandbox slack messages. Exit code 1 when the
controller did not acknowledge it in time.`,
		Args: oneArgument("the label of a BUTTON"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Button = args[0]
			return p.useSlack(cmd.Context(), r)
		},
	}
	inSlack(c, &r)
	c.Flags().StringVar(&r.Message, "message", "", "`ID` of the message (default: the newest with such a button)")
	return c
}

// useSlack has a person use Slack and shows what the person sees at once.
func (p *program) useSlack(ctx context.Context, r admin.SlackRequest) error {
	return p.withSandbox(ctx, func(ctx context.Context, c *admin.Client) error {
		d, err := c.Slack(ctx, r)
		if err != nil {
			return err
		}
		if err := p.showDelivery(d); err != nil {
			return err
		}
		if !d.Acknowledged() {
			return quietly(exitFailed)
		}
		return nil
	})
}

func (p *program) showDelivery(d slack.Delivery) error {
	if p.json() {
		return p.printJSON(d)
	}
	if !d.Acknowledged() {
		p.line("The controller did not acknowledge it (%s, %d tries). Does it run, on the config that the sandbox wrote?", statusWord(d.Status), d.Tries)
	}
	p.showSaid(d.Said)
	return nil
}

func (p *program) showSaid(text string) {
	if text == "" {
		return
	}
	for _, l := range strings.Split(text, "\n") {
		p.line("%s", escape.Terminal(l))
	}
}

func newSandboxSlackMessages(p *program) *cobra.Command {
	var r admin.SlackRequest
	c := &cobra.Command{
		Use:   "messages",
		Short: "Show what a person sees in a channel, oldest first",
		Long: `messages shows a channel of the simulated Slack as one person sees it, oldest first; how
often a message was edited stands beside its id.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				out, err := c.SlackMessages(ctx, r.Channel, r.User)
				if err != nil {
					return err
				}
				for _, m := range out.Messages {
					if p.json() {
						if err := p.printJSON(m); err != nil {
							return err
						}
						continue
					}
					p.line("-- %s, edited %d times", m.TS, m.Edits)
					p.showSaid(m.All())
				}
				return nil
			})
		},
	}
	inSlack(c, &r)
	return c
}
