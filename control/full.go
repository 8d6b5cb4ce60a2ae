package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/people"
)

// FullRestoreRequest asks to put one app's whole document back as it was before a
// move (spec 4.2). App is its name, its id, or TENANT/ID.
type FullRestoreRequest struct {
	Federation string `json:"federation,omitempty"`
	App        string `json:"app"`
	Move       string `json:"move"`
	Reason     string `json:"reason"`
	DryRun     bool   `json:"dry_run,omitempty"`
}

// FullRestoreAnswer is the comparison, what the rules say, and the proposal that
// others have to approve. Without a proposal nothing will happen: it was a dry
// run, there is nothing to put back, or a rule holds it.
type FullRestoreAnswer struct {
	Federation string             `json:"federation"`
	Comparison move.Comparison    `json:"comparison"`
	Decision   failover.Decision  `json:"decision"`
	Proposal   *approval.Proposal `json:"proposal,omitempty"`
}

// Changes is how many values would be put back.
func (a FullRestoreAnswer) Changes() int { return len(idp.Back(a.Comparison.Differences)) }

// Comparer compares an app with its document of before a move; move.Wholes is one.
type Comparer interface {
	Compare(ctx context.Context, past move.Record, app federation.AppRef) (move.Comparison, error)
}

// RestoreFull compares an app with its whole document of before a move and asks
// other people to approve that it goes back. Nothing is written before they have;
// what is then written is only what was compared here.
func (c *Control) RestoreFull(ctx context.Context, actor Actor, r FullRestoreRequest) (FullRestoreAnswer, error) {
	if r.DryRun && r.Reason == "" {
		r.Reason = "a question, not yet a restore"
	}
	if err := checkReason(r.Reason); err != nil {
		return FullRestoreAnswer{}, err
	}
	f, past, app, err := c.restorable(ctx, actor, r)
	if err != nil {
		return FullRestoreAnswer{}, err
	}
	out := FullRestoreAnswer{Federation: f.Name}
	if out.Comparison, err = c.Wholes.Compare(ctx, past, app); err != nil {
		return out, notComparable(err)
	}
	if out.Changes() == 0 {
		return out, nil
	}
	req := fullRequest(out.Comparison, actor.String(), r.Reason)
	if _, out.Decision, err = c.Loops[f.Name].Consider(ctx, &req); err != nil || r.DryRun || out.Decision.Outcome != failover.Propose {
		return out, err
	}
	if err := c.Record.Record(ctx, actor.String(), "restore-full.requested", "federation "+f.Name, r); err != nil {
		return out, notRecorded(err)
	}
	out.Proposal, err = c.propose(ctx, actor, out.Decision, req)
	return out, err
}

// restorable finds the move and the app, for an admin, while this controller
// leads and nothing moves.
func (c *Control) restorable(ctx context.Context, actor Actor, r FullRestoreRequest) (f federation.Federation, past move.Record, app federation.AppRef, err error) {
	if r.Move == "" || r.App == "" {
		return f, past, app, fail(Invalid, "name the app and the move from before which its document goes back; see: samlfailover history")
	}
	if f, past, err = c.find(ctx, actor, r.Federation, r.Move); err != nil {
		return f, past, app, err
	}
	if err = mayIn(actor, people.Admin, f.Name); err != nil {
		return f, past, app, err
	}
	if err = c.mayAct(); err != nil {
		return f, past, app, err
	}
	if c.Wholes == nil {
		return f, past, app, fail(Failed, "this controller keeps no documents of apps")
	}
	if _, app, err = c.app(actor, f.Name, r.App); err != nil {
		return f, past, app, err
	}
	open, err := c.Moves.Open(ctx)
	if i := slices.IndexFunc(open, func(m move.Record) bool { return m.Federation == f.Name }); err == nil && i >= 0 {
		err = fail(Held, "move %s is still running; a document can be put back once it has ended", open[i].ID)
	}
	return f, past, app, err
}

// fullRequest is what the rules and the loop get to see of a full restore.
func fullRequest(c move.Comparison, by, reason string) failover.Request {
	u := c.Undoing()
	return failover.Request{To: c.To, By: by, Reason: reason, Undoes: &u}
}

// notComparable says in the words of a use case why there is no comparison.
func notComparable(err error) error {
	if errors.Is(err, move.ErrNotKept) {
		return fail(NotFound, "%s: documents are kept of the last moves of a federation, of the apps that these wrote, and not across a store restore", err)
	}
	if f, ok := finding.From(err); ok {
		return &Failure{Kind: Held, Message: err.Error(), Rule: string(f.Code), Finding: &f}
	}
	return err
}

// stillWhole reports why an approved full restore is not what was approved any
// more, "" if it is, or is no full restore. An error means that this is not known
// now.
func (c *Control) stillWhole(ctx context.Context, p approval.Proposal) (why string, err error) {
	u := p.Request.Undoes
	if u == nil || u.Whole == nil {
		return "", nil
	}
	if c.Wholes == nil || len(u.Apps) != 1 {
		return "this controller keeps no documents of apps", nil
	}
	past, err := c.Moves.Past(ctx, p.Federation)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(past, func(r move.Record) bool { return r.ID == u.Move })
	if i < 0 {
		return "move " + string(u.Move) + " is not on record any more", nil
	}
	now, err := c.Wholes.Compare(ctx, past[i], u.Apps[0].App)
	_, refused := finding.From(err)
	switch {
	case errors.Is(err, move.ErrNotKept):
		return "the document from before the move is not kept any more", nil
	case refused && !unreachable(err):
		return "it may not be put back any more: " + err.Error(), nil
	case err != nil:
		return "", err
	case now.Stored != u.Whole.Stored:
		return "the stored document is another one", nil
	case now.Seen != u.Whole.Seen:
		return "app " + u.Apps[0].App.Name + " has been changed since it was compared", nil
	}
	return "", nil
}

// unreachable reports whether asking again later may help.
func unreachable(err error) bool {
	for _, code := range []finding.Code{finding.IdPUnreachable, finding.IdPThrottled, finding.IdPReadOnly, finding.IdPAuth, finding.IdPPermission} {
		if finding.Is(err, code) {
			return true
		}
	}
	return false
}

// holdsWhole stops an approved full restore that is not what was approved, before
// the loop gets to see it; stop is false where nothing speaks against it.
func (c *Control) holdsWhole(ctx context.Context, p approval.Proposal) (ans VoteAnswer, stop bool, err error) {
	why, err := c.stillWhole(ctx, p)
	switch {
	case err != nil:
		return VoteAnswer{Proposal: p}, true, fail(Failed, "proposal %s is approved and could not be carried out, because the app could not be compared once more: %s; next: samlfailover approve %s carries it out, until %s", p.ID, err, p.ID, p.Expires.Format(time.RFC3339))
	case why == "":
		return ans, false, nil
	}
	d := failover.Decision{Federation: p.Federation, Outcome: failover.Hold, Rule: failover.Approval, Why: why, WouldChange: "a new comparison: samlfailover restore --full", At: time.Now()}
	ans = VoteAnswer{Proposal: p.Voided(why, time.Now()), Move: &MoveAnswer{Decision: d}}
	return ans, true, c.Desk.finish(ctx, ans.Proposal)
}
