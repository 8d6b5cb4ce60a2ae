package main

import (
	"cmp"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/people"
)

func newTrustWatch(p *program) *cobra.Command {
	var c configured
	var mode, schedule string
	var once bool
	w := app.TrustWatch{}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Keep an eye on trust policies, and add what they lack if wanted",
		Long: `watch scans and plans again and again: at once, then by the clock. It reports roles
that lack audiences or are not ready any more, roles that somebody else has changed since
our last write, and accounts that could not be read.

With --mode enforce each round also carries out the plan, as trust apply does: in waves,
recorded and journaled, only additions. It never edits a Deny statement, never writes a
role that others own, and keeps to the config's freeze and to --max-roles, which counts
for each round. A run that was cut off is finished first. The config is read again before
each round.

It is a process of its own with an AWS identity of its own: only in mode enforce does that
identity need the enforce roles, and the one of serve never does. When AWS cannot be
reached it tries again, later each time, after half an hour at most. SIGTERM and Ctrl-C
end it between two roles. With --output json each round is one line.

--once makes one round. Exit code 2: roles lack audiences; 1: an account could not be
read or a role could not be written; 3: a freeze or another process holds the writes.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.Mode = control.WatchMode(mode)
			if w.Mode != control.WatchReport && w.Mode != control.WatchEnforce {
				return usagef("--mode %q: have %s and %s", mode, control.WatchReport, control.WatchEnforce)
			}
			sparingly()
			cfg, err := c.load(p)
			if err != nil {
				return err
			}
			text := cmp.Or(schedule, cfg.Schedules.TrustScan)
			when, err := config.ParseSchedule(text, config.Seldom)
			switch {
			case err != nil:
				return usagef("--schedule: %w", err)
			case when == nil && !once:
				return usagef("the schedule is off; give --schedule, such as --schedule @hourly, or --once")
			case when != nil:
				w.Next = when.Next
			}
			fed, err := control.Pick(cfg.Federations(), c.federation)
			if err != nil {
				return asUsage(err)
			}
			w.Federation, w.Actor, w.Log = fed.Name, people.Local(osUser().Name, people.Watch), p.logger(slog.LevelWarn)
			w.Setup = func() (app.Setup, error) { return c.setup(p, slog.LevelWarn) }
			w.Told = func(r control.WatchRound) {
				if err := p.showRound(r); err != nil {
					w.Log.Error("what a round found cannot be printed", "error", err)
				}
			}
			if !once {
				return w.Run(cmd.Context())
			}
			round, err := w.Once(cmd.Context())
			if err != nil {
				return err
			}
			if err := p.showRound(round); err != nil {
				return err
			}
			return quietly(roundCode(round))
		},
	}
	c.flags(cmd, true)
	cmd.Flags().StringVar(&mode, "mode", string(control.WatchReport), "`MODE`: report only looks, enforce adds what is missing")
	cmd.Flags().StringVar(&schedule, "schedule", "", "`WHEN` to look, as schedules in the config say it; absent: their trust_scan")
	cmd.Flags().BoolVar(&once, "once", false, "make one round and say by the exit code what it found")
	cmd.Flags().IntVar(&w.Order.MaxRoles, "max-roles", 0, "write at most `N` roles a round (0: all)")
	cmd.Flags().StringVar(&w.Order.Ticket, "ticket", "", "the change `TICKET`, for the audit record")
	return cmd
}

// roundCode is the exit code of a single round.
func roundCode(r control.WatchRound) int {
	left := r.Lacking
	if r.Report != nil {
		left -= control.TrustDone(*r.Report)
	}
	switch {
	case r.Failed():
		return exitFailed
	case r.Held != "":
		return exitHeld
	case left > 0:
		return exitPending
	}
	return exitDone
}

// showRound prints one round: a line, and what a person should know.
func (p *program) showRound(r control.WatchRound) error {
	if p.json() {
		return p.printJSON(r)
	}
	p.line("%s %s: %d federated roles, %d lack audiences", r.At.UTC().Format(time.RFC3339), escape.Terminal(r.Federation), r.Roles, r.Lacking)
	if len(r.Resumed) > 0 {
		p.line("Finished first, since it was cut off: %s", escape.Terminal(strings.Join(r.Resumed, ", ")))
	}
	p.showGrouped(r.Findings)
	if r.Held != "" {
		p.line("Nothing was written: %s", escape.Terminal(r.Held))
	}
	if r.Report != nil {
		p.showReport(*r.Report, r.Run)
	}
	return nil
}
