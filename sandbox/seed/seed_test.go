package seed

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/signin"
)

func plant(t *testing.T) (*aws.Cloud, Demo) {
	t.Helper()
	cloud := aws.New()
	_, d, err := Plant(cloud, Options{NewKey: func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }})
	if err != nil {
		t.Fatal(err)
	}
	return cloud, d
}

// admits asks the sandbox's own evaluator.
func admits(trust, provider string, r signin.Region, actions ...string) bool {
	for _, action := range actions {
		q := naivepolicy.Request{Action: action, Caller: naivepolicy.Caller{Kind: "Federated", Names: []string{provider}},
			Keys: map[string][]string{"saml:aud": {mustACS(r).String()}}}
		if !naivepolicy.Decide(trust, q).Allowed {
			return false
		}
	}
	return true
}

func TestSixtyRolesSevenNotReady(t *testing.T) {
	t.Parallel()
	cloud, d := plant(t)
	var reasons []Reason
	perAccount, mendable, ready := map[string]int{}, 0, 0
	names := map[string]bool{}
	for _, r := range d.Roles {
		_, role, ok := cloud.RoleByARN(r.ARN)
		if !ok || names[r.ARN] {
			t.Fatalf("%s is missing, or there twice", r.ARN)
		}
		names[r.ARN] = true
		perAccount[r.Account]++
		provider := "arn:aws:iam::" + r.Account + ":saml-provider/" + Provider
		if !admits(role.Trust, provider, east, assume, tag, source) {
			t.Errorf("%s does not admit us-east-1", r.ARN)
		}
		if got, want := admits(role.Trust, provider, west, assume, tag, source), r.NotReady == ""; got != want {
			t.Errorf("%s (%q) admits us-west-2: %v, want %v", r.ARN, r.NotReady, got, want)
		}
		if r.NotReady == "" && !admits(role.Trust, provider, europe, assume, tag, source) {
			t.Errorf("%s does not admit eu-west-1", r.ARN)
		}
		if admits(role.Trust, "arn:aws:iam::"+r.Account+":saml-provider/Other", east, assume) {
			t.Errorf("%s admits a foreign provider", r.ARN)
		}
		if r.NotReady == "" {
			ready++
			continue
		}
		reasons = append(reasons, r.NotReady)
		if r.Mendable {
			mendable++
		}
	}
	if len(d.Roles) != 60 || perAccount["111122223333"] != 30 || perAccount["444455556666"] != 30 || ready != 53 || mendable != 4 {
		t.Errorf("%d roles %v, %d ready, %d mendable; want 60, 30 each, 53, 4", len(d.Roles), perAccount, ready, mendable)
	}
	slices.Sort(reasons)
	if len(slices.Compact(reasons)) != 7 || len(d.NotReady()) != 7 {
		t.Errorf("the reasons are %q, want seven different ones", reasons)
	}
}

func TestReasonsAreTrue(t *testing.T) {
	t.Parallel()
	cloud, d := plant(t)
	extra := len(`,"` + mustACS(west).String() + `"`)
	for _, r := range d.NotReady() {
		account, role, _ := cloud.RoleByARN(r.ARN)
		provider := "arn:aws:iam::" + r.Account + ":saml-provider/" + Provider
		room := account.TrustQuota() - len(role.Trust)
		if room < 0 || (room < extra) != (r.NotReady == NoRoom) {
			t.Errorf("%s (%q) has room for %d characters, an audience needs %d", r.Name, r.NotReady, room, extra)
		}
		if got := role.Tags[OwnerTag] == OwnerTagValue; got != (r.NotReady == OwnedElsewhere) {
			t.Errorf("%s (%q) is Terraform's: %v", r.Name, r.NotReady, got)
		}
		if got := strings.Contains(role.Trust, `"AROA`); got != (r.NotReady == DeletedName) {
			t.Errorf("%s (%q) names a deleted principal: %v", r.Name, r.NotReady, got)
		}
		if got := strings.Contains(role.Trust, "StringLike"); got != (r.NotReady == LikeHomeOnly) {
			t.Errorf("%s (%q) uses StringLike: %v", r.Name, r.NotReady, got)
		}
		if got := admits(role.Trust, provider, west, assume); got != (r.NotReady == TagsAtHomeOnly) {
			t.Errorf("%s (%q) admits a bare login at us-west-2: %v", r.Name, r.NotReady, got)
		}
		if got := admits(role.Trust, provider, europe, assume, tag, source); got != (r.NotReady == ShortList) {
			t.Errorf("%s (%q) admits eu-west-1: %v", r.Name, r.NotReady, got)
		}
	}
}

