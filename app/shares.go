package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
)

// shares holds what the last scan saw of each federation, in memory:
// a decision never waits for a disk. Safe for concurrent use.
type shares struct {
	keeper inventory.Keeper
	feds   []federation.Federation
	log    *slog.Logger

	mu   sync.Mutex
	have map[string][]inventory.Share
	idps map[string][]inventory.Provider // by federation
	read map[string]time.Time            // modification time of what was loaded
	// until is when the shares change by themselves: an exception ends, and what
	// it kept out counts again (spec 5.6).
	until map[string]time.Time
}

func newShares(k inventory.Keeper, feds []federation.Federation, log *slog.Logger) *shares {
	return &shares{keeper: k, feds: feds, log: log, have: map[string][]inventory.Share{}, idps: map[string][]inventory.Provider{}, read: map[string]time.Time{}, until: map[string]time.Time{}}
}

// Shares implements controller.Shares.
func (s *shares) Shares(federation string) []inventory.Share {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have[federation]
}

// load reads what is kept of every federation; another process (trust scan,
// trust apply) may have written it.
func (s *shares) load() {
	for _, f := range s.feds {
		s.loadOne(f)
	}
}

func (s *shares) loadOne(f federation.Federation) {
	if info, err := os.Stat(s.keeper.RolesPath(f.Name)); err == nil {
		s.mu.Lock()
		s.read[f.Name] = info.ModTime()
		s.mu.Unlock()
	}
	snap, err := s.keeper.LoadRoles(f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		s.log.Warn("the last scan of roles cannot be read; readiness is unknown until the next one", "federation", f.Name, "error", err)
		return
	}
	s.keep(f, snap)
}

// reloadEvery is how often the kept scans are looked at: trust scan and trust
// apply are processes of their own.
const reloadEvery = time.Second

// watch loads the kept scans again when another process has written them, and
// says so to the loops.
func (s *shares) watch(ctx context.Context, changed func(federation string)) {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, f := range s.feds {
			if s.stale(f.Name) {
				s.loadOne(f)
				changed(f.Name)
			}
		}
	}
}

// stale reports whether the kept scan is another one than ours, or ours counts
// otherwise by now.
func (s *shares) stale(name string) bool {
	info, err := os.Stat(s.keeper.RolesPath(name))
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.until[name]
	return !info.ModTime().Equal(s.read[name]) || !end.IsZero() && !time.Now().Before(end)
}

func (s *shares) keep(f federation.Federation, snap inventory.Snapshot) {
	now := time.Now()
	out := inventory.Shares(snap, f, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have[f.Name], s.idps[f.Name], s.until[f.Name] = out, providersIn(snap), f.Policy.NextExpiry(now)
}

// providers returns the SAML providers that the last scan of a federation saw.
func (s *shares) providers(federation string) []inventory.Provider {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idps[federation]
}
