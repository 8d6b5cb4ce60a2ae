package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// situation collects everything a decision rests on. It asks nobody outside:
// apps are those read last.
func (c *Controller) situation(ctx context.Context, req *failover.Request) (failover.Situation, error) {
	f := c.cfg.Federation
	s := failover.Situation{Now: time.Now(), Federation: f, ConfigDigest: c.cfg.ConfigDigest, Apps: c.states(),
		Verdicts: c.cfg.Verdicts.Verdicts(), Shares: c.cfg.Shares.Shares(f.Name), Vantages: c.cfg.Vantages, Request: req, Freezes: c.cfg.Freezes}
	if req != nil && req.Own {
		s.Request, s.Approval = nil, req.Approval
	} else if req == nil && c.cfg.Proposals != nil {
		s.Asked = c.cfg.Proposals.Asked(ctx, f.Name)
	}
	if c.cfg.Distrusted != nil {
		s.Distrusted = slices.Clone(c.cfg.Distrusted())
	}
	if c.cfg.Controllers != nil {
		s.Controllers = c.cfg.Controllers()
	}
	if c.cfg.Brakes != nil {
		var err error
		if s.Brakes, err = c.cfg.Brakes.Brakes(ctx); err != nil && !distrusts(&s, err) {
			return s, fmt.Errorf("read the pauses and locks: %w", err)
		}
	}
	if c.cfg.IdPs != nil {
		s.IdPs = c.cfg.IdPs()
	}
	if c.cfg.Latencies != nil {
		s.Latencies = c.cfg.Latencies()
	}
	return s, c.addMoves(ctx, &s)
}

// distrusts notes an error that says that a record is not what was stored; the
// rule store-integrity then holds, whatever else is unknown.
func distrusts(s *failover.Situation, err error) bool {
	f, ok := finding.From(err)
	if !ok || f.Code != finding.StoreIntegrity {
		return false
	}
	known := slices.ContainsFunc(s.Distrusted, func(o finding.Finding) bool { return o.Subject == f.Subject })
	if !known {
		s.Distrusted = append(s.Distrusted, f)
	}
	return true
}

// addMoves adds the open move and the history from the journal.
func (c *Controller) addMoves(ctx context.Context, s *failover.Situation) error {
	open, err := c.cfg.Moves.Open(ctx)
	if err != nil && !distrusts(s, err) {
		return fmt.Errorf("read the open moves: %w", err)
	}
	for _, r := range open {
		if r.Federation == s.Federation.Name {
			s.OpenMove = &failover.OpenMove{ID: r.ID, Cause: r.Cause, To: r.To, Started: r.Started}
		}
	}
	past, err := c.cfg.Moves.Past(ctx, s.Federation.Name)
	if err != nil && !distrusts(s, err) {
		return fmt.Errorf("read the past moves: %w", err)
	}
	for _, r := range past {
		if r.Result == nil {
			continue
		}
		m := failover.PastMove{ID: r.ID, Cause: r.Cause, By: r.By, To: r.To, Started: r.Started,
			Finished: r.Result.Finished, Status: r.Result.Status}
		if r.Approval != nil {
			m.Proposal = r.Approval.Proposal
		}
		s.History = append(s.History, m)
	}
	return nil
}

// past returns an ended move of the federation.
func (c *Controller) past(ctx context.Context, id failover.MoveID) (move.Record, error) {
	all, err := c.cfg.Moves.Past(ctx, c.cfg.Federation.Name)
	if err != nil {
		return move.Record{}, fmt.Errorf("read the past moves: %w", err)
	}
	i := slices.IndexFunc(all, func(r move.Record) bool { return r.ID == id })
	if i < 0 {
		return move.Record{}, fmt.Errorf("look up move %s of federation %s: %w", id, c.cfg.Federation.Name, move.ErrNoMove)
	}
	return all[i], nil
}

// recall takes the last move from the journal: an earlier run, or the loop under
// the config before, made it.
func (c *Controller) recall(ctx context.Context) {
	if all, err := c.cfg.Moves.Past(ctx, c.cfg.Federation.Name); err == nil && len(all) > 0 && all[0].Result != nil {
		c.keepResult(*all[0].Result)
	}
}

// states returns the apps as last read, in the federation's order, standby apps
// last.
func (c *Controller) states() []failover.AppState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.appStates()
}

func (c *Controller) appStates() []failover.AppState {
	var out []failover.AppState
	for _, ref := range c.cfg.Federation.Members() {
		if st, ok := c.apps[ref.String()]; ok {
			out = append(out, st)
		}
	}
	return out
}

// perApp is how much longer a round of reads may take for each app of a tenant:
// an adapter paces its calls at ten per second.
const perApp = 100 * time.Millisecond

// readApps reads every app once, all at the same time; tenants pace themselves.
// A read that fails or takes too long leaves the last good one standing.
func (c *Controller) readApps(ctx context.Context) {
	byTenant := map[string][]federation.AppRef{}
	for _, ref := range c.cfg.Federation.Members() {
		byTenant[ref.Tenant] = append(byTenant[ref.Tenant], ref)
	}
	var wg sync.WaitGroup
	for _, apps := range byTenant {
		wg.Go(func() { c.readTenant(ctx, apps) })
	}
	wg.Wait()
	c.lastRead = time.Now()
	if c.cfg.Keep != nil && ctx.Err() == nil {
		c.cfg.Keep(c.states())
	}
}

// readTenant reads the apps of one tenant. A tenant with many apps gets the time
// that its pace needs, one that gives no answer at all only ReadTimeout.
func (c *Controller) readTenant(ctx context.Context, apps []federation.AppRef) {
	rctx, cancel := context.WithTimeout(ctx, c.cfg.ReadTimeout+time.Duration(len(apps))*perApp)
	defer cancel()
	var answered atomic.Bool
	silent := time.AfterFunc(c.cfg.ReadTimeout, func() {
		if !answered.Load() {
			cancel()
		}
	})
	defer silent.Stop()
	var wg sync.WaitGroup
	for _, ref := range apps {
		wg.Go(func() {
			app, at, err := c.cfg.Apps.Read(rctx, ref)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				answered.Store(true)
			}
			c.keepRead(ref, app, at, err)
		})
	}
	wg.Wait()
}

// keepRead takes in what one read brought.
func (c *Controller) keepRead(ref federation.AppRef, app idp.App, at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := c.apps[ref.String()]
	st.Ref, st.Error = ref, nil
	if err == nil {
		st.App, st.ReadAt = app, at
	} else {
		st.Error = readFinding(ref.Name, err)
	}
	c.apps[ref.String()] = st
}

func readFinding(app string, err error) *finding.Finding {
	if f, ok := finding.From(err); ok {
		return &f
	}
	return &finding.Finding{Code: finding.IdPUnreachable, Subject: "app " + app, What: "the app could not be read from its IdP",
		Why: err.Error(), Remedy: "the last good read counts for 24 h; check the tenant's credential and network"}
}
