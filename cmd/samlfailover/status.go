package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

// askTime bounds a question to the controller.
const askTime = 30 * time.Second

// withController runs one question against the running controller.
func withController(ctx context.Context, p *program, c configured, ask func(context.Context, *app.Client) error) error {
	client, err := c.dial(p)
	if err != nil {
		return err
	}
	defer client.Close()
	return ask(ctx, client)
}

// dial finds the controller: the one that --server names, else that of the
// config's data folder.
func (c configured) dial(p *program) (*app.Client, error) {
	if c.server != "" {
		return app.DialServer(c.server, p.Env[app.TokenVariable], p.Env, p.logger(slog.LevelWarn))
	}
	dir, err := c.dataDir(p)
	if err != nil {
		return nil, err
	}
	return app.Dial(dir)
}

// dataDir finds the folder of the running controller. A config that has errors by
// now does not keep anybody from asking the controller that goes on with the one
// from before.
func (c configured) dataDir(p *program) (string, error) {
	cfg, broken := c.load(p)
	if broken == nil {
		return cfg.Store.Dir, nil
	}
	path, err := config.Find(c.path, p.Env)
	if err != nil {
		return "", broken
	}
	dir, err := config.StoreDir(path)
	if err != nil || !app.Answers(dir) {
		return "", broken
	}
	fmt.Fprintln(p.Err, "warning: the config has errors; the controller goes on with the one from before:\n"+multiline(broken))
	return dir, nil
}

func newStatus(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How everything stands: apps, Regions, the decision and its reason",
		Long: `status asks the running controller (samlfailover serve) how everything stands: where
each app's logins go now and when that was read, each Region's health and how many
roles are ready for it, what was decided and why. It asks nobody outside. Exit code 1
when no controller answers.

What a person must look at now, such as a store that cannot be trusted, stands first.
With --output json it prints one object: controller, at, store, and per federation name, mode,
home, notes, apps ([{"app":..,"region":..,..}]), regions, decision, proposal, last_move.`,
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
					return p.printJSON(st)
				}
				p.showAlarms(st.Store)
				p.showSinks(st.Sinks)
				p.showReload(st)
				p.showFailedJobs(st)
				p.showStanding(st.Store)
				for i, f := range st.Federations {
					if i > 0 {
						p.line("")
					}
					p.showFederation(f, st.At)
				}
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	return cmd
}

// showReload tells of the last reload of the config, if it is not in force.
func (p *program) showReload(st control.Status) {
	r := st.Reload
	if r == nil {
		return
	}
	at := r.At.UTC().Format(time.RFC3339)
	switch r.Outcome {
	case control.ReloadRefused:
		p.line("The config was read again at %s and is refused; the one from before (digest %s) stays in force:", at, st.Controller.ConfigDigest)
		for _, e := range r.Errors {
			p.line("  %s", escape.Terminal(e))
		}
	case control.ReloadWaiting:
		p.line("The config was read again at %s (digest %s) and waits for a move that runs.", at, r.Digest)
	case control.ReloadApplied:
		p.line("The config was read again at %s: digest %s, values changed: %d.", at, r.Digest, r.Changes)
	case control.ReloadUnchanged:
		return
	}
	p.line("")
}

func (p *program) showFederation(f control.FederationStatus, now time.Time) {
	p.line("Federation %s: mode %s, home %s", escape.Terminal(f.Name), f.Mode, f.Home)
	for _, n := range f.Notes {
		p.line("  note: %s", escape.Terminal(n))
	}
	p.showBrakes(f.Brakes, now)
	p.line("")
	rows := [][]string{{"APP", "SIGNS IN AT", "READ", "LANDS ON", ""}}
	for _, a := range f.Apps {
		rows = append(rows, appRow(a))
		for _, s := range a.Standbys {
			rows = append(rows, standbyRow(s))
		}
	}
	p.table(rows)
	p.line("")
	rows = [][]string{{"REGION", "HEALTH", "SINCE", "ROLES READY", "WHY"}}
	for _, r := range f.Regions {
		rows = append(rows, regionLine(r, now))
	}
	p.table(rows)
	p.line("")
	p.showDecision(f)
	for _, a := range f.Apps {
		p.showProblems(a.Findings)
		for _, s := range a.Standbys {
			p.showProblems(s.Findings)
			if s.Error != nil {
				p.showFinding(*s.Error)
			}
		}
		if a.Error != nil {
			p.showFinding(*a.Error)
		}
	}
}

