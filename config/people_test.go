package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/people"
)

// The people of the config are what a directory is made of. spec 13.2
func TestWho(t *testing.T) {
	t.Parallel()
	c, err := Load("testdata/good.yaml", Options{SkipSecretFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	digest := func(two string) people.Digest {
		g, err := people.ParseDigest("sha256:" + strings.Repeat(two, 32))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	want := people.Settings{
		People: []people.Person{{Name: "ada", Grants: people.Grants{people.Everywhere: people.Operator, "prod": people.Approver}, Tokens: []people.Digest{digest("a1")},
			Slack: []people.SlackUser{{Team: "T024BE7LD", User: "U2147483697"}}, OIDC: []people.Subject{{Issuer: "https://id.example", Subject: "00u1ada"}},
			Certificates: []people.CertificateID{{Fingerprint: strings.TrimSuffix(strings.Repeat("C3:", 32), ":")}, {Subject: "CN=ada,O=Example"}}, OSUsers: []string{"ada"}}},
		Shared: []people.Shared{{Name: "rundeck", Grants: people.Grants{"prod": people.Operator}, Tokens: []people.Digest{digest("b2")}}},
	}
	if diff := cmp.Diff(want, c.Who()); diff != "" {
		t.Errorf("who (-want +got):\n%s", diff)
	}
	if _, err := people.NewDirectory(c.Who()); err != nil {
		t.Error(err)
	}
	if got := c.GroupsOf("https://id.example"); !cmp.Equal(got, map[string]people.Grants{"platform": {people.Everywhere: people.Viewer}}) || len(c.GroupsOf("https://other.example")) > 0 {
		t.Errorf("groups: %v", got)
	}
}

// spec 15.3: a reload that lowers approvers, or changes who may do what, is said
// to be one.
func TestRiskOfPeople(t *testing.T) {
	t.Parallel()
	parse := func(text string) *Config {
		c, err := Parse("samlfailover.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	two := strings.Replace(small, "regions:", "approvals: 2\n    regions:", 1)
	some := "people:\n  - {name: ada, roles: [{role: approver}], os_users: [ada]}\n  - {name: bob, roles: [{role: approver}], os_users: [bob]}\n  - {name: eve, roles: [{role: approver}], os_users: [eve]}\n"
	other := strings.Replace(some, "os_users: [eve]", "os_users: [mallory]", 1)
	for _, row := range []struct{ before, after, want string }{
		{two + some, small + some, "fewer approvals"},
		{small + some, two + some, ""},
		{small + some, small + other, "who may do what"},
		{small, small + some, "who may do what"},
	} {
		all := Diff(parse(row.before), parse(row.after))
		if len(all) == 0 || !strings.Contains(all[0].Risk, row.want) || row.want == "" && all[0].Risk != "" {
			t.Errorf("want %q: %+v", row.want, all)
		}
	}
	if parse(small+some).Digest() == parse(small+other).Digest() {
		t.Error("who may do what is not in the digest that approvals bind")
	}
}
