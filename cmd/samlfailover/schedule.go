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

func newSchedule(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "What runs by the clock",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newScheduleList(p))
	return cmd
}

func newScheduleList(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Every scheduled job: its line, its next runs, how the last one ended",
		Long: `list asks the running controller for its scheduled jobs, in UTC. Most wait while a
Region is suspect or a move is open; a run that falls due while the one before has not
ended is skipped, counted here and recorded.

With --output json it prints a list of {"name":..,"schedule":..,"next":[..],..}.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				st, err := client.Status(ctx)
				if err != nil {
					return err
				}
				if p.json() {
					return p.printJSON(st.Schedules)
				}
				rows := [][]string{{"JOB", "SCHEDULE", "NEXT RUNS (UTC)", "LAST RUN", "OUTCOME"}}
				for _, j := range st.Schedules {
					rows = append(rows, jobRow(j))
				}
				p.table(rows)
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	return cmd
}

// showFailedJobs tells of each job whose last run failed with a finding.
func (p *program) showFailedJobs(st control.Status) {
	for _, j := range st.Schedules {
		if j.Finding == nil || j.LastOutcome != control.JobFailed {
			continue
		}
		p.line("The scheduled job %s failed at %s:", j.Name, j.LastEnd.UTC().Format(time.RFC3339))
		p.showFinding(*j.Finding)
		p.line("")
	}
}

func jobRow(j control.JobStatus) []string {
	var next []string
	for _, t := range j.Next {
		next = append(next, t.UTC().Format("01-02 15:04"))
	}
	last := "never"
	if !j.LastStart.IsZero() {
		last = j.LastStart.UTC().Format(time.DateTime)
	}
	var notes []string
	switch {
	case j.Running:
		notes = append(notes, "running")
	case j.Waiting:
		notes = append(notes, "waits for calm")
	}
	if j.LastOutcome != "" {
		notes = append(notes, string(j.LastOutcome))
	}
	if j.LastError != "" {
		notes = append(notes, escape.Terminal(j.LastError))
	}
	if j.Skipped > 0 {
		notes = append(notes, fmt.Sprintf("%d skipped", j.Skipped))
	}
	return []string{j.Name, escape.Terminal(j.Schedule), dash(strings.Join(next, ", ")), last, strings.Join(notes, "; ")}
}
