package approval

import (
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/people"
)

// Code names why an approval is refused.
type Code string

// The codes.
const (
	Closed       Code = "proposal-closed"  // it is decided, expired or void
	Changed      Code = "proposal-changed" // the voter was shown something else
	NoRole       Code = "role"             // the voter is no approver there
	NotAPerson   Code = "not-a-person"     // a shared token, a hook, somebody nobody mapped
	SelfApproval Code = "self-approval"    // the voter has proposed it
	VotedAlready Code = "approved-already" // this person's approval counts already
	SlackOnce    Code = "slack-once"       // Slack's one approval is given already
)

// Refusal says why an approval or a rejection is not taken, and what to do next.
type Refusal struct {
	Code Code
	Why  string
}

func (r *Refusal) Error() string { return r.Why }

func refuse(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Why: fmt.Sprintf(format, args...)}
}

// carryWithin is how long a proposal may still be carried out once enough people
// have approved it, whenever it would have expired.
const carryWithin = 10 * time.Minute

// Needs is how many approvals a proposal takes where the policy says approvals.
// One is the least. Whoever asks under a name that is no person's (a shared
// token, an OS user nobody mapped) may be one of the approvers: then it takes one
// more. The controller and hooks are nobody, so theirs takes no more.
func Needs(by Requester, approvals int) int {
	n := max(1, approvals)
	if by.Person != "" || by.Way == "" || by.Way == people.Hook {
		return n
	}
	return n + 1
}

// Approve returns the proposal with one more approval; it becomes Approved with
// the last one that was needed. shown is the digest that the voter was shown, ""
// if none was. The error is a *Refusal.
func (p Proposal) Approve(c people.Caller, shown, comment string, now time.Time) (Proposal, error) {
	p = p.At(now)
	if err := p.mayApprove(c, shown); err != nil {
		return p, err
	}
	vote := Vote{Person: c.Person, Name: c.Name, Way: c.Way, ID: c.ID, At: now.UTC(), Comment: comment}
	votes := slices.Clone(p.Votes)
	if i := slices.IndexFunc(votes, func(v Vote) bool { return v.Person == c.Person }); i >= 0 {
		votes[i] = vote // the same person, now by another way than Slack
	} else {
		votes = append(votes, vote)
	}
	p.Votes = votes
	if p.Missing() == 0 {
		p.State = Approved
		if last := now.UTC().Add(carryWithin); last.After(p.Expires) {
			p.Expires = last
		}
	}
	return p, nil
}

// mayApprove says why a caller's approval would not count.
func (p Proposal) mayApprove(c people.Caller, shown string) error {
	switch {
	case p.State != Open:
		return p.closed()
	case !c.May(people.Approver, p.Federation):
		return refuse(NoRole, "%s has %s; an approval needs the role approver in federation %s", c, c.Grants, p.Federation)
	case c.Person == "" || c.Way == people.SharedToken || c.Way == people.Hook:
		return refuse(NotAPerson, "%s is no person of the config, so this approval would not count; next: approve as yourself, with a personal token, or have this identity added to your entry under people", c)
	case c.Person == p.By.Person:
		return refuse(SelfApproval, "%s has proposed %s as %s, and nobody approves a move of their own; next: ask another approver", c.Person, p.ID, p.By)
	case shown != "" && shown != p.Digest:
		return refuse(Changed, "what %s was shown is not what proposal %s would do; next: look at it again with: samlfailover proposals %s", c.Name, p.ID, p.ID)
	}
	return p.counts(c)
}

// counts refuses an approval that would add nothing (spec 13.2).
func (p Proposal) counts(c people.Caller) error {
	viaSlack := false
	for _, v := range p.Votes {
		switch {
		case v.Person != c.Person:
			viaSlack = viaSlack || v.Way == people.Slack
		case v.Way != people.Slack || c.Way == people.Slack:
			return refuse(VotedAlready, "%s has approved %s already, via %s, and counts once; it needs %d more, from other people", c.Person, p.ID, v.Way, p.Missing())
		}
	}
	if viaSlack && c.Way == people.Slack {
		return refuse(SlackOnce, "%s has one approval from Slack already, and all of Slack counts once; next: approve by command line or API with a personal token: samlfailover approve %s", p.ID, p.ID)
	}
	return nil
}

// closed says why nothing can be decided any more.
func (p Proposal) closed() error {
	what := "proposal " + p.ID + " is " + string(p.State)
	switch {
	case p.State == Done:
		what += ": move " + string(p.Move) + " carried it out"
	case p.Why != "":
		what += ": " + p.Why
	}
	if p.State == Expired || p.State == Void {
		what += "; next: propose it again"
	}
	return refuse(Closed, "%s", what)
}

// Reject returns the proposal as rejected. Approvers may, and whoever proposed
// it: no is always the safe answer, so it need not be a person's. The error is a
// *Refusal.
func (p Proposal) Reject(c people.Caller, shown, reason string, now time.Time) (Proposal, error) {
	p = p.At(now)
	own := c.Person != "" && c.Person == p.By.Person || c.Name == p.By.Name && c.Way == p.By.Way
	switch {
	case p.State != Open:
		return p, p.closed()
	case c.Way == people.Hook || !c.May(people.Approver, p.Federation) && !own:
		return p, refuse(NoRole, "%s has %s; to reject needs the role approver in federation %s, or to have proposed it", c, c.Grants, p.Federation)
	case shown != "" && shown != p.Digest:
		return p, refuse(Changed, "what %s was shown is not what proposal %s would do; next: look at it again with: samlfailover proposals %s", c.Name, p.ID, p.ID)
	}
	return p.end(Rejected, "rejected by "+c.String()+": "+reason, now), nil
}

// Binds reports why an open or approved proposal does not stand any more under
// another config, or in a store that was restored since; "" if it does
// (spec 13.4, 15.3).
func (p Proposal) Binds(config string, epoch uint64) string {
	switch {
	case p.Epoch != epoch:
		return "the store was restored from a backup since"
	case p.Config != config:
		return "the config was read again since, and is another one"
	}
	return ""
}
