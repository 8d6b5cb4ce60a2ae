package storetest

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/store/memory"
)

// The twins: files for the inventory and the audit record, memory for
// observations.
func files(t *testing.T) Inventory { return inventory.Keeper{Dir: t.TempDir()} }

func inMemory(*testing.T) Observations { return &memory.Observations{} }

// auditFile is the audit record in a file.
type auditFile struct {
	*audit.Log
	path string
}

func (f auditFile) Head(context.Context) (audit.Head, error) { return f.Log.Head(), nil }

func (f auditFile) Read(_ context.Context, visit func(audit.Record) error) error {
	return audit.Read(f.path, visit)
}

func file(t *testing.T) Audit {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return auditFile{l, path}
}

func TestTwins(t *testing.T) {
	t.Parallel()
	RunInventory(t, files)
	RunObservations(t, inMemory)
	RunAudit(t, file)
}

// refuses wants a check whose name begins so to refuse the saboteur.
func refuses[T any](t *testing.T, checks []Check[T], name, refused string, fresh func() T) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		for _, c := range checks {
			if strings.HasPrefix(c.Name, refused) {
				if c.Run(t.Context(), fresh()) == nil {
					t.Errorf("check %q lets the saboteur pass", c.Name)
				}
				return
			}
		}
		t.Errorf("there is no check %q", refused)
	})
}

// right is the right one inside a wrong one.
type right = Observations

// The saboteurs: each is wrong in one way.
type (
	noEarlier  struct{ Inventory }
	oneForAll  struct{ Inventory }
	mixesUp    struct{ Inventory }
	firstOnly  struct{ right }
	noRing     struct{ right }
	anyRegion  struct{ right }
	ownNumbers struct{ Audit }
	dropsSome  struct{ Audit }
)

func (i noEarlier) EarlierRoles(f string) (inventory.Snapshot, error) { return i.LoadRoles(f) }

func (i oneForAll) SaveRoles(s inventory.Snapshot) error {
	s.Federation = "one"
	return i.Inventory.SaveRoles(s)
}

func (i oneForAll) LoadRoles(string) (inventory.Snapshot, error) { return i.Inventory.LoadRoles("one") }

func (i mixesUp) LoadRoles(f string) (inventory.Snapshot, error) {
	s, err := i.Inventory.LoadRoles(f)
	before, _ := i.EarlierRoles(f)
	if len(before.Accounts) > len(s.Accounts) {
		s.Accounts = append(s.Accounts, before.Accounts[len(s.Accounts):]...)
	}
	return s, err
}

func (o firstOnly) Observe(ctx context.Context, all []health.Observation) error {
	if have, _ := o.right.Observations(ctx); len(have) > 0 {
		return nil
	}
	return o.right.Observe(ctx, all)
}

func (o noRing) KeepBuckets(ctx context.Context, all []health.Bucket) error {
	var day []health.Bucket
	for _, b := range all {
		if b.Start.Day() == 22 {
			day = append(day, b)
		}
	}
	return o.right.KeepBuckets(ctx, day)
}

func (o anyRegion) Buckets(ctx context.Context, r signin.Region, since time.Time) ([]health.Bucket, error) {
	one, err := o.right.Buckets(ctx, r, since)
	two, _ := o.right.Buckets(ctx, signin.MustRegion("us-east-2"), since)
	return append(one, two...), err
}

func (a ownNumbers) Head(ctx context.Context) (audit.Head, error) {
	h, err := a.Audit.Head(ctx)
	h.Seq++
	return h, err
}

func (a dropsSome) Record(ctx context.Context, actor, action, subject string, detail any) error {
	if subject == "3" {
		return nil
	}
	return a.Audit.Record(ctx, actor, action, subject, detail)
}

func TestSaboteursAreRefused(t *testing.T) {
	t.Parallel()
	inv, obs, aud := InventoryChecks(), ObservationChecks(), AuditChecks()
	refuses(t, inv, "the present copy for the earlier", "the former copy", func() Inventory { return noEarlier{files(t)} })
	refuses(t, inv, "one place for all federations", "federations", func() Inventory { return oneForAll{files(t)} })
	refuses(t, inv, "accounts of the former snapshot", "fewer accounts", func() Inventory { return mixesUp{files(t)} })
	refuses(t, obs, "only the first observation", "the newest", func() Observations { return firstOnly{inMemory(t)} })
	refuses(t, obs, "only one day", "history is a ring", func() Observations { return noRing{inMemory(t)} })
	refuses(t, obs, "other Regions too", "history comes back", func() Observations { return anyRegion{inMemory(t)} })
	refuses(t, aud, "a head of its own", "records come back", func() Audit { return ownNumbers{file(t)} })
	refuses(t, aud, "acknowledges what it drops", "many at once", func() Audit { return dropsSome{file(t)} })
}
