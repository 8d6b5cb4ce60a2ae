package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newPause(p *program) *cobra.Command {
	var r control.BrakeRequest
	cmd := newBrake(p, &r, (*app.Client).Pause, "Nothing moves by itself there until it is resumed")
	cmd.Use, cmd.Short = "pause --reason TEXT", "Keep moves from starting"
	cmd.Long = `pause keeps the running controller from starting any move, of one federation or of
all; probes and decisions go on and are shown. A move that is running goes to its end.
A person's move needs --override paused, which is recorded. It holds until resume, or
for the time that --for gives.`
	cmd.Flags().StringVar(&r.Federation, "federation", "", "only the federation of this `NAME`")
	return cmd
}

func newLock(p *program) *cobra.Command {
	var r control.BrakeRequest
	cmd := newBrake(p, &r, (*app.Client).Lock, "No move or undo writes it until it is unlocked")
	cmd.Use, cmd.Short = "lock --app APP --reason TEXT", "Keep an app from being written by any move"
	cmd.Long = `lock keeps an app, or every app of a federation, from being written by any move or
undo, also by one that is running and has not come to the app yet. The other apps move;
the locked one is named with the steps to do by hand. A person's move may write it with
--override locked, which is recorded. It holds until unlock, or for the time that --for
gives.`
	cmd.Flags().StringVar(&r.App, "app", "", "the `APP`: its name, its id, or TENANT/ID")
	cmd.Flags().StringVar(&r.Federation, "federation", "", "every app of the federation of this `NAME`; with --app: the app of that federation")
	cmd.Flags().BoolVar(&r.All, "all", false, "every app of every federation")
	return cmd
}

// newBrake is the command that sets a brake; effect says what it does.
func newBrake(p *program, r *control.BrakeRequest, set func(*app.Client, context.Context, control.BrakeRequest) (control.BrakeAnswer, error), effect string) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				a, err := set(client, ctx, *r)
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(a)
				}
				p.showBrakes([]control.Brake{a.Brake}, time.Now())
				p.line("%s: %s", effect, a.Brake.Release())
				if len(a.Moving) > 0 {
					p.line("A move of %s is running: %s", escape.Terminal(strings.Join(a.Moving, ", ")), duringMove(a.Brake))
				}
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	cmd.Flags().StringVar(&r.Reason, "reason", "", "`TEXT` for the record: why, in words that others will read")
	cmd.Flags().StringVar(&r.For, "for", "", "hold for this `DURATION`, such as 90m or 2h; without it, until it is released")
	return cmd
}

// duringMove says what a brake means to a move that runs.
func duringMove(b control.Brake) string {
	if b.Kind == control.PauseKind {
		return "it goes to its end; a pause keeps only the next one from starting."
	}
	return "what it has written already stays written; an app that it has not come to yet is left."
}

func newResume(p *program) *cobra.Command {
	var r control.ReleaseRequest
	cmd := newRelease(p, &r, (*app.Client).Resume)
	cmd.Use, cmd.Short = "resume [ID]", "End a pause"
	cmd.Long = `resume ends the pause of this ID (status lists them), of a federation, or all. Without
any of these it ends the only pause that is set.`
	cmd.Args = maybeOne("the ID of one pause")
	cmd.Flags().StringVar(&r.Federation, "federation", "", "the pauses of the federation of this `NAME`")
	cmd.Flags().BoolVar(&r.All, "all", false, "every pause")
	return cmd
}

func newUnlock(p *program) *cobra.Command {
	var r control.ReleaseRequest
	cmd := newRelease(p, &r, (*app.Client).Unlock)
	cmd.Use, cmd.Short = "unlock ID", "End a lock"
	cmd.Long = `unlock ends the lock of this ID; status lists them.`
	cmd.Args = oneArgument("the ID of a lock (samlfailover status lists them)")
	return cmd
}

// newRelease is the command that ends brakes.
func newRelease(p *program, r *control.ReleaseRequest, release func(*app.Client, context.Context, control.ReleaseRequest) (control.ReleaseAnswer, error)) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.ID = args[0]
			}
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				a, err := release(client, ctx, *r)
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(a)
				}
				if len(a.Released) == 0 {
					p.line("Nothing to release.")
				}
				for _, b := range a.Released {
					p.line("Released %s: %s", b.ID, escape.Terminal(b.String()))
				}
				if len(a.Left) > 0 {
					p.line("Still set:")
					p.showBrakes(a.Left, time.Now())
				}
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	return cmd
}

// showBrakes prints pauses and locks, one a line.
func (p *program) showBrakes(brakes []control.Brake, now time.Time) {
	for _, b := range brakes {
		over := ""
		if !b.Holds(now) {
			over = " (has run out)"
		}
		p.line("  %s %s%s: %s", b.Kind, b.ID, over, escape.Terminal(b.String()))
	}
}
