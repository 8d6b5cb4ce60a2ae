package controller

import (
	"context"
	"time"

	"github.com/samlfailover/samlfailover/failover"
)

// Watch keeps Status up to date as one who does not lead: it reads no app, tells
// nobody, records nothing and moves nothing. recall returns the apps as the
// leader has read them; standing says in words who leads. It returns nil when
// ctx ends. Use either Run or Watch, once.
func (c *Controller) Watch(ctx context.Context, recall func() []failover.AppState, standing func() string) error {
	defer close(c.ended)
	decide := time.NewTicker(c.cfg.DecideEvery)
	defer decide.Stop()
	for {
		c.look(ctx, recall(), standing())
		select {
		case <-ctx.Done():
			return nil
		case <-c.cfg.Changed:
		case <-c.kick:
		case <-decide.C:
		}
	}
}

// look decides as the leader would, and says that it is not for us to act.
func (c *Controller) look(ctx context.Context, apps []failover.AppState, standing string) {
	c.mu.Lock()
	for _, a := range apps {
		c.apps[a.Ref.String()] = a
	}
	c.mu.Unlock()
	c.recall(ctx)
	s, err := c.situation(ctx, nil)
	if ctx.Err() != nil {
		return
	}
	d := failover.Decision{At: time.Now(), Federation: c.cfg.Federation.Name, Outcome: failover.Hold, Rule: failover.JournalUnread}
	if err == nil {
		d = c.cfg.Rules.Decide(s)
	} else {
		d.Why, d.WouldChange = "the journal cannot be read: "+err.Error(), "a store that answers"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Moving, c.status.Proposal = s.OpenMove != nil, nil
	if d.Outcome == failover.Propose {
		c.status.Proposal = d.Plan
	}
	if d.Outcome == failover.Move {
		d.Outcome, d.Rule = failover.Hold, failover.NotLeader
		d.Why, d.WouldChange = "the rules say: "+d.Why+"; "+standing, "the leader acts, this controller only looks"
	}
	c.status.Decision, c.status.Verdicts, c.status.Shares = d, s.Verdicts, s.Shares
}
