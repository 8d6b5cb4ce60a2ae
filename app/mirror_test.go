package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store"
	"github.com/samlfailover/samlfailover/store/seal"
)

// lone opens a store of the test's own and leads it.
func lone(t *testing.T) (*store.Store, *store.Term) {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	codec, err := seal.New(secret.New(base64.StdEncoding.EncodeToString(key)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{Name: "one", Seal: codec, Embedded: &store.Embedded{Dir: filepath.Join(t.TempDir(), "store"), Ballast: -1, UnsafeNoSync: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	term, err := s.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, term
}

// What one machine's files know reaches the store, and from there the files of
// another; the newer counts on both ways, and damage is replaced.
func TestMirror(t *testing.T) {
	t.Parallel()
	s, term := lone(t)
	feds := []federation.Federation{corp("corp"), corp("labs")}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	here, there := inventory.Keeper{Dir: t.TempDir()}, inventory.Keeper{Dir: t.TempDir()}
	leader := newMirror(here, term.Inventory(), feds, slog.New(slog.DiscardHandler))
	follower := newMirror(there, s.Inventory(), feds, slog.New(slog.DiscardHandler))
	see := func() { follower.pull(t.Context(), &eyes{store: s}) }
	rolesKept(t, here, "corp", 3, at)
	if err := here.SaveApps(inventory.AppSnapshot{Federation: "corp", TakenAt: at}); err != nil {
		t.Fatal(err)
	}
	leader.push()
	see()
	roles, err := there.LoadRoles("corp")
	apps, appErr := there.LoadApps("corp")
	if err != nil || appErr != nil || len(roles.Accounts[0].Roles) != 3 || !apps.TakenAt.Equal(at) {
		t.Fatalf("the other machine has %+v, %v, %+v, %v", roles, err, apps, appErr)
	}
	if _, err := there.LoadRoles("labs"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("labs was never scanned: %v", err)
	}
	rolesKept(t, there, "corp", 5, at.Add(time.Hour)) // a scan on the other machine
	see()
	if roles, _ = there.LoadRoles("corp"); len(roles.Accounts[0].Roles) != 5 {
		t.Error("an older scan has replaced a newer one in the files")
	}
	newMirror(there, term.Inventory(), feds, slog.New(slog.DiscardHandler)).push() // now it leads
	rolesKept(t, here, "corp", 1, at.Add(time.Minute))
	leader.push()
	if roles, err = s.Inventory().LoadRoles("corp"); err != nil || len(roles.Accounts[0].Roles) != 5 {
		t.Errorf("an older scan has replaced a newer one in the store: %+v, %v", roles, err)
	}
	if err := os.WriteFile(there.RolesPath("corp"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	see()
	if roles, err = there.LoadRoles("corp"); err != nil || len(roles.Accounts[0].Roles) != 5 {
		t.Errorf("a damaged file was not replaced: %+v, %v", roles, err)
	}
}

// What was read of an organization, and what a scan noted, reaches the other
// controllers too.
func TestMirrorOrganization(t *testing.T) {
	t.Parallel()
	s, term := lone(t)
	fed := corp("corp")
	fed.Organization = federation.Organization{All: true}
	feds := []federation.Federation{fed}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	here, there := inventory.Keeper{Dir: t.TempDir()}, inventory.Keeper{Dir: t.TempDir()}
	leader := newMirror(here, term.Inventory(), feds, slog.New(slog.DiscardHandler))
	follower := newMirror(there, s.Inventory(), feds, slog.New(slog.DiscardHandler))
	org := inventory.Organization{Federation: "corp", TakenAt: at, Selection: "all", Management: "1", Accounts: []inventory.OrganizationAccount{{ID: "2", State: "ACTIVE"}}}
	snap := inventory.Snapshot{Federation: "corp", TakenAt: at, Notes: []finding.Finding{{Code: finding.AccountLeftOut, What: "left out"}}}
	for _, err := range []error{here.SaveOrganization(org), here.SaveRoles(snap)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	leader.push()
	follower.pull(t.Context(), &eyes{store: s})
	got, err := there.LoadOrganization("corp")
	if diff := cmp.Diff(org, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if roles, err := there.LoadRoles("corp"); err != nil || len(roles.Notes) != 1 || roles.Notes[0].What != "left out" {
		t.Errorf("%+v %v", roles, err)
	}
	newer := org
	newer.TakenAt, newer.Management = at.Add(time.Hour), "3"
	if err := there.SaveOrganization(newer); err != nil {
		t.Fatal(err)
	}
	follower.pull(t.Context(), &eyes{store: s})
	if got, err := there.LoadOrganization("corp"); err != nil || got.Management != "3" {
		t.Errorf("an older one replaced it: %+v %v", got, err)
	}
}
