package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/store"
)

// mirrorEvery is how often files and store are compared.
const mirrorEvery = 2 * time.Second

// mirror keeps the inventory files of this machine and the store's inventory
// alike. The files are what the trust commands write and what is left when the
// store is gone; the store is what the next leader knows. A move never waits for
// it.
type mirror struct {
	file  inventory.Keeper
	store *store.Inventory
	feds  []federation.Federation
	log   *slog.Logger
	seen  map[string]time.Time // modification times of the files that are in the store
	told  bool                 // that something could not be copied
}

func newMirror(file inventory.Keeper, s *store.Inventory, feds []federation.Federation, log *slog.Logger) *mirror {
	return &mirror{file: file, store: s, feds: feds, log: log, seen: map[string]time.Time{}}
}

// run copies in one direction until ctx ends.
func (m *mirror) run(ctx context.Context, copyAll func()) {
	tick := time.NewTicker(mirrorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			copyAll()
		}
	}
}

// pull puts what the store knows better into the files. Without a majority the
// store knows nothing that is newer.
func (m *mirror) pull(ctx context.Context, e *eyes) {
	if r, err := e.look(ctx); err != nil || r.Stale {
		return
	}
	for _, f := range m.feds {
		m.note(f, m.pullRoles(f.Name))
		m.note(f, m.pullApps(f.Name))
		m.note(f, m.pullOrganization(f))
	}
}

func (m *mirror) pullRoles(name string) error {
	at, err := m.store.TakenAt(name)
	if err != nil {
		return err
	}
	if have, err := m.file.LoadRoles(name); err == nil && !at.After(have.TakenAt) {
		return nil
	}
	snap, err := m.store.LoadRoles(name)
	if err != nil {
		return err
	}
	return m.file.SaveRoles(snap)
}

func (m *mirror) pullApps(name string) error {
	snap, err := m.store.LoadApps(name)
	if err != nil {
		return err
	}
	if have, err := m.file.LoadApps(name); err == nil && !snap.TakenAt.After(have.TakenAt) {
		return nil
	}
	return m.file.SaveApps(snap)
}

func (m *mirror) pullOrganization(f federation.Federation) error {
	if !f.Organization.Used() {
		return nil
	}
	org, err := m.store.LoadOrganization(f.Name)
	if err != nil {
		return err
	}
	if have, err := m.file.LoadOrganization(f.Name); err == nil && !org.TakenAt.After(have.TakenAt) {
		return nil
	}
	return m.file.SaveOrganization(org)
}

// push puts files that were written since into the store.
func (m *mirror) push() {
	for _, f := range m.feds {
		m.note(f, m.fresh(m.file.RolesPath(f.Name), func() error { return m.pushRoles(f.Name) }))
		m.note(f, m.fresh(m.file.AppsPath(f.Name), func() error { return m.pushApps(f.Name) }))
		m.note(f, m.fresh(m.file.OrganizationPath(f.Name), func() error { return m.pushOrganization(f.Name) }))
	}
}

// fresh runs f for a file that was written since it last ended well.
func (m *mirror) fresh(path string, f func() error) error {
	info, statErr := os.Stat(path)
	if statErr != nil || info.ModTime().Equal(m.seen[path]) {
		return nil //nolint:nilerr // nothing to copy; who wrote the file tells of its trouble
	}
	if err := f(); err != nil {
		return err
	}
	m.seen[path] = info.ModTime()
	return nil
}

func (m *mirror) pushRoles(name string) error {
	snap, err := m.file.LoadRoles(name)
	if err != nil {
		return err
	}
	if at, err := m.store.TakenAt(name); err == nil && !snap.TakenAt.After(at) {
		return nil
	}
	return m.store.SaveRoles(snap)
}

func (m *mirror) pushApps(name string) error {
	snap, err := m.file.LoadApps(name)
	if err != nil {
		return err
	}
	if have, err := m.store.LoadApps(name); err == nil && !snap.TakenAt.After(have.TakenAt) {
		return nil
	}
	return m.store.SaveApps(snap)
}

func (m *mirror) pushOrganization(name string) error {
	org, err := m.file.LoadOrganization(name)
	if err != nil {
		return err
	}
	if have, err := m.store.LoadOrganization(name); err == nil && !org.TakenAt.After(have.TakenAt) {
		return nil
	}
	return m.store.SaveOrganization(org)
}

// note says once that something could not be copied; what was never kept is no
// trouble.
func (m *mirror) note(f federation.Federation, err error) {
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
	case !m.told:
		m.told = true
		m.log.Warn("the inventory in the store and the files of this machine cannot be brought together; both go on by themselves", "federation", f.Name, "error", err)
	}
}
