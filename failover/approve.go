package failover

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// Approved is a proposal that enough people have approved. Count is how many of
// the approvals count (spec 13.2), Digest what they bind (spec 13.4).
type Approved struct {
	Proposal string   `json:"proposal"`
	Digest   string   `json:"digest"`
	By       []string `json:"by"`
	Count    int      `json:"count"`
}

// Asked is the controller's own proposal that nobody has answered yet.
type Asked struct {
	Proposal string    `json:"proposal"`
	Digest   string    `json:"digest"`
	Since    time.Time `json:"since"`
}

// approval is the approval that stands behind the job, nil for none.
func (v *view) approval() *Approved {
	if v.s.Request != nil {
		return v.s.Request.Approval
	}
	return v.s.Approval
}

// needs is how many approvals the job takes; 0 for none.
func (v *view) needs() int {
	switch n := v.policy.Approvals; {
	case v.s.Request == nil:
		return max(1, n)
	case v.s.Request.Ask, v.undo() != nil && v.undo().Whole != nil:
		return max(1, n)
	default:
		return n
	}
}

// checkApproval holds the controller's own job to the mode, and a person's wish to
// the number of approvals that the policy asks for (spec 13.3, 13.4).
func checkApproval(v *view) ruling {
	if len(v.moving) == 0 || v.s.Request == nil && v.auto || v.s.Request != nil && v.needs() == 0 {
		return pass("nobody has to approve")
	}
	if v.s.Request == nil && v.policy.Mode == federation.Observe {
		return hold("mode observe: "+v.wouldDo(), "mode approve or auto in the config, or an operator: "+v.command(""))
	}
	if a := v.approval(); a != nil {
		return v.approved(*a)
	}
	if v.s.Request == nil {
		return ruling{outcome: Propose, why: "mode " + string(v.policy.Mode) + ": " + v.wouldDo(), wouldChange: v.approvers() + ", or an operator: " + v.command("")}
	}
	req := v.s.Request
	return ruling{outcome: Propose, why: fmt.Sprintf("%s asks to %s, and that takes %s: %s", req.By, v.wish(), approvals(v.needs()), req.Reason),
		wouldChange: approvals(v.needs()) + " of others: samlfailover proposals"}
}

// approved holds when the approval is not of what would be done now.
func (v *view) approved(a Approved) ruling {
	again := "a new proposal, and people who approve it"
	switch done := slices.IndexFunc(v.s.History, func(m PastMove) bool { return m.Proposal == a.Proposal }); {
	case done >= 0:
		return hold(fmt.Sprintf("proposal %s was carried out already, by move %s", a.Proposal, v.s.History[done].ID), again)
	case a.Digest == "" || a.Digest != v.bound:
		return hold(fmt.Sprintf("what was approved as %s is not what would be done now: the apps, the Region, the overrides or the config are others", a.Proposal), again)
	case a.Count < v.needs():
		return hold(fmt.Sprintf("%s has %d of %s", a.Proposal, a.Count, approvals(v.needs())), "more people who approve it: samlfailover approve "+a.Proposal)
	}
	return pass(fmt.Sprintf("approved as %s by %s", a.Proposal, strings.Join(a.By, ", ")))
}

// approvers says who can carry the controller's own proposal out.
func (v *view) approvers() string {
	if v.s.Asked != nil && v.s.Asked.Digest == v.bound {
		return "an approver: samlfailover approve " + v.s.Asked.Proposal
	}
	return "an approver: samlfailover proposals"
}

// wish says what the request is for.
func (v *view) wish() string {
	if u := v.undo(); u != nil && u.Whole != nil {
		return "put back app " + u.Apps[0].App.Name + " whole as it was before move " + string(u.Move)
	} else if u != nil {
		return "take back move " + string(u.Move)
	}
	return "move " + apps(len(v.moving)) + " to " + v.to.String()
}

// approvals counts approvals in words.
func approvals(n int) string {
	if n == 1 {
		return "1 approval"
	}
	return fmt.Sprintf("%d approvals", n)
}

// boundUndo is what an approval of an undo covers: its steps are known only once
// they run, so it binds the apps as they are and where they go.
type boundUndo struct {
	Federation string       `json:"federation"`
	Undoing    Undoing      `json:"undoing"`
	Apps       []boundState `json:"apps"`
	Overrides  []string     `json:"overrides"`
	Config     string       `json:"config"`
}

