package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
)

// Kept reads proposals where they are kept, by id.
type Kept interface {
	All(ctx context.Context) (map[string][]byte, error)
}

// Keeping writes them. Every method is durable on return and refuses a deposed
// leader.
type Keeping interface {
	Put(ctx context.Context, id string, value []byte) error
	Delete(ctx context.Context, ids ...string) error
}

// How many proposals are kept, and for how long after their end.
const (
	maxOpen   = 50 // of one federation
	maxClosed = 500
	keepEnded = 30 * 24 * time.Hour
)

// Desk is where proposals wait, of one leadership (Writes set) or as a follower
// sees them. It records each change before it makes it. Safe for concurrent use;
// the fields are set once.
type Desk struct {
	Reads    Kept
	Writes   Keeping // nil: this controller does not lead
	Record   Recorder
	Policies map[string]federation.Policy // by federation
	Config   string                       // digest of the config
	Epoch    uint64                       // how often the store was restored
	Changed  func(approval.Proposal)      // told of each change; nil: nobody, else it must not block
	Log      *slog.Logger

	mu      sync.Mutex
	cached  map[string]approval.Proposal // a leader's, once read: nobody else writes
	failed  error                        // why a leader could not read them
	again   time.Time                    // and when it tries again
	running map[string]bool              // proposals that are being carried out
}

// all returns every proposal as it was kept. Callers hold mu.
func (d *Desk) all(ctx context.Context) (map[string]approval.Proposal, error) {
	if d.cached != nil {
		return d.cached, nil
	}
	if d.Writes == nil {
		return d.read(ctx)
	}
	if d.failed != nil && time.Now().Before(d.again) {
		return nil, d.failed
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	d.cached, d.failed = d.read(ctx)
	d.again = time.Now().Add(readAgain)
	return d.cached, d.failed
}

// A store that does not answer must not keep a leader from deciding, which
// needs no proposals.
const (
	readWithin = 2 * time.Second
	readAgain  = 10 * time.Second
)

// read reads every proposal from where they are kept.
func (d *Desk) read(ctx context.Context) (map[string]approval.Proposal, error) {
	raw, err := d.Reads.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the proposals: %w", err)
	}
	out := map[string]approval.Proposal{}
	for id, b := range raw {
		var p approval.Proposal
		if err := json.Unmarshal(b, &p); err != nil {
			return nil, fmt.Errorf("read proposal %.60q: %w", id, err)
		}
		out[id] = p
	}
	return out, nil
}

// list returns the proposals as they stand now, the newest first.
func (d *Desk) list(ctx context.Context) ([]approval.Proposal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sorted(ctx)
}

