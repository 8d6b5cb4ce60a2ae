package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
)

// schedule lists the work by the clock: the leader's.
func (s *engine) schedule(record *trail, seat *seat) []job {
	at := s.o.Config.Schedules
	return []job{
		{name: "health_check", when: at.HealthCheck, always: true, run: func(ctx context.Context) error { return s.checkHealth(ctx, seat.loops) }},
		{name: "app_reads", when: at.AppReads, always: true, run: func(ctx context.Context) error { return readAll(ctx, seat.loops) }},
		{name: "token_check", when: at.TokenCheck, always: true, run: s.checkTokens},
		{name: "trust_scan", when: at.TrustScan, run: func(ctx context.Context) error { return s.scanAll(ctx, record) }},
		{name: "report", when: at.Report, run: func(context.Context) error { return s.report() }},
		{name: "runbook", when: runbookAt(s.o.Config.Runbook), run: func(ctx context.Context) error { return s.runbook(ctx, seat.use.Moves) }},
		{name: "audit_head", when: at.AuditHead, always: true, run: func(context.Context) error { return appendHead(at.AuditHeadFile, record.Head()) }},
	}
}

// readAll makes every federation's loop read its apps (spec 2.4).
func readAll(ctx context.Context, loops map[string]*controller.Controller) error {
	errs := make([]error, 0, len(loops))
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, l := range loops {
		all.Go(func() {
			err := l.Reread(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// checkHealth probes every Region now and has every federation's loop decide on
// it. A Region that fails is suspect then, and the probes confirm it in quick
// succession as they always do; what may be done about it is for the rules.
func (s *engine) checkHealth(ctx context.Context, loops map[string]*controller.Controller) error {
	if err := s.probes.Check(ctx); err != nil {
		return fmt.Errorf("probe every Region: %w", err)
	}
	for _, l := range loops {
		l.Kick()
	}
	return nil
}

// checkTokens makes sure that every tenant gives an access token (spec 9.2).
func (s *engine) checkTokens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, warmWithin)
	defer cancel()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.vendors)) {
		if err := s.vendors[name].Tenant.Warm(ctx); err != nil {
			errs = append(errs, fmt.Errorf("tenant %s gives no access token: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// scanAll reads every federation's roles and tells what drifted; it only looks.
func (s *engine) scanAll(ctx context.Context, record control.Recorder) error {
	var errs []error
	for _, f := range s.feds {
		if !f.HasAccounts() {
			continue
		}
		errs = append(errs, s.scan(ctx, record, f))
		s.kick(f.Name)
	}
	return errors.Join(errs...)
}

// scan reads one federation's roles. Only one scan runs at a time: the first one
// may still be running when the clock asks for the next, and a federation's
// snapshot has one writer.
func (s *engine) scan(ctx context.Context, record control.Recorder, f federation.Federation) error {
	s.scanning.Lock()
	defer s.scanning.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	fl, err := newFleet(s.o.Setup, f, s.base, s.keeper, lastApps(f, s.keeper, s.vendors, s.o.Log), nil)
	if err != nil {
		return err
	}
	before, err := s.keeper.LoadRoles(f.Name)
	if err != nil {
		before = inventory.Snapshot{} // the first scan, or none that can be used: nothing has drifted from it
	}
	snap, err := control.Trust{Federation: f, Fleet: fl, Keeper: s.keeper, Wrote: lastWrites(runsDir(s.o.Config.Store.Dir))}.Scan(ctx)
	if err != nil {
		return err
	}
	s.shares.keep(f, snap)
	s.reconcile(ctx, record, f, before, snap)
	for _, p := range control.Problems(snap) {
		s.o.Log.Warn("an account could not be scanned", "federation", f.Name, "finding", p.Error())
	}
	home := snap.Share(f.Home())
	s.o.Log.Info("roles scanned", "federation", f.Name, "roles", home.Total)
	return nil
}

// firstScan scans once at the start if nothing is known, or only what is too
// old to count. It lets the probes speak first: a controller may well be started
// in an outage, and then nobody asks IAM.
func (s *engine) firstScan(ctx context.Context, seat *seat) {
	if !s.board.awaitAll(ctx) {
		return
	}
	j := s.jobs(seat)
	j.ledger = nil // no job of the schedule
	for _, f := range s.feds {
		snap, err := s.keeper.LoadRoles(f.Name)
		fresh := err == nil && time.Since(snap.TakenAt) < f.Policy.InventoryMaxAge
		if fresh || !f.HasAccounts() {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.o.Log.Warn("the last scan cannot be read", "federation", f.Name, "error", err)
		}
		j.once(ctx, job{name: "first trust_scan of " + f.Name, run: func(ctx context.Context) error { return s.scan(ctx, seat.use.Record, f) }})
		s.kick(f.Name)
	}
}

// report writes who is ready for which Region into the data folder.
func (s *engine) report() error {
	dir := filepath.Join(s.o.Config.Store.Dir, "reports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of reports: %w", err)
	}
	for _, f := range s.feds {
		path := filepath.Join(dir, "readiness-"+f.Name+".md")
		if err := os.WriteFile(path, []byte(readinessReport(f, s.shares.Shares(f.Name), time.Now().UTC())), 0o600); err != nil {
			return fmt.Errorf("write the readiness report: %w", err)
		}
		s.o.Log.Info("readiness report written", "federation", f.Name, "file", path)
	}
	return nil
}

// readinessReport is the report of one federation as Markdown.
func readinessReport(f federation.Federation, shares []inventory.Share, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Readiness of %s, %s\n\n", f.Name, now.Format(time.RFC3339))
	if len(shares) == 0 {
		b.WriteString("Not known: the roles were never scanned.\n")
		return b.String()
	}
	b.WriteString("| Region | ready | of | excepted | scanned |\n| --- | --- | --- | --- | --- |\n")
	for _, sh := range shares {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s |\n", sh.Region, sh.Ready, sh.Total, sh.Excepted, sh.TakenAt.UTC().Format(time.RFC3339))
	}
	for _, sh := range shares {
		for i, n := range sh.NotReady {
			if i == 0 {
				fmt.Fprintf(&b, "\n## Not ready for %s\n\n", sh.Region)
			}
			fmt.Fprintf(&b, "- `%s`: %s\n", escape.Terminal(n.Subject), escape.Terminal(n.Error()))
		}
	}
	return b.String()
}
