package app

import (
	"context"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/store"
)

// proposalBox is the box of the store that proposals are kept in.
const proposalBox = "proposal"

// directory is who the config knows: people, shared tokens, OIDC issuers and
// hooks. A hook asks as an operator of its own federation, and approves nothing.
func directory(c *config.Config) (*people.Directory, error) {
	s := c.Who()
	for _, i := range c.Server.OIDC {
		s.Issuers = append(s.Issuers, people.Issuer{URL: i.Issuer, Federations: i.Federations, Highest: people.Role(i.Role), Groups: c.GroupsOf(i.Issuer)})
	}
	for _, h := range c.Hooks {
		s.Hooks = append(s.Hooks, people.Principal{Name: h.Name, Grants: people.Grants{h.Federation: people.Operator}})
	}
	return people.NewDirectory(s)
}

// proposals reads the proposals as one sees them who only looks.
type proposals struct{ *eyes }

// All implements control.Kept.
func (p proposals) All(ctx context.Context) (map[string][]byte, error) {
	r, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	return r.Box(ctx, proposalBox)
}

// desk is where proposals wait, as one sees them who only looks.
func (s *engine) desk(k *keeping) *control.Desk {
	d := &control.Desk{Reads: proposals{&k.eyes}, Record: k.record, Policies: map[string]federation.Policy{}, Config: s.digest, Log: s.o.Log, Changed: s.proposed(k)}
	for _, f := range s.feds {
		d.Policies[f.Name] = f.Policy
	}
	return d
}

// leadersDesk is where proposals wait, as the leader decides on them. It asks the
// store until it answers; nil means that the leadership or ctx has ended before.
func (s *engine) leadersDesk(ctx context.Context, k *keeping, term *store.Term) *control.Desk {
	d, box := s.desk(k), term.Box(proposalBox)
	d.Reads, d.Writes = box, box
	for told := false; ; pauseFor(ctx, standAgain) {
		r, err := k.store.Reads(ctx)
		if err == nil {
			d.Epoch, err = r.Epoch(ctx)
		}
		select {
		case <-term.Lost():
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		if err == nil {
			return d
		}
		if !told {
			s.o.Log.Error("this controller leads and the store does not answer, so nothing is decided yet", "error", err)
			told = true
		}
	}
}

// takeOver makes the proposals of a leader before stand or not. What cannot be
// read or recorded now is void when somebody tries to decide on it.
func (s *engine) takeOver(ctx context.Context, d *control.Desk, moves controller.Moves) {
	if err := d.TakeOver(ctx, moves); err != nil && ctx.Err() == nil {
		s.o.Log.Error("the proposals that waited could not all be looked through", "error", err)
	}
}
