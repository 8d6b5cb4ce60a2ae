package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/notify"
	"github.com/samlfailover/samlfailover/store"
)

// How often the store is looked at.
const (
	lookEvery   = 2 * time.Second
	verifyEvery = time.Minute
)

// lookout keeps what is known of the store and of the other controllers, so
// that neither a decision nor a status waits for it. Safe for concurrent use.
type lookout struct {
	store  *store.Store
	helm   *helm
	record *trail
	own    string
	log    *slog.Logger
	told   func(notify.Notice) // nil: nobody
	again  chan struct{}       // asks for a verification

	mu          sync.Mutex
	status      store.Status
	at          time.Time
	unavailable error
	controllers []store.Controller
	distrusted  []finding.Finding

	paging sync.Mutex // run and a new leadership both page; each page is told once
	paged  map[string]bool
}

func newLookout(s *store.Store, h *helm, record *trail, own string, log *slog.Logger) *lookout {
	return &lookout{store: s, helm: h, record: record, own: own, log: log, again: make(chan struct{}, 1), paged: map[string]bool{}}
}

// run looks until ctx ends.
func (l *lookout) run(ctx context.Context) {
	look, verify := time.NewTicker(lookEvery), time.NewTicker(verifyEvery)
	defer look.Stop()
	defer verify.Stop()
	for {
		l.look(ctx)
		_, changed := l.helm.now()
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-changed:
		case <-verify.C:
			l.verify(ctx)
		case <-l.again:
			l.verify(ctx)
		}
	}
}

// suspect asks for a verification now; it never blocks.
func (l *lookout) suspect() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// look asks how the store is and who lives.
func (l *lookout) look(ctx context.Context) {
	st, err := l.store.Status(ctx)
	var controllers []store.Controller
	if r, readErr := l.store.Reads(ctx); err == nil && readErr == nil {
		if controllers, readErr = r.Controllers(ctx); finding.Is(readErr, finding.StoreIntegrity) {
			l.suspect()
		}
	}
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	l.unavailable = err
	if err == nil {
		l.status, l.at, l.controllers = st, time.Now().UTC(), controllers
	}
	l.mu.Unlock()
	l.page(ctx)
}

// verify reads every record of the store. What cannot be read now is not
// distrusted for that: what was found before stays.
func (l *lookout) verify(ctx context.Context) {
	r, err := l.store.Reads(ctx)
	var found []finding.Finding
	if err == nil {
		found, err = r.Verify(ctx)
	}
	l.mu.Lock()
	if err == nil || len(found) > 0 {
		l.distrusted = found
	}
	l.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		l.log.Warn("the records of the store could not all be verified", "error", err)
	}
	l.page(ctx)
}

// page tells a person of what has to be looked at now, once each.
func (l *lookout) page(ctx context.Context) {
	for _, f := range l.due() {
		l.log.Error("page: "+escape.Terminal(f.Error()), "code", f.Code)
		if err := l.record.Record(ctx, failover.Controller, "page", "store", f); err != nil && ctx.Err() == nil {
			l.log.Error("the page is not in the audit record", "error", err)
		}
		if l.told != nil {
			l.told(notify.OfFinding("", f))
		}
	}
}

// due are the pages that nobody was told of since their causes came up.
func (l *lookout) due() []finding.Finding {
	l.paging.Lock()
	defer l.paging.Unlock()
	var out []finding.Finding
	now := map[string]bool{}
	for _, f := range l.findings() {
		key := string(f.Code) + "|" + f.Subject
		if f.Severity() != finding.Page {
			continue
		}
		if !l.paged[key] && !now[key] {
			out = append(out, f)
		}
		now[key] = true
	}
	l.paged = now
	return out
}

// untrusted are the findings about records that are not what was stored.
func (l *lookout) untrusted() []finding.Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.distrusted)
	if f, ok := finding.From(l.helm.trouble()); ok && f.Code == finding.StoreIntegrity && !slices.ContainsFunc(out, func(o finding.Finding) bool { return o.Subject == f.Subject }) {
		out = append(out, f)
	}
	return out
}

// findings are everything about the store that a person should see.
func (l *lookout) findings() []finding.Finding {
	out := l.untrusted()
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := finding.From(l.unavailable); ok && l.unavailable != nil {
		out = append(out, f)
	}
	for _, f := range l.status.Findings {
		known := slices.ContainsFunc(out, func(o finding.Finding) bool { return o.Code == f.Code && o.Subject == f.Subject })
		if !known {
			out = append(out, f)
		}
	}
	if f := l.record.finding(); f != nil {
		out = append(out, *f)
	}
	return append(out, l.record.outside()...)
}

// states are the controllers that live, for the rules.
func (l *lookout) states() []failover.ControllerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []failover.ControllerState
	for _, c := range l.controllers {
		out = append(out, failover.ControllerState{Name: c.Name, ConfigDigest: c.Digest})
	}
	return out
}

// report is what status shows of the store.
func (l *lookout) report() control.StoreReport {
	term, _ := l.helm.now()
	findings := l.findings()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := control.StoreReport{Store: l.status, At: l.at, Controllers: l.controllers, Findings: findings,
		Standing: control.Standing{Name: l.own, Leads: term != nil, Leader: l.status.Leader}}
	out.Store.Findings = nil
	if term != nil {
		out.Standing.Leader = l.own
	} else if out.Standing.Leader == l.own || !l.status.Quorum {
		out.Standing.Leader = "" // as of a moment ago, or of before the majority was lost
	}
	if l.unavailable != nil {
		out.Unavailable = l.unavailable.Error()
	}
	return out
}

// standing says in words who leads.
func (l *lookout) standing() string { return l.report().Standing.Words() }
