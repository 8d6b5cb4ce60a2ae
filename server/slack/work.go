package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
)

const (
	// tooOld is the age past which a request that waited is not done any more:
	// the world may be another one than the person saw.
	tooOld = 10 * time.Minute
	// tellFor is how long the end of a request is told again and again while Slack
	// does not answer.
	tellFor = 10 * time.Minute
	// lookGap is the time between two looks at a move that somebody else carries on.
	lookGap = 2 * time.Second
)

// outcome is what became of a request. Own: only who asked is told. Left: it
// was cut off, so it stays on the desk.
type outcome struct {
	message   message
	own, left bool
}

// job is a request at work.
type job struct {
	a     *App
	use   UseCases
	desk  Desk
	r     request
	c     command
	actor people.Caller
	sheet *sheet
}

// work does what a kept request asks, tells what became of it, and takes it off
// the desk. Of work that was begun before it is read back what became of it; only
// what has left nothing behind, in records that are written before anything else
// is, is begun again.
func (a *App) work(ctx context.Context, desk Desk, r request) {
	j := &job{a: a, use: a.uses(), desk: desk, r: r}
	j.sheet = a.sheetOf(r, func(ctx context.Context, ts string) {
		j.r.shown = ts
		if err := desk.Put(ctx, j.r.key, j.r.keep()); err != nil {
			a.o.Log.Debug("the name of a message in Slack could not be kept", "error", err)
		}
	})
	out := j.perform(ctx)
	if out.left {
		return
	}
	if out.own {
		j.sheet.own()
	}
	if err := j.sheet.insist(ctx, out.message, tellFor); err != nil {
		if ctx.Err() != nil {
			return // the next one tells it
		}
		a.o.Log.Warn("what became of a request could not be told in Slack", append(r.who(), "verb", j.c.verb, "error", err)...)
	}
	a.drop(ctx, desk, r.key)
}

// sheetOf is the message that tells of a request: that of the button, the one
// that an earlier leadership has begun, or a new one.
func (a *App) sheetOf(r request, posted func(context.Context, string)) *sheet {
	s := &sheet{wire: a.wire, channel: r.channel, answer: r.answer, came: r.came, ts: r.shown, shown: r.shown != "", posted: posted}
	if r.click != nil && s.ts == "" {
		s.ts = r.click.Message
	}
	s.replace = r.click != nil && r.click.Message != ""
	return s
}

// perform begins the work, or finds out what became of it.
func (j *job) perform(ctx context.Context) outcome {
	var err error
	if j.c, err = j.r.read(); err != nil {
		return outcome{message: refusal(err), own: true}
	}
	var no string
	if j.actor, no = j.a.admit(j.r); no != "" { // the config may have changed since
		return outcome{message: line("%s", no), own: true}
	}
	if !j.r.begun.IsZero() {
		return j.aftermath(ctx)
	}
	if age := time.Since(j.r.came); age > tooOld {
		return outcome{message: line("Nothing was done: this request (%s) waited for %s, and a request that waited for more than %s is not done any more; next: look at the status, and ask again if it is still wanted", j.c.verb, age.Round(time.Second), tooOld), own: true}
	}
	j.r.begun = time.Now().UTC()
	if err := j.desk.Put(ctx, j.r.key, j.r.keep()); err != nil {
		j.a.o.Log.Warn("a request of Slack is left to the next leader: that it was begun cannot be kept", "error", err)
		return outcome{left: true}
	}
	switch j.c.verb {
	case verbMove:
		return j.move(ctx)
	case verbApprove:
		return j.approve(ctx)
	case verbReject:
		return j.reject(ctx)
	case verbPause:
		return j.pause(ctx)
	}
	a, err := j.use.Resume(ctx, j.actor, control.ReleaseRequest{ID: j.c.id, Federation: j.c.federation, All: j.c.all})
	return j.ended(ctx, resumedPage(a), err)
}

