package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// command is what an operator types to do the job, with an override if needed.
func (v *view) command(override string) string {
	if u := v.undo(); u != nil {
		return fmt.Sprintf("samlfailover undo %s --federation %s --reason TEXT", u.Move, v.s.Federation.Name) + overriding(override)
	}
	to := "REGION"
	if !v.to.IsZero() {
		to = v.to.String()
	}
	return v.commandTo(to, override)
}

func (v *view) commandTo(to, override string) string {
	return fmt.Sprintf("samlfailover move --federation %s --to %s --reason TEXT", v.s.Federation.Name, to) + overriding(override)
}

func overriding(rule string) string {
	if rule == "" {
		return ""
	}
	return " --override " + rule
}

// evidence collects the facts that every decision shows: where the apps are and
// what is known of each Region.
func (v *view) evidence() []Fact {
	var out []Fact
	for _, a := range v.apps {
		out = append(out, Fact{"app " + a.ref.Name, appFact(a, v.s.Now)})
	}
	for _, r := range v.s.Federation.Regions {
		h := v.verdict(r)
		text := stateWord(h)
		if !h.Since.IsZero() {
			text += " since " + clock(h.Since)
		}
		if h.Reason != "" {
			text += ": " + h.Reason
		}
		_, ready := v.ready(r)
		out = append(out, Fact{"Region " + r.String(), text}, Fact{"readiness " + r.String(), ready})
	}
	return out
}

// appFact says where an app is, and how old that knowledge is when it matters.
func appFact(a appView, now time.Time) string {
	if a.region.IsZero() {
		return unknownWhy(a, now)
	}
	text := "signs in at " + a.region.String()
	for _, s := range a.standbys {
		if s.shown(now) && s.Region == a.region {
			text += ", through its standby app " + s.App.Name
			break
		}
	}
	if a.state.Error != nil {
		text += fmt.Sprintf(" (read %s ago; the newest read failed: %s)", now.Sub(a.state.ReadAt).Round(time.Second), a.state.Error.Error())
	}
	return text
}

// findings are those that every status must show.
func (v *view) findings() []finding.Finding {
	var out []finding.Finding
	if n, _ := v.vantages(); n < 2 {
		out = append(out, finding.Finding{Code: finding.SoleVantage, Subject: "federation " + v.s.Federation.Name,
			What: fmt.Sprintf("%d vantage is configured: a fault of our own network can look like an outage", n),
			Why:  "a quorum of one is no quorum", Remedy: "run a second and third vantage on another network"})
	}
	for _, a := range v.apps {
		out = append(out, a.state.App.Findings...)
		for _, s := range a.standbys {
			out = append(out, s.state.App.Findings...)
		}
	}
	for _, s := range v.s.Shares {
		if s.Dropped != nil {
			out = append(out, *s.Dropped)
		}
	}
	return append(out, v.s.Distrusted...)
}

// Explain tells a decision in lines for a terminal or a log, escaped (spec
// 13.7): what, why, what would change it, the evidence, and the rules passed on
// the way.
func Explain(d Decision) []string {
	head := string(d.Outcome)
	if d.Rule != "" {
		head += " [" + d.Rule + "]"
	}
	out := []string{escape.Terminal(head + ": " + d.Why)}
	if d.WouldChange != "" {
		out = append(out, escape.Terminal("what would change this: "+d.WouldChange))
	}
	for _, b := range d.Brakes {
		out = append(out, escape.Terminal(string(b.Kind)+" "+b.ID+": "+b.String()))
	}
	for _, f := range d.Evidence {
		out = append(out, escape.Terminal("evidence: "+f.Name+": "+f.Value))
	}
	for _, f := range d.Findings {
		out = append(out, escape.Terminal("finding: "+f.Error()))
	}
	for _, p := range d.Trail {
		out = append(out, escape.Terminal("passed "+p.Rule+": "+p.Note))
	}
	return out
}

// Lines tells a plan in lines for a terminal, escaped: each step with before
// and after, then what is left and why.
func (p Plan) Lines() []string {
	out := []string{escape.Terminal(fmt.Sprintf("%s of federation %s: %s, %s", p.Cause, p.Federation, p.Route(), apps(len(p.Steps))))}
	for _, s := range p.Steps {
		name := s.App.Name
		if s.Lead {
			name += " (lead)"
		}
		if s.Tile != "" {
			out = append(out, escape.Terminal(fmt.Sprintf("  %s, in place of %s", name, s.For)), escape.Terminal(fmt.Sprintf("    tile in the portal: %s", s.Tile)),
				escape.Terminal("    sign-in URL  "+s.Before.String()+" (kept)"))
			out = append(out, noteLines(s.Findings)...)
			continue
		}
		out = append(out, escape.Terminal("  "+name), escape.Terminal(change("    sign-in URL  ", s.Before.String(), s.After.String())),
			escape.Terminal(change("    RelayState   ", s.RelayBefore, s.RelayAfter)))
		out = append(out, noteLines(s.Findings)...)
	}
	for _, l := range p.Left {
		out = append(out, escape.Terminal("  stays: "+l.App.Name+" "+l.Why))
	}
	return out
}

func noteLines(fs []finding.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, escape.Terminal("    note: "+f.Error()))
	}
	return out
}

func change(field, before, after string) string {
	show := func(s string) string {
		if s == "" {
			return "(empty)"
		}
		return s
	}
	if before == after {
		return field + show(before) + " (kept)"
	}
	return field + show(before) + " -> " + show(after)
}

// UserText is what to tell the people who sign in, after a move to r (spec
// 9.4): one line each.
func UserText(f federation.Federation, r signin.Region) []string {
	out := slices.Concat([]string{
		"AWS sign-in now goes through " + r.String() + ". Close the old sign-in page and open the AWS tile in your portal again.",
	}, tileLines(f, r), []string{
		"Sessions that are open keep working until they expire.",
		"saml2aws: run saml2aws login --force --region " + r.String(),
		"gimme-aws-creds: run gimme-aws-creds again; it follows the app to its Region.",
		"okta-aws-cli: run okta-aws-cli web --aws-region " + r.String(),
	})
	e, ok := r.Endpoint()
	if !ok || e.ConsoleHost == "" {
		return out
	}
	var ids []string
	for _, a := range f.Accounts {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	for _, id := range ids {
		out = append(out, "Switch role in account "+id+": https://"+e.ConsoleHost+"/switchrole?account="+id+"&roleName=ROLE")
	}
	return out
}

// tileLines say which tiles to open where other apps stand in.
func tileLines(f federation.Federation, r signin.Region) []string {
	var out []string
	for _, a := range f.Apps {
		if len(f.StandbysOf(a)) == 0 {
			continue
		}
		if s, ok := f.Standby(f.Serving(a, r)); ok {
			out = append(out, fmt.Sprintf("Open the tile %q instead of %q.", s.App.Name, a.Name))
			continue
		}
		out = append(out, fmt.Sprintf("Open the tile %q, no other.", a.Name))
	}
	return out
}

// clock shows a time to people: UTC, to the second.
func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// apps counts apps in words.
func apps(n int) string {
	if n == 1 {
		return "1 app"
	}
	return fmt.Sprintf("%d apps", n)
}

func regionList(rs []signin.Region) string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.String()
	}
	return strings.Join(out, ", ")
}
