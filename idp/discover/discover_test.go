package discover

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// row is one world and what must be found in it.
type row struct {
	name string
	in   Input
	want []string
	why  string
}

func rows() []row {
	okta, ping := []inventory.Provider{provider(one, "Okta", "urn:a", "c1")}, provider(one, "Ping", "urn:p", "c2")
	unread := inventory.Provider{ARN: arn(one, "Okta"), Error: &finding.Finding{Code: finding.ProviderUnreadable, Subject: arn(one, "Okta"), What: "x", Why: "x", Remedy: "x"}}
	return []row{
		{"one app per account", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"))},
			Scans: []inventory.AccountScan{scan(one, okta, role(one, "r", home(), arn(one, "Okta")))}},
			[]string{"app a: one-app-per-account 1/Okta(1)", "draft aws-us-east-1 [us-east-1 us-west-2]: a; 1/Okta"}, "issuer and certificate fit"},
		{"one app, many accounts", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"))},
			Scans: []inventory.AccountScan{scan(one, okta), scan(two, []inventory.Provider{provider(two, "Okta", "urn:a", "c0", "c1")})}},
			[]string{"app a: one-app-many-accounts 1/Okta(0) 2/Okta(0)", "draft aws-us-east-1 [us-east-1 us-west-2]: a; 1/Okta 2/Okta"}, "one of the certificates suffices: a rotation"},
		{"per-provider ACS", Input{Tenants: []Tenant{tenant("okta", at("a", "us-east-1", idOne, "urn:a", "c1"))}, Scans: []inventory.AccountScan{scan(one, okta)}},
			[]string{"app a: per-provider-acs 1/Okta(0)", "draft aws-us-east-1 [us-east-1 us-west-2]: a; 1/Okta"}, "the endpoint has the provider's id"},
		{"per-provider ACS of another provider", Input{Tenants: []Tenant{tenant("okta", at("a", "us-east-1", strings.Replace(idOne, "A", "B", 9), "urn:a", "c1"))},
			Scans: []inventory.AccountScan{scan(one, okta)}},
			[]string{"app a: per-provider-acs 1/Okta(0)", "provider-id-unknown: app App a (a)", "draft aws-us-east-1 [us-east-1 us-west-2]: a; 1/Okta"}, "the id is no known provider's"},
		{"one app per Region", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"), app("b", "us-west-2", "urn:b", "c2"))},
			Scans: []inventory.AccountScan{scan(one, append(okta, provider(one, "OktaWest", "urn:b", "c2")), role(one, "r", []string{"us-east-1", "us-west-2"}, arn(one, "Okta"), arn(one, "OktaWest")))}},
			[]string{"app a: one-app-per-region 1/Okta(1)", "app b: one-app-per-region 1/OktaWest(1)", "draft aws-us-east-1 [us-east-1 us-west-2]: a b; 1/Okta 1/OktaWest"}, "two issuers, one account, two Regions"},
		{"one app per Region over two tenants", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1")), tenant("ping", app("b", "eu-west-1", "urn:p", "c2"))},
			Scans: []inventory.AccountScan{scan(one, append(okta, ping), role(one, "r", home(), arn(one, "Okta"), arn(one, "Ping")))}},
			[]string{"app a: one-app-per-region 1/Okta(1)", "app b: one-app-per-region 1/Ping(1)", "draft aws-us-east-1 [us-east-1 eu-west-1]: a b; 1/Okta 1/Ping"}, "a role lets in people of both"},
		{"two tenants that have nothing to do with each other", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1")), tenant("ping", app("b", "eu-west-1", "urn:p", "c2"))},
			Scans: []inventory.AccountScan{scan(one, append(okta, ping), role(one, "r", home(), arn(one, "Okta")), role(one, "s", home(), arn(one, "Ping")))}},
			[]string{"app a: one-app-per-account 1/Okta(1)", "app b: one-app-per-account 1/Ping(1)", "draft aws-us-east-1 [us-east-1 eu-west-1]: a b; 1/Okta 1/Ping"}, "no role lets in both, no tenant holds both"},
		{"two apps, one account, one Region", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"), app("b", "us-east-1", "urn:b", "c2"))},
			Scans: []inventory.AccountScan{scan(one, append(okta, provider(one, "Other", "urn:b", "c2")), role(one, "r", home(), arn(one, "Okta"), arn(one, "Other")))}},
			[]string{"app a: one-app-per-account 1/Okta(1)", "app b: one-app-per-account 1/Other(1)", "draft aws-us-east-1 [us-east-1 us-west-2]: a b; 1/Okta 1/Other"}, "no Region to stand for"},
		{"the same issuer, another certificate", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c9"))}, Scans: []inventory.AccountScan{scan(one, okta, role(one, "r", home(), arn(one, "Okta")))}},
			[]string{"app a: ", "provider-certificate: app App a (a)"}, "AWS would refuse it; it is said once and not as an orphan too"},
		{"the same certificate, another issuer", Input{Tenants: []Tenant{tenant("onelogin", app("a", "us-east-1", "urn:z", "c1"))}, Scans: []inventory.AccountScan{scan(one, okta)}},
			[]string{"app a: ", "app-without-provider: app App a (a)", "provider-without-app: 1/Okta"}, "apps of an account share certificates"},
		{"one issuer with two keys", Input{Tenants: []Tenant{tenant("ping", app("a", "us-east-1", "urn:p", "c1"), app("b", "us-east-1", "urn:p", "c2"))},
			Scans: []inventory.AccountScan{scan(one, []inventory.Provider{provider(one, "P", "urn:p", "c1")}), scan(two, []inventory.Provider{provider(two, "P", "urn:p", "c2")})}},
			[]string{"app a: one-app-per-account 1/P(0)", "app b: one-app-per-account 2/P(0)", "draft aws-us-east-1 [us-east-1 us-west-2]: a b; 1/P 2/P"}, "the apps of one environment: each provider is the other one's, nothing is stale"},
		{"another partition", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"))}, Scans: []inventory.AccountScan{scan(gov, []inventory.Provider{provider(gov, "Okta", "urn:a", "c1")})}},
			[]string{"app a: ", "other-partition: app App a (a)"}, "an app at a commercial endpoint signs nobody in to GovCloud"},
		{"orphans of every sort", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:x", "c1"))},
			Scans: []inventory.AccountScan{scan(one, append(okta, provider(one, "AWSSSO_1_DO_NOT_DELETE", "urn:sso", "c5")), role(one, "r", home(), arn(one, "Okta")), role(one, "s", home(), arn(one, "Gone")),
				role(one, "t", home(), arn(one, "AWSSSO_1_DO_NOT_DELETE")), inventory.Role{ARN: "x", Protected: "AWS's", Trust: role(one, "p", home(), arn(one, "Gone")).Trust}, inventory.Role{ARN: "y", Trust: "{"})}},
			[]string{"app a: ", "app-without-provider: app App a (a)", "provider-without-app: 1/Okta", "role-without-app: 1/r", "role-without-app: 1/s"}, "Identity Center looks after its own"},
		{"what is not known is no orphan", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "", ""), app("b", "", "urn:b", "c1"))},
			Scans: []inventory.AccountScan{scan(one, []inventory.Provider{unread}, role(one, "r", home(), arn(one, "Okta"))),
				{ID: two, Notes: []finding.Finding{{Code: finding.ProviderUnreadable}}, Roles: []inventory.Role{role(two, "r", home(), arn(two, "Okta"))}}}},
			[]string{"app a: ", "app b: "}, "no identity, no endpoint, a provider that could not be read, providers that could not be listed"},
		{"no account was looked at", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"))}}, []string{"app a: "}, "then nothing is an orphan"},
		{"a role with a second provider", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"))}, Scans: []inventory.AccountScan{scan(one, okta, role(one, "r", home(), arn(one, "Okta"), arn(one, "Gone")))}},
			[]string{"app a: one-app-per-account 1/Okta(1)", "role-without-app: 1/r", "draft aws-us-east-1 [us-east-1 us-west-2]: a; 1/Okta"}, "half of it works"},
		{"standby by the roles", Input{Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"))},
			Scans: []inventory.AccountScan{scan(one, okta, role(one, "r", []string{"us-east-1", "eu-west-1"}, arn(one, "Okta")), role(one, "s", []string{"us-west-2", "eu-west-1"}, arn(one, "Okta")))}},
			[]string{"app a: one-app-per-account 1/Okta(2)", "draft aws-us-east-1 [us-east-1 eu-west-1]: a; 1/Okta"}, "most roles admit it"},
	}
}