// ended is the outcome of a use case that is done at once.
func (j *job) ended(ctx context.Context, m message, err error) outcome {
	switch {
	case err == nil:
		return outcome{message: m}
	case ctx.Err() != nil:
		return outcome{left: true}
	}
	return outcome{message: refusal(err), own: true}
}

func (j *job) pause(ctx context.Context) outcome {
	a, err := j.use.Pause(ctx, j.actor, control.BrakeRequest{Federation: j.c.federation, Reason: j.c.reason, For: j.c.lasts})
	return j.ended(ctx, pausedPage(a), err)
}

// paused reports whether the pause that the request asks for has been set.
func (j *job) paused(s control.Status) bool {
	return slices.ContainsFunc(s.Federations, func(f control.FederationStatus) bool {
		return slices.ContainsFunc(f.Brakes, func(b control.Brake) bool {
			return b.By == j.actor.String() && b.Reason == j.c.reason && b.Since.After(j.r.begun.Add(-skew))
		})
	})
}

// show returns a follower of a move that shows it, and what ends that.
func (j *job) show(ctx context.Context, head string) (func(control.MoveEvent), func()) {
	l := begin(ctx, j.sheet, head, j.a.o.Log)
	return l.event, l.stop
}

// by says who asked, and why.
func (j *job) by() string {
	out := "asked by " + j.actor.Name
	if j.c.reason != "" {
		out += ": " + j.c.reason
	}
	return out
}

func (j *job) move(ctx context.Context) outcome {
	event, stop := j.show(ctx, "Moving to "+j.c.region+", "+j.by())
	answer, err := j.use.Move(ctx, j.actor, control.MoveRequest{Federation: j.c.federation, To: j.c.region, Reason: j.c.reason}, event)
	stop()
	switch {
	case err != nil:
		return j.ended(ctx, message{}, err)
	case answer.Proposal != nil && j.a.announces():
		return outcome{message: line("People have to approve this move first: it is now proposal %s, which appears in channel %s with its buttons", answer.Proposal.ID, j.a.o.Announce), own: true}
	case answer.Proposal != nil:
		return outcome{message: proposalPage(*answer.Proposal)}
	case answer.Result == nil:
		return outcome{message: heldPage(answer.Decision), own: true}
	}
	return outcome{message: j.settled(ctx, *answer.Result, nil)}
}

// heldPage tells why a move was not begun.
func heldPage(d control.Decision) message {
	var p page
	p.head("Nothing was moved in " + d.Federation)
	p.decision(d)
	p.brakes(d.Brakes, d.At)
	p.findings(d.Findings)
	return p.message()
}

// settled tells how a move stands, as the journal and the identity providers
// have it: not as it was asked for.
func (j *job) settled(ctx context.Context, r control.MoveResult, about *approval.Proposal) message {
	var p page
	h, err := j.use.History(ctx, j.actor, control.HistoryRequest{Move: string(r.ID)})
	s := j.use.Status(ctx, j.actor)
	if err == nil && len(h.Moves) == 1 && h.Moves[0].Result != nil {
		r = *h.Moves[0].Result
	}
	p.head(fmt.Sprintf("%s of %s to %s: %s", r.Cause, r.Federation, r.To, r.Status))
	if err == nil && len(h.Moves) == 1 {
		p.past(h.Moves[0], time.Now())
	} else {
		p.result(r)
		if err != nil {
			p.say("The record of this move cannot be read back now: " + err.Error())
		}
	}
	p.gap()
	p.say("as read from the identity providers:")
	for _, f := range s.Federations {
		if f.Name == r.Federation {
			p.apps(f, s.At, room)
			p.brakes(f.Brakes, s.At)
		}
	}
	p.userText(r.UserText)
	if about != nil {
		p.gap()
		p.proposal(*about)
	}
	return p.message()
}

