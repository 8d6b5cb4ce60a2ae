package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// evaluate looks once: finish what was cut off, keep the incident's times,
// decide, act.
func (c *Controller) evaluate(ctx context.Context) {
	s, err := c.situation(ctx, nil)
	if err == nil && s.OpenMove != nil && len(s.Distrusted) == 0 {
		c.resume(ctx)
		s, err = c.situation(ctx, nil)
	}
	if err != nil {
		c.blind(ctx, err)
		return
	}
	if c.follow(s) {
		c.readApps(ctx)
		s.Apps = c.states()
	}
	d := c.cfg.Rules.Decide(s)
	if d.Outcome == failover.Move && time.Since(c.lastRead) > time.Second {
		c.readApps(ctx)
		s.Now, s.Apps = time.Now(), c.states()
		d = c.cfg.Rules.Decide(s)
	}
	if d.Outcome == failover.Move && s.Now.Before(c.notBefore) {
		c.publish(ctx, s, c.cannotStart(s.Now))
		return
	}
	c.publish(ctx, s, d)
	if d.Outcome != failover.Move || ctx.Err() != nil || c.halted() {
		return
	}
	if _, err := c.carryOut(ctx, func(ctx context.Context) (failover.Result, error) { return c.act(ctx, d) }); err != nil && ctx.Err() == nil && !c.halted() {
		c.cfg.Log.Error("a move did not run to its end", "federation", c.cfg.Federation.Name, "error", err)
		c.startError, c.notBefore = err, time.Now().Add(startPause)
		c.publish(ctx, s, c.cannotStart(time.Now()))
		return
	}
	c.Kick()
}

// act carries out the controller's own decision. That it takes up a proposal
// which nobody has answered is recorded first.
func (c *Controller) act(ctx context.Context, d failover.Decision) (failover.Result, error) {
	var req failover.Request
	if d.Escalates != "" {
		if err := c.cfg.Recorder.Record(ctx, failover.Controller, "move.proposal-escalated", "federation "+d.Federation, d); err != nil {
			return failover.Result{}, fmt.Errorf("record that proposal %s is escalated: %w", d.Escalates, err)
		}
		req.Reason = d.Why
	}
	res, err := c.cfg.Mover.Run(ctx, *d.Plan, req)
	if d.Escalates != "" && err == nil {
		if err := c.cfg.Proposals.Escalated(ctx, d.Escalates, res.ID); err != nil {
			c.cfg.Log.Error("the end of a proposal could not be kept", "proposal", d.Escalates, "error", err)
		}
	}
	return res, err
}

// startPause is how long the loop waits after a move that could not be started,
// before it tries again: news from the probes would else make it try at once.
const startPause = 10 * time.Second

// cannotStart says why nothing moves although the rules say so.
func (c *Controller) cannotStart(now time.Time) failover.Decision {
	f, ok := finding.From(c.startError)
	if !ok {
		f = finding.Finding{Code: finding.MoveHeld, Subject: "federation " + c.cfg.Federation.Name, What: "a move could not be started", Why: c.startError.Error(),
			Remedy: "mend the cause; the controller tries again by itself"}
	}
	return failover.Decision{At: now, Federation: c.cfg.Federation.Name, Outcome: failover.Hold, Rule: failover.CannotStart,
		Why: "the move could not be started: " + c.startError.Error(), WouldChange: "the cause mended; the next try comes within " + startPause.String(),
		Findings: []finding.Finding{f}}
}

// blind says that nothing can be decided without the journal: its open and past
// moves bind every decision.
func (c *Controller) blind(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	d := failover.Decision{At: time.Now(), Federation: c.cfg.Federation.Name, Outcome: failover.Hold, Rule: failover.JournalUnread,
		Why: "the journal cannot be read, so nobody knows which moves are open: " + err.Error(), WouldChange: "a journal that answers"}
	c.publish(ctx, failover.Situation{Now: d.At, Verdicts: c.cfg.Verdicts.Verdicts()}, d)
}

// resume finishes moves that were cut off.
func (c *Controller) resume(ctx context.Context) {
	c.moving(true)
	results, err := c.cfg.Mover.Resume(ctx, c.cfg.Federation.Name)
	c.moving(false)
	for _, r := range results {
		c.keepResult(r)
	}
	if err != nil && ctx.Err() == nil && !c.halted() {
		c.cfg.Log.Error("an open move could not be resumed", "federation", c.cfg.Federation.Name, "error", err)
	}
	c.readApps(ctx)
}