// spec 2.10, 2.11
func TestJoin(t *testing.T) {
	t.Parallel()
	for _, c := range rows() {
		got := Join(c.in)
		if diff := cmp.Diff(c.want, lines(got)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.name, c.why, diff)
		}
		for _, f := range flaws(c.in, got) {
			t.Errorf("%s: %s", c.name, f)
		}
	}
}

// configured is a world whose config knows part of it: one app and one provider
// of two, and an app that is gone.
func configured() Input {
	west := signin.MustRegion("us-west-2")
	f := federation.Federation{Name: "workforce", Partition: signin.AWS, Regions: []signin.Region{signin.MustRegion("us-east-1"), west},
		Apps:     []federation.AppRef{{Name: "mine", Tenant: "okta", ID: "a"}, {Name: "old", Tenant: "okta", ID: "gone"}, {Name: "hidden", Tenant: "down", ID: "h"}},
		Accounts: []federation.Account{{ID: one, Name: "production", Providers: []string{arn(one, "Okta")}, ScanRole: "scan", ExternalID: "x"}},
		Policy:   federation.Policy{Mode: federation.Auto}}
	return Input{
		Tenants: []Tenant{tenant("okta", app("a", "us-east-1", "urn:a", "c1"), app("b", "eu-west-1", "urn:b", "c2"), app("c", "us-gov-west-1", "urn:c", "c3")),
			{Name: "down", Trouble: &finding.Finding{Code: finding.IdPUnreachable, Subject: "tenant down", What: "x", Why: "x", Remedy: "x"}}},
		Accounts: append(slices.Clone(f.Accounts), federation.Account{ID: two, ScanRole: "other"}, federation.Account{ID: gov}),
		Scans: []inventory.AccountScan{scan(one, []inventory.Provider{provider(one, "Okta", "urn:a", "c1"), provider(one, "Beside", "urn:b", "c2")}),
			scan(two, []inventory.Provider{provider(two, "Far", "urn:a", "c1"), provider(two, "Stray", "urn:s", "c4")}), scan(gov, []inventory.Provider{provider(gov, "Okta", "urn:c", "c3")})},
		Federations: []federation.Federation{f},
	}
}

