package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/people"
)

// VoteRequest is one person's word on a proposal. Digest is that of what the
// voter was shown, "" where nothing was; Comment is why, which a rejection needs.
type VoteRequest struct {
	ID      string `json:"id"`
	Digest  string `json:"digest,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// VoteAnswer is the proposal as it stands now, and what became of the move that
// the last approval set off. After Propose without a proposal (no ID), Move holds
// the decision that says why nothing was proposed.
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

// unknownProposal is the answer to an id that is nobody's, or of a federation that
// the caller may not see (spec 13.5).
func unknownProposal(id string) error {
	return fail(NotFound, "no proposal has the id %.60q; see: samlfailover proposals --all", id)
}

// Propose asks people to approve a move, also where an operator's move would run
// at once. What a rule holds is not proposed.
func (c *Control) Propose(ctx context.Context, actor Actor, r MoveRequest) (VoteAnswer, error) {
	if r.DryRun {
		return VoteAnswer{}, fail(Invalid, "a proposal changes nothing by itself; to see what it would do: samlfailover plan")
	}
	r.Ask = true
	ans, err := c.Move(ctx, actor, r, nil)
	if err != nil || ans.Proposal == nil {
		return VoteAnswer{Move: &ans}, err
	}
	return VoteAnswer{Proposal: *ans.Proposal}, nil
}

// propose keeps what a decision says to ask people for.
func (c *Control) propose(ctx context.Context, actor Actor, d failover.Decision, req failover.Request) (*approval.Proposal, error) {
	if c.Desk == nil {
		return nil, fail(Failed, "this controller keeps no proposals, and the move needs approvals")
	}
	p, _, err := c.Desk.open(ctx, approval.From(actor), d, req)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Proposals lists proposals that the actor may see.
func (c *Control) Proposals(ctx context.Context, actor Actor, r ProposalsRequest) (ProposalList, error) {
	in, err := c.within(actor, r.Federation)
	if err != nil {
		return ProposalList{}, err
	}
	out := ProposalList{Proposals: []approval.Proposal{}}
	if c.Desk == nil {
		return out, nil
	}
	all, err := c.Desk.list(ctx)
	if err != nil {
		return out, err
	}
	for _, p := range all {
		seen := slices.ContainsFunc(in, func(f federation.Federation) bool { return f.Name == p.Federation })
		if seen && (r.ID == p.ID || r.ID == "" && (r.All || !p.State.Final())) {
			out.Proposals = append(out.Proposals, p)
		}
	}
	if r.ID != "" && len(out.Proposals) == 0 {
		return out, unknownProposal(r.ID)
	}
	return out, nil
}

// waiting are the proposals that are not decided, without their plans.
func (c *Control) waiting(ctx context.Context) ([]approval.Proposal, error) {
	if c.Desk == nil {
		return nil, nil
	}
	all, err := c.Desk.list(ctx)
	var out []approval.Proposal
	for _, p := range all {
		if !p.State.Final() {
			p.Plan = nil
			out = append(out, p)
		}
	}
	return out, err
}

// proposal finds a proposal that the actor may see, while this controller leads.
func (c *Control) proposal(ctx context.Context, actor Actor, id string) (approval.Proposal, error) {
	if c.Desk == nil {
		return approval.Proposal{}, unknownProposal(id)
	}
	p, ok, err := c.Desk.find(ctx, strings.TrimSpace(id))
	switch {
	case err != nil:
		return p, err
	case !ok || !actor.Sees(p.Federation) || c.Loops[p.Federation] == nil:
		return approval.Proposal{}, unknownProposal(id)
	}
	return p, c.mayAct()
}

// Approve takes a person's approval of a proposal and, once enough people have
// approved, carries it out; follow is as in Move. Approved already and not carried
// out, such as because its leader was lost, it is carried out by an approval more
// of somebody who may approve it, or has.
func (c *Control) Approve(ctx context.Context, actor Actor, r VoteRequest, follow func(move.Event)) (VoteAnswer, error) {
	if len([]rune(r.Comment)) > maxReason {
		return VoteAnswer{}, fail(Invalid, "a comment has at most %d characters", maxReason)
	}
	p, err := c.proposal(ctx, actor, r.ID)
	if err != nil {
		return VoteAnswer{}, err
	}
	again := p.State == approval.Approved && actor.May(people.Approver, p.Federation) && slices.ContainsFunc(p.Votes, func(v approval.Vote) bool { return actor.Person != "" && v.Person == actor.Person })
	if !again {
		detail := map[string]any{"digest": p.Digest, "federation": p.Federation, "what": p.What(), "comment": r.Comment}
		p, err = c.Desk.decide(ctx, actor, p.ID, "move.proposal-approved", detail, func(p approval.Proposal) (approval.Proposal, error) {
			return p.Approve(actor, r.Digest, r.Comment, time.Now())
		})
		if err != nil {
			return VoteAnswer{Proposal: p}, refusal(err)
		}
	}
	if p.State != approval.Approved {
		return VoteAnswer{Proposal: p}, nil
	}
	return c.carryOut(ctx, p, follow)
}

// Reject ends a proposal; the comment says why.
func (c *Control) Reject(ctx context.Context, actor Actor, r VoteRequest) (VoteAnswer, error) {
	if err := checkReason(r.Comment); err != nil {
		return VoteAnswer{}, err
	}
	p, err := c.proposal(ctx, actor, r.ID)
	if err != nil {
		return VoteAnswer{}, err
	}
	detail := map[string]any{"digest": p.Digest, "federation": p.Federation, "what": p.What(), "reason": r.Comment}
	p, err = c.Desk.decide(ctx, actor, p.ID, "move.proposal-rejected", detail, func(p approval.Proposal) (approval.Proposal, error) {
		return p.Reject(actor, r.Digest, r.Comment, time.Now())
	})
	if err == nil {
		c.Loops[p.Federation].Kick()
	}
	return VoteAnswer{Proposal: p}, refusal(err)
}

// refusal turns an approval's refusal into the words of a use case.
func refusal(err error) error {
	var r *approval.Refusal
	if !errors.As(err, &r) {
		return err
	}
	kind := Forbidden
	if r.Code == approval.Closed || r.Code == approval.Changed || r.Code == approval.VotedAlready {
		kind = Held
	}
	return &Failure{Kind: kind, Message: r.Why, Rule: string(r.Code)}
}

// carryOut hands an approved proposal to the federation's loop. It goes on when
// the caller's context ends, and what became of it is kept all the same.
func (c *Control) carryOut(ctx context.Context, p approval.Proposal, follow func(move.Event)) (VoteAnswer, error) {
	p, end, err := c.Desk.begin(ctx, p)
	if err != nil {
		return VoteAnswer{Proposal: p}, err
	}
	if follow != nil {
		stop := c.Events.Follow(p.Federation, follow)
		defer stop()
	}
	type ended struct {
		ans VoteAnswer
		err error
	}
	done := make(chan ended, 1)
	go func() {
		defer end()
		var e ended
		e.ans, e.err = c.run(context.WithoutCancel(ctx), p)
		done <- e
	}()
	select {
	case e := <-done:
		return e.ans, e.err
	case <-ctx.Done():
		return VoteAnswer{Proposal: p}, ctx.Err()
	}
}

// run carries an approved proposal out and keeps how that ended. One that a rule
// holds for now stays approved until it expires; one that is not what was approved
// is void.
func (c *Control) run(ctx context.Context, p approval.Proposal) (VoteAnswer, error) {
	if ans, stop, err := c.holdsWhole(ctx, p); stop {
		return ans, err
	}
	req := p.Request
	req.Approval = p.Approval()
	if p.Own() {
		req.By = approvers(p)
	}
	d, res, err := c.Loops[p.Federation].Submit(ctx, req)
	ans := VoteAnswer{Proposal: p, Move: &MoveAnswer{Decision: d, Result: res}}
	switch {
	case err != nil && (res == nil || res.ID == ""):
		return ans, fail(Failed, "proposal %s is approved and could not be carried out: %s; next: samlfailover approve %s carries it out, until %s", p.ID, err, p.ID, p.Expires.Format(time.RFC3339))
	case res != nil:
		ans.Proposal = p.Carried(res.ID, time.Now())
	case voids(d.Rule):
		ans.Proposal = p.Voided(d.Why, time.Now())
	default:
		return ans, nil
	}
	return ans, errors.Join(err, c.Desk.finish(ctx, ans.Proposal))
}

// voids reports whether a rule says that an approved proposal can never be carried
// out, and not only that it has to wait.
func voids(rule string) bool {
	return slices.Contains([]string{failover.Approval, failover.BadRequest, failover.AllowedRegions, failover.NothingToMove, failover.ActiveHealthy, failover.FailbackDue}, rule)
}

// approvers names those who have approved, as whose a move of the controller's own
// counts.
func approvers(p approval.Proposal) string {
	var out []string
	for _, v := range p.Votes {
		out = append(out, v.String())
	}
	return strings.Join(out, ", ")
}

// readAnew is how old a read may be before Evaluate has the app read again: alerts
// come in bursts.
const readAnew = 30 * time.Second

// Evaluate makes the loop of a federation look again at once, at the apps too if
// they were not read just now and no move runs, and returns what the rules say. It changes nothing beyond
// what the loop would do by itself. An app that cannot be read is part of what the
// rules look at, and no error.
func (c *Control) Evaluate(ctx context.Context, actor Actor, name string) (Decision, error) {
	_, loop, err := c.federation(actor, people.Operator, name)
	if err != nil {
		return Decision{}, err
	}
	if err := c.mayAct(); err != nil {
		return Decision{}, err
	}
	st := loop.Status()
	fresh := !slices.ContainsFunc(st.Apps, func(a failover.AppState) bool { return time.Since(a.ReadAt) > readAnew })
	if st.Moving || fresh {
		loop.Kick()
	} else if err := loop.Reread(ctx); errors.Is(err, controller.ErrStopped) || ctx.Err() != nil {
		return Decision{}, err
	}
	_, d, err := loop.Consider(ctx, nil)
	return d, err
}

// mayOverride refuses to put the rule approval aside to whoever is no admin: it
// would make every other approver needless (spec 8.6, 13.3).
func mayOverride(actor Actor, f federation.Federation, overrides []string) error {
	if !slices.Contains(overrides, failover.Approval) || actor.May(people.Admin, f.Name) {
		return nil
	}
	return fail(Forbidden, "only an admin of federation %s may put the rule %s aside, and %s has %s; next: leave the override away, and have others approve", f.Name, failover.Approval, actor, actor.Grants)
}