// carryOut runs a move and looks at the apps again.
func (c *Controller) carryOut(ctx context.Context, run func(context.Context) (failover.Result, error)) (failover.Result, error) {
	started := time.Now()
	c.moving(true)
	res, err := run(ctx)
	c.moving(false)
	if err == nil {
		c.mu.Lock()
		if i := c.status.Incident; i != nil && i.Cleared.IsZero() {
			i.MoveStarted, i.MoveFinished = started, time.Now()
		}
		c.mu.Unlock()
		c.keepResult(res)
	}
	c.readApps(ctx)
	return res, err
}

func (c *Controller) moving(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Moving = yes
}

// keepResult keeps the result of one move.
func (c *Controller) keepResult(r failover.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.LastMove = &r
}

// follow keeps the incident's times by what the Regions with apps in them are.
// It reports whether a Region has just become suspect: the moment to read the
// apps again (spec 2.4).
func (c *Controller) follow(s failover.Situation) (fresh bool) {
	bad := c.badVerdicts(s)
	fresh, news := c.mark(bad, s.Now)
	for _, e := range news {
		c.tell(e)
	}
	return fresh
}

// mark sets the incident's times and returns what is new.
func (c *Controller) mark(bad []health.Verdict, now time.Time) (fresh bool, news []Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.status.Incident
	running := i != nil && i.Cleared.IsZero()
	switch {
	case len(bad) == 0 && running:
		i.Cleared = now
		news = append(news, Event{Kind: EventCleared, Text: "every app is in a Region that works"})
	case len(bad) > 0 && !running:
		i = &Incident{Suspected: firstSeen(bad, now)}
		c.status.Incident, fresh = i, true
		news = append(news, Event{Kind: EventSuspect, Text: fmt.Sprintf("%s is suspect: %s", names(bad), bad[0].Reason)})
	}
	for _, v := range bad {
		if v.State == health.Unhealthy && i.Confirmed.IsZero() {
			i.Confirmed = v.Since
			news = append(news, Event{Kind: EventConfirmed, Text: fmt.Sprintf("%s is unhealthy: %s", v.Region, v.Reason)})
		}
	}
	return fresh, news
}

// badVerdicts returns the verdicts of Regions with apps in them that quorum calls
// unhealthy, or can no longer call healthy because vantages suspect them.
func (c *Controller) badVerdicts(s failover.Situation) []health.Verdict {
	active := map[signin.Region]bool{}
	for _, a := range s.Federation.Apps {
		active[failover.Active(s.Federation, a, s.Apps, s.Now)] = true
	}
	var out []health.Verdict
	for _, v := range s.Verdicts {
		if active[v.Region] && (v.State == health.Unhealthy || v.Suspect && v.State == health.Unknown) {
			out = append(out, v)
		}
	}
	return out
}

// firstSeen is when the first vantage saw the fault.
func firstSeen(bad []health.Verdict, now time.Time) time.Time {
	first := now
	for _, v := range bad {
		for _, vote := range v.Votes {
			o := vote.Observation
			if (o.State == health.Suspect || o.State == health.Unhealthy) && !o.Since.IsZero() && o.Since.Before(first) {
				first = o.Since
			}
		}
	}
	return first
}

func names(vs []health.Verdict) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = v.Region.String()
	}
	return strings.Join(out, ", ")
}

// publish makes a decision known: in the status always, to log, listeners and
// audit only when it has changed.
func (c *Controller) publish(ctx context.Context, s failover.Situation, d failover.Decision) {
	key := string(d.Outcome) + "|" + d.Rule
	if d.Plan != nil {
		key += "|" + d.Plan.Digest
	}
	changed := key != c.lastKey
	c.lastKey = key
	c.mu.Lock()
	c.status.Decision, c.status.Verdicts, c.status.Shares = d, s.Verdicts, s.Shares
	if i := c.status.Incident; i != nil && i.Decided.IsZero() && i.Cleared.IsZero() && d.Outcome != failover.Hold {
		i.Decided = time.Now()
	}
	c.mu.Unlock()
	if changed {
		c.cfg.Log.Info("decision: "+escape.Terminal(d.Why), "federation", d.Federation, "outcome", d.Outcome, "rule", d.Rule, "would_change", d.WouldChange)
		c.tell(Event{Kind: EventDecision, Text: string(d.Outcome) + ": " + d.Why, Decision: &d})
	}
	c.page(ctx, d)
	c.propose(ctx, d)
}

