package control

import (
	"github.com/samlfailover/samlfailover/approval"
)

// VoteRequest is one person's word on a proposal. Digest is that of what the
// voter was shown, "" where nothing was; Comment is why, which a rejection needs.
type VoteRequest struct {
	ID      string `json:"id"`
	Digest  string `json:"digest,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// VoteAnswer is the proposal as it stands now, and the move that the last
// approval set off.
type VoteAnswer struct {
	Proposal approval.Proposal `json:"proposal"`
	Move     *MoveAnswer       `json:"move,omitempty"`
}

// ProposalsRequest asks for proposals: those that wait, of one federation or all;
// one by its id; or All of them, the decided ones too.
type ProposalsRequest struct {
	Federation string `json:"federation,omitempty"`
	ID         string `json:"id,omitempty"`
	All        bool   `json:"all,omitempty"`
}

// ProposalList are proposals, the newest first.
type ProposalList struct {
	Proposals []approval.Proposal `json:"proposals"`
}
