package main

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newNotify(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Who is told of what happens",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newNotifyTest(p))
	return c
}

func newNotifyTest(p *program) *cobra.Command {
	var c configured
	var sink string
	cmd := &cobra.Command{
		Use:   "test [--sink NAME]",
		Short: "Send a test message to every sink and say what came back",
		Long: `test sends one message, which says that it is a test and by whom, to every sink of the
config, or to the one that --sink names, and shows what came back. In PagerDuty it opens
an incident and resolves it at once. It needs no running controller; it uses the config's
own network settings and secrets. Exit code 1 when a sink did not take it.

With --output json it prints a list: [{"sink":..,"kind":..,"ok":..,"receipt":..,"error":..}].`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.setup(p, slog.LevelError)
			if err != nil {
				return err
			}
			results, err := app.TestSinks(cmd.Context(), s, sink, osUser())
			if err != nil {
				return err
			}
			return p.showSinkTests(results)
		},
	}
	c.flags(cmd, false)
	cmd.Flags().StringVar(&sink, "sink", "", "only the sink of this `NAME`")
	return cmd
}

// showSinkTests prints what came of test messages.
func (p *program) showSinkTests(results []app.NotifyResult) error {
	good := true
	rows := [][]string{{"SINK", "KIND", "TOOK IT", "WHAT CAME BACK"}}
	for _, r := range results {
		took, said := "yes", r.Receipt
		if !r.OK {
			took, said, good = "no", r.Error, false
		}
		rows = append(rows, []string{escape.Terminal(r.Sink), r.Kind, took, escape.Terminal(said)})
	}
	if p.json() {
		if err := p.printJSON(results); err != nil {
			return err
		}
	} else {
		p.table(rows)
	}
	if !good {
		return quietly(exitFailed)
	}
	return nil
}

// showSinks tells of sinks that fail: who is not told has to be known.
func (p *program) showSinks(sinks []control.SinkStatus) {
	for _, s := range sinks {
		if s.Finding == nil {
			continue
		}
		p.showFinding(*s.Finding)
		if s.Queued > 0 {
			p.line("  waiting: %d, the oldest of %s", s.Queued, s.Oldest.UTC().Format(time.RFC3339))
		}
	}
}
