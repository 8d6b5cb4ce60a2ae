package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
)

// shares holds the readiness of each federation from the last scan, in memory:
// a decision never waits for a disk. Safe for concurrent use.
type shares struct {
	keeper inventory.Keeper
	feds   []federation.Federation
	log    *slog.Logger

	mu   sync.Mutex
	have map[string][]inventory.Share
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
		snap, err := s.keeper.LoadRoles(f.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			s.log.Warn("the last scan of roles cannot be read; readiness is unknown until the next one", "federation", f.Name, "error", err)
			continue
		}
		s.keep(f, snap)
	}
}

func (s *shares) keep(f federation.Federation, snap inventory.Snapshot) {
	var out []inventory.Share
	for _, r := range f.Regions {
		out = append(out, snap.Share(r))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have == nil {
		s.have = map[string][]inventory.Share{}
	}
	s.have[f.Name] = out
}
