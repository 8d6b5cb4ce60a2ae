package slack

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/signin"
)

// clock shows a moment.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// ago shows how long ago something was.
func ago(now, t time.Time) string { return max(0, now.Sub(t)).Round(time.Second).String() + " ago" }

// line makes a message of one line.
func line(format string, args ...any) message {
	var p page
	p.say(fmt.Sprintf(format, args...))
	return p.message()
}

// refusal tells why something was not done, in control's words, with its kind
// and rule.
func refusal(err error) message {
	var p page
	var typo *usageError
	var f *control.Failure
	switch {
	case errors.As(err, &typo):
		p.say(typo.Error())
	case errors.As(err, &f):
		head := string(f.Kind)
		if f.Rule != "" {
			head += " [" + f.Rule + "]"
		}
		p.say(head + ": " + f.Message)
	default:
		p.say(string(control.Failed) + ": " + err.Error())
	}
	return p.message()
}

// decision tells what the rules say, as failover's own explanation begins.
func (p *page) decision(d control.Decision) {
	head := string(d.Outcome)
	if d.Rule != "" {
		head += " [" + d.Rule + "]"
	}
	p.say(head + ": " + d.Why)
	if d.WouldChange != "" {
		p.say("what would change this: " + d.WouldChange)
	}
}

func (p *page) findings(all []control.Finding) {
	var lines []string
	for _, f := range all {
		lines = append(lines, "• "+f.Error())
	}
	p.list(lines, room)
}

func (p *page) brakes(all []control.Brake, now time.Time) {
	p.list(brakeLines(slices.DeleteFunc(slices.Clone(all), func(b control.Brake) bool { return !b.Holds(now) })), room)
}

// plan tells the steps of a move. What a terminal would show is shown.
func (p *page) plan(pl *control.Plan) {
	if pl == nil {
		return
	}
	p.list(pl.Lines(), 2*room)
}

// standing tells who leads, where there is more than one who could.
func (p *page) standing(s control.Status) {
	if s.Store != nil && !s.Store.Standing.Leads {
		p.say(s.Store.Standing.Words())
	}
}

// chosen returns the federations of a status that a command names, all for "".
func chosen(s control.Status, name string) ([]control.FederationStatus, error) {
	if name == "" {
		if len(s.Federations) == 0 {
			return nil, control.UnknownFederation("", nil)
		}
		return s.Federations, nil
	}
	var names []string
	for _, f := range s.Federations {
		if f.Name == name {
			return []control.FederationStatus{f}, nil
		}
		names = append(names, f.Name)
	}
	return nil, control.UnknownFederation(name, names)
}

// oneByOne is the number of apps up to which each is told of, by itself.
const oneByOne = 20

// apps tells where people sign in, as last read from the identity providers. Of
// many apps it tells how many are where, and which are not where most are.
func (p *page) apps(f control.FederationStatus, now time.Time, room int) {
	most := signin.Region{}
	if len(f.Apps) > oneByOne {
		most = p.places(f.Apps)
	}
	var lines []string
	for _, a := range f.Apps {
		at := "is nowhere that is known"
		if !a.Region.IsZero() {
			at = "signs in at " + a.Region.String()
		}
		if a.ReadAt.IsZero() {
			at += " (never read)"
		} else {
			at += " (read " + ago(now, a.ReadAt) + ")"
		}
		if most.IsZero() || a.Region != most || a.ReadAt.IsZero() || a.Error != nil {
			lines = append(lines, a.App+" "+at)
		}
		if a.Error != nil {
			lines = append(lines, "• "+a.Error.Error())
		}
	}
	p.list(lines, room)
}

// places tells how many apps sign in where, and returns where most do.
func (p *page) places(apps []control.AppStatus) signin.Region {
	count := map[signin.Region]int{}
	for _, a := range apps {
		count[a.Region]++
	}
	regions := slices.SortedFunc(maps.Keys(count), func(a, b signin.Region) int {
		return cmp.Or(count[b]-count[a], strings.Compare(a.String(), b.String()))
	})
	for _, r := range regions {
		at := "sign in at " + r.String()
		if r.IsZero() {
			at = "are nowhere that is known"
		}
		p.say(fmt.Sprintf("%d of %d apps %s", count[r], len(apps), at))
	}
	return regions[0]
}

func statusPage(s control.Status, name string) (message, error) {
	feds, err := chosen(s, name)
	if err != nil {
		return message{}, err
	}
	var p page
	for _, f := range feds {
		p.gap()
		p.head(f.Name + ", mode " + string(f.Mode))
		if f.Moving {
			p.say("a move is running")
		}
		p.apps(f, s.At, max(room/len(feds), 300))
		for _, r := range f.Regions {
			p.say(regionLine(r))
		}
		p.decision(f.Decision)
		p.brakes(f.Brakes, s.At)
		for _, n := range f.Notes {
			p.say(n)
		}
	}
	p.standing(s)
	return p.message(), nil
}