// What the config has stays; what leads to its accounts joins it; what does not
// becomes a federation of its own.
func TestJoinExtendsTheConfig(t *testing.T) {
	t.Parallel()
	in := configured()
	got := Join(in)
	want := []string{
		"app a: one-app-per-region 1/Okta(0) 2/Far(0)", "app b: one-app-per-region 1/Beside(0)", "app c: one-app-per-account 3/Okta(0)",
		"provider-without-app: 2/Stray", "app-not-found: app old (okta/gone)",
		"draft workforce [us-east-1 us-west-2 eu-west-1]: a gone h b; 1/Okta 1/Beside 2/Far", // by account
		"draft aws-us-gov-us-gov-west-1 [us-gov-west-1 us-gov-east-1]: c; 3/Okta"}
	if diff := cmp.Diff(want, lines(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range flaws(in, got) {
		t.Error(f)
	}
	d := got.Federations[0]
	if d.Base != "workforce" || d.Federation.Apps[0].Name != "mine" || d.Federation.Accounts[0].ExternalID != "x" || d.Federation.Accounts[1].ScanRole != "other" {
		t.Errorf("draft %+v", d)
	}
	notes := strings.Join(d.Notes, "\n") // whoever reads the draft has to see what is wider than before
	if len(d.Notes) != 2 || !strings.Contains(notes, `the app "App b" ("okta/b") is added`) || !strings.Contains(notes, "the Region eu-west-1 is added, because") {
		t.Errorf("notes %q", d.Notes)
	}
	if len(got.Problems) != 1 || got.Problems[0].Code != finding.IdPUnreachable || !strings.Contains(got.Orphans[0].Why, "tenant down") {
		t.Errorf("problems %v, orphan %v", got.Problems, got.Orphans[0])
	}
	if in.Federations[0].Policy.Mode != federation.Auto || len(in.Federations[0].Apps) != 3 || len(in.Federations[0].Accounts[0].Providers) != 1 {
		t.Error("the input was changed")
	}
}

// Saboteurs: reports with one flaw each, which the check of the other tests has
// to find.
func TestFlawsAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why      string
		sabotage func(*Report)
		says     string
	}{
		{"nothing is wrong", func(*Report) {}, ""},
		{"linked by issuer alone", func(r *Report) { r.Apps[0].Certificates = []string{"other"} }, "does not trust it"},
		{"linked by certificate alone", func(r *Report) { r.Apps[0].Issuer = "urn:z" }, "does not trust it"},
		{"linked across partitions", func(r *Report) { r.Apps[0].Region = signin.MustRegion("us-gov-west-1") }, "another partition"},
		{"linked and an orphan", func(r *Report) { r.Orphans[0].Subject = arn(one, "Okta") }, "linked and an orphan"},
		{"a topology without evidence", func(r *Report) { r.Topologies[0].Evidence = nil }, "with evidence"},
		{"a topology out of nothing", func(r *Report) { r.Apps[0].Providers = nil }, "0 providers"},
		{"an orphan without a next step", func(r *Report) { r.Orphans[0].Remedy = "" }, "incomplete"},
		{"an app in two drafts", func(r *Report) {
			r.Federations[1].Federation.Apps = append(r.Federations[1].Federation.Apps, r.Federations[0].Federation.Apps[0])
		}, "okta/a is in workforce and in"},
		{"a provider in two drafts", func(r *Report) {
			r.Federations[1].Federation.Accounts = append(r.Federations[1].Federation.Accounts, r.Federations[0].Federation.Accounts[0])
		}, "saml-provider/Okta is in workforce"},
		{"a draft over two partitions", func(r *Report) {
			r.Federations[0].Federation.Regions = append(r.Federations[0].Federation.Regions, signin.MustRegion("cn-north-1"))
		}, "another partition"},
		{"a draft that moves", func(r *Report) { r.Federations[0].Federation.Policy.Mode = federation.Auto }, "more than observe"},
	} {
		in := configured()
		r := Join(in)
		c.sabotage(&r)
		got := strings.Join(flaws(in, r), "\n")
		if (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: found %q, want %q", c.why, got, c.says)
		}
	}
}

func TestNeighbour(t *testing.T) {
	t.Parallel()
	for home, want := range map[string]string{"us-east-1": "us-west-2", "us-west-2": "us-east-2", "eu-west-1": "eu-north-1", "us-gov-west-1": "us-gov-east-1",
		"us-gov-east-1": "us-gov-west-1", "cn-north-1": "cn-northwest-1", "eusc-de-east-1": "", "me-central-1": "us-west-2"} {
		if got := neighbour(signin.MustRegion(home)); got.String() != want {
			t.Errorf("beside %s: %s, want %s", home, got, want)
		}
	}
}
