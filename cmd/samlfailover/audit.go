package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/escape"
)

func newAudit(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read, export and check the audit record",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newAuditList(p), newAuditExport(p), newAuditVerify(p), newAuditBundle(p), newAuditSetAside(p))
	return c
}

func newAuditVerify(p *program) *cobra.Command {
	var c configured
	var heads, sink string
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Verify the hash chain of the audit record",
		Long: `verify checks every record of the controller's audit file, or of FILE (such as the
one of a trust run), and names the first bad one. Exit code 1 when the chain is broken.
Without FILE the records of the trust runs beside it are checked too, each against the
head that the controller has put into its own record: from there on a run cannot have
been replaced.

With --sink it is also compared with what that sink of the config (audit.sinks) holds,
with --head with a file of heads or records: one that the schedule audit_head wrote, a
copy of a sink, or what the receiver of a webhook has kept. What stands before the newest
of them was not changed since, whoever could write here; what comes after, nothing
outside proves. The first record that differs is named.

A FILE that ends with .zip is a bundle (audit bundle): its own sums and chain are checked.
With --output json it prints one object: file, whole, records, head, broken, first_unproven,
outside; of a bundle its manifest.`,
		Args: maybeOne("one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && strings.HasSuffix(args[0], ".zip") {
				return p.verifyBundle(args[0], heads+sink)
			}
			path, err := auditPath(p, c, args)
			if err != nil {
				return err
			}
			if heads, err = auditOutside(p, c, heads, sink); err != nil {
				return err
			}
			v, err := app.VerifyAudit(path)
			if err == nil && heads != "" {
				first, held, bad := app.CoverAudit(path, heads)
				v.FirstUnproven, v.Outside, err = first, &held, bad
				if err != nil {
					v.Whole, v.Broken = false, err.Error()
				}
			}
			whole := err == nil
			if whole && len(args) == 0 {
				v.Runs, err = app.VerifyRuns(path)
			}
			if p.json() {
				if jerr := p.printJSON(v); jerr != nil {
					return jerr
				}
			} else if whole {
				p.line("%s: %d records, whole; head %s", escape.Terminal(path), v.Records, v.Head)
				p.showRuns(v.Runs)
				p.showOutside(v, heads)
			}
			return err
		},
	}
	c.flags(cmd, false)
	cmd.Flags().StringVar(&heads, "head", "", "compare with the heads or records in this `FILE`")
	cmd.Flags().StringVar(&sink, "sink", "", "compare with what the audit sink of this `NAME` holds")
	return cmd
}

// showRuns prints how far the main record vouches for the trust runs; what is wrong
// with one is said by the error.
func (p *program) showRuns(runs []app.RunState) {
	for _, r := range runs {
		switch {
		case r.Broken != "":
		case r.Covered == 0:
			p.line("trust run %s: %d records, whole; the main record says nothing of it yet", escape.Terminal(r.ID), r.Records)
		case r.Covered < r.Records:
			p.line("trust run %s: %d records, whole; the main record vouches for the first %d", escape.Terminal(r.ID), r.Records, r.Covered)
		default:
			p.line("trust run %s: %d records, whole; the main record vouches for all", escape.Terminal(r.ID), r.Records)
		}
	}
}

// auditOutside returns the file to compare with, "" for none.
func auditOutside(p *program, c configured, heads, sink string) (string, error) {
	switch {
	case sink == "":
		return heads, nil
	case heads != "":
		return "", usagef("--head and --sink: give one of them, and run it again for the other")
	}
	cfg, err := c.load(p)
	if err != nil {
		return "", err
	}
	return app.AuditSinkFile(cfg, sink)
}

// showOutside says what an outside sink proves, and what it does not.
func (p *program) showOutside(v app.AuditState, heads string) {
	if v.Outside == nil {
		return
	}
	p.line("%s holds %s; nothing was changed up to record %d.", escape.Terminal(heads), heldWords(*v.Outside), v.Outside.Last.Seq)
	if v.FirstUnproven > v.Records {
		p.line("It has the newest record. What comes after record %d it does not prove yet.", v.Records)
	} else {
		p.line("From record %d on, %s proves nothing.", v.FirstUnproven, escape.Terminal(heads))
	}
	if v.Outside.Earlier > 0 {
		p.line("Mind: it also holds %d earlier records that ended before this one began. That is right only if they were set aside (samlfailover audit set-aside).", v.Outside.Earlier)
	}
	if v.Outside.Unreadable > 0 {
		p.line("Mind: %d of its lines are no head, such as one that was cut off.", v.Outside.Unreadable)
	}
}

func heldWords(o app.AuditOutside) string {
	if o.Count == 1 {
		return "1 head"
	}
	return fmt.Sprintf("%d heads", o.Count)
}

func newAuditSetAside(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "set-aside",
		Short: "Keep a broken audit record under another name and begin a new one",
		Long: `set-aside is for the day when the controller refuses to start because its audit
record was changed. The file is kept as it is under another name, and the new record
begins by naming it. Look at the broken file first: samlfailover audit verify.`,
		Args: noArguments,
		RunE: func(_ *cobra.Command, _ []string) error {
			path, err := auditPath(p, c, nil)
			if err != nil {
				return err
			}
			switch _, err := app.VerifyAudit(path); {
			case err == nil:
				return fmt.Errorf("%s is whole; there is nothing to set aside", path)
			case errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("there is no audit record at %s; there is nothing to set aside", path)
			}
			if err := app.SetAuditAside(path, osUser()); err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(map[string]string{"set_aside": path})
			}
			p.line("The broken record was kept beside %s, and a new one has begun.", escape.Terminal(path))
			return nil
		},
	}
	c.flags(cmd, false)
	return cmd
}

func auditPath(p *program, c configured, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	cfg, err := c.load(p)
	if err != nil {
		return "", err
	}
	return filepath.Join(cfg.Store.Dir, app.AuditFile), nil
}