func (d *Desk) sorted(ctx context.Context) ([]approval.Proposal, error) {
	all, err := d.all(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	out := make([]approval.Proposal, 0, len(all))
	for _, p := range all {
		if d.running[p.ID] { // being carried out, however long that takes
			out = append(out, p)
		} else {
			out = append(out, p.At(now))
		}
	}
	slices.SortFunc(out, func(a, b approval.Proposal) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// find returns one proposal as it stands now.
func (d *Desk) find(ctx context.Context, id string) (approval.Proposal, bool, error) {
	all, err := d.list(ctx)
	i := slices.IndexFunc(all, func(p approval.Proposal) bool { return p.ID == id })
	if err != nil || i < 0 {
		return approval.Proposal{}, false, err
	}
	return all[i], true, nil
}

// set keeps a proposal. Callers hold mu.
func (d *Desk) set(ctx context.Context, p approval.Proposal) error {
	if d.Writes == nil {
		return errors.New("keep a proposal: this controller does not lead")
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keep proposal %s: %w", p.ID, err)
	}
	all, err := d.all(ctx)
	if err != nil {
		return err
	}
	if err := d.Writes.Put(ctx, p.ID, raw); err != nil {
		return fmt.Errorf("keep proposal %s: %w", p.ID, err)
	}
	all[p.ID] = p
	if d.Changed != nil {
		d.Changed(p)
	}
	return nil
}

// change records what is done to a proposal and keeps it. Callers hold mu.
func (d *Desk) change(ctx context.Context, actor, action string, p approval.Proposal, detail any) error {
	if err := d.Record.Record(ctx, actor, action, "proposal "+p.ID, detail); err != nil {
		return notRecorded(err)
	}
	return d.set(ctx, p)
}

// open makes a proposal of what a decision says to ask for. One that the same
// requester has made for the same is returned instead: an alert that comes again
// asks for nothing new.
func (d *Desk) open(ctx context.Context, by approval.Requester, dec failover.Decision, req failover.Request) (approval.Proposal, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.sorted(ctx)
	if err != nil {
		return approval.Proposal{}, false, err
	}
	waiting := 0
	for _, p := range all {
		if p.Federation != dec.Federation {
			continue
		}
		if p.By == by && p.Digest == dec.Digest && (p.State == approval.Open || p.Own() && p.State == approval.Rejected && time.Now().Before(p.Expires)) {
			return p, false, nil
		}
		if p.State == approval.Open {
			waiting++
		}
	}
	if waiting >= maxOpen {
		return approval.Proposal{}, false, fail(Held, "%d proposals of federation %s wait already, which is the most; next: decide on them: samlfailover proposals", waiting, dec.Federation)
	}
	now, policy := time.Now().UTC(), d.Policies[dec.Federation]
	p := approval.Proposal{ID: approval.NewID(), Federation: dec.Federation, Plan: dec.Plan, Request: req, Digest: dec.Digest, Reason: req.Reason, Overrides: req.Overrides,
		By: by, Created: now, Expires: now.Add(policy.ApprovalExpires), Need: approval.Needs(by, policy.Approvals), Votes: []approval.Vote{}, State: approval.Open,
		Config: d.Config, Epoch: d.Epoch}
	if policy.ApprovalExpires <= 0 {
		p.Expires = now.Add(defaultExpiry)
	}
	d.prune(ctx, all)
	return p, true, d.change(ctx, by.String(), "move.proposed", p, p)
}

// defaultExpiry is how long a proposal waits where no config says so.
const defaultExpiry = 30 * time.Minute

// prune drops proposals that ended long ago, and the oldest ended ones beyond a
// number. What cannot be dropped stays: it is in nobody's way yet.
func (d *Desk) prune(ctx context.Context, newestFirst []approval.Proposal) {
	var drop []string
	closed := 0
	for _, p := range newestFirst {
		if !p.State.Final() {
			continue
		}
		if closed++; closed > maxClosed || time.Since(p.Ended) > keepEnded {
			drop = append(drop, p.ID)
		}
	}
	if len(drop) == 0 || d.Writes == nil {
		return
	}
	if err := d.Writes.Delete(ctx, drop...); err != nil {
		d.Log.Warn("old proposals cannot be dropped", "error", err)
		return
	}
	for _, id := range drop {
		delete(d.cached, id)
	}
}

// decide makes one change to a proposal that is asked for by a person. f gets the
// proposal as it stands now.
func (d *Desk) decide(ctx context.Context, actor Actor, id, action string, detail any, f func(approval.Proposal) (approval.Proposal, error)) (approval.Proposal, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.all(ctx)
	if err != nil {
		return approval.Proposal{}, err
	}
	p, ok := all[id]
	if !ok {
		return p, unknownProposal(id)
	}
	if why := p.Binds(d.Config, d.Epoch); why != "" && !p.State.Final() {
		p = p.Voided(why, time.Now())
	}
	next, err := f(p)
	if err != nil {
		return next, err
	}
	return next, d.change(ctx, actor.String(), action, next, detail)
}

// begin marks an approved proposal as being carried out, and returns it as it is
// by then: whoever read it a moment ago may be late. The returned end takes the
// mark away.
func (d *Desk) begin(ctx context.Context, p approval.Proposal) (now approval.Proposal, end func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.all(ctx)
	if err != nil {
		return p, nil, err
	}
	now, ok := all[p.ID]
	switch {
	case !ok:
		return p, nil, unknownProposal(p.ID)
	case d.running[p.ID]:
		return now, nil, fail(Held, "proposal %s is approved and is being carried out; see: samlfailover status", p.ID)
	case now.State != approval.Approved:
		return now, nil, fail(Held, "proposal %s is %s by now, and nothing more is done; see: samlfailover proposals %s", p.ID, now.State, p.ID)
	}
	if d.running == nil {
		d.running = map[string]bool{}
	}
	d.running[p.ID] = true
	return now, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.running, p.ID)
	}, nil
}

// finish keeps how a proposal ended, and makes the federation's other open ones
// void if it was carried out: they were of apps as they are not any more.
func (d *Desk) finish(ctx context.Context, p approval.Proposal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	action := "move.proposal-done"
	if p.State == approval.Void {
		action = "move.proposal-withdrawn"
	}
	if err := d.change(ctx, failover.Controller, action, p, map[string]string{"digest": p.Digest, "why": p.Why, "move": string(p.Move)}); err != nil {
		return err
	}
	if p.State != approval.Done {
		return nil
	}
	return d.void(ctx, "move "+string(p.Move)+" has changed the apps since", func(o approval.Proposal) bool { return o.Federation == p.Federation && o.State == approval.Open })
}

// void makes proposals void. Callers hold mu.
func (d *Desk) void(ctx context.Context, why string, which func(approval.Proposal) bool) error {
	all, err := d.sorted(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range all {
		if p.State.Final() || !which(p) {
			continue
		}
		p = p.Voided(why, time.Now())
		errs = append(errs, d.change(ctx, failover.Controller, "move.proposal-withdrawn", p, map[string]string{"digest": p.Digest, "why": why}))
	}
	return errors.Join(errs...)
}

// Offer implements controller.Proposals.
func (d *Desk) Offer(ctx context.Context, dec failover.Decision) (p approval.Proposal, fresh bool, err error) {
	d.mu.Lock()
	err = d.void(ctx, "it is another move that is proposed now", func(o approval.Proposal) bool {
		return o.Own() && o.Federation == dec.Federation && o.State == approval.Open && o.Digest != dec.Digest
	})
	d.mu.Unlock()
	if err != nil {
		return p, false, err
	}
	return d.open(ctx, approval.Itself(), dec, failover.Request{To: dec.Plan.To, Reason: dec.Why, By: failover.Controller, Own: true})
}

// Withdraw implements controller.Proposals.
func (d *Desk) Withdraw(ctx context.Context, federation, why string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.void(ctx, "it no longer stands: "+why, func(o approval.Proposal) bool {
		return o.Own() && o.Federation == federation && o.State == approval.Open
	})
}

// Asked implements controller.Proposals. A proposal that one of several people
// has approved was answered.
func (d *Desk) Asked(ctx context.Context, federation string) *failover.Asked {
	all, err := d.list(ctx)
	if err != nil {
		d.Log.Warn("whether a proposal waits is not known", "federation", federation, "error", err)
		return nil
	}
	for _, p := range all {
		if p.Own() && p.Federation == federation && p.State == approval.Open && len(p.Votes) == 0 {
			return &failover.Asked{Proposal: p.ID, Digest: p.Digest, Since: p.Created}
		}
	}
	return nil
}

// Escalated implements controller.Proposals.
func (d *Desk) Escalated(ctx context.Context, id string, by failover.MoveID) error {
	p, ok, err := d.find(ctx, id)
	if err != nil || !ok {
		return errors.Join(err, ctx.Err())
	}
	p = p.Carried(by, time.Now())
	p.Why = "nobody answered within escalate_after"
	return d.finish(ctx, p)
}

// VoidAll makes every proposal void that waits or is approved.
func (d *Desk) VoidAll(ctx context.Context, why string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.void(ctx, why, func(approval.Proposal) bool { return true })
}

// TakeOver is what a new leader does first: proposals of before a restore or
// under another config are void, and those that a move of the journal has carried
// out are done.
func (d *Desk) TakeOver(ctx context.Context, moves controller.Moves) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.sorted(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range all {
		if p.State == approval.Approved {
			id, err := carriedBy(ctx, moves, p)
			if err != nil {
				return err
			}
			if id != "" {
				errs = append(errs, d.change(ctx, failover.Controller, "move.proposal-done", p.Carried(id, time.Now()), map[string]string{"digest": p.Digest, "move": string(id)}))
				continue
			}
		}
		if why := p.Binds(d.Config, d.Epoch); why != "" && !p.State.Final() {
			errs = append(errs, d.change(ctx, failover.Controller, "move.proposal-withdrawn", p.Voided(why, time.Now()), map[string]string{"digest": p.Digest, "why": why}))
		}
	}
	return errors.Join(errs...)
}

// carriedBy returns the move that a proposal has become, "" if there is none.
func carriedBy(ctx context.Context, moves controller.Moves, p approval.Proposal) (failover.MoveID, error) {
	open, err1 := moves.Open(ctx)
	past, err2 := moves.Past(ctx, p.Federation)
	if err := errors.Join(err1, err2); err != nil {
		return "", fmt.Errorf("look for the move of proposal %s: %w", p.ID, err)
	}
	all := slices.Concat(open, past)
	i := slices.IndexFunc(all, func(r move.Record) bool { return r.Approval != nil && r.Approval.Proposal == p.ID })
	if i < 0 {
		return "", nil
	}
	return all[i].ID, nil
}
