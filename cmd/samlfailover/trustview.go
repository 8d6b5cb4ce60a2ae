package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// showReadiness prints the share of ready roles per Region, with the names and
// reasons of those that are not, if wanted.
func (p *program) showReadiness(fed federation.Federation, snap control.Snapshot, names bool) {
	rows := [][]string{{"REGION", "READY", "OF", "NOT READY", "CONDITIONAL", "UNKNOWN", "EXCEPTED"}}
	for _, r := range fed.Regions {
		s := snap.Share(r)
		bad := s.Total - s.Ready - s.Conditional - s.Unknown
		rows = append(rows, []string{r.String(), count(s.Ready), count(s.Total), count(bad), count(s.Conditional), count(s.Unknown), count(s.Excepted)})
	}
	p.table(rows)
	if names {
		for _, r := range fed.Regions {
			p.showGrouped(snap.Share(r).NotReady)
		}
		p.showProblems(control.ProviderProblems(snap))
	}
	p.showProblems(control.Problems(snap))
}

// showUnread says that a scan could read nothing, and how old what follows is.
func (p *program) showUnread(snap control.Snapshot) {
	if !snap.Unread() {
		return
	}
	p.line("%s [%s]", escape.Terminal(control.Problems(snap)[0].What), control.Problems(snap)[0].Code)
	if snap.TakenAt.IsZero() || snap.Share(signin.Region{}).Total == 0 {
		p.line("Nothing is known from before.")
	} else {
		p.line("What follows is the last scan: %s old, of %s.", time.Since(snap.TakenAt).Round(time.Second), snap.TakenAt.UTC().Format(time.RFC3339))
	}
	p.line("")
}

func count(n int) string { return fmt.Sprint(n) }

// besides says how many more are excepted, nothing if none is.
func besides(excepted int) string {
	if excepted == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d excepted besides)", excepted)
}

// showGrouped prints findings in groups that share what is wrong and the next
// step, one line for each role or app; --output json has the evidence.
func (p *program) showGrouped(fs []finding.Finding) {
	type group struct{ what, code, remedy string }
	var order []group
	lines := map[group][]string{}
	for _, f := range fs {
		g := group{f.What, string(f.Code), f.Remedy}
		if lines[g] == nil {
			order = append(order, g)
		}
		if l := strings.TrimSuffix(f.Subject+": "+f.Why, ": "); !slices.Contains(lines[g], l) {
			lines[g] = append(lines[g], l)
		}
	}
	for _, g := range order {
		p.line("")
		p.line("%s [%s]", escape.Terminal(g.what), g.code)
		for _, l := range lines[g] {
			p.line("  %s", escape.Terminal(l))
		}
		if g.remedy != "" {
			p.line("  next: %s", escape.Terminal(g.remedy))
		}
	}
}

// showFinding prints what, why and the next step, indented under its subject.
func (p *program) showFinding(f finding.Finding) {
	p.line("")
	p.line("%s [%s]", escape.Terminal(f.Subject), f.Code)
	p.line("  %s", escape.Terminal(sentence(f)))
	p.showEvidence(f)
	if f.Remedy != "" {
		p.line("  next: %s", escape.Terminal(f.Remedy))
	}
}

// showEvidence prints the facts behind a finding; a change that others have to
// make is shown line by line, as a diff to copy.
func (p *program) showEvidence(f finding.Finding) {
	const change = "change"
	rest := f
	rest.Evidence = maps.Clone(f.Evidence)
	delete(rest.Evidence, change)
	for _, l := range rest.EvidenceLines() {
		p.line("    %s", escape.Terminal(l))
	}
	diff := strings.TrimRight(f.Evidence[change], "\n")
	if diff == "" {
		return
	}
	p.line("    change:")
	for _, l := range strings.Split(diff, "\n") {
		p.line("      %s", p.coloured(escape.Terminal(l)))
	}
}

func sentence(f finding.Finding) string {
	if f.Why == "" {
		return f.What
	}
	return f.What + ": " + f.Why
}

func (p *program) showProblems(fs []finding.Finding) {
	for _, f := range fs {
		p.showFinding(f)
	}
}

func (p *program) showTrustPlan(plan control.TrustPlan, out string) {
	p.showEdits(plan.Edits)
	t := plan.Totals
	denies := ""
	if t.Denies > 0 {
		denies = fmt.Sprintf("%d whose Deny needs an approver, ", t.Denies)
	}
	p.line("%d federated roles in %d accounts: %d complete, %d to edit, %s%d that will not be written.", t.Roles, t.Accounts, t.Complete, t.Edits, denies, t.Refused)
	if t.Excepted > 0 {
		p.line("%d of them are excepted from a Region or more, and not written for it.", t.Excepted)
	}
	if len(plan.Denies) > 0 {
		p.line("")
		p.line("Edits of Deny statements [needs-approver]: apply does not write them. Have the identity team make them by hand.")
		p.line("")
		p.showEdits(plan.Denies)
	}
	p.showProblems(plan.Refused)
	p.showProblems(plan.Notes)
	switch {
	case out != "":
		p.line("")
		p.line("Plan written to %s; carry it out with: samlfailover trust apply %s", escape.Terminal(out), escape.Terminal(out))
	case len(plan.Edits) > 0:
		p.line("")
		p.line("Carry it out with: samlfailover trust apply")
	}
}

func (p *program) showEdits(edits []control.TrustEdit) {
	for _, e := range edits {
		p.line("%s", escape.Terminal(e.Role))
		for _, l := range strings.Split(strings.TrimRight(e.Diff, "\n"), "\n") {
			p.line("  %s", p.coloured(escape.Terminal(l)))
		}
		p.line("  size %d -> %d of %d characters", e.SizeBefore, e.SizeAfter, e.SizeQuota)
		p.line("")
	}
}

// showTakenBack prints what a restore would take out of each role.
func (p *program) showTakenBack(writes []control.TrustWrite) {
	for _, w := range writes {
		p.line("%s", escape.Terminal(w.Role))
		for _, c := range w.Changes {
			p.line("  %s", p.coloured(escape.Terminal(fmt.Sprintf("- %s: %s", c.Condition, c.Audience))))
		}
	}
}

// coloured marks added and removed lines of a diff on a terminal.
func (p *program) coloured(l string) string {
	if !p.isTerminal() || p.Env["NO_COLOR"] != "" {
		return l
	}
	switch {
	case strings.HasPrefix(l, "+"):
		return "\x1b[32m" + l + "\x1b[0m"
	case strings.HasPrefix(l, "-"):
		return "\x1b[31m" + l + "\x1b[0m"
	}
	return l
}

// showReport prints what became of each role of the run with this id.
func (p *program) showReport(r control.TrustReport, id string) {
	for _, o := range r.Outcomes {
		note := ""
		switch {
		case o.Moved && o.State == control.TrustAlready:
			note = " (somebody has added it since the plan)"
		case o.Moved:
			note = " (it had changed since the plan; the edit was computed anew)"
		}
		p.line("%-11s %s%s", o.State, escape.Terminal(o.Role), note)
		if o.Finding != nil {
			p.line("            %s", escape.Terminal(o.Finding.Error()))
		}
	}
	if r.Stopped != nil {
		p.showFinding(*r.Stopped)
	}
	switch {
	case len(r.Outcomes) == 0:
		p.line("Nothing to write.")
	case id != "" && control.TrustUnfinished(r):
		p.line("")
		p.line("Finish the run with: samlfailover trust apply --resume %s", escape.Terminal(id))
	}
}