func appRow(a control.AppStatus) []string {
	region, note := a.Region.String(), ""
	if a.Region.IsZero() {
		region = "unknown"
	}
	read := "never"
	if !a.ReadAt.IsZero() {
		read = (time.Duration(a.AgeSeconds) * time.Second).String() + " ago"
	}
	if a.Lead {
		note = "lead"
	}
	if !a.ReadAt.IsZero() && !a.Movable {
		note = strings.TrimSpace(note + " cannot be moved")
	}
	if a.Label != "" && a.Label != a.App {
		note = strings.TrimSpace(note + " labelled \"" + escape.Terminal(a.Label) + "\"")
	}
	return []string{escape.Terminal(a.App), region, read, dash(escape.Terminal(a.RelayState)), note}
}

// standbyRow is an app that stands in for the one above it.
func standbyRow(s control.StandbyStatus) []string {
	read, note := "never", "standby"
	if !s.ReadAt.IsZero() {
		read = (time.Duration(s.AgeSeconds) * time.Second).String() + " ago"
		note += ", tile hidden"
		if s.Shown {
			note = "standby, tile shown"
		}
		if s.SignsInAt != s.Region {
			note += ", and it does not sign in here"
		}
	}
	if !s.Unhide {
		note += ", changed by hand only"
	}
	return []string{"  " + escape.Terminal(s.App), s.Region.String(), read, "-", note}
}

func regionLine(r control.RegionStatus, now time.Time) []string {
	state, since, ready := string(r.State), "", "not scanned"
	if r.Suspect {
		state += " (suspect)"
	}
	if !r.Since.IsZero() {
		since = now.Sub(r.Since).Round(time.Second).String()
	}
	if !r.ScannedAt.IsZero() {
		ready = fmt.Sprintf("%d of %d", r.Ready, r.Roles) + besides(r.Excepted)
	}
	why := escape.Terminal(r.Reason)
	if r.State == "healthy" && !r.Suspect {
		why = "" // that it is well needs no reason
	}
	return []string{r.Region.String(), state, since, ready, why}
}

func (p *program) showDecision(f control.FederationStatus) {
	d := f.Decision
	rule := ""
	if d.Rule != "" {
		rule = " by rule " + d.Rule
	}
	p.line("Decision: %s%s", d.Outcome, rule)
	p.line("  %s", escape.Terminal(d.Why))
	if d.WouldChange != "" {
		p.line("  what would change it: %s", escape.Terminal(d.WouldChange))
	}
	if f.Moving {
		p.line("  A move is running.")
	}
	if f.Proposal != nil {
		p.line("")
		p.line("Proposed, waiting for a person: %s", f.Proposal.Route())
		p.line("  samlfailover move --federation %s --to %s --reason \"...\"", escape.Terminal(f.Name), f.Proposal.To)
	}
	for _, one := range f.Proposals {
		p.line("")
		p.showProposal(one, false)
	}
	if m := f.LastMove; m != nil {
		p.line("Last move: %s %sto %s, %d of %d apps, %s, proof %s, %s", m.Cause, back(*m), m.To, m.Moved(), m.Meant(), m.Status, m.Proof, m.Finished.UTC().Format(time.RFC3339))
	}
}

func newExplain(p *program) *cobra.Command {
	var c configured
	var region string
	var rules bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Why the controller does what it does: rule, evidence, what would change it",
		Long: `explain asks the running controller why it moves or holds right now: the rule that
decided, what would change it, the evidence, and every rule that was asked before it.
--region adds what the probes of that Region said and which roles are not ready for it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				e, err := client.Explain(ctx, c.federation, region)
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(e)
				}
				p.showExplanation(e, rules)
				return nil
			})
		},
	}
	c.flags(cmd, true)
	c.remote(cmd)
	cmd.Flags().StringVar(&region, "region", "", "also the evidence about this `REGION`")
	cmd.Flags().BoolVar(&rules, "rules", false, "also every rule, in the order in which they are asked")
	return cmd
}

func (p *program) showExplanation(e control.Explanation, rules bool) {
	for _, l := range e.Lines {
		p.line("%s", l) // escaped where they are made
	}
	if r := e.Region; r != nil {
		p.line("")
		p.line("%s is %s: %s", r.Region, r.State, escape.Terminal(r.Reason))
		for _, u := range r.Unverified {
			p.line("  not verified: %s", u)
		}
		if v := r.Verdict; v != nil {
			for _, vote := range v.Votes {
				for _, res := range vote.Observation.Last {
					p.line("  %-8s %-9s %-10s %s", res.Kind, res.Outcome, res.Phase, escape.Terminal(res.Reason))
				}
			}
		}
		p.line("  %d of %d roles are ready for it%s", r.Ready, r.Roles, besides(r.Excepted))
		p.showGrouped(r.NotReady)
	}
	if rules {
		p.line("")
		p.line("The rules, in order; the first that does not pass decides:")
		for _, r := range e.Rules {
			p.line("  %-15s %s", r.Name, r.Doc)
			p.line("  %-15s e.g. %s", "", r.Example)
		}
	}
}
