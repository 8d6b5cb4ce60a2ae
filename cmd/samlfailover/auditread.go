package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/escape"
)

// auditQuery are the flags that narrow an audit record.
type auditQuery struct {
	since string
	q     app.AuditQuery
}

func (a *auditQuery) flags(cmd *cobra.Command, limit int) {
	cmd.Flags().StringVar(&a.since, "since", "", "only what happened since `TIME`: 24h, 2026-11-22 or 2026-11-22T07:00:00Z")
	cmd.Flags().StringVar(&a.q.Action, "action", "", "only this `ACTION`, such as move.write, or every one that begins so, such as move")
	cmd.Flags().StringVar(&a.q.Subject, "subject", "", "only subjects that hold this `TEXT`")
	cmd.Flags().IntVar(&a.q.Limit, "limit", limit, "at most the newest `N` records; 0 for all")
}

// read returns the records that are wanted; the error of a broken chain comes
// with those before the break.
func (a *auditQuery) read(p *program, c configured, args []string) ([]app.AuditRecord, error) {
	var err error
	if a.q.Since, err = app.ParseSince(a.since, time.Now()); err != nil {
		return nil, usagef("--since: %w", err)
	}
	if a.q.Limit < 0 {
		return nil, usagef("--limit %d: a number from 0", a.q.Limit)
	}
	path, err := auditPath(p, c, args)
	if err != nil {
		return nil, err
	}
	return app.ReadAudit(path, a.q)
}

func newAuditList(p *program) *cobra.Command {
	var c configured
	var a auditQuery
	cmd := &cobra.Command{
		Use:   "list [FILE]",
		Short: "Who did what, oldest first",
		Long: `list shows the newest records of the controller's audit file, or of FILE. It needs no
controller. The chain is checked on the way; exit code 1 when it is broken, after what
stands before the break. With --output json it prints one record per line.`,
		Args: maybeOne("one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			records, broken := a.read(p, c, args)
			if p.json() {
				for _, r := range records {
					if err := p.printJSON(r); err != nil {
						return err
					}
				}
				return broken
			}
			rows := [][]string{{"RECORD", "TIME", "WHO", "ACTION", "SUBJECT"}}
			for _, r := range records {
				rows = append(rows, []string{fmt.Sprint(r.Seq), r.Time.UTC().Format(time.RFC3339), escape.Terminal(r.Actor), escape.Terminal(r.Action), escape.Terminal(r.Subject)})
			}
			if len(records) > 0 {
				p.table(rows)
			}
			return broken
		},
	}
	c.flags(cmd, false)
	a.flags(cmd, 50)
	return cmd
}

func newAuditExport(p *program) *cobra.Command {
	var c configured
	var a auditQuery
	var format, out string
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Copy the audit record for others, as JSON lines or CSV",
		Long: `export writes the records of the controller's audit file, or of FILE. As jsonl, and with
-o, each line is exactly the record's: a whole export can be checked with audit verify.
As csv it is for spreadsheets: no cell can act as a formula, and long details are cut.
An export of a broken record ends before the break, with exit code 1.`,
		Args: maybeOne("one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			write, ok := map[string]func(io.Writer, []app.AuditRecord) error{"jsonl": app.WriteAuditLines, "csv": app.WriteAuditCSV}[format]
			if !ok {
				return usagef("--format %q: have jsonl and csv", format)
			}
			records, broken := a.read(p, c, args)
			if broken != nil && records == nil {
				return broken
			}
			if out == "" {
				return errors.Join(write(visibleWriter{p.Out}, records), broken)
			}
			f, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("write the export: %w", err)
			}
			if err := errors.Join(write(f, records), f.Close()); err != nil {
				return err
			}
			fmt.Fprintf(p.Err, "%d records written to %s\n", len(records), escape.Terminal(out))
			return broken
		},
	}
	c.flags(cmd, false)
	a.flags(cmd, 0)
	cmd.Flags().StringVar(&format, "format", "jsonl", "`FORMAT` of the export: jsonl or csv")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write to this `FILE`, which must not exist, instead of standard output")
	return cmd
}

// visibleWriter shows characters that could act on a terminal as JSON escapes.
type visibleWriter struct{ to io.Writer }

func (v visibleWriter) Write(b []byte) (int, error) {
	if _, err := v.to.Write(visibleJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}
