package federation

import (
	"testing"

	"github.com/samlfailover/samlfailover/signin"
)

func TestParseRoleARN(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ arn, account, path, name string }{
		{"arn:aws:iam::111122223333:role/admin", "111122223333", "/", "admin"},
		{"arn:aws:iam::111122223333:role/team/a/admin", "111122223333", "/team/a/", "admin"},
		{"arn:aws-us-gov:iam::111122223333:role/x+=,.@-_", "111122223333", "/", "x+=,.@-_"},
	} {
		ref, part, path, name, err := ParseRoleARN(c.arn)
		if err != nil || ref.Account != c.account || path != c.path || name != c.name || ref.ARN != c.arn {
			t.Errorf("%s: %v %s %s %s %v", c.arn, ref, part, path, name, err)
		}
	}
	for why, arn := range map[string]string{
		"a user": "arn:aws:iam::111122223333:user/x", "short account": "arn:aws:iam::1111:role/x", "no name": "arn:aws:iam::111122223333:role/",
		"space": "arn:aws:iam::111122223333:role/a b", "assumed": "arn:aws:sts::111122223333:assumed-role/x/y", "empty": "",
	} {
		if _, _, _, _, err := ParseRoleARN(arn); err == nil {
			t.Errorf("%s: %q was accepted", why, arn)
		}
	}
}

// spec 5.5: protection goes by path, never by name.
func TestProtected(t *testing.T) {
	t.Parallel()
	for path, protected := range map[string]bool{
		"/aws-service-role/support.amazonaws.com/":   true,
		"/aws-reserved/sso.amazonaws.com/eu-west-1/": true,
		"/aws-reserved/sso.amazonaws.com/":           true,
		"/":                                          false,
		"/AWSReservedSSO_admin/":                     false,
		"/team/aws-reserved/":                        false,
	} {
		if got := Protected(path) != ""; got != protected {
			t.Errorf("%s: protected %v, want %v", path, got, protected)
		}
	}
}

func TestFederation(t *testing.T) {
	t.Parallel()
	f := Federation{Regions: []signin.Region{signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2")},
		Apps: []AppRef{{Name: "prod", Tenant: "okta", ID: "0oa1"}}}
	if f.Home() != f.Regions[0] || (Federation{}).Home() != (signin.Region{}) {
		t.Error("home is not the first Region")
	}
	if !f.Allows(f.Regions[1]) || f.Allows(signin.MustRegion("eu-west-1")) || f.Allows(signin.Region{}) {
		t.Error("allowed Regions")
	}
	for _, name := range []string{"prod", "0oa1"} {
		if a, ok := f.App(name); !ok || a.String() != "okta/0oa1" {
			t.Errorf("app %s: %v %v", name, a, ok)
		}
	}
	if _, ok := f.App("nope"); ok {
		t.Error("an unknown app was found")
	}
}
