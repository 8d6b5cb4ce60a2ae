package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/signin"
)

func newReadiness(p *program) *cobra.Command {
	var c configured
	var region, why string
	cmd := &cobra.Command{
		Use:   "readiness",
		Short: "Which roles would work in which Region, as last scanned",
		Long: `readiness shows the last trust scan: per Region the share of roles that would let
people in there, then role by role ready, not-ready, conditional, unknown or excepted,
with the reason and the next step. A role is ready if its policy admits the Region's
endpoint, its SAML provider knows the certificate that the app signs with, has not run
out and takes assertions at that endpoint, and its account has enabled the Region. What
is excepted in the config is in neither number of a share. Then come the federation's
SAML providers, Regions that people seem to work in, and what no scan looks at.

It asks nobody outside, so it works in an outage; it says how old what it shows is.
It reads the files that a controller keeps, running or not; with --server it asks one
over the network. Exit code 1 when the roles were never scanned, 64 with --server.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			q := control.ReadinessQuery{Why: control.ReadinessState(why)}
			if why != "" && !slices.Contains(control.ReadinessStates(), q.Why) {
				return usagef("--why %q: it is one of %s", why, stateWords(control.ReadinessStates()))
			}
			report, err := readinessOf(cmd.Context(), p, c, q, region)
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(report)
			}
			p.showMatrix(report, q)
			return nil
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().StringVar(&region, "region", "", "this `REGION` only")
	cmd.Flags().StringVar(&why, "why", "", "only roles in this `STATE`: "+stateWords(control.ReadinessStates()))
	return cmd
}

// readinessOf reads the last scan where it is kept, or asks a controller for it.
func readinessOf(ctx context.Context, p *program, c configured, q control.ReadinessQuery, region string) (out control.ReadinessReport, err error) {
	if c.server != "" {
		err := withController(ctx, p, c, func(ctx context.Context, client *app.Client) (err error) {
			ctx, cancel := context.WithTimeout(ctx, askTime)
			defer cancel()
			out, err = client.Readiness(ctx, control.ReadinessRequest{Federation: c.federation, Region: region, Why: string(q.Why)})
			return asUsage(err)
		})
		return out, err
	}
	run, err := openTrust(p, c)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	if region != "" {
		if q.Region, err = control.RegionOf(run.Federation.Name, run.Federation.Regions, region); err != nil {
			return out, asUsage(err)
		}
	}
	return run.Readiness(q, time.Now())
}

func stateWords(all []control.ReadinessState) string {
	var out []string
	for _, w := range all {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}

func (p *program) showMatrix(r control.ReadinessReport, q control.ReadinessQuery) {
	age := time.Since(r.TakenAt).Round(time.Second)
	p.line("Scanned %s ago, at %s.", age, r.TakenAt.UTC().Format(time.RFC3339))
	if r.Stale {
		p.line("That is older than inventory_max_age: mode auto takes it as unknown. Refresh it with: samlfailover trust scan")
	}
	p.line("")
	for _, s := range r.Shares {
		p.line("%d of %d roles will work in %s%s.", s.Ready, s.Total, s.Region, besides(s.Excepted))
	}
	heading := []string{"ROLE"}
	for _, g := range r.Regions {
		heading = append(heading, strings.ToUpper(g.String()))
	}
	rows, findings := [][]string{heading}, []control.Finding{}
	for _, role := range r.Roles {
		row := []string{escape.Terminal(role.Role)}
		for _, g := range role.Regions {
			row = append(row, string(g.State))
			if g.Finding != nil && (q.Why == "" || g.State == q.Why) {
				findings = append(findings, *g.Finding)
			}
		}
		rows = append(rows, row)
	}
	p.line("")
	p.table(rows)
	p.showGrouped(findings)
	rows = [][]string{{"PROVIDER", "ENCRYPTION", "CERTIFICATES", "UNTIL"}}
	for _, pr := range r.Providers {
		mode := pr.Encryption
		if mode == "" {
			mode = "none"
		}
		rows = append(rows, []string{escape.Terminal(pr.ARN), escape.Terminal(mode), count(len(pr.Certificates)), day(control.ProviderEnds(pr))})
	}
	p.line("")
	p.table(rows)
	p.showProblems(r.Findings)
	p.line("")
	p.line("Not looked at, and so not in these numbers:")
	for _, u := range r.Unknown {
		p.line("  %s: unknown; %s", u.Name, u.Why)
	}
}

// day is a date for people, "unknown" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format(time.DateOnly)
}

func newTrustExplain(p *program) *cobra.Command {
	var c configured
	var region string
	cmd := &cobra.Command{
		Use:   "explain ROLE --region REGION",
		Short: "Why a role lets people in at a Region, or does not",
		Long: `explain says, for every SAML provider that the role trusts and each of its endpoints in
the Region, which statement and condition of the trust policy decide about
sts:AssumeRoleWithSAML, sts:TagSession and sts:SetSourceIdentity. ROLE is an ARN, or a
name that only one role has. It looks at the last trust scan and asks no AWS.`,
		Args: oneArgument("a ROLE (its ARN or name; samlfailover readiness lists them)"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if region == "" {
				return usagef("name the Region with --region")
			}
			r, err := signin.ParseRegion(region)
			if err != nil {
				return err
			}
			run, err := openTrust(p, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, run.Close()) }()
			got, err := run.Explain(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(got)
			}
			p.showRoleExplanation(got)
			return nil
		},
	}
	c.flags(cmd, true)
	cmd.Flags().StringVar(&region, "region", "", "the `REGION` to sign in at")
	return cmd
}

func (p *program) showRoleExplanation(e control.RoleExplanation) {
	p.line("%s is %s for %s, as read at %s.", escape.Terminal(e.Role), e.Readiness.State, e.Region, e.ReadAt.UTC().Format(time.RFC3339))
	last := ""
	for _, l := range e.Logins {
		if head := fmt.Sprintf("%s at %s", l.Provider, l.Audience); head != last {
			p.line("")
			p.line("%s", escape.Terminal(head))
			last = head
		}
		p.line("  %-11s %s: %s", l.Verdict, l.Action, escape.Terminal(l.Because))
		for _, on := range l.HangsOn {
			p.line("              hangs on %s", escape.Terminal(on))
		}
	}
	if e.Readiness.Finding != nil {
		p.showFinding(*e.Readiness.Finding)
	}
}