func TestPeopleAndApps(t *testing.T) {
	t.Parallel()
	_, d := plant(t)
	direct, chooser, tagged := false, false, false
	for _, u := range d.Users {
		tagged = tagged || u.Tagged
		for label, roles := range u.Roles {
			app, ok := d.App(label)
			if !ok {
				t.Errorf("%s has no app %q", u.Login, label)
			}
			direct, chooser = direct || len(roles) == 1, chooser || len(roles) > 1
			for _, arn := range roles {
				if !strings.HasPrefix(arn, "arn:aws:iam::"+app.Account+":role/") {
					t.Errorf("%s gets %s through %s", u.Login, arn, label)
				}
			}
		}
	}
	if !direct || !chooser || !tagged {
		t.Errorf("one role: %v, several: %v, tags: %v; want all", direct, chooser, tagged)
	}
	if len(d.Apps) != 2 || d.Apps[0].ID == d.Apps[1].ID || d.Apps[0].Provider == d.Apps[1].Provider || d.Apps[0].ACS.Region() != east {
		t.Errorf("apps: %+v", d.Apps)
	}
	if u, ok := d.User(""); !ok || u.Login != "ada@acme.example" {
		t.Errorf("the first person is %q", u.Login)
	}
	if _, ok := d.User("mallory@acme.example"); ok {
		t.Error("a stranger is known")
	}
}

func TestProvidersDiffer(t *testing.T) {
	t.Parallel()
	cloud, d := plant(t)
	one, ok1 := cloud.ProviderByARN(d.Apps[0].Provider)
	two, ok2 := cloud.ProviderByARN(d.Apps[1].Provider)
	if !ok1 || !ok2 || one.Issuer == two.Issuer || one.Certificates[0].Equal(two.Certificates[0]) {
		t.Errorf("the apps share issuer or key: %q, %q", one.Issuer, two.Issuer)
	}
}

func TestControllerMayOnlyAssume(t *testing.T) {
	t.Parallel()
	cloud, d := plant(t)
	_, who, ok := cloud.Key("aws", d.Controller.AccessKeyID)
	if !ok || !slices.Equal(who.Allow, []string{"sts:AssumeRole"}) {
		t.Errorf("the controller's key allows %v", who.Allow)
	}
	for _, a := range d.Accounts {
		for arn, write := range map[string]bool{a.ScanRole: false, a.EnforceRole: true} {
			_, role, ok := cloud.RoleByARN(arn)
			if !ok || slices.Contains(role.Allow, "iam:UpdateAssumeRolePolicy") != write || !slices.Contains(role.Allow, "iam:ListRoles") {
				t.Errorf("%s allows %v", arn, role.Allow)
			}
			q := naivepolicy.Request{Action: "sts:AssumeRole", Caller: naivepolicy.Caller{Kind: "AWS", Names: who.Names()}}
			if !naivepolicy.Decide(role.Trust, q).Allowed {
				t.Errorf("%s does not admit the controller", arn)
			}
			q.Caller.Names = []string{"arn:aws:iam::777788889999:user/other"}
			if naivepolicy.Decide(role.Trust, q).Allowed {
				t.Errorf("%s admits another user", arn)
			}
		}
	}
}

func TestDecoysAdmitNobody(t *testing.T) {
	t.Parallel()
	cloud, d := plant(t)
	if len(d.Decoys) != 8 {
		t.Errorf("%d decoys, want 8", len(d.Decoys))
	}
	for _, arn := range d.Decoys {
		account, role, ok := cloud.RoleByARN(arn)
		if !ok || admits(role.Trust, "arn:aws:iam::"+account.ID()+":saml-provider/"+Provider, east, assume) {
			t.Errorf("%s: there %v, or it admits people", arn, ok)
		}
	}
}
