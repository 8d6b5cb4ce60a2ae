package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// pastWrites reads what trust apply wrote from the audit chains of its runs.
type pastWrites struct{ dir string } // of the runs

// OfRun returns the writes of one run, in their order. A chain that was changed
// is refused: a text that nobody vouches for is not written back (spec 4.3).
func (p pastWrites) OfRun(id string) ([]fleet.Write, error) {
	if !isRunID(id) {
		return nil, notARun(id, p.dir)
	}
	var out []fleet.Write
	err := audit.Read(filepath.Join(p.dir, id, "audit.jsonl"), func(r audit.Record) error {
		if r.Action != control.TrustWritten {
			return nil
		}
		var w fleet.Write
		if err := json.Unmarshal(r.Detail, &w); err != nil || w.Role != r.Subject {
			return fmt.Errorf("record %d holds no write of %s", r.Seq, r.Subject)
		}
		out = append(out, w)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no run %s: %w", id, err)
	}
	return out, err
}

// OfRole returns the last write of a role over all runs; false if there is none.
func (p pastWrites) OfRole(arn string) (fleet.Write, bool, error) {
	runs, err := os.ReadDir(p.dir) // by name, which begins with the time
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fleet.Write{}, false, fmt.Errorf("look for earlier runs: %w", err)
	}
	for i := len(runs) - 1; i >= 0; i-- {
		writes, err := p.OfRun(runs[i].Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // the folder of something else
		}
		if err != nil {
			return fleet.Write{}, false, err
		}
		for j := len(writes) - 1; j >= 0; j-- {
			if writes[j].Role == arn {
				return writes[j], true, nil
			}
		}
	}
	return fleet.Write{}, false, nil
}

func isRunID(id string) bool { return id != "" && id == filepath.Base(id) && id[0] != '.' }

func notARun(id, dir string) error {
	return fmt.Errorf("%q is not the id of a run: it is the name of a folder in %s", id, dir)
}

// appsNow returns the federation's apps, those that stand in for others too, as
// their identity providers hold them now. One that cannot be read is as old as it
// was kept.
func appsNow(fed federation.Federation, kept appKeeper, vendors move.Vendors, log *slog.Logger) func(context.Context) []inventory.AppRead {
	return func(ctx context.Context) []inventory.AppRead {
		return findApps(ctx, fed, kept, vendors, log, 0, len(fed.Standbys) > 0)
	}
}