func (j *job) vote() control.VoteRequest {
	return control.VoteRequest{ID: j.c.id, Digest: j.r.digest(), Comment: j.c.reason}
}

func (j *job) approve(ctx context.Context) outcome {
	out, err := j.approved(ctx)
	if err != nil {
		return j.refused(ctx, err)
	}
	return out
}

// approved has the approval counted, and the proposal carried out if it is enough;
// so has one that was counted before the proposal's leader was lost.
func (j *job) approved(ctx context.Context) (outcome, error) {
	event, stop := j.show(ctx, "Carrying out proposal "+j.c.id+", approved by "+j.actor.Name)
	answer, err := j.use.Approve(ctx, j.actor, j.vote(), event)
	stop()
	if err != nil {
		return outcome{}, err
	}
	return j.decided(ctx, answer), nil
}

func (j *job) reject(ctx context.Context) outcome {
	vote := j.vote()
	if j.r.click != nil {
		vote.Comment = "pressed Reject in Slack, without a word" // a button has no room for one
	}
	answer, err := j.use.Reject(ctx, j.actor, vote)
	if err != nil {
		return j.refused(ctx, err)
	}
	return j.decided(ctx, answer)
}

// refused tells who voted why the vote does not count; the message with the
// buttons is brought up to what the proposal is now.
func (j *job) refused(ctx context.Context, err error) outcome {
	out := j.ended(ctx, message{}, err)
	if out.left || j.r.click == nil {
		return out
	}
	p, found := j.proposal(ctx)
	if !found {
		return out
	}
	now, over := j.voted(ctx, p)
	if !over {
		return out // whoever carries it out tells the end in the message with the buttons
	}
	j.a.tell(ctx, j.r, out.message)
	return outcome{message: now}
}

// proposal reads the proposal of a vote as it is now.
func (j *job) proposal(ctx context.Context) (approval.Proposal, bool) {
	l, err := j.use.Proposals(ctx, j.actor, control.ProposalsRequest{ID: j.c.id, All: true})
	if err != nil || len(l.Proposals) != 1 {
		return approval.Proposal{}, false
	}
	return l.Proposals[0], true
}

// decided tells how a proposal stands after a vote, read back.
func (j *job) decided(ctx context.Context, a control.VoteAnswer) outcome {
	p := a.Proposal
	if now, found := j.proposal(ctx); found {
		p = now
	}
	switch {
	case a.Move != nil && a.Move.Result != nil:
		return outcome{message: j.settled(ctx, *a.Move.Result, &p)}
	case a.Move != nil:
		var pg page
		pg.head("Nothing was moved in " + p.Federation)
		pg.decision(a.Move.Decision)
		pg.findings(a.Move.Decision.Findings)
		pg.gap()
		pg.proposal(p)
		return outcome{message: pg.message()}
	}
	return outcome{message: proposalPage(p)}
}

// aftermath tells what became of work that was begun and cut off.
func (j *job) aftermath(ctx context.Context) outcome {
	switch j.c.verb {
	case verbMove:
		return j.afterMove(ctx)
	case verbApprove, verbReject:
		return j.afterVote(ctx)
	}
	s := j.use.Status(ctx, j.actor)
	if j.c.verb == verbPause && !j.paused(s) && time.Since(j.r.came) <= tooOld {
		return j.pause(ctx)
	}
	var p page
	p.say("The controller was stopped while it worked on this request (" + j.c.verb + "). In force now:")
	for _, f := range s.Federations {
		p.head(f.Name)
		p.brakes(f.Brakes, s.At)
		if len(f.Brakes) == 0 {
			p.say("no pause and no lock")
		}
	}
	p.say("If this is not what was asked for, ask again.")
	return outcome{message: p.message()}
}

// skew is how far the clocks of two controllers may differ.
const skew = time.Minute