type boundState struct {
	App    string        `json:"app"`
	Region signin.Region `json:"region"`
	ACS    string        `json:"acs"`
	Relay  string        `json:"relay"`
	Tiles  []string      `json:"tiles,omitempty"` // the standby apps whose tile shows
}

// bind works out the digest that an approval of the job binds (spec 13.4): the
// plan's, or for an undo one of its own. It stays "" when there is no job.
func (v *view) bind(plan *Plan) {
	u := v.undo()
	switch {
	case u == nil && plan != nil:
		v.bound = plan.Digest
		return
	case u == nil || len(v.moving) == 0:
		return
	}
	b := boundUndo{Federation: v.s.Federation.Name, Undoing: *u, Overrides: slices.Sorted(slices.Values(v.s.Request.Overrides)), Config: v.s.ConfigDigest}
	for _, a := range v.moving {
		st := boundState{App: a.ref.String(), Region: a.region, ACS: a.state.App.ACSText, Relay: a.state.App.RelayState}
		for _, s := range a.standbys {
			if !s.state.App.Hidden {
				st.Tiles = append(st.Tiles, s.App.String())
			}
		}
		b.Apps = append(b.Apps, st)
	}
	if raw, err := json.Marshal(b); err == nil {
		sum := sha256.Sum256(raw)
		v.bound = hex.EncodeToString(sum[:])
	}
}

// escalated decides as mode auto would when the controller's own proposal has
// waited for escalate_after, nobody has answered, and it is still what would be
// done (spec 13.3). ok means that auto would move.
func (rs Rules) escalated(s Situation) (d Decision, ok bool) {
	p := settled(s.Federation.Policy)
	if s.Request != nil || s.Asked == nil || p.Mode != federation.Approve || p.EscalateAfter <= 0 || s.Now.Sub(s.Asked.Since) < p.EscalateAfter {
		return d, false
	}
	s.Federation.Policy.Mode = federation.Auto
	if d = rs.decide(s); d.Outcome != Move || d.Plan == nil || d.Plan.Digest != s.Asked.Digest {
		return d, false
	}
	waited := fmt.Sprintf("nobody has answered proposal %s since %s, and escalate_after is %s", s.Asked.Proposal, clock(s.Asked.Since), p.EscalateAfter)
	d.Escalates = s.Asked.Proposal
	d.Why = waited + ": " + d.Why
	d.Findings = append(d.Findings, finding.Finding{Code: finding.ProposalEscalated, Subject: "federation " + d.Federation,
		What: "a proposal that nobody answered is carried out as in mode auto", Why: waited, Remedy: "see what it does with: samlfailover status; take it back with: samlfailover undo --reason TEXT"})
	return d, true
}

// checkFreeze holds moves in a window of the config. A window for planned moves
// lets apps leave an unhealthy Region; one for all moves does not, but an operator
// may put it aside by name.
func checkFreeze(v *view) ruling {
	windows := slices.DeleteFunc(slices.Clone(v.s.Freezes), func(f federation.Freeze) bool { return f.Moves == federation.FreezeNoMove })
	_, frozen := federation.Frozen(windows, v.s.Now)
	if !frozen || len(v.moving) == 0 {
		return pass("no freeze holds moves now")
	}
	fleeing := slices.ContainsFunc(v.leaving(), func(h health.Verdict) bool { return h.State == health.Unhealthy })
	if fleeing {
		windows = slices.DeleteFunc(windows, func(f federation.Freeze) bool { return f.Moves != federation.FreezeEveryMove })
	}
	f, frozen := federation.Frozen(windows, v.s.Now)
	if !frozen {
		return pass("the freeze lets apps leave an unhealthy Region")
	}
	r := hold("moves are frozen until "+clock(f.Until)+": "+f.Why, "the end of the freeze, or an operator: "+v.command(Frozen))
	if fleeing {
		r.findings = []finding.Finding{{Code: finding.MoveFrozen, Subject: "federation " + v.s.Federation.Name,
			What: "apps stay in an unhealthy Region because of a freeze", Why: r.why, Remedy: "decide whether the freeze is worth it; to move all the same: " + v.command(Frozen)}}
	}
	return r
}
