package server

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
)

func (c cases) Propose(_ context.Context, a control.Actor, r control.MoveRequest) (control.VoteAnswer, error) {
	return c.vote("propose", a, control.VoteRequest{ID: r.To, Comment: r.Reason})
}

func (c cases) Proposals(_ context.Context, a control.Actor, r control.ProposalsRequest) (control.ProposalList, error) {
	if r.All {
		r.ID += " all"
	}
	out, err := c.vote("list", a, control.VoteRequest{ID: r.ID, Comment: r.Federation})
	return control.ProposalList{Proposals: []control.Proposal{out.Proposal}}, err
}

func (c cases) Approve(_ context.Context, a control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error) {
	out, err := c.vote("approve", a, r)
	if err == nil {
		follow(control.MoveEvent{Text: "it moves"})
	}
	return out, err
}

func (c cases) Reject(_ context.Context, a control.Actor, r control.VoteRequest) (control.VoteAnswer, error) {
	return c.vote("reject", a, r)
}

// The routes about proposals lead to their own use case each, with who asks and
// what was asked; an approval streams like a move.
func TestDecidingRoutes(t *testing.T) {
	t.Parallel()
	var heard string
	s := newServer(t, cases{vote: func(kind string, a control.Actor, r control.VoteRequest) (control.VoteAnswer, error) {
		heard = strings.Join([]string{kind, string(a.Way), r.ID, r.Digest, r.Comment}, "|")
		if r.ID == "foreign" {
			return control.VoteAnswer{}, &control.Failure{Kind: control.NotFound, Message: "no proposal has the id"}
		}
		return control.VoteAnswer{Proposal: control.Proposal{ID: "prop-1", Federation: "corp"}}, nil
	}})
	for _, c := range []struct{ method, path, body, heard, answer string }{
		{"GET", "/v1/proposals?federation=corp&id=prop-1&all=true", "", "list|socket|prop-1 all||corp", `"proposals":[{"id":"prop-1"`},
		{"GET", "/v1/proposals", "", "list|socket|||", `"proposals":[{"id":"prop-1"`},
		{"POST", "/v1/proposals", `{"to":"us-west-2","reason":"drill"}`, "propose|socket|us-west-2||drill", `"proposal":{"id":"prop-1"`},
		{"POST", "/v1/approve", `{"id":"prop-1","digest":"d1","comment":"ok"}`, "approve|socket|prop-1|d1|ok", `"vote":{"proposal":{"id":"prop-1"`},
		{"POST", "/v1/reject", `{"id":"prop-1","comment":"not now"}`, "reject|socket|prop-1||not now", `"proposal":{"id":"prop-1"`},
	} {
		res := ask(s.Handler(), c.method, c.path, c.body, nil)
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), c.answer) || heard != c.heard {
			t.Errorf("%s %s: %d %s, heard %q, want %q (%v)", c.method, c.path, res.StatusCode, body, heard, c.heard, err)
		}
	}
	wantProblem(t, ask(s.Handler(), "POST", "/v1/approve", `{"id":"foreign"}`, nil), http.StatusNotFound, "no proposal")
	wantProblem(t, ask(s.Handler(), "POST", "/v1/reject", `{"id":"foreign","why":"x"}`, nil), http.StatusBadRequest, "why")
	for _, path := range []string{"/v1/proposals", "/v1/approve", "/v1/reject"} {
		if !slices.ContainsFunc(routes, func(r struct{ method, path string }) bool { return r.path == path && r.method == http.MethodPost }) {
			t.Errorf("%s is not among the routes that are tried with a wrong Host and token", path)
		}
	}
}

// spec 13.2: an OS user is the person that the directory says, and has the keys.
func TestKnow(t *testing.T) {
	t.Parallel()
	d, err := people.NewDirectory(people.Settings{People: []people.Person{{Name: "ada", Grants: people.Grants{"corp": people.Approver}, OSUsers: []string{"al"}}}})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, cases{})
	if c := s.who.Load().Local("al", people.Socket); c.Person != "" || c.Name != "al" {
		t.Errorf("before anybody is known: %+v", c)
	}
	s.Know(d)
	if c := s.who.Load().Local("al", people.Socket); c.Person != "ada" || !c.May(people.Admin, "") {
		t.Errorf("a person's OS user: %+v", c)
	}
}
