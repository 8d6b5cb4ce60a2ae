package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// Inventory is what inventory.Keeper and the store have in common.
type Inventory interface {
	SaveRoles(inventory.Snapshot) error
	LoadRoles(federation string) (inventory.Snapshot, error)
	EarlierRoles(federation string) (inventory.Snapshot, error)
	SaveApps(inventory.AppSnapshot) error
	LoadApps(federation string) (inventory.AppSnapshot, error)
	EarlierApps(federation string) (inventory.AppSnapshot, error)
}

// RunInventory holds an Inventory to its contract.
func RunInventory(t *testing.T, fresh func(t *testing.T) Inventory) {
	t.Helper()
	run(t, InventoryChecks(), fresh)
}

// InventoryChecks returns the contract.
func InventoryChecks() []Check[Inventory] {
	return []Check[Inventory]{
		{"what was never kept does not exist", inventoryEmpty},
		{"roles come back as they were kept", rolesKept},
		{"apps come back as they were kept", appsKept},
		{"the former copy stays, and only that one", earlierKept},
		{"fewer accounts leave none of the former", fewerAccounts},
		{"federations do not see each other", federationsApart},
		{"an account larger than one value comes back whole", largeAccount},
		{"a snapshot without a federation is refused", namelessRefused},
	}
}

// Roles returns a snapshot of a federation with so many accounts of three roles.
func Roles(name string, accounts int, minute int) inventory.Snapshot {
	at := time.Date(2026, 11, 22, 7, minute, 0, 0, time.UTC)
	out := inventory.Snapshot{Federation: name, TakenAt: at}
	for a := range accounts {
		scan := inventory.AccountScan{ID: fmt.Sprintf("%012d", a+1), ReadAt: at, SizeQuota: 2048, Scanned: 9}
		for r := range 3 {
			scan.Roles = append(scan.Roles, inventory.Role{Account: scan.ID, Name: fmt.Sprintf("role%d", r), Path: "/",
				ARN: fmt.Sprintf("arn:aws:iam::%s:role/role%d", scan.ID, r), Trust: `{"Version": "2012-10-17", "Statement": []}`,
				Regions: []inventory.RegionReadiness{{Region: signin.MustRegion("us-west-2"), State: inventory.Ready}}})
		}
		out.Accounts = append(out.Accounts, scan)
	}
	return out
}

func apps(name string, minute int) inventory.AppSnapshot {
	at := time.Date(2026, 11, 22, 7, minute, 0, 0, time.UTC)
	acs, _ := signin.MustRegion("us-east-1").ACS("")
	return inventory.AppSnapshot{Federation: name, TakenAt: at, Apps: []inventory.AppRead{
		{Ref: federation.AppRef{Name: "a", Tenant: "okta", ID: "0oa1"}, ReadAt: at, Label: "AWS <prod>", ACS: acs, ACSText: "x", Movable: true},
		{Ref: federation.AppRef{Name: "b", Tenant: "okta", ID: "0oa2"}, ReadAt: at}}}
}

// missing wants fs.ErrNotExist.
func missing(what string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s: got error %q, want one that says that nothing is kept", what, fmt.Sprint(err))
}

func inventoryEmpty(_ context.Context, x Inventory) error {
	_, err1 := x.LoadRoles("f")
	_, err2 := x.EarlierRoles("f")
	_, err3 := x.LoadApps("f")
	_, err4 := x.EarlierApps("f")
	return errors.Join(missing("roles", err1), missing("earlier roles", err2), missing("apps", err3), missing("earlier apps", err4))
}

func rolesKept(_ context.Context, x Inventory) error {
	want := Roles("f", 3, 1)
	if err := x.SaveRoles(want); err != nil {
		return err
	}
	got, err := x.LoadRoles("f")
	if err != nil {
		return err
	}
	_, none := x.EarlierRoles("f")
	return errors.Join(same("the roles", got, want), missing("earlier roles after one save", none))
}

func appsKept(_ context.Context, x Inventory) error {
	want := apps("f", 1)
	if err := x.SaveApps(want); err != nil {
		return err
	}
	got, err := x.LoadApps("f")
	if err != nil {
		return err
	}
	_, none := x.LoadRoles("f")
	return errors.Join(same("the apps", got, want), missing("roles after apps", none))
}

func earlierKept(_ context.Context, x Inventory) error {
	for minute := range 4 {
		if err := errors.Join(x.SaveRoles(Roles("f", 2, minute)), x.SaveApps(apps("f", minute))); err != nil {
			return err
		}
	}
	now, err1 := x.LoadRoles("f")
	before, err2 := x.EarlierRoles("f")
	nowApps, err3 := x.LoadApps("f")
	beforeApps, err4 := x.EarlierApps("f")
	return errors.Join(err1, err2, err3, err4, same("the roles", now, Roles("f", 2, 3)), same("the earlier roles", before, Roles("f", 2, 2)),
		same("the apps", nowApps, apps("f", 3)), same("the earlier apps", beforeApps, apps("f", 2)))
}

func fewerAccounts(_ context.Context, x Inventory) error {
	if err := errors.Join(x.SaveRoles(Roles("f", 5, 1)), x.SaveRoles(Roles("f", 1, 2))); err != nil {
		return err
	}
	now, err1 := x.LoadRoles("f")
	before, err2 := x.EarlierRoles("f")
	return errors.Join(err1, err2, same("the roles", now, Roles("f", 1, 2)), same("the earlier roles", before, Roles("f", 5, 1)))
}

func federationsApart(_ context.Context, x Inventory) error {
	names := []string{"f", "F", "f/roles", "f ", "ü", "..", strings.Repeat("long", 40)}
	for i, name := range names {
		if err := x.SaveRoles(Roles(name, 1, i)); err != nil {
			return fmt.Errorf("federation %q: %w", name, err)
		}
	}
	for i, name := range names {
		got, err := x.LoadRoles(name)
		if err != nil {
			return fmt.Errorf("federation %q: %w", name, err)
		}
		if err := same("the roles of "+name, got, Roles(name, 1, i)); err != nil {
			return err
		}
	}
	return nil
}

// largeAccount is larger than any value that etcd takes, even packed: its trust
// policies hold text that does not repeat.
func largeAccount(_ context.Context, x Inventory) error {
	want := Roles("f", 2, 1)
	state := uint32(1)
	for range 1500 {
		text := make([]byte, 2048)
		for i := range text {
			state = state*1664525 + 1013904223
			text[i] = '!' + byte(state>>24)%90
		}
		want.Accounts[0].Roles = append(want.Accounts[0].Roles, inventory.Role{Name: "large", Trust: string(text)})
	}
	if err := x.SaveRoles(want); err != nil {
		return err
	}
	got, err := x.LoadRoles("f")
	if err != nil {
		return err
	}
	return same("the roles", got, want)
}

func namelessRefused(_ context.Context, x Inventory) error {
	if x.SaveRoles(inventory.Snapshot{}) == nil || x.SaveApps(inventory.AppSnapshot{}) == nil {
		return errors.New("a snapshot of no federation is kept")
	}
	return nil
}
