package inventory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

var at = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func roles(n int) Snapshot {
	west := signin.MustRegion("us-west-2")
	s := Snapshot{Federation: "corp", TakenAt: at, Accounts: []AccountScan{{ID: "111111111111", ReadAt: at, Calls: 1, Scanned: n}}}
	for range n {
		s.Accounts[0].Roles = append(s.Accounts[0].Roles, Role{Account: "111111111111", ARN: "arn:aws:iam::111111111111:role/r", Name: "r", Path: "/", Trust: `{"a":"<&>"}`,
			Regions: []RegionReadiness{{Region: west, State: NotReady, Finding: &finding.Finding{Code: finding.RoleNotReady, What: "no"}}}})
	}
	return s
}

// comparable Regions and endpoints have unexported fields.
var byValue = cmp.Options{cmp.Comparer(func(a, b signin.Region) bool { return a == b }), cmp.Comparer(func(a, b signin.ACS) bool { return a == b })}

func TestKeeper(t *testing.T) {
	t.Parallel()
	k := Keeper{Dir: filepath.Join(t.TempDir(), "inventory")}
	if _, err := k.LoadRoles("corp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing kept gives %v", err)
	}
	for n := 1; n <= 2; n++ {
		if err := k.SaveRoles(roles(n)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := k.LoadRoles("corp")
	if diff := cmp.Diff(roles(2), got, byValue); err != nil || diff != "" {
		t.Errorf("loaded (%v):\n%s", err, diff)
	}
	if got, err := k.EarlierRoles("corp"); err != nil || len(got.Accounts[0].Roles) != 1 {
		t.Errorf("the earlier copy is %+v (%v)", got, err)
	}
	acs, _ := signin.MustRegion("us-east-1").ACS("")
	apps := AppSnapshot{Federation: "corp", TakenAt: at, Apps: []AppRead{{Ref: federation.AppRef{Name: "a", Tenant: "okta", ID: "0oa1"}, ReadAt: at, ACS: acs,
		ACSText: acs.String(), RelayState: "https://odd\x1b", Movable: true}}}
	if err := k.SaveApps(apps); err != nil {
		t.Fatal(err)
	}
	gotApps, err := k.LoadApps("corp")
	if diff := cmp.Diff(apps, gotApps, byValue); err != nil || diff != "" {
		t.Errorf("loaded apps (%v):\n%s", err, diff)
	}
	entries, err := os.ReadDir(k.Dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(k.Dir); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
}

// Each row is a saboteur of the file: it is refused with a clear error, and the
// copy before it survives the next save.
func TestDamage(t *testing.T) {
	t.Parallel()
	rows := map[string]func(string) string{
		"emptied":         func(string) string { return "" },
		"cut off":         func(s string) string { return s[:len(s)/2] },
		"a value changed": func(s string) string { return strings.Replace(s, "111111111111", "222222222222", 1) },
		"another kind":    func(s string) string { return strings.Replace(s, `"kind":"roles"`, `"kind":"apps"`, 1) },
	}
	for name, damage := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := Keeper{Dir: t.TempDir()}
			for n := 1; n <= 2; n++ {
				if err := k.SaveRoles(roles(n)); err != nil {
					t.Fatal(err)
				}
			}
			path := k.path("corp", kindRoles)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(damage(string(raw))), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := k.LoadRoles("corp"); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("loading says %v", err)
			}
			if err := k.SaveRoles(roles(3)); err != nil {
				t.Fatal(err)
			}
			if got, err := k.EarlierRoles("corp"); err != nil || len(got.Accounts[0].Roles) != 1 {
				t.Errorf("the good copy was replaced by the damaged one: %+v (%v)", got, err)
			}
			if _, err := os.Stat(path + damagedCopy); err != nil {
				t.Error("the damaged file is gone:", err)
			}
		})
	}
}

func TestNamesStayInTheFolder(t *testing.T) {
	t.Parallel()
	k := Keeper{Dir: t.TempDir()}
	seen := map[string]string{}
	for _, name := range []string{"corp", "Corp", "../corp", "a/b", "a_2fb", "ünïcode", strings.Repeat("x", 500), strings.Repeat("x", 501), ".", "con:"} {
		p := k.path(name, kindRoles)
		if filepath.Dir(p) != filepath.Clean(k.Dir) || len(filepath.Base(p)) > 240 {
			t.Errorf("federation %q is kept in %s", name, p)
		}
		if other, taken := seen[p]; taken {
			t.Errorf("%q and %q share a file", name, other)
		}
		seen[p] = name
	}
	if err := k.SaveRoles(Snapshot{}); err == nil {
		t.Error("a snapshot of no federation was kept")
	}
}

func TestKeepOrganization(t *testing.T) {
	t.Parallel()
	k := Keeper{Dir: t.TempDir()}
	if _, err := k.LoadOrganization("corp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing kept gives %v", err)
	}
	want := Organization{Federation: "corp", TakenAt: at, Selection: "all", ID: "o-1", Management: "111111111111", Accounts: []OrganizationAccount{{ID: "222222222222", Name: "a", State: "ACTIVE"}}}
	if err := k.SaveOrganization(want); err != nil {
		t.Fatal(err)
	}
	got, err := k.LoadOrganization("corp")
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if err := os.WriteFile(k.OrganizationPath("corp"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.LoadOrganization("corp"); !errors.Is(err, ErrCorrupt) {
		t.Errorf("damage gives %v", err)
	}
}
