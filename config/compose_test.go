package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// found is a federation as discovery drafts it, with names that need care.
func found() Draft {
	return Draft{Notes: []string{"home is us-west-2"}, Federation: federation.Federation{Name: "aws-us-west-2", Partition: signin.AWS,
		Regions: []signin.Region{signin.MustRegion("us-west-2"), signin.MustRegion("us-east-2")},
		Apps: []federation.AppRef{{Name: "AWS: \"dev\" #1", Tenant: "corp", ID: "0oa9"}, {Name: "aws: \"DEV\" #1", Tenant: "corp", ID: "0oa10"},
			{Name: " a space first", Tenant: "corp", ID: "0oa11"}, {Name: "bidi \u202e", Tenant: "corp", ID: "0oa12"}, {Name: "", Tenant: "lab", ID: "77"}, {Name: "0oa9", Tenant: "corp", ID: "0oa13"}},
		Accounts: []federation.Account{{ID: "012345678901", Name: "line\nbreak", Providers: []string{"arn:aws:iam::012345678901:saml-provider/Dev"}, ScanRole: "arn:aws:iam::012345678901:role/scan", ExternalID: "012"}}}}
}

// extended is a configured federation with what was found beside it.
func extended(t *testing.T, c *Config) Draft {
	t.Helper()
	f := c.Federations()[0]
	f.Policy.Mode = federation.Observe
	f.Apps = append(f.Apps[:len(f.Apps):len(f.Apps)], federation.AppRef{Name: "Beside", Tenant: "ping", ID: "3b9f"})
	f.Regions = append(f.Regions[:len(f.Regions):len(f.Regions)], signin.MustRegion("eu-central-1"))
	return Draft{Base: f.Name, Federation: f}
}

