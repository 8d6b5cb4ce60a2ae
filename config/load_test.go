package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const small = `tenants:
  - {name: corp, kind: okta, url: "https://corp.okta.com", token: "env:OKTA_TOKEN"}
federations:
  - name: prod
    regions: [us-east-1, us-west-2]
    apps: [{tenant: corp, id: 0oa1}]
`

// write puts a file with this mode into a fresh folder.
func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// spec 2.11: the values that everything else works on.
func TestGoodFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "good.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(path, data)
	if err != nil {
		t.Fatal(err)
	}
	region := signin.MustRegion
	page, err := signin.ParseRelayState("https://us-west-2.console.aws.amazon.com/connect/v2/app/instances")
	if err != nil {
		t.Fatal(err)
	}
	want := []federation.Federation{{
		Name: "prod", Partition: signin.AWS,
		Regions: []signin.Region{region("us-east-1"), region("us-west-2"), region("eu-west-1")},
		Apps:    []federation.AppRef{{Name: "AWS production", Tenant: "corp", ID: "0oa1prod"}, {Name: "On-call console", Tenant: "corp", ID: "0oa2oncall"}},
		Standbys: []federation.Standby{{For: federation.AppRef{Name: "On-call console", Tenant: "corp", ID: "0oa2oncall"}, Region: signin.MustRegion("eu-west-1"),
			App: federation.AppRef{Name: "On-call console (Ireland)", Tenant: "subsidiary", ID: "0oa3ireland"}, Unhide: true}},
		Lead: "On-call console",
		Accounts: []federation.Account{
			{ID: "111122223333", Name: "payments", Providers: []string{"arn:aws:iam::111122223333:saml-provider/Okta"},
				ScanRole: "arn:aws:iam::111122223333:role/failover-scan", EnforceRole: "arn:aws:iam::111122223333:role/ops/failover-enforce", ExternalID: "c0ffee-17"},
			{ID: "044455556666", Providers: []string{"arn:aws:iam::044455556666:saml-provider/Okta"}}},
		Policy: federation.Policy{Mode: federation.Auto, AcceptFewerVantages: true, MinReadyShare: 0.9, MustBeReady: []string{"arn:aws:iam::111122223333:role/OnCall"},
			InventoryMaxAge: 12 * time.Hour, Cooldown: 10 * time.Minute, Budget: 3, Prefer: federation.PreferLatency, Parallel: 8, ApprovalExpires: 30 * time.Minute,
			ShareOver: []string{"arn:aws:iam::111122223333:role/OnCall", "arn:aws:iam::111122223333:role/Admin"},
			Exceptions: []federation.Exception{
				{Role: "arn:aws:iam::111122223333:role/Payroll", Account: "111122223333", Regions: []signin.Region{region("us-west-2")}, Owner: "payroll team", Reason: "data residency", Expires: time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)},
				{Account: "044455556666", Regions: []signin.Region{region("us-west-2"), region("eu-west-1")}, Owner: "legal", Reason: "contract with the works council", Expires: time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)}},
			Relay:   signin.RelayPolicy{SetWhenEmpty: true, Map: []signin.RelayMapping{{Old: "https://corp.my.connect.aws/home", New: page}}},
			OwnedBy: federation.OwnedBy{Names: []string{"tf-*"}, Paths: []string{"/terraform/*"}, Tags: []string{"managed-by=terraform", "cdk:*"}}},
	}, {
		Name: "gov", Partition: signin.GovCloud, Regions: []signin.Region{region("us-gov-west-1"), region("us-gov-east-1")},
		Apps: []federation.AppRef{{Name: "12345", Tenant: "lab", ID: "12345"}}, Lead: "12345",
		Organization: federation.Organization{OUs: []string{"ou-ab12-11112222", "r-ab12"}, Exclude: []string{"111122223333"},
			Role: "arn:aws-us-gov:iam::999988887777:role/organization", ExternalID: "c0ffee-18", Providers: []string{"arn:aws-us-gov:iam::{account}:saml-provider/OneLogin"},
			ScanRole: "arn:aws-us-gov:iam::{account}:role/failover-scan", EnforceRole: "arn:aws-us-gov:iam::{account}:role/failover-enforce", AccountExternalID: "c0ffee-19"},
		Policy: federation.Policy{Mode: federation.Approve, MinReadyShare: 0.95, InventoryMaxAge: 24 * time.Hour, Cooldown: 30 * time.Minute,
			Budget: 2, Prefer: federation.PreferOrder, Parallel: 4, ApprovalExpires: 30 * time.Minute},
	}}
	if diff := cmp.Diff(want, c.Federations(), cmp.Comparer(func(a, b signin.Region) bool { return a == b }),
		cmp.Comparer(func(a, b signin.RelayState) bool { return a == b })); diff != "" {
		t.Errorf("federations differ (-want +got):\n%s", diff)
	}
	dir, _ := filepath.Abs("testdata")
	if c.Dir() != dir || c.Store.Dir != filepath.Join(dir, "state") || c.Network.CAFile != filepath.Join(dir, "ca.pem") {
		t.Errorf("folders: %q %q %q", c.Dir(), c.Store.Dir, c.Network.CAFile)
	}
	if tenant, ok := c.Tenant("corp"); !ok || tenant.URL != "https://corp.okta.com" {
		t.Errorf("tenant: %+v %v", tenant, ok)
	}
	if want := (Health{15 * time.Second, 500 * time.Millisecond, 4 * time.Second, 2, 5, []string{"signin", "sts"}}); !cmp.Equal(want, c.Health) {
		t.Errorf("health: %+v", c.Health)
	}
}

