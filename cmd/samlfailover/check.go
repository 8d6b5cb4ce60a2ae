package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
)

func newCheck(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the config, and whether every app and account can be read; changes nothing",
		Long: `check reads the config, shows the way out (proxy, CAs, endpoint variables), reads
every app from its IdP and asks every account once. PROOF is how far a move of an
app can be proven: where a test user is configured, it signs in through the app now.
It also warns when the identity that it runs as, which should be the one of serve,
could write to IAM by itself or as an enforce_role (it asks iam:SimulatePrincipalPolicy
and assumes no enforce_role), and of exceptions in the config that end. Exit code 1 when
something is wrong with the config, cannot be read, or cannot be moved.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.setup(p, slog.LevelError)
			if err != nil {
				return err
			}
			r, err := app.Check(cmd.Context(), s)
			if err != nil {
				return err
			}
			if p.json() {
				err = p.printJSON(r)
			} else {
				p.showCheck(r)
			}
			if err == nil && !r.Good() {
				return quietly(exitFailed)
			}
			return err
		},
	}
	c.flags(cmd, false)
	return cmd
}

func (p *program) showCheck(r app.CheckReport) {
	p.line("config   %s", escape.Terminal(r.Config))
	for _, w := range r.Warnings {
		p.line("         warning: %s", escape.Terminal(w))
	}
	p.showWayOut(r)
	p.line("")
	rows := [][]string{{"APP", "TENANT", "KIND", "SIGNS IN AT", "MOVABLE", "PROOF"}}
	for _, a := range r.Apps {
		movable := "no"
		if a.Movable {
			movable = "yes"
		}
		rows = append(rows, []string{escape.Terminal(a.App), escape.Terminal(a.Tenant), dash(escape.Terminal(a.Kind)), dash(a.Region.String()), movable, dash(proofOf(a))})
	}
	p.table(rows)
	if len(r.Accounts) > 0 {
		p.line("")
		rows = [][]string{{"ACCOUNT", "NAME", "ROLES", "READABLE"}}
		for _, a := range r.Accounts {
			readable := "yes"
			if a.Finding != nil {
				readable = "no"
			}
			rows = append(rows, []string{a.ID, escape.Terminal(a.Name), count(a.Roles), readable})
		}
		p.table(rows)
	}
	for _, o := range r.Organizations {
		p.line("")
		p.line("%d accounts of federation %s come from its AWS organization.", o.Accounts, escape.Terminal(o.Federation))
		p.showProblems(o.Findings)
	}
	var unproved []finding.Finding
	for _, a := range r.Apps {
		p.showProblems(a.Findings)
		if a.Unproved != nil {
			unproved = append(unproved, *a.Unproved)
		}
	}
	p.showGrouped(unproved)
	p.showGrouped(r.Exceptions)
	if r.Serving != nil {
		p.showGrouped(r.Serving.Findings)
	}
	for _, a := range r.Accounts {
		if a.Finding != nil {
			p.showFinding(*a.Finding)
		}
	}
	p.line("")
	if r.Good() {
		p.line("Everything can be read, and every app can be moved. Next: samlfailover trust plan")
	} else {
		p.line("Something needs a person first; see above.")
	}
}

// proofOf names the level that a move of the app can reach, "" for an app that
// cannot be moved.
func proofOf(a app.CheckApp) string {
	if !a.Movable {
		return ""
	}
	return a.Proof.String()
}

// showWayOut tells proxy, CAs and endpoint variables in force (spec 15.2).
func (p *program) showWayOut(r app.CheckReport) {
	proxy := "none"
	if r.Network.Proxy != "" {
		proxy = r.Network.Proxy + " (" + r.Network.ProxySource + ")"
	}
	p.line("proxy    %s", escape.Terminal(proxy))
	p.line("CAs      %s", escape.Terminal(r.Network.Roots))
	if r.Network.AWSRoots != r.Network.Roots {
		p.line("         for AWS: %s", escape.Terminal(r.Network.AWSRoots))
	}
	for _, ca := range append(r.Network.CAs, r.Network.AWSCAs...) {
		p.line("         %s, SHA-256 %s, until %s", escape.Terminal(ca.Subject), ca.SHA256, ca.NotAfter.UTC().Format("2006-01-02"))
	}
	for _, v := range r.EndpointVariables {
		what := "ignored"
		if r.EndpointsObeyed {
			what = "obeyed (network.allow_endpoint_override)"
		}
		p.line("endpoint %s is set in the environment: %s", escape.Terminal(v), what)
	}
}