func regionLine(r control.RegionStatus) string {
	out := r.Region.String() + " " + string(r.State)
	if r.Suspect {
		out += ", suspect"
	}
	if !r.Since.IsZero() {
		out += " since " + clock(r.Since)
	}
	if r.Reason != "" {
		out += ": " + r.Reason
	}
	return out
}

// regionsOf returns the Regions of a federation that a command asks about.
func regionsOf(f control.FederationStatus, region string) ([]control.RegionStatus, error) {
	if region == "" {
		return f.Regions, nil
	}
	r, err := f.Region(region)
	if err != nil {
		return nil, err
	}
	return []control.RegionStatus{r}, nil
}

func healthPage(s control.Status, name, region string) (message, error) {
	feds, err := chosen(s, name)
	if err != nil {
		return message{}, err
	}
	var p page
	for _, f := range feds {
		p.gap()
		p.head(f.Name + ": what the probes say")
		regions, err := regionsOf(f, region)
		if err != nil {
			return message{}, err
		}
		for _, r := range regions {
			p.say(regionLine(r))
			if r.Verdict != nil {
				p.say(fmt.Sprintf("• %d of %d vantages for healthy, %d for unhealthy", r.Verdict.For, r.Verdict.Configured, r.Verdict.Against))
			}
		}
	}
	p.standing(s)
	return p.message(), nil
}

func readinessPage(s control.Status, name, region string) (message, error) {
	feds, err := chosen(s, name)
	if err != nil {
		return message{}, err
	}
	var p page
	for _, f := range feds {
		p.gap()
		p.head(f.Name + ": roles that could serve a Region")
		regions, err := regionsOf(f, region)
		if err != nil {
			return message{}, err
		}
		for _, r := range regions {
			if r.ScannedAt.IsZero() {
				p.say(r.Region.String() + ": never scanned; run: samlfailover trust scan")
				continue
			}
			p.say(fmt.Sprintf("%s: %d of %d roles are ready (scanned %s)", r.Region, r.Ready, r.Roles, ago(s.At, r.ScannedAt)))
			if region != "" || len(regions) == 1 {
				p.findings(r.NotReady)
			}
		}
	}
	return p.message(), nil
}

func planPage(d control.Decision) message {
	var p page
	p.head("Plan for " + d.Federation)
	p.plan(d.Plan)
	p.gap()
	p.decision(d)
	p.brakes(d.Brakes, d.At)
	p.findings(d.Findings)
	return p.message()
}

func explainPage(e control.Explanation) message {
	var p page
	p.head(e.Federation + ": why")
	for _, l := range e.Lines {
		p.say(l)
	}
	if e.Region != nil {
		p.gap()
		p.say(regionLine(*e.Region))
	}
	return p.message()
}

func historyPage(h control.History, now time.Time) message {
	var p page
	p.head("Moves, newest first")
	if len(h.Moves) == 0 {
		p.say("none yet")
	}
	for _, m := range h.Moves {
		p.gap()
		p.past(m, now)
	}
	if h.More > 0 {
		p.say(fmt.Sprintf("and %d older ones", h.More))
	}
	return p.message()
}

// past tells one move as the journal keeps it.
func (p *page) past(m control.PastMove, now time.Time) {
	what := string(m.Cause) + " of " + m.Federation + " to " + m.To.String()
	if m.Whole {
		what = "full restore of before " + string(m.Undoes) + " in " + m.Federation
	} else if m.Undoes != "" {
		what = "undo of " + string(m.Undoes) + " in " + m.Federation
	}
	p.say(fmt.Sprintf("%s: %s, begun %s by %s", m.ID, what, ago(now, m.Started), m.By))
	p.say("reason: " + m.Reason)
	if m.Result == nil {
		p.say("it has not ended")
		return
	}
	p.result(*m.Result)
	if len(m.Remaining) > 0 {
		p.say(fmt.Sprintf("%d steps are left to do by hand; see: samlfailover history %s", len(m.Remaining), m.ID))
	}
}

