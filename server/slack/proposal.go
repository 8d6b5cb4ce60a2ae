package slack

import (
	"time"

	"github.com/samlfailover/samlfailover/control"
)

type (
	// VoteRequest is a person's decision; Digest is what was shown, "" if nothing.
	VoteRequest struct{ ID, Digest, Comment string }
	// VoteAnswer is what became of it.
	VoteAnswer struct {
		Proposal Proposal
		Move     *control.MoveAnswer
	}
	// ProposalsRequest narrows a list.
	ProposalsRequest struct {
		Federation, ID string
		All            bool
	}
	// ProposalList is a list of proposals.
	ProposalList struct{ Proposals []Proposal }
	// Proposal is a move that waits for people.
	Proposal struct {
		ID, Federation, Digest, Reason string
		Plan                           *control.Plan
		By                             string
		Created, Expires               time.Time
		Need                           int
		Votes                          []string
		State, Why, Move               string
	}
)