// In the channel in which proposals appear with their buttons a sink does not tell
// them again, unless it is asked to.
func TestSinkBesideTheAnnouncements(t *testing.T) {
	t.Parallel()
	c, err := Load(filepath.Join("testdata", "good.yaml"), Options{SkipSecretFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Notify {
		beside := s.Channel != "" && s.Channel == c.Slack.Announce
		if beside != (s.Name == "channel") || slices.Contains(s.Events, "proposal") != (s.Name == "old-channel" || s.Name == "siem") {
			t.Errorf("%s is told of %v", s.Name, s.Events)
		}
	}
}

// The windows of freeze are points in time, whatever their offset.
func TestFreezes(t *testing.T) {
	t.Parallel()
	c, err := Parse("samlfailover.yaml", []byte(small+"freeze:\n  - {from: 2026-12-20T00:00:00+01:00, until: 2026-12-27T00:00:00Z, why: peak sales}\n"+
		"  - {from: 2027-01-01T00:00:00Z, until: 2027-01-02T00:00:00Z, why: audit, moves: planned, federations: [prod]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []federation.Freeze{{From: time.Date(2026, 12, 19, 23, 0, 0, 0, time.UTC), Until: time.Date(2026, 12, 27, 0, 0, 0, 0, time.UTC), Why: "peak sales"}}
	if got := c.Freezes("other"); len(got) != 1 || !got[0].From.Equal(want[0].From) || !got[0].Until.Equal(want[0].Until) || got[0].Why != want[0].Why {
		t.Errorf("%+v", got)
	}
	if got := c.Freezes("prod"); len(got) != 2 || got[0].Moves != federation.FreezeNoMove || got[1].Moves != federation.FreezePlanned {
		t.Errorf("%+v", got)
	}
}

// Every key left out has the default that the docs name.
func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("samlfailover.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Health{10 * time.Second, time.Second, 5 * time.Second, 3, 6, []string{"signin", "sts", "console"}}); !cmp.Equal(want, c.Health) {
		t.Errorf("health: %+v", c.Health)
	}
	if filepath.Base(c.Store.Dir) != "data" || c.Schedules != (Schedules{TrustScan: "@hourly", Report: "0 7 * * *", AppReads: "@every 5m", TokenCheck: "@every 15m", AuditHead: Off, Drill: Off, HealthCheck: Off}) || !cmp.Equal(c.Network, Network{}) {
		t.Errorf("%+v %+v %+v", c.Store, c.Schedules, c.Network)
	}
}

// spec 15.3
func TestFilesThatOthersCanChangeAreRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes say nothing on Windows")
	}
	for _, c := range []struct {
		mode os.FileMode
		ok   bool
	}{{0o600, true}, {0o644, true}, {0o400, true}, {0o664, false}, {0o646, false}, {0o666, false}, {0o620, false}} {
		t.Run(fmt.Sprintf("config %04o", c.mode), func(t *testing.T) {
			t.Parallel()
			_, err := Load(write(t, "c.yaml", small, c.mode), Options{})
			if (err == nil) != c.ok || !c.ok && !finding.Is(err, finding.ConfigWritable) {
				t.Errorf("got %v", err)
			}
		})
		t.Run(fmt.Sprintf("secret %04o", c.mode), func(t *testing.T) {
			t.Parallel()
			token := write(t, "token", marker, c.mode)
			path := write(t, "c.yaml", strings.Replace(small, "env:OKTA_TOKEN", "file:"+token, 1), 0o600)
			loaded, err := Load(path, Options{})
			if (err == nil) != c.ok || !c.ok && !finding.Is(err, finding.ConfigWritable) {
				t.Fatalf("got %v", err)
			}
			if !c.ok && !strings.HasPrefix(err.Error(), path+":2:") {
				t.Errorf("does not name the line of the reference: %v", err)
			}
			if doubted := err == nil && strings.Contains(fmt.Sprint(loaded.Warnings), "can be read by other users"); doubted != (c.mode == 0o644) {
				t.Errorf("warnings: %v", loaded.Warnings)
			}
			if _, err := Load(path, Options{SkipSecretFiles: true}); err != nil {
				t.Errorf("looked at the secret file all the same: %v", err)
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, path, want string }{
		{"missing", filepath.Join(t.TempDir(), "none.yaml"), "cannot be read: no such file"},
		{"a directory", t.TempDir(), "is a directory; name the file in it"},
		{"too large", write(t, "big.yaml", small+strings.Repeat("#", maxFile), 0o600), "is larger than 1048576 bytes"},
	} {
		_, err := Load(c.path, Options{})
		if err == nil || !strings.HasPrefix(err.Error(), c.path+": "+c.want) && runtime.GOOS != "windows" || !finding.Is(err, finding.ConfigInvalid) {
			t.Errorf("%s: got %v", c.why, err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	env := map[string]string{EnvFile: "/etc/from-env.yaml"}
	if got, err := Find("flag.yaml", env); got != "flag.yaml" || err != nil {
		t.Errorf("the flag comes first: %q %v", got, err)
	}
	if got, err := Find("", env); got != "/etc/from-env.yaml" || err != nil {
		t.Errorf("then the environment: %q %v", got, err)
	}
	got, err := Find("", nil)
	if !finding.Is(err, finding.ConfigInvalid) || !strings.Contains(err.Error(), "./samlfailover.yaml is not there") || got != "" {
		t.Errorf("nothing there: %q %v", got, err)
	}
	if err := os.WriteFile(DefaultFile, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Find("", map[string]string{EnvFile: ""}); got != DefaultFile || err != nil {
		t.Errorf("then the working folder: %q %v", got, err)
	}
}

// spec 15.1: every reference is resolved at once, and no way of printing shows
// a secret.
func TestResolve(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "federations:", "  - {name: lab, kind: okta, url: \"https://lab.okta.com\", token: \"file:lab-token\"}\nfederations:", 1) + `
network: {proxy: "env:PROXY"}
aws: {access_key_id: "env:KEY", secret_access_key: "env:SECRET", session_token: "env:SESSION"}
`
	dir := filepath.Dir(write(t, "lab-token", marker+"5\n", 0o600))
	c, err := Parse(filepath.Join(dir, "c.yaml"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"OKTA_TOKEN": marker + "1", "PROXY": "http://u:" + marker + "@p:1", "KEY": "AKIAIOSFODNN7EXAMPLE", "SECRET": marker + "2", "SESSION": marker + "3"}
	s, err := c.Resolve(secret.Resolver{Env: env, Dir: c.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	if s.Tokens["corp"].Reveal() != marker+"1" || s.Tokens["lab"].Reveal() != marker+"5" || s.AWS.AccessKeyID != env["KEY"] ||
		s.AWS.SecretAccessKey.Reveal() != marker+"2" || s.AWS.SessionToken.Reveal() != marker+"3" || s.Proxy.Reveal() != env["PROXY"] {
		t.Error("a reference resolved to something else")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if out := fmt.Sprintf(verb+" "+verb, s, *c); strings.Contains(out, marker) {
			t.Errorf("%s shows a secret: %s", verb, out)
		}
	}
	_, err = c.Resolve(secret.Resolver{Env: map[string]string{"KEY": "x", "SECRET": marker}, Dir: t.TempDir()})
	var bad *Error
	if !errors.As(err, &bad) || len(bad.Problems) != 4 || strings.Contains(err.Error(), marker) {
		t.Fatalf("want the four references that do not resolve, got %v", err)
	}
	if bad.Problems[0].Path != "network.proxy" || bad.Problems[0].Pos.Line == 0 {
		t.Errorf("no place: %+v", bad.Problems[0])
	}
}

// Files built to exhaust the reader are refused quickly and in plain words.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&bomb, "b%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	accounts := "&acc [" + strings.TrimSuffix(strings.Repeat("{id: 1}, ", 9000), ", ") + "]"
	huge := "federations:\n  - accounts: " + accounts + "\n" + strings.Repeat("  - accounts: *acc\n", 150)
	for _, c := range []struct{ why, text, want string }{
		{"aliases that grow by ten a line, under keys that nobody reads", bomb.String(), "unknown key"},
		{"aliases over the limit", huge, "expands to more than 200000 values"},
		{"an anchor inside itself", "tenants: &x [*x]\n", "expected keys with values, found a list"},
		{"brackets a hundred thousand deep", strings.Repeat("[", 100_000), "is nested too deeply"},
		{"a hundred thousand commas", "[" + strings.Repeat(",", 100_000), "a value is missing"},
	} {
		_, err := Parse("hostile.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.300v", c.why, err)
			continue
		}
		if lines := strings.Count(err.Error(), "\n"); lines > shown {
			t.Errorf("%s: %d lines of errors", c.why, lines)
		}
	}
}

// FuzzParse: no input panics; a refusal names a problem and a remedy; what is
// accepted keeps every promise of the loader.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"bad", "doubt", "."} {
		files, _ := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz.yaml", data)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || len(bad.Problems) == 0 {
				t.Fatalf("an error without a problem: %v", err)
			}
			for _, p := range bad.Problems {
				if p.Message == "" || p.Remedy == "" || p.File != "fuzz.yaml" && !strings.HasPrefix(p.File, "testdata/accounts") {
					t.Fatalf("half a problem: %+v", p)
				}
			}
			return
		}
		holds(t, c, data)
	})
}

// holds checks what Load promises of an accepted config.
func holds(t *testing.T, c *Config, data []byte) {
	t.Helper()
	apps, providers := map[string]bool{}, map[string]bool{}
	for _, f := range c.Federations() {
		if len(f.Regions) < 2 || len(f.Apps) == 0 || f.Lead == "" {
			t.Fatalf("a federation that cannot move: %+v", f)
		}
		if _, ok := f.App(f.Lead); !ok {
			t.Fatalf("the lead is no app: %+v", f)
		}
		for _, r := range f.Regions {
			if r.IsZero() || r.Partition() != f.Partition {
				t.Fatalf("Region %q in partition %q", r, f.Partition)
			}
		}
		for _, a := range f.Apps {
			if _, ok := c.Tenant(a.Tenant); !ok || apps[a.String()] {
				t.Fatalf("app %v has no tenant or two federations", a)
			}
			apps[a.String()] = true
		}
		for _, a := range f.Accounts {
			for _, p := range a.Providers {
				if providers[p] || !strings.Contains(p, a.ID) {
					t.Fatalf("provider %q of account %q", p, a.ID)
				}
				providers[p] = true
			}
		}
	}
	if c.Health.Interval <= 0 || c.Health.Fall < 1 || bytes.Contains(data, []byte{0x1b}) {
		t.Fatalf("accepted: %+v", c.Health)
	}
}

// The data folder is found although the rest of the config has errors, and not
// where the file says nothing that could be it.
func TestStoreDir(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.yaml")
	for _, c := range []struct{ text, want string }{
		{"federations:\n  - mode: atuo\nstore:\n  dir: state\n", "state"},
		{"federations: []\n", "data"},
		{"store: {dir: /var/lib/x}\nnonsense: 1\n", "/var/lib/x"},
		{"store: {dir: ~/x}\n", ""},
		{"store: [\n", ""},
		{"", ""},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		want := c.want
		if want != "" && !filepath.IsAbs(want) {
			want = filepath.Join(filepath.Dir(path), want)
		}
		if got, err := StoreDir(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", c.text, got, err, want)
		}
	}
}
