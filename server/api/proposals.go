package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server/problem"
)

// VoteBody is one person's word on a proposal.
type VoteBody struct {
	Digest  string `json:"digest,omitempty" maxLength:"100" doc:"The digest of what you were shown: an approval of anything else is refused."`
	Comment string `json:"comment,omitempty" doc:"Why; a rejection needs it."`
}

// voteAnswer is 202 while the move that the last approval set off runs.
type voteAnswer struct {
	Status   int
	Location string `header:"Location"`
	Body     VoteStanding
}

// VoteStanding is a proposal after a vote. Move is set once enough people have
// approved.
type VoteStanding struct {
	Proposal *control.Proposal `json:"proposal,omitempty"`
	Move     *MoveStanding     `json:"move,omitempty"`
}

// ProposalPath is in a route about one proposal.
type ProposalPath struct {
	ID string `path:"id" maxLength:"100" doc:"The proposal's id."`
}

// proposals are the routes about moves that wait for people.
func (a *API) proposals() {
	huma.Register(a.huma, operation("evaluate", http.MethodPost, "/federations/{federation}/evaluate", "Move", "Look again now", "Probes count as they are, every app is read, and the rules decide, as the controller's loop does by itself every few minutes."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *FederationPath) (*answer[control.Decision], error) {
			return whole(u.Evaluate(ctx, who, in.Federation))
		}))
	huma.Register(a.huma, operation("list-proposals", http.MethodGet, "/proposals", "Propose", "Proposals, newest first", "Those that wait for people; with all the decided ones too."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			Federation string `query:"federation" maxLength:"63" doc:"Of this federation only."`
			All        bool   `query:"all" doc:"The decided ones too."`
		}) (*answer[control.ProposalList], error) {
			return whole(u.Proposals(ctx, who, control.ProposalsRequest{Federation: in.Federation, All: in.All}))
		}))
	huma.Register(a.huma, operation("show-proposal", http.MethodGet, "/proposals/{id}", "Propose", "One proposal", "With its plan, what it needs, who has approved, and what became of it."),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *ProposalPath) (*answer[control.Proposal], error) {
			l, err := u.Proposals(ctx, who, control.ProposalsRequest{ID: in.ID, All: true})
			if err != nil {
				return nil, err
			}
			return whole(l.Proposals[0], nil)
		}))
	propose := operation("propose", http.MethodPost, "/proposals", "Propose", "Propose a move", "Asks people to approve a move, also where an operator's move would run at once. What a rule holds is not proposed (409).", 400, 413, 415)
	propose.DefaultStatus = http.StatusCreated
	huma.Register(a.huma, propose, ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *answer[MoveBody]) (*moveAnswer, error) {
		v, err := u.Propose(ctx, who, in.Body.request())
		if err != nil {
			return nil, err
		}
		if v.Proposal.ID == "" && v.Move != nil {
			return over(*v.Move, false)
		}
		return &moveAnswer{Status: http.StatusCreated, Location: Base + "/proposals/" + v.Proposal.ID, Body: MoveStanding{State: MoveAsked, Proposal: &v.Proposal}}, nil
	}))
	approve := operation("approve", http.MethodPost, "/proposals/{id}/approve", "Propose", "Approve a proposal", "Takes your approval. Once enough people have approved, the move is carried out: 202 while it runs.", 400, 413, 415)
	approve.Responses = accepted[VoteStanding](a, "Enough people have approved, and the move is on its way.")
	huma.Register(a.huma, approve, ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
		ProposalPath
		Wait
		Body VoteBody
	}) (*voteAnswer, error) {
		return a.approve(ctx, u, who, in.Wait, control.VoteRequest{ID: in.ID, Digest: in.Body.Digest, Comment: in.Body.Comment})
	}))
	huma.Register(a.huma, operation("reject", http.MethodPost, "/proposals/{id}/reject", "Propose", "Reject a proposal", "Ends it; the comment says why.", 400, 413, 415),
		ask(a, func(ctx context.Context, u UseCases, who control.Actor, in *struct {
			ProposalPath
			Body VoteBody
		}) (*answer[VoteStanding], error) {
			v, err := u.Reject(ctx, who, control.VoteRequest{ID: in.ID, Digest: in.Body.Digest, Comment: in.Body.Comment})
			return whole(VoteStanding{Proposal: &v.Proposal}, err)
		}))
}

// approve takes an approval and follows the move that it may set off.
func (a *API) approve(ctx context.Context, u UseCases, who control.Actor, w Wait, r control.VoteRequest) (*voteAnswer, error) {
	var voted control.VoteAnswer // written before the answer is there
	m, err := a.follow(ctx, w, false, func(ctx context.Context, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
		v, err := u.Approve(ctx, who, r, tell)
		if err != nil {
			return control.MoveAnswer{}, err
		}
		if v.Move == nil {
			return control.MoveAnswer{Proposal: &v.Proposal}, nil // more people have to approve
		}
		voted = v
		return *v.Move, nil
	})
	var late *problem.Problem
	if errors.As(err, &late) && late.Code() == problem.NotBegun {
		late.Next = "look at " + Base + "/proposals/" + r.ID + " in a moment: as long as it is approved and has no move, approving it once more carries it out"
	}
	if err != nil {
		return nil, err
	}
	out := &voteAnswer{Status: m.Status, Location: m.Location, Body: VoteStanding{Proposal: m.Body.Proposal, Move: &m.Body}}
	switch {
	case m.Body.State == MoveAsked:
		out.Status, out.Body.Move = http.StatusOK, nil
	case m.Status == http.StatusOK:
		out.Body.Proposal = &voted.Proposal // the use case has ended
	default:
		out.Body.Proposal = a.proposal(ctx, u, who, r.ID)
	}
	return out, nil
}

// proposal is a proposal as it stands, nil if it cannot be read now.
func (a *API) proposal(ctx context.Context, u UseCases, who control.Actor, id string) *control.Proposal {
	l, err := u.Proposals(ctx, who, control.ProposalsRequest{ID: id, All: true})
	if err != nil || len(l.Proposals) == 0 {
		return nil
	}
	return &l.Proposals[0]
}