func readGood(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parse(filepath.Join("testdata", "good.yaml"), []byte(text), Options{WithoutFederations: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func goodText(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// What is composed loads, says the same of everything but federations, and keeps
// the keys of a federation that it extends.
func TestCompose(t *testing.T) {
	t.Parallel()
	c := readGood(t, goodText(t))
	path := filepath.Join(t.TempDir(), "new.yaml")
	text, err := c.Compose(path, []Draft{extended(t, c), found()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path, Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := *c
	want.Tenants = append([]Tenant(nil), c.Tenants...)
	want.AWS.SessionToken = Ref("file:" + filepath.Join(here, "token.txt"))
	want.Tenants[1].ClientSecret = Ref("file:" + filepath.Join(here, "secrets/lab"))
	want.Tenants[1].Proof.Password = Ref("file:" + filepath.Join(here, "secrets/lab-test-user"))
	want.Tenants[2].OAuth.PrivateKey = Ref("file:" + filepath.Join(here, "secrets/okta-key.pem"))
	same := cmp.Comparer(func(a, b signin.Region) bool { return a == b })
	for name, pair := range map[string][2]any{"network": {want.Network, got.Network}, "aws": {want.AWS, got.AWS}, "tenants": {want.Tenants, got.Tenants},
		"health": {want.Health, got.Health}, "store": {want.Store, got.Store}, "schedules": {want.Schedules, got.Schedules}} {
		if diff := cmp.Diff(pair[0], pair[1], same); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	fs := got.Federations()
	if len(fs) != 2 {
		t.Fatalf("%d federations", len(fs))
	}
	base := c.Federations()[0]
	base.Policy.Mode = federation.Observe
	if f := fs[0]; f.Name != "prod" || f.Lead != "On-call console" || len(f.Apps) != 3 || len(f.Regions) != 4 || len(f.Accounts) != 2 || f.Accounts[0].ExternalID != "c0ffee-17" ||
		!cmp.Equal(f.Policy, base.Policy, same, cmp.Comparer(func(a, b signin.RelayMapping) bool { return a.Old == b.Old && a.New.String() == b.New.String() })) {
		t.Errorf("the extended federation: %+v\nwas: %+v", f, base)
	}
	if f := fs[1]; f.Policy.Mode != federation.Observe || f.Apps[0].Name != "AWS: \"dev\" #1" || f.Apps[1].Name != "0oa10" || f.Apps[2].Name != "0oa11" || f.Apps[3].Name != "0oa12" ||
		f.Apps[4].Name != "77" || f.Apps[5].Name != "0oa13" || f.Accounts[0].ID != "012345678901" || f.Accounts[0].Name != "" || f.Accounts[0].ExternalID != "012" {
		t.Errorf("the new federation: %+v", f)
	}
	if !strings.Contains(string(text), "# home is us-west-2") {
		t.Error("the note is missing")
	}
}

// In the same folder relative paths stay as they are.
func TestComposeBeside(t *testing.T) {
	t.Parallel()
	c := readGood(t, goodText(t))
	text, err := c.Compose(filepath.Join("testdata", "beside.yaml"), []Draft{found()})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ca_file: ca.pem", "file:secrets/lab", "dir: state"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "name: prod") {
		t.Error("a federation that is in no draft was kept")
	}
}

// Nothing secret gets into the new file: comments, which may hold anything, are
// left behind, and references are not resolved.
//
// spec 15.1
func TestComposeKeepsNoSecret(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(goodText(t), "token: env:OKTA_TOKEN", "token: env:OKTA_TOKEN # was "+marker)
	text = "# " + marker + "\n" + strings.ReplaceAll(text, "tenants:\n", "tenants:\n  # "+marker+"\n")
	c := readGood(t, text)
	if _, err := c.Resolve(secret.Resolver{Env: map[string]string{"OKTA_TOKEN": marker, "AWS_SECRET": marker, "PING_SECRET": marker}, Dir: t.TempDir()}); err == nil {
		t.Fatal("the files of the references are there")
	}
	got, err := c.Compose("new.yaml", []Draft{extended(t, c), found()})
	if err != nil || strings.Contains(string(got), marker) || !strings.Contains(string(got), "env:OKTA_TOKEN") {
		t.Errorf("%v\n%s", err, got)
	}
}

// A config without federations is for discovery only, and can be completed.
func TestWithoutFederations(t *testing.T) {
	t.Parallel()
	head, _, _ := strings.Cut(goodText(t), "federations:\n")
	for name, text := range map[string]string{"absent": head, "empty": head + "federations: []\n"} {
		if _, err := Parse("c.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "idp apps") {
			t.Errorf("%s: without the option: %v", name, err)
		}
		c := readGood(t, text)
		if len(c.Federations()) != 0 || len(c.Warnings) != 0 {
			t.Errorf("%s: %d federations, warnings %v", name, len(c.Federations()), c.Warnings)
		}
		if got, err := c.Compose("new.yaml", []Draft{found()}); err != nil {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	if _, err := parse("c.yaml", []byte("aws: {region: us-west-2}\n"), Options{WithoutFederations: true}); err == nil || !strings.Contains(err.Error(), `"tenants"`) {
		t.Errorf("tenants are needed all the same: %v", err)
	}
}

// Saboteurs: drafts that no config may hold make no file.
//
// spec 2.11
func TestComposeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why      string
		sabotage func(*Draft)
		says     string
	}{
		{"one Region", func(d *Draft) { d.Federation.Regions = d.Federation.Regions[:1] }, "at least 2"},
		{"two partitions", func(d *Draft) { d.Federation.Regions[1] = signin.MustRegion("cn-north-1") }, "partition"},
		{"no app", func(d *Draft) { d.Federation.Apps = nil }, "apps"},
		{"an app of no tenant", func(d *Draft) { d.Federation.Apps[0].Tenant = "elsewhere" }, "no tenant"},
		{"an app of another federation", func(d *Draft) { d.Federation.Apps[0].ID = "0oa1prod" }, "exactly one federation"},
		{"a provider of another account", func(d *Draft) { d.Federation.Accounts[0].Providers[0] = "arn:aws:iam::111122223333:saml-provider/X" }, "belongs to account"},
	} {
		cfg := readGood(t, goodText(t))
		d := found()
		c.sabotage(&d)
		if got, err := cfg.Compose("new.yaml", []Draft{extended(t, cfg), d}); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "not made") {
			t.Errorf("%s: %v\n%s", c.why, err, got)
		}
	}
}

// Every key that holds a path or may refer to a file has to come along into
// another folder; a new one is missed here if nobody thought of it.
func TestEveryPathIsKnownToCompose(t *testing.T) {
	t.Parallel()
	var paths, refs []string
	var walk func(typ reflect.Type, at string)
	walk = func(typ reflect.Type, at string) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			path := strings.TrimPrefix(at+"."+f.Tag.Get("yaml"), ".")
			inner := f.Type
			if inner.Kind() == reflect.Slice {
				inner, path = inner.Elem(), path+"[0]"
			}
			switch {
			case strings.Contains(f.Tag.Get("doc"), "relative to this file"):
				paths = append(paths, path)
			case inner == reflect.TypeFor[Ref]() || inner == reflect.TypeFor[KeyID]() || strings.Contains(f.Tag.Get("doc"), "env:NAME or file:PATH"):
				refs = append(refs, path)
			case inner.Kind() == reflect.Struct && f.IsExported() && f.Tag.Get("yaml") != "":
				walk(inner, path)
			}
		}
	}
	walk(reflect.TypeFor[document](), "")
	if diff := cmp.Diff(relativePaths(), paths); diff != "" {
		t.Errorf("paths (-moved along +of the config):\n%s", diff)
	}
	known := map[string]bool{}
	proof := Proof{Password: "file:x", ClientSecret: "file:x"}
	for _, tn := range []Tenant{{Token: "file:x", Proof: proof}, {ClientSecret: "file:x"}, {Secret: "file:x"}, {OAuth: OAuth{PrivateKey: "file:x"}}} {
		c := &Config{Network: Network{Proxy: "file:x"}, AWS: AWS{AccessKeyID: "file:x", SecretAccessKey: "file:x", SessionToken: "file:x"}, Tenants: []Tenant{tn},
			Audit: Audit{Sinks: []AuditSink{{Secret: "file:x"}}}, Store: Store{Key: "file:x", EarlierKeys: []Ref{"file:x"}}, Slack: Slack{SigningSecret: "file:x", NextSigningSecret: "file:x", BotToken: "file:x"},
			Notify: []Sink{{Token: "file:x", WebhookURL: "file:x", RoutingKey: "file:x", Secret: "file:x"}},
			Hooks:  []Hook{{Secret: "file:x", NextSecret: "file:x", Token: "file:x", Password: "file:x"}}}
		for path := range c.references() {
			known[path] = true
		}
	}
	for _, path := range refs {
		if !known[path] {
			t.Errorf("%s may refer to a file, and Config.references does not know it", path)
		}
	}
	if len(refs) < 8 || len(known) < 8 {
		t.Errorf("%d references, %d known: this check is broken", len(refs), len(known))
	}
}
