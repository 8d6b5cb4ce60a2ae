package approval

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
)

// State is what has become of a proposal.
type State string

// The states. Open and Approved may still change, the others are final.
const (
	Open     State = "open"     // it waits for approvals
	Approved State = "approved" // enough have approved; it is being carried out
	Rejected State = "rejected" // a person has said no
	Expired  State = "expired"  // nobody decided in time
	Void     State = "void"     // what was approved is not what would happen any more
	Done     State = "done"     // it was carried out; Move names the move
)

// Final reports whether nothing can change any more.
func (s State) Final() bool { return s != Open && s != Approved }

// Requester is who has proposed a move. The zero Person is nobody that the
// config knows.
type Requester struct {
	Person string     `json:"person,omitempty"`
	Name   string     `json:"name"`
	Way    people.Way `json:"way,omitempty"` // "": the controller itself
}

// From returns the requester that a caller is.
func From(c people.Caller) Requester { return Requester{Person: c.Person, Name: c.Name, Way: c.Way} }

// Itself is the controller as the requester of its own proposals.
func Itself() Requester { return Requester{Name: failover.Controller} }

// String names the requester in records: "ada via socket", or "controller".
func (r Requester) String() string {
	if r.Way == "" {
		return r.Name
	}
	return people.Caller{Name: r.Name, Way: r.Way}.String()
}

// Vote is one person's approval. ID is the proof's own name for the voter, such
// as "T024BE7LD/U2147483697" in Slack.
type Vote struct {
	Person  string     `json:"person"`
	Name    string     `json:"name"`
	Way     people.Way `json:"way"`
	ID      string     `json:"id,omitempty"`
	At      time.Time  `json:"at"`
	Comment string     `json:"comment,omitempty"`
}

// String names the voter in records.
func (v Vote) String() string { return people.Caller{Name: v.Name, Way: v.Way}.String() }

// Proposal is a move that waits for people. Digest is what an approval binds
// (spec 13.4): federation, target, apps with their before-values, overrides and
// config; Plan shows the same to people and is nil for an undo, whose steps are
// known only once they run. Need is how many have to approve.
type Proposal struct {
	ID         string           `json:"id"`
	Federation string           `json:"federation"`
	Plan       *failover.Plan   `json:"plan,omitempty"`
	Request    failover.Request `json:"request"` // what is carried out, as it was asked for
	Digest     string           `json:"digest"`
	Reason     string           `json:"reason"`
	Overrides  []string         `json:"overrides,omitempty"`
	By         Requester        `json:"by"`
	Created    time.Time        `json:"created"`
	Expires    time.Time        `json:"expires"`
	Need       int              `json:"need"`
	Votes      []Vote           `json:"votes"`
	State      State            `json:"state"`
	// Why says in words how it came to a final state, other than Done.
	Why string `json:"why,omitempty"`
	// Ended is when it came to its final state.
	Ended time.Time `json:"ended,omitzero"`
	// Move is the move that carried it out.
	Move failover.MoveID `json:"move,omitempty"`
	// Config and Epoch are what it was made under: the digest of the config, and
	// the number of times that the store was restored. Another one makes it void.
	Config string `json:"config,omitempty"`
	Epoch  uint64 `json:"epoch,omitempty"`
}

// NewID returns the id of a new proposal. It is no secret: an id decides nothing.
func NewID() string { return "prop-" + strings.ToLower(rand.Text()[:8]) }

// Own reports whether the controller itself has proposed it.
func (p Proposal) Own() bool { return p.By.Way == "" }

// What names the proposed move for people: "move from us-east-1 to us-west-2".
func (p Proposal) What() string {
	switch u := p.Request.Undoes; {
	case u != nil && u.Whole != nil:
		return "put back app " + u.Apps[0].App.Name + " whole as it was before move " + string(u.Move)
	case u != nil:
		return "undo move " + string(u.Move)
	case p.Plan != nil:
		return "move from " + p.Plan.Route()
	}
	return "move to " + p.Request.To.String()
}

// At returns the proposal as it stands at a moment: one that was not decided, or
// not carried out, in time is expired.
func (p Proposal) At(now time.Time) Proposal {
	switch {
	case now.Before(p.Expires) || p.State.Final():
		return p
	case p.State == Approved:
		return p.end(Expired, "it was approved and not carried out until "+clock(p.Expires), p.Expires)
	}
	return p.end(Expired, "not enough people had approved it at "+clock(p.Expires), p.Expires)
}

// end closes a proposal.
func (p Proposal) end(s State, why string, at time.Time) Proposal {
	p.State, p.Why, p.Ended = s, why, at.UTC()
	return p
}

// Voided returns the proposal as void, for a reason.
func (p Proposal) Voided(why string, at time.Time) Proposal { return p.end(Void, why, at) }

// Carried returns the proposal as carried out by a move.
func (p Proposal) Carried(id failover.MoveID, at time.Time) Proposal {
	p.Move = id
	return p.end(Done, "", at)
}

// Voted reports whether a person has voted, whichever way.
func (p Proposal) Voted(c people.Caller) bool {
	return slices.ContainsFunc(p.Votes, func(v Vote) bool { return v.Person == c.Person && v.Name == c.Name })
}

// Count is how many of the approvals count: each person once over all identities,
// and all Slack identities together at most once (spec 13.2).
func (p Proposal) Count() int {
	elsewhere := map[string]bool{}
	for _, v := range p.Votes {
		if v.Person != "" && v.Way != people.Slack {
			elsewhere[v.Person] = true
		}
	}
	n := len(elsewhere)
	if slices.ContainsFunc(p.Votes, func(v Vote) bool { return v.Person != "" && v.Way == people.Slack && !elsewhere[v.Person] }) {
		n++
	}
	return n
}

// Missing is how many approvals are still needed.
func (p Proposal) Missing() int { return max(0, p.Need-p.Count()) }

// Approval is what failover gets to see of a proposal that enough people have
// approved.
func (p Proposal) Approval() *failover.Approved {
	a := &failover.Approved{Proposal: p.ID, Digest: p.Digest, Count: p.Count()}
	for _, v := range p.Votes {
		if !slices.Contains(a.By, v.Name) {
			a.By = append(a.By, v.Name)
		}
	}
	return a
}

// clock writes a time for people.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
