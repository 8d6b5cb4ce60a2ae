package server

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
)

// Deciding are the use cases about proposals.
type Deciding interface {
	Propose(ctx context.Context, actor control.Actor, r control.MoveRequest) (control.VoteAnswer, error)
	Proposals(ctx context.Context, actor control.Actor, r control.ProposalsRequest) (control.ProposalList, error)
	Approve(ctx context.Context, actor control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error)
	Reject(ctx context.Context, actor control.Actor, r control.VoteRequest) (control.VoteAnswer, error)
}

// Know makes the local OS users of new connections the people that a directory
// says they are; nil: none is anybody.
func (s *Server) Know(d *people.Directory) { s.who.Store(d) }

// deciding adds the routes about proposals.
func (s *Server) deciding(r chi.Router, u Deciding) {
	r.Get("/v1/proposals", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		out, err := u.Proposals(r.Context(), actorOf(r), control.ProposalsRequest{Federation: q.Get("federation"), ID: q.Get("id"), All: q.Get("all") == "true"})
		s.settle(w, out, err)
	})
	r.Post("/v1/proposals", answers(s, u.Propose))
	r.Post("/v1/approve", follow(s, u.Approve, func(a *control.VoteAnswer) MoveLine { return MoveLine{Vote: a} }))
	r.Post("/v1/reject", answers(s, u.Reject))
}
