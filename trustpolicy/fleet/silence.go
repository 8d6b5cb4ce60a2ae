package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// With is the fleet with other accounts, as AWS Organizations now has them.
func (f *Fleet) With(accounts []federation.Account) *Fleet {
	o := f.Options
	o.Federation.Accounts = accounts
	return &Fleet{Options: o, everything: f.everything}
}

// Silent says that IAM itself does not answer, nil if it does: asked once, so
// that an outage of its Region is told at once rather than account by account.
func (f *Fleet) Silent(ctx context.Context) *finding.Finding {
	if f.Answers == nil {
		return nil
	}
	err := f.Answers(ctx)
	if err == nil {
		return nil
	}
	return &finding.Finding{Code: finding.IAMSilent, Subject: "IAM", What: "IAM does not answer, so no role could be read: what was known counts, with its age", Why: err.Error(),
		Remedy: "a partition's IAM is in one Region (us-east-1 in partition aws), and a move needs none of it; when it is back, run: samlfailover trust scan"}
}

// Unread is the last scan once more, with the reason why there is no newer one
// on every account.
func (f *Fleet) Unread(last inventory.Snapshot, why finding.Finding) inventory.Snapshot {
	out := inventory.Snapshot{Federation: f.Federation.Name, TakenAt: last.TakenAt}
	for _, a := range f.Federation.Accounts {
		scan := known(last, a)
		scan.Calls, scan.ProviderCalls, scan.Error = 0, 0, &why
		out.Accounts = append(out.Accounts, scan)
	}
	return out
}

// known is what the last scan saw of an account.
func known(last inventory.Snapshot, a federation.Account) inventory.AccountScan {
	for _, old := range last.Accounts {
		if old.ID == a.ID {
			return old
		}
	}
	return inventory.AccountScan{ID: a.ID, Name: a.Name}
}

// pulse tells the silence of IAM from the trouble of one account: when a call
// went unanswered, IAM itself is asked, and once it is found silent nothing more
// is tried.
type pulse struct {
	fleet *Fleet
	stop  context.CancelFunc // ends the calls that are under way
	turn  chan struct{}      // of one: who has it asks, the others wait
	mu    sync.Mutex
	why   *finding.Finding
}

// silent is the reason, nil while IAM is not known to be silent.
func (p *pulse) silent() *finding.Finding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// pulseEvery is how often IAM itself is asked during a scan that takes long:
// calls that went into the void come back only after all their tries.
const pulseEvery = 15 * time.Second

// watch asks IAM itself now and then, until ctx ends.
func (p *pulse) watch(ctx context.Context) {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.ask(ctx)
		}
	}
}

// feel is told what a call came to.
func (p *pulse) feel(ctx context.Context, err error) {
	if !answered(err) {
		p.ask(ctx)
	}
}

func (p *pulse) ask(ctx context.Context) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil || p.silent() != nil {
		return
	}
	if why := p.fleet.Silent(ctx); why != nil && ctx.Err() == nil {
		p.mu.Lock()
		p.why = why
		p.mu.Unlock()
		p.stop()
	}
}

// answered reports whether AWS said something: a refusal, say, or that it is
// asked too often, rather than nothing or that it has a fault.
func answered(err error) bool {
	var api smithy.APIError
	return err == nil || errors.As(err, &api) && api.ErrorFault() != smithy.FaultServer
}
