package main

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/escape"
)

func newRunbook(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runbook",
		Short: "The paper for the day on which everything else is dead",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRunbookExport(p))
	return cmd
}

// runbookBoth asks for every format.
const runbookBoth = "both"

func newRunbookExport(p *program) *cobra.Command {
	var c configured
	var out, format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write down what to set by hand, app by app and Region by Region",
		Long: `export writes the runbook: whom to call, in which order to work, and for every Region
and app the admin page, the field, its value as last read and the value to set it to;
how to see that it worked, how to go back, what to tell the people who sign in, which
roles will not work there, and how old each of these facts is. It reads the files that a
controller keeps and needs nobody, so it works with everything else dead; a controller
that runs is asked what the last move wrote, for taking it back by hand. No secret is in
it. Print it: serve writes it by the clock too, see runbook in the config.

Without --out it is printed, as Markdown unless --format says html. With --out it goes
to files runbook-FEDERATION.md and .html in that folder, each replaced in one step and
readable by every user of the machine (mode 0644): who may is for the folder to say.
Without --federation every federation's is written. --output json prints the runbooks'
content as a list, or with --out {"files":[..]}.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats, err := runbookFormats(format, out)
			if err != nil {
				return err
			}
			s, err := c.setup(p, slog.LevelWarn)
			if err != nil {
				return err
			}
			books, err := app.Runbooks(s.Config, buildVersion().Version, c.federation, app.RunningPast(cmd.Context(), s.Config.Store.Dir), time.Now().UTC())
			if err != nil {
				return asUsage(err)
			}
			if out == "" {
				return p.printRunbooks(books, formats[0])
			}
			files, err := app.WriteRunbooks(out, books, formats)
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(map[string][]string{"files": files})
			}
			for _, f := range files {
				p.line("%s", escape.Terminal(f))
			}
			return nil
		},
	}
	c.flags(cmd, false)
	cmd.Flags().StringVarP(&c.federation, "federation", "f", "", "`NAME` of the federation; every one if left out")
	cmd.Flags().StringVar(&out, "out", "", "write files into this `DIR` instead of printing")
	cmd.Flags().StringVar(&format, "format", "", "`FORMAT`: "+strings.Join(app.RunbookFormats(), ", ")+" or "+runbookBoth+" (default: both with --out, else markdown)")
	return cmd
}

// runbookFormats reads --format.
func runbookFormats(format, out string) ([]string, error) {
	all := app.RunbookFormats()
	switch {
	case format == "" && out == "":
		return all[:1], nil
	case format == runbookBoth && out == "":
		return nil, usagef("--format both needs --out DIR: two documents cannot be printed as one")
	case format == "" || format == runbookBoth:
		return all, nil
	case slices.Contains(all, format):
		return []string{format}, nil
	}
	return nil, usagef("--format %.40q: have %s and %s", format, strings.Join(all, ", "), runbookBoth)
}

func (p *program) printRunbooks(books []app.Runbook, format string) error {
	if p.json() {
		return p.printJSON(books)
	}
	if format == "html" && len(books) > 1 {
		return usagef("a page of HTML holds one federation; name it with --federation, or write files with --out DIR")
	}
	for _, b := range books {
		text, err := app.RenderRunbook(b, format)
		if err != nil {
			return err
		}
		if _, err := p.Out.Write(text); err != nil {
			return err
		}
	}
	return nil
}