// page tells people at once of findings that are new: by an error in the log, an
// audit record, and an event for the sinks of notifications.
func (c *Controller) page(ctx context.Context, d failover.Decision) {
	now := map[string]bool{}
	for _, f := range d.Findings {
		if f.Severity() != finding.Page {
			continue
		}
		key := string(f.Code) + "|" + f.Subject
		now[key] = true
		if c.paged[key] {
			continue
		}
		c.cfg.Log.Error("page: "+escape.Terminal(f.Error()), "federation", d.Federation, "code", f.Code)
		if err := c.cfg.Recorder.Record(ctx, failover.Controller, "page", "federation "+d.Federation, f); err != nil {
			c.cfg.Log.Error("the page is not in the audit record", "error", err)
		}
		c.tell(Event{Kind: EventPage, Text: f.Error(), Finding: &f})
	}
	c.paged = now
}

// propose keeps at most one proposal of the controller's own: a new one replaces
// the old, a hold withdraws it, and one that has expired is made again. What
// cannot be recorded is not proposed.
func (c *Controller) propose(ctx context.Context, d failover.Decision) {
	c.mu.Lock()
	old := c.status.Proposal
	c.mu.Unlock()
	expired := c.offered.ID != "" && !d.At.Before(c.offered.Expires)
	switch {
	case d.Outcome == failover.Propose && d.Plan != nil && (old == nil || old.Digest != d.Plan.Digest || expired):
		fresh, err := c.offer(ctx, d)
		if err != nil {
			c.cfg.Log.Error("a proposal could not be recorded and is not made", "federation", d.Federation, "error", err)
			return
		}
		c.settled = true
		c.setProposal(d.Plan)
		if e := (Event{Kind: EventProposal, Text: d.Why + "; " + d.WouldChange, Decision: &d}); fresh {
			if c.offered.ID != "" {
				p := c.offered
				e.Proposal, e.Text = &p, d.Why+"; an approver: samlfailover approve "+p.ID
			}
			c.tell(e)
		}
	case d.Escalates != "" || d.Rule == failover.CannotStart: // it is being carried out, or will be
	case d.Outcome != failover.Propose && (old != nil || !c.settled && c.cfg.Proposals != nil):
		c.settled = true
		if err := c.withdraw(ctx, old, d); err != nil {
			c.cfg.Log.Error("the end of a proposal could not be recorded", "federation", d.Federation, "error", err)
		}
		c.offered = approval.Proposal{}
		c.setProposal(nil)
		if old != nil {
			c.tell(Event{Kind: EventWithdrawn, Text: "the proposal no longer stands: " + d.Why})
		}
	}
}

// offer records a proposal; fresh says that it is a new one.
func (c *Controller) offer(ctx context.Context, d failover.Decision) (fresh bool, err error) {
	if c.cfg.Proposals == nil {
		return true, c.cfg.Recorder.Record(ctx, failover.Controller, "move.proposed", "federation "+d.Federation, d)
	}
	c.offered, fresh, err = c.cfg.Proposals.Offer(ctx, d)
	return fresh, err
}

// withdraw records that the controller's own proposal no longer stands.
func (c *Controller) withdraw(ctx context.Context, old *failover.Plan, d failover.Decision) error {
	if c.cfg.Proposals != nil {
		return c.cfg.Proposals.Withdraw(ctx, d.Federation, d.Why)
	}
	return c.cfg.Recorder.Record(ctx, failover.Controller, "move.proposal-withdrawn", "federation "+d.Federation, map[string]string{"digest": old.Digest, "why": d.Why})
}

func (c *Controller) setProposal(p *failover.Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Proposal = p
}

// tell hands an event to the listener. Only the loop calls it.
func (c *Controller) tell(e Event) {
	if c.cfg.Events == nil {
		return
	}
	e.Time, e.Federation = time.Now(), c.cfg.Federation.Name
	c.cfg.Events(e)
}
