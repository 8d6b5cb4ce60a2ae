package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/escape"
)

func newAuditBundle(p *program) *cobra.Command {
	var c configured
	var from, to, out string
	cmd := &cobra.Command{
		Use:   "bundle --out FILE.zip",
		Short: "Pack the records of a span of time for somebody else to check",
		Long: `bundle writes a zip with the records of the controller's audit file from one moment
to another, those of trust runs in that time, the configs that came into force with
their digests, the version of this program, and what proves that they are whole: the
heads before and behind them, that of the whole record, and what the sinks outside that
are files prove now. Whoever gets it checks it with: samlfailover audit verify FILE.zip.
FILE must not exist; it is readable by its owner alone (mode 0600), since records name
people and reasons. No secret is in a record. A record that is not whole is not bundled:
look at it with audit verify first.

--output json prints the bundle's manifest.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return usagef("name the file to write with --out FILE.zip")
			}
			now := time.Now()
			begin, err := app.ParseSince(from, now)
			if err != nil {
				return usagef("--from: %w", err)
			}
			end, err := app.ParseSince(to, now)
			if err != nil {
				return usagef("--to: %w", err)
			}
			if end.IsZero() {
				end = now.UTC()
			}
			if !begin.Before(end) {
				return usagef("--from %s is not before --to %s", begin.Format(time.RFC3339), end.Format(time.RFC3339))
			}
			cfg, err := c.load(p)
			if err != nil {
				return err
			}
			b, err := app.WriteBundle(cfg, buildVersion(), begin, end, out)
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(b)
			}
			p.line("%s: %s", escape.Terminal(out), bundleWords(b))
			return nil
		},
	}
	c.flags(cmd, false)
	cmd.Flags().StringVar(&from, "from", "", "from this `TIME` on, such as 24h (so long ago) or 2026-11-22; absent: the beginning")
	cmd.Flags().StringVar(&to, "to", "", "up to this `TIME`, which is not in it; absent: now")
	cmd.Flags().StringVarP(&out, "out", "o", "", "the `FILE` to write")
	return cmd
}

func bundleWords(b app.Bundle) string {
	return fmt.Sprintf("%d records, %d to %d; last hash %s", b.Records, b.Before.Seq+1, b.Last.Seq, b.Last.Hash)
}

// verifyBundle is audit verify for a bundle.
func (p *program) verifyBundle(path, other string) error {
	if other != "" {
		return usagef("a bundle is compared with nothing else; look for the hash of one of its records in what was kept outside")
	}
	b, err := app.VerifyBundle(path)
	if err != nil {
		return err
	}
	if p.json() {
		return p.printJSON(b)
	}
	p.line("%s: whole; %s", escape.Terminal(path), bundleWords(b))
	return nil
}