// afterMove finds the move that was begun for the request and waits for its end:
// the leader carries on what is in the journal by itself.
func (j *job) afterMove(ctx context.Context) outcome {
	for ; ctx.Err() == nil; pause(ctx, lookGap) {
		h, err := j.use.History(ctx, j.actor, control.HistoryRequest{Federation: j.c.federation, Limit: mostMoves})
		if err != nil {
			return j.ended(ctx, message{}, err)
		}
		var mine *control.PastMove
		for i, m := range h.Moves {
			if m.By == j.actor.String() && m.Reason == j.c.reason && m.To.String() == j.c.region && m.Started.After(j.r.begun.Add(-skew)) {
				mine = &h.Moves[i]
			}
		}
		switch {
		case mine == nil:
			if p, asked := j.proposed(ctx); asked {
				return outcome{message: proposalPage(p)}
			}
			if age := time.Since(j.r.came); age > tooOld {
				return outcome{message: line("Nothing was moved: the controller was stopped just as it began with this request (%s), no such move is in its record, and by now the request is %s old; next: look at the status, and ask again if it is still wanted", strings.TrimSpace(j.c.verb+" "+j.c.region), age.Round(time.Second))}
			}
			return j.move(ctx) // every move is in the record before it writes anything
		case mine.Result != nil:
			return outcome{message: j.settled(ctx, *mine.Result, nil)}
		}
	}
	return outcome{left: true}
}

// proposed finds the proposal that the request became.
func (j *job) proposed(ctx context.Context) (approval.Proposal, bool) {
	l, err := j.use.Proposals(ctx, j.actor, control.ProposalsRequest{Federation: j.c.federation, All: true})
	if err != nil {
		return approval.Proposal{}, false
	}
	for _, p := range l.Proposals {
		if p.By == approval.From(j.actor) && p.Reason == j.c.reason && p.Created.After(j.r.begun.Add(-skew)) {
			return p, true
		}
	}
	return approval.Proposal{}, false
}

// afterVote shows the proposal as it is now, once it is not being carried out
// any more.
func (j *job) afterVote(ctx context.Context) outcome {
	for ; ctx.Err() == nil; pause(ctx, lookGap) {
		p, found := j.proposal(ctx)
		switch {
		case !found:
			return outcome{message: line("The controller was stopped while it worked on this vote, and proposal %s is not known any more; next: look at the status", j.c.id)}
		case p.State == approval.Open && !p.Voted(j.actor) && time.Since(j.r.came) <= tooOld:
			if j.c.verb == verbReject {
				return j.reject(ctx)
			}
			return j.approve(ctx)
		case p.State == approval.Approved && j.c.verb == verbApprove && time.Since(j.r.came) <= tooOld:
			// A new leader calls what is in the journal done. This is not: nobody has
			// begun it, or somebody else has just now, which holds this one.
			out, err := j.approved(ctx)
			if err == nil {
				return out
			}
			if f := (*control.Failure)(nil); !errors.As(err, &f) || f.Kind != control.Held {
				return j.refused(ctx, err)
			}
		case p.State != approval.Approved:
			if now, over := j.voted(ctx, p); over {
				return outcome{message: now}
			}
		}
	}
	return outcome{left: true}
}

// voted tells of a proposal with the move that it came to. It is not over while
// that move goes on, or cannot be read: a new leader calls a proposal done as soon
// as its move is in the journal, before it goes on with the move.
func (j *job) voted(ctx context.Context, p approval.Proposal) (now message, over bool) {
	if p.Move == "" {
		return proposalPage(p), true
	}
	h, err := j.use.History(ctx, j.actor, control.HistoryRequest{Move: string(p.Move)})
	var no *control.Failure
	switch {
	case errors.As(err, &no) && no.Kind == control.NotFound: // it is no longer kept
		return proposalPage(p), true
	case err != nil || len(h.Moves) != 1 || h.Moves[0].Result == nil:
		return proposalPage(p), false
	}
	return j.settled(ctx, *h.Moves[0].Result, &p), true
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
