package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
)

// say prints a line for people on standard error.
func (p *program) say(format string, args ...any) {
	fmt.Fprintln(p.Err, escape.Terminal(fmt.Sprintf(format, args...)))
}

// showDiscovered prints what was found: a table of the apps, each app in full,
// the federations that follow, what has no counterpart, and what could not be
// read.
func (p *program) showDiscovered(r control.Discovered) {
	if len(r.Apps) == 0 {
		p.line("No app for AWS was found in the tenants of the config.")
	} else {
		p.showApps(r)
	}
	if len(r.Accounts) == 0 {
		p.line("")
		p.line("No account was looked at, so nothing is known of providers and roles; name accounts with --account ID=SCAN_ROLE.")
	} else {
		p.line("")
		rows := [][]string{{"ACCOUNT", "NAME", "SAML PROVIDERS", "FEDERATED ROLES"}}
		for _, a := range r.Accounts {
			rows = append(rows, []string{a.ID, escape.Terminal(a.Name), count(a.Providers), count(a.Roles)})
		}
		p.table(rows)
	}
	p.showStandIns(r)
	p.showDrafts(r)
	p.showSection("Without a counterpart:", r.Orphans)
	p.showSection("Could not be read, so something above may be missing:", r.Problems)
	if len(r.Orphans)+len(r.Problems) == 0 {
		p.line("")
		p.line("Everything could be read, and everything has its counterpart.")
	}
}

func (p *program) showApps(r control.Discovered) {
	rows := [][]string{{"APP", "TENANT", "KIND", "SIGNS IN AT", "TOPOLOGY", "ACCOUNTS", "ROLES", "MOVABLE"}}
	for _, a := range r.Apps {
		accounts, roles := map[string]bool{}, 0
		for _, l := range a.Providers {
			accounts[l.Account] = true
			roles += len(l.Roles)
		}
		movable := "no"
		if a.Movable {
			movable = "yes"
		}
		rows = append(rows, []string{appName(a), escape.Terminal(a.Tenant), escape.Terminal(a.Kind), dash(a.Region.String()),
			a.Topology.Words(), count(len(accounts)), count(roles), movable})
	}
	p.table(rows)
	for _, a := range r.Apps {
		p.line("")
		p.line("%s (%s)", appName(a), escape.Terminal(a.Ref().String()))
		p.line("  endpoint    %s", dash(escape.Terminal(a.ACSText)))
		p.line("  RelayState  %s", dash(escape.Terminal(a.RelayState)))
		p.line("  issuer      %s", dash(escape.Terminal(a.Issuer)))
		for _, l := range a.Providers {
			p.line("  trusted by  %s, %d roles", escape.Terminal(l.Provider), len(l.Roles))
		}
		if a.Federation != "" {
			p.line("  federation  %s", escape.Terminal(a.Federation))
		}
		for _, f := range a.Findings {
			if !slices.ContainsFunc(r.Orphans, func(o finding.Finding) bool { return o.Code == f.Code && o.Subject == f.Subject }) {
				p.line("  note        %s [%s]", escape.Terminal(sentence(f)), f.Code)
				p.line("              next: %s", escape.Terminal(f.Remedy))
			}
		}
	}
}

// appName is an app's label, or its id where it has none.
func appName(a control.DiscoveredApp) string {
	if a.Label == "" {
		return escape.Terminal(string(a.ID))
	}
	return escape.Terminal(a.Label)
}

// showStandIns tells which apps stand for Regions of one another, with the
// evidence: that one is easily wrong, and people should see why.
func (p *program) showStandIns(r control.Discovered) {
	for _, g := range r.Topologies {
		if g.Topology != control.AppPerRegion {
			continue
		}
		p.line("")
		p.line("%s: %s", g.Topology.Words(), escape.Terminal(strings.Join(g.Apps, ", ")))
		for _, e := range g.Evidence {
			p.line("  %s", escape.Terminal(e))
		}
	}
}

func (p *program) showDrafts(r control.Discovered) {
	for _, d := range r.Federations {
		what := "a federation that follows"
		if d.Base != "" {
			what = "federation of the config"
		}
		var regions []string
		for _, region := range d.Federation.Regions {
			regions = append(regions, region.String())
		}
		p.line("")
		p.line("%s (%s): %d apps, %d accounts, Regions %s", escape.Terminal(d.Federation.Name), what, len(d.Federation.Apps), len(d.Federation.Accounts), strings.Join(regions, ", "))
		for _, n := range d.Notes {
			p.line("  %s", escape.Terminal(n))
		}
	}
}

func (p *program) showSection(title string, fs []finding.Finding) {
	if len(fs) == 0 {
		return
	}
	p.line("")
	p.line("%s", title)
	p.showProblems(fs)
}
