package federation

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrganization(t *testing.T) {
	t.Parallel()
	o := Organization{OUs: []string{"ou-b", "ou-a"}, Providers: []string{"arn:aws:iam::{account}:saml-provider/Okta"}, ScanRole: "arn:aws:iam::{account}:role/scan", AccountExternalID: "x"}
	want := Account{ID: "111122223333", Name: "prod", Providers: []string{"arn:aws:iam::111122223333:saml-provider/Okta"}, ScanRole: "arn:aws:iam::111122223333:role/scan", ExternalID: "x", Found: true}
	if diff := cmp.Diff(want, o.Account("111122223333", "prod")); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		o    Organization
		used bool
		says string
	}{
		{Organization{All: true, Exclude: []string{"1"}}, true, "all"},
		{o, true, "ous ou-a ou-b"},
		{Organization{Tags: []string{"k=v"}}, true, "tags k=v"},
		{Organization{Providers: []string{"x"}}, false, "tags "},
	} {
		if c.o.Used() != c.used || c.o.Selection() != c.says {
			t.Errorf("%+v: %t %q", c.o, c.o.Used(), c.o.Selection())
		}
	}
	for arn, want := range map[string]bool{"arn:aws:iam::111122223333:saml-provider/Okta": true, "arn:aws:iam::111122223333:saml-provider/Other": false,
		"arn:aws:iam::999999999999:saml-provider/Okta": false, "x": false} {
		if ex := (Organization{All: true, Exclude: []string{"999999999999"}, Providers: o.Providers}); ex.Owns(arn) != want || (Organization{Providers: o.Providers}).Owns(arn) {
			t.Errorf("%s: owned %t", arn, !want)
		}
	}
	if (Federation{}).HasAccounts() || !(Federation{Organization: o}).HasAccounts() || !(Federation{Accounts: []Account{want}}).HasAccounts() {
		t.Error("who has accounts")
	}
}
