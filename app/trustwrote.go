package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// lastWrites reads the last write of each role from the audit chains of all runs
// in a folder, those of restores too. A run whose chain was changed is named in
// the error; what the others wrote is returned all the same.
func lastWrites(dir string) control.LastWrites {
	return func() (map[string]control.LastWrite, error) {
		out := map[string]control.LastWrite{}
		runs, err := runsIn(dir)
		for _, id := range runs {
			err = errors.Join(err, addWrites(out, dir, id))
		}
		return out, err
	}
}

// runsIn lists the runs in a folder, oldest first: their names begin with the
// time.
func runsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for trust runs: %w", err)
	}
	var out []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name(), runAudit)); err == nil && isRunID(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// runAudit is the audit record's file in a run's folder.
const runAudit = "audit.jsonl"

func addWrites(out map[string]control.LastWrite, dir, id string) error {
	done := readBack(filepath.Join(dir, id, trustJournalName))
	return audit.Read(filepath.Join(dir, id, runAudit), func(r audit.Record) error {
		if r.Action != control.TrustWritten && r.Action != control.TrustRestored {
			return nil
		}
		var w fleet.Write
		if err := json.Unmarshal(r.Detail, &w); err != nil || w.Role != r.Subject {
			return fmt.Errorf("record %d holds no write of %s", r.Seq, r.Subject)
		}
		out[w.Role] = control.LastWrite{Write: w, Run: id, At: r.Time, Done: done[w.Role]}
		return nil
	})
}

// readBack are the roles of which a run's journal says that their write was read
// back. A journal that cannot be read says so of none: then nothing is claimed of
// roles that are as before.
func readBack(path string) map[string]bool {
	out := map[string]bool{}
	past, err := trustJournal{path}.look()
	if err != nil {
		return out
	}
	for arn, e := range past.roles {
		out[arn] = e.Outcome != nil && e.Outcome.State == fleet.Written
	}
	return out
}

// unfinished lists the runs of a federation that were cut off: their record says
// that they began to apply a plan, and not how that ended.
func unfinished(dir, federation string) ([]string, error) {
	runs, err := runsIn(dir)
	var out []string
	for _, id := range runs {
		open := false
		bad := audit.Read(filepath.Join(dir, id, runAudit), func(r audit.Record) error {
			switch {
			case r.Subject != federation:
			case r.Action == control.TrustBegun:
				open = true
			case r.Action == control.TrustEnded:
				open = false
			}
			return nil
		})
		if err = errors.Join(err, bad); open && bad == nil {
			out = append(out, id)
		}
	}
	return out, err
}
