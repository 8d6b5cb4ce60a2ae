package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
)

// Action is what a decision says to do.
type Action string

// The actions.
const (
	Hold    Action = "hold"    // do nothing, for the reason given
	Propose Action = "propose" // show the plan to a person
	Move    Action = "move"    // carry the plan out now
)

// Decision is the answer to a situation, with everything needed to explain it.
// Rule names what decided; it is empty when every rule passed. Plan is what
// would be done if the rule did not hold, where there is such a plan: only
// Outcome Move says to do it.
type Decision struct {
	At          time.Time         `json:"at"`
	Federation  string            `json:"federation"`
	Outcome     Action            `json:"outcome"`
	Rule        string            `json:"rule,omitempty"`
	Why         string            `json:"why"`
	WouldChange string            `json:"would_change,omitempty"`
	Cause       Cause             `json:"cause,omitempty"`
	Evidence    []Fact            `json:"evidence,omitempty"`
	Findings    []finding.Finding `json:"findings,omitempty"`
	Brakes      []Brake           `json:"brakes,omitempty"` // pauses and locks in force
	Plan        *Plan             `json:"plan,omitempty"`
	Trail       []Passed          `json:"trail,omitempty"`
	// Digest is what an approval of this binds (spec 13.4), "" when nothing would
	// move. Escalates is the proposal that is carried out unanswered, if one is.
	Digest    string `json:"digest,omitempty"`
	Escalates string `json:"escalates,omitempty"`
}

// Fact is one observed fact behind a decision.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Passed is a rule that did not decide, and why not. Overridden means that it
// would have.
type Passed struct {
	Rule       string `json:"rule"`
	Note       string `json:"note"`
	Overridden bool   `json:"overridden,omitempty"`
}

// Decide answers a situation. It is pure: no clock, no I/O, and the same
// situation always gives the same decision.
func (rs Rules) Decide(s Situation) Decision {
	if d, ok := rs.escalated(s); ok {
		return d
	}
	return rs.decide(s)
}

func (rs Rules) decide(s Situation) Decision {
	v := newView(s)
	d := Decision{At: s.Now, Federation: s.Federation.Name, Cause: v.cause, Evidence: v.evidence(), Findings: v.findings(), Brakes: v.braking("")}
	if name, r := v.fixed(); r.outcome != "" {
		return d.because(name, r)
	}
	plan, err := v.plan()
	if err == nil && v.undo() == nil { // what an undo changes is known once the apps are read
		d.Plan = plan
	}
	v.bind(plan)
	d.Digest = v.bound
	for _, rule := range rs {
		r := rule.check(v)
		switch {
		case r.outcome == "":
			d.Trail = append(d.Trail, Passed{Rule: rule.Name, Note: r.note})
			d.Findings = append(d.Findings, r.findings...)
		case s.Request != nil && !rule.BindsRequest:
			d.Trail = append(d.Trail, Passed{Rule: rule.Name, Note: "does not bind an operator's request"})
		case v.putsAside(rule.Name):
			d.Trail = append(d.Trail, Passed{Rule: rule.Name, Note: "overridden by " + s.Request.By + ": " + r.why, Overridden: true})
		default:
			return d.because(rule.Name, r)
		}
	}
	switch u := v.undo(); {
	case u != nil && len(v.moving) > 0:
		d.Outcome, d.Why = Move, v.undoWhy(*u)
	case u != nil || err != nil:
		return d.because(NothingToMove, v.nothing())
	default:
		d.Outcome, d.Why = Move, v.moveWhy(plan)
	}
	return d
}

// because closes a decision with what a rule said.
func (d Decision) because(rule string, r ruling) Decision {
	d.Rule, d.Outcome, d.Why, d.WouldChange = rule, r.outcome, r.why, r.wouldChange
	d.Findings = append(d.Findings, r.findings...)
	if rule == BadRequest || rule == AllowedRegions || rule == ActiveHealthy {
		d.Plan, d.Digest = nil, ""
	}
	return d
}

// fixed checks what nobody can leave out or override (spec 8.6).
func (v *view) fixed() (string, ruling) {
	req, f := v.s.Request, v.s.Federation
	if req != nil {
		if why := badRequest(*req); why != "" {
			return BadRequest, hold(why, "ask again with a request that can be carried out")
		}
		for _, to := range append(v.targets(), req.To) {
			if !f.Allows(to) {
				return AllowedRegions, hold(fmt.Sprintf("%s is not one of the Regions of federation %s (%s)", to, f.Name, regionList(f.Regions)),
					"a Region of the federation, or the Region added to it in the config; no override can do it")
			}
		}
	}
	if o := v.s.OpenMove; o != nil {
		ends := "the end of that move; the leader resumes it by itself"
		if len(v.s.Distrusted) > 0 {
			ends = "a store that verifies: until then nobody goes on with the move (" + StoreIntegrity + ")"
		}
		return MoveOpen, hold(fmt.Sprintf("move %s (%s to %s) has begun at %s and has not ended", o.ID, o.Cause, o.To, clock(o.Started)), ends)
	}
	return "", ruling{}
}

// badRequest says why a request cannot be carried out by anybody, or "".
func badRequest(r Request) string {
	if r.To.IsZero() {
		return "the request names no Region to move to"
	}
	if strings.TrimSpace(r.By) == "" || strings.TrimSpace(r.Reason) == "" {
		return "a request needs the person who asks and a reason, both are recorded"
	}
	known := Standard().Names()
	for _, o := range r.Overrides {
		switch {
		case slices.Contains([]string{AllowedRegions, MoveOpen, BadRequest, NothingToMove, JournalUnread, CannotStart, NotLeader, StoreIntegrity}, o):
			return o + " cannot be overridden by anyone"
		case !slices.Contains(known, o):
			return fmt.Sprintf("there is no rule %q to override (rules: %s)", o, strings.Join(known, ", "))
		}
	}
	return ""
}

// nothing explains why no app would change.
func (v *view) nothing() ruling {
	var stuck []string
	for _, l := range v.left {
		if l.Blocking {
			stuck = append(stuck, l.App.Name+" "+l.Why)
		}
	}
	if len(stuck) > 0 {
		return hold("no app can be moved: "+strings.Join(stuck, "; "), "an app that can be read and written; the findings name the next step")
	}
	if v.s.Request != nil {
		return hold("every app is in "+v.to.String()+" already", "a request for another Region")
	}
	return hold("no app has to move", "a Region that stops working")
}

// moveWhy says why the move happens now.
func (v *view) moveWhy(p *Plan) string {
	what := fmt.Sprintf("%s to move from %s", apps(len(p.Steps)), p.Route())
	if req := v.s.Request; req != nil {
		return fmt.Sprintf("%s because %s asks for it: %s", what, req.By, req.Reason)
	}
	if v.cause == Failback {
		return what + ": back home"
	}
	var reasons []string
	for _, r := range p.From {
		got := v.verdict(r)
		reasons = append(reasons, fmt.Sprintf("%s is %s since %s (%s)", r, stateWord(got), clock(got.Since), got.Reason))
	}
	return what + " because " + strings.Join(reasons, "; ")
}
