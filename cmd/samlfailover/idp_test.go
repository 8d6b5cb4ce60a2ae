package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/okta"
)

// found is what the tests read of the JSON answer.
type found struct {
	Apps              []foundApp
	Orphans, Problems []struct{ Code, Subject, Why string }
	Federations       []struct{ Base string }
}

// foundApp is one app of it.
type foundApp struct {
	Tenant, ID, Label, Kind, Region, Topology, Federation string
	ACS                                                   string `json:"acs_text"`
	RelayState                                            string `json:"relay_state"`
	Movable                                               bool
	Findings                                              []struct{ Code, Why string }
	Providers                                             []struct {
		Account, Provider string
		Roles             []string
	}
}

func decoded(t *testing.T, r ran) found {
	t.Helper()
	var out found
	if err := json.Unmarshal([]byte(r.out), &out); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, r.out, r.err)
	}
	return out
}

// withoutFederations returns the environment with a config that has none, and
// the --account flags that make up for it.
func (l *lived) withoutFederations(t *testing.T) (env map[string]string, flags []string) {
	t.Helper()
	text, err := os.ReadFile(l.env["SAMLFAILOVER_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(l.dir, "bare.yaml")
	// Without a Region for STS too: the one of the config, and those of federations.
	bare := regexp.MustCompile(`(?m)^federations:\n(?:[ #].*\n)+|^  region: .*\n`).ReplaceAll(text, nil)
	if err := os.WriteFile(path, bare, 0o600); err != nil {
		t.Fatal(err)
	}
	env = maps.Clone(l.env)
	env["SAMLFAILOVER_CONFIG"] = path
	for _, a := range l.Demo().Accounts {
		flags = append(flags, "--account", a.ID+"="+a.ScanRole)
	}
	return env, flags
}

// Every app of the world is found with what its makers meant, by rights to read
// and without a change.
//
// spec 2.10
func TestIdPApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.state()
	r := cli(t, w.env, "idp", "apps", "--output", "json")
	r.wants(t, exitDone)
	got := decoded(t, r)
	for _, a := range w.Demo().Apps {
		at := slices.IndexFunc(got.Apps, func(x foundApp) bool { return x.ID == a.ID })
		if at < 0 {
			t.Errorf("app %s was not found", a.Label)
			continue
		}
		x, roles := got.Apps[at], 0
		for _, role := range w.Demo().Roles {
			if role.Account == a.Account {
				roles++
			}
		}
		if x.Label != a.Label || x.Region != "us-east-1" || x.ACS != a.ACS.String() || x.RelayState != a.RelayState || !x.Movable || x.Topology != "one-app-per-account" ||
			len(x.Providers) != 1 || x.Providers[0].Provider != a.Provider || x.Providers[0].Account != a.Account || len(x.Providers[0].Roles) != roles {
			t.Errorf("%s: %+v, want %d roles", a.Label, x, roles)
		}
	}
	if len(got.Orphans) != 0 || len(got.Problems) != 0 || len(got.Federations) != 1 || got.Federations[0].Base == "" {
		t.Errorf("orphans %v, problems %v, federations %v", got.Orphans, got.Problems, got.Federations)
	}
	if !maps.Equal(before, w.state()) || len(w.writes()) > 0 {
		t.Errorf("something was written: %v", w.writes())
	}
	text := cli(t, w.env, "idp", "apps")
	text.wants(t, exitDone, "TOPOLOGY", "one app per account", "RelayState", "Everything could be read, and everything has its counterpart.")
}

// Before there is a federation: apps alone, then with accounts, then a config
// that the other commands take.
func TestIdPAppsBeforeThereIsAFederation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env, flags := w.withoutFederations(t)
	cli(t, env, "idp", "apps").wants(t, exitDone, w.Demo().Apps[0].Label, "No account was looked at")
	for _, other := range [][]string{{"check"}, {"serve"}, {"trust", "scan"}} {
		cli(t, env, other...).wants(t, exitFailed, `the key "federations" is missing`, "samlfailover idp apps finds them")
	}
	file := filepath.Join(t.TempDir(), "found.yaml") // another folder: paths must still lead to the same files
	cli(t, env, "idp", "apps", "--write-config", file).wants(t, exitFailed, "no config was written", "--account")
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a config was written all the same")
	}
	cli(t, env, append([]string{"idp", "apps", "--write-config", file}, flags...)...).wants(t, exitDone, "config written to "+file)
	c, err := config.Load(file, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fs := c.Federations()
	if len(fs) != 1 || fs[0].Policy.Mode != federation.Observe || fs[0].Home().String() != "us-east-1" || len(fs[0].Regions) != 2 || len(fs[0].Apps) != len(w.Demo().Apps) ||
		len(fs[0].Accounts) != len(w.Demo().Accounts) || fs[0].Accounts[0].ScanRole != w.Demo().Accounts[0].ScanRole {
		t.Errorf("%+v", fs)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{w.Demo().Controller.SecretKey}
	for _, tn := range w.Demo().Tenants {
		secrets = append(secrets, tn.Secret)
	}
	for _, secret := range secrets {
		if strings.Contains(string(raw), secret) {
			t.Error("the config holds a secret")
		}
	}
	// The world's standby is the one that its roles admit.
	if !fs[0].Allows(w.Demo().Regions[1]) && !fs[0].Allows(w.Demo().Regions[2]) {
		t.Errorf("Regions %v: no role admits the standby", fs[0].Regions)
	}
	cli(t, env, "check", "-c", file).wants(t, exitDone, "every app can be moved")
	cli(t, env, "trust", "scan", "-c", file).wants(t, exitDone)
	cli(t, env, append([]string{"idp", "apps", "--write-config", file}, flags...)...).wants(t, exitUsage, "is there already and is not replaced")
	if now, err := os.ReadFile(file); err != nil || string(now) != string(raw) {
		t.Error("the file was replaced")
	}
	// Extending a config keeps what it says.
	again := filepath.Join(t.TempDir(), "again.yaml")
	cli(t, w.env, "idp", "apps", "--write-config", again, "--output", "json").wants(t, exitDone, `"apps"`)
	if c, err = config.Load(again, config.Options{}); err != nil {
		t.Fatal(err)
	}
	f := c.Federations()[0]
	if f.Name != "workforce" || f.Policy.Mode != federation.Observe || f.Policy.MinReadyShare != 0.9 || len(f.Policy.OwnedBy.Tags) != 1 || f.Accounts[0].EnforceRole == "" {
		t.Errorf("the extended federation: %+v", f)
	}
}

// Saboteurs of the world: each must be named, and hide nothing else.
func TestIdPAppsNamesOrphans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	demo := w.Demo()
	stray, err := w.Org().AddSAMLApp("Stray", okta.AppSettings{ACS: demo.Apps[0].ACS.String(), Audience: "urn:amazon:webservices"})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := w.Org().AddSAMLApp("Gone", okta.AppSettings{ACS: demo.Apps[0].ACS.String()})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := w.Org().Metadata(gone)
	if err != nil {
		t.Fatal(err)
	}
	account, ok := w.Cloud().Account("aws", demo.Accounts[0].ID)
	if !ok {
		t.Fatal("no account")
	}
	old, err := account.PutProvider("Old", []byte(strings.Replace(string(metadata), "http://www.okta.com/", "http://old.example/", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := account.PutRole(aws.Role{Name: "left-over", Path: "/", Trust: fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}}]}`, old)}); err != nil {
		t.Fatal(err)
	}
	env := w.edited(t, `id: "`+demo.Apps[1].ID, `id: "0oanobody`, "arn:aws:iam::"+demo.Accounts[1].ID+":role/samlfailover-scan", "arn:aws:iam::"+demo.Accounts[1].ID+":role/nobody")
	r := cli(t, env, "idp", "apps", "--output", "json")
	r.wants(t, exitFailed)
	got := decoded(t, r)
	var codes []string
	for _, o := range got.Orphans {
		codes = append(codes, o.Code+" "+o.Subject)
	}
	all := strings.Join(codes, "\n")
	for _, want := range []string{"app-without-provider app Stray (" + stray, "app-without-provider app Gone", "provider-without-app " + old,
		"role-without-app arn:aws:iam::" + demo.Accounts[0].ID + ":role/left-over", "app-not-found app " + demo.Apps[1].Label} {
		if !strings.Contains(all, want) {
			t.Errorf("not named: %s\nfound:\n%s", want, all)
		}
	}
	if len(got.Problems) != 1 || got.Problems[0].Code != "account-unreadable" || !strings.Contains(got.Problems[0].Subject, demo.Accounts[1].ID) {
		t.Errorf("problems %+v", got.Problems)
	}
	for _, o := range got.Orphans {
		if o.Code == "app-without-provider" && !strings.Contains(o.Why, demo.Accounts[1].ID) {
			t.Errorf("it is not said that an account is missing: %s", o.Why)
		}
	}
	if len(got.Apps[0].Providers) != 1 {
		t.Errorf("the first app lost its provider: %+v", got.Apps[0])
	}
	cli(t, env, "idp", "apps").wants(t, exitFailed, "Without a counterpart:", "Could not be read", "left-over", "nobody can sign in to the role")
}

func TestIdPAppsFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why, says string
		args      []string
	}{
		{"eleven digits", "twelve digits", []string{"--account", "11112222333"}},
		{"a name", "twelve digits", []string{"--account", "production=arn:aws:iam::111122223333:role/r"}},
		{"a role of another account", "a role in that account", []string{"--account", "111122223333=arn:aws:iam::444455556666:role/r"}},
		{"a role's name only", "a role in that account", []string{"--account", "111122223333=scan"}},
		{"an empty role", "a role in that account", []string{"--account", "111122223333="}},
		{"twice", "given twice", []string{"--account", "111122223333", "--account", "111122223333"}},
		{"a terminal escape", `\x1b`, []string{"--account", "\x1b[31m"}},
		{"a file that is there", "is not replaced", []string{"--write-config", "idp_test.go"}},
	} {
		r := cli(t, nil, append([]string{"idp", "apps"}, c.args...)...)
		if r.code != exitUsage || !strings.Contains(r.err, c.says) || strings.Contains(r.err, "\x1b") {
			t.Errorf("%s: exit code %d, %s", c.why, r.code, r.err)
		}
	}
	cli(t, nil, "idp").wants(t, exitDone, "apps")
	cli(t, map[string]string{"SAMLFAILOVER_CONFIG": filepath.Join(t.TempDir(), "none.yaml")}, "idp", "apps").wants(t, exitFailed, "cannot be read")
}