// result tells how a move ended.
func (p *page) result(r control.MoveResult) {
	p.say(fmt.Sprintf("%d of %d apps moved to %s: %s, proof %s", r.Moved(), r.Meant(), r.To, r.Status, r.Proof))
	if r.Why != "" {
		p.say(r.Why)
	}
	var lines []string
	for _, a := range r.Apps {
		if a.Finding != nil {
			lines = append(lines, "• "+a.App.Name+": "+a.Finding.Error())
		}
	}
	p.list(lines, room)
	lines = nil
	for _, h := range r.HandSteps {
		lines = append(lines, fmt.Sprintf("• by hand: %s, %s: %s -> %s %s", h.App.Name, h.Field, h.Current, h.Target, h.AdminURL))
	}
	p.list(lines, room)
}

func brakeLines(all []control.Brake) (lines []string) {
	for _, b := range all {
		lines = append(lines, string(b.Kind)+" "+b.ID+": "+b.String())
	}
	return lines
}

func pausedPage(a control.BrakeAnswer) message {
	var p page
	p.head("Paused")
	for _, l := range brakeLines([]control.Brake{a.Brake}) {
		p.say(l)
	}
	if len(a.Moving) > 0 {
		p.say("a move that runs already goes on: " + strings.Join(a.Moving, ", "))
	}
	return p.message()
}

func resumedPage(a control.ReleaseAnswer) message {
	var p page
	if len(a.Released) == 0 {
		p.head("Nothing was paused")
	} else {
		p.head("Released")
	}
	p.list(brakeLines(a.Released), room)
	if len(a.Left) > 0 {
		p.gap()
		p.say("still in force:")
	}
	p.list(brakeLines(a.Left), room)
	return p.message()
}

func helpPage(name, about string) message {
	if name == "" {
		name = "/samlfailover"
	}
	var p page
	p.head(name)
	all := verbs()
	if v, ok := find(about); ok {
		all = []verb{v}
	}
	for _, v := range all {
		p.say(strings.TrimSpace(name+" "+v.name+" "+v.takes) + " - " + v.says)
	}
	if about == "" {
		p.say("Nobody can be reached through Slack while Slack is down: the command line does all of this too.")
	}
	return p.message()
}

// proposalPage tells a proposal as control has it now; the buttons are there
// only while it is open.
func proposalPage(r approval.Proposal) message {
	var p page
	p.proposal(r)
	return p.message()
}

func (p *page) proposal(r approval.Proposal) {
	p.head("Proposal " + r.ID + " for " + r.Federation)
	p.say(fmt.Sprintf("%s, by %s, %s; it expires %s", r.What(), r.By, clock(r.Created), clock(r.Expires)))
	if r.Reason != "" {
		p.say("reason: " + r.Reason)
	}
	p.plan(r.Plan)
	p.gap()
	p.say(fmt.Sprintf("%s: %d of %d approvals", r.State, r.Count(), r.Need))
	for _, v := range r.Votes {
		p.say(strings.TrimSuffix("• approved by "+v.String()+": "+v.Comment, ": "))
	}
	if r.Why != "" {
		p.say(r.Why)
	}
	if r.Move != "" {
		p.say("carried out as move " + string(r.Move))
	}
	if r.State == approval.Open && r.Digest != "" {
		p.buttons = []button{
			{Type: "button", Text: plainText("Approve"), Action: actionApprove, Value: r.ID + " " + r.Digest, Style: "primary", Confirm: ask(r)},
			{Type: "button", Text: plainText("Reject"), Action: actionReject, Value: r.ID + " " + r.Digest, Style: "danger"},
		}
	}
}

// ask is the question before an approval.
func ask(r approval.Proposal) *confirmation {
	return &confirmation{Title: plainText("Approve this move?"), Text: plainText(clip(escape.Terminal(r.Federation+": "+r.What()), 200) + ". With enough approvals it begins at once."),
		Confirm: plainText("Approve"), Deny: plainText("Not now")}
}

func proposalsPage(l control.ProposalList) message {
	var p page
	switch len(l.Proposals) {
	case 0:
		p.say("No proposal is waiting.")
	case 1:
		p.proposal(l.Proposals[0])
	default:
		p.head("Proposals")
		var lines []string
		for _, r := range l.Proposals {
			lines = append(lines, fmt.Sprintf("%s for %s by %s: %s, %d of %d approvals, expires %s", r.ID, r.Federation, r.By, r.State, r.Count(), r.Need, clock(r.Expires)))
		}
		p.list(lines, 2*room)
		p.say("Type proposals ID for one of them with its buttons, or approve ID, or reject ID REASON.")
	}
	return p.message()
}

// userText tells what to tell the people who sign in (spec 9.4).
func (p *page) userText(lines []string) {
	if len(lines) == 0 {
		return
	}
	p.gap()
	p.head("Tell the people who sign in")
	for _, l := range lines {
		p.say(l)
	}
}
