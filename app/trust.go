package app

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// inventoryDir is where snapshots lie in the data folder.
func inventoryDir(dataDir string) string { return filepath.Join(dataDir, "inventory") }

// TrustRun is one run of a trust command: the use cases, and where its own
// audit record lies.
type TrustRun struct {
	control.Trust
	ID        string // of the run; trust apply --resume takes it
	AuditPath string
	// Resumed is the run that this one goes on with, nil for a new one.
	Resumed *ResumedTrust
	close   func() error
}

// ResumedTrust is what an earlier run was asked for and did.
type ResumedTrust struct {
	Plan    fleet.TrustPlan
	Ticket  string
	Earlier map[string]fleet.Earlier // by role ARN
}

// Close ends the run.
func (r *TrustRun) Close() error { return r.close() }

// OpenTrust builds the trust use cases of one federation ("" while there is
// exactly one). A run keeps an audit chain of its own under runs/, because the
// main one belongs to a controller that may be running.
func OpenTrust(s Setup, name string, actor control.Actor, progress func(fleet.Progress)) (*TrustRun, error) {
	return openTrust(s, name, "", actor, progress)
}

// ResumeTrust is OpenTrust for going on with the earlier run of this id.
func ResumeTrust(s Setup, name, id string, actor control.Actor, progress func(fleet.Progress)) (*TrustRun, error) {
	if !isRunID(id) {
		return nil, notARun(id, runsDir(s.Config.Store.Dir))
	}
	path := filepath.Join(runsDir(s.Config.Store.Dir), id, trustJournalName)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("there is no run %s to resume: %w", id, err)
	}
	return openTrust(s, name, id, actor, progress)
}

// trustJournalName is the journal's file in a run's folder.
const trustJournalName = "journal.jsonl"

func runsDir(dataDir string) string { return filepath.Join(dataDir, "runs") }

func openTrust(s Setup, name, resume string, actor control.Actor, progress func(fleet.Progress)) (*TrustRun, error) {
	fed, err := control.Pick(s.Config.Federations(), name)
	if err != nil {
		return nil, err
	}
	if !fed.HasAccounts() {
		return nil, fmt.Errorf("federation %s lists no accounts, so there are no trust policies to look at; add accounts: or organization: to %s", fed.Name, s.Config.Path())
	}
	secrets, network, err := s.open()
	if err != nil {
		return nil, err
	}
	base, err := access(s, secrets, network)
	if err != nil {
		network.Close()
		return nil, err
	}
	tenants, err := vendors(s.Config, secrets, network, s.Log)
	if err != nil {
		network.Close()
		return nil, err
	}
	keeper := inventory.Keeper{Dir: inventoryDir(s.Config.Store.Dir)}
	fl, err := newFleet(s, fed, base, keeper, lastApps(fed, keeper, tenants, s.Log), progress)
	if err != nil {
		network.Close()
		return nil, err
	}
	id := cmp.Or(resume, time.Now().UTC().Format("20060102T150405.000000Z")+"-trust")
	dir := filepath.Join(runsDir(s.Config.Store.Dir), id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		network.Close()
		return nil, fmt.Errorf("make the folder of this run: %w", err)
	}
	log, err := audit.Open(audit.Options{Path: filepath.Join(dir, "audit.jsonl")})
	if err != nil {
		network.Close()
		return nil, err
	}
	journal := trustJournal{filepath.Join(dir, trustJournalName)}
	var past *ResumedTrust
	if resume != "" {
		was, err := journal.load()
		if err != nil {
			network.Close()
			return nil, errors.Join(err, log.Close())
		}
		past = &ResumedTrust{Plan: was.plan, Ticket: was.ticket, Earlier: was.roles}
	}
	fed = withKept([]federation.Federation{fed}, keeper, s.Log)[0]
	return &TrustRun{
		Trust: control.Trust{Federation: fed, Fleet: fl, Keeper: keeper, Record: log, Journal: journal, Freezes: s.Config.Freezes(fed.Name), Actor: actor,
			Past: pastWrites{runsDir(s.Config.Store.Dir)}, Wrote: lastWrites(runsDir(s.Config.Store.Dir)), AppsNow: appsNow(fed, keeper, tenants, s.Log)},
		ID:        id,
		AuditPath: filepath.Join(dir, "audit.jsonl"),
		Resumed:   past,
		close: func() error {
			network.Close()
			return errors.Join(log.Close(), dropIfUnused(dir))
		},
	}, nil
}

// dropIfUnused removes the folder of a run that recorded nothing.
func dropIfUnused(dir string) error {
	info, err := os.Stat(filepath.Join(dir, "audit.jsonl"))
	if err == nil && info.Size() == 0 {
		return os.RemoveAll(dir)
	}
	return nil
}
