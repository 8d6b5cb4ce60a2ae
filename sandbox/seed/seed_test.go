package seed

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/signin"
)

func plant(t *testing.T) (*aws.Cloud, Demo) {
	t.Helper()
	return plantIn(t, signin.AWS)
}

func plantIn(t *testing.T, partition signin.Partition) (*aws.Cloud, Demo) {
	t.Helper()
	cloud := aws.New()
	p, err := Plant(cloud, Options{Partition: partition, NewKey: func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }})
	if err != nil {
		t.Fatal(err)
	}
	return cloud, p.Demo
}

// inBoth runs a test over the world in each partition.
func inBoth(t *testing.T, test func(t *testing.T, cloud *aws.Cloud, d Demo)) {
	t.Parallel()
	for _, partition := range []signin.Partition{signin.AWS, signin.GovCloud} {
		t.Run(string(partition), func(t *testing.T) {
			t.Parallel()
			cloud, d := plantIn(t, partition)
			test(t, cloud, d)
		})
	}
}

// provider is the SAML provider that a role's account trusts.
func (d Demo) provider(account string) string {
	for _, a := range d.Apps {
		if a.Account == account {
			return a.Provider
		}
	}
	return ""
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

func TestSevenRolesAreNotReady(t *testing.T) {
	inBoth(t, func(t *testing.T, cloud *aws.Cloud, d Demo) {
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
			provider := d.provider(r.Account)
			if !admits(role.Trust, provider, d.Home(), assume, tag, source) {
				t.Errorf("%s does not admit %s", r.ARN, d.Home())
			}
			if got, want := admits(role.Trust, provider, d.Standby(), assume, tag, source), r.NotReady == ""; got != want {
				t.Errorf("%s (%q) admits %s: %v, want %v", r.ARN, r.NotReady, d.Standby(), got, want)
			}
			for _, other := range d.Regions[2:] {
				if r.NotReady == "" && !admits(role.Trust, provider, other, assume, tag, source) {
					t.Errorf("%s does not admit %s", r.ARN, other)
				}
			}
			if admits(role.Trust, provider+"Other", d.Home(), assume) {
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
		want := map[string]int{"111122223333": 30, "444455556666": 30, "222233334444": 6, "222233335555": 5, "333344445555": 4, "333344446666": 3}
		if len(d.Roles) != 78 || !maps.Equal(perAccount, want) || ready != 71 || mendable != 4 {
			t.Errorf("%d roles %v, %d ready, %d mendable; want 78 as %v, 71, 4", len(d.Roles), perAccount, ready, mendable, want)
		}
		slices.Sort(reasons)
		if len(slices.Compact(reasons)) != 7 || len(d.NotReady()) != 7 {
			t.Errorf("the reasons are %q, want seven different ones", reasons)
		}
	})
}

func TestReasonsAreTrue(t *testing.T) {
	inBoth(t, func(t *testing.T, cloud *aws.Cloud, d Demo) {
		home := `"` + mustACS(d.Home()).String() + `"`
		extra := len(`,"` + mustACS(d.Standby()).String() + `"`)
		for _, r := range d.NotReady() {
			account, role, _ := cloud.RoleByARN(r.ARN)
			provider := d.provider(r.Account)
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
			if got := admits(role.Trust, provider, d.Standby(), assume); got != (r.NotReady == TagsAtHomeOnly) {
				t.Errorf("%s (%q) admits a bare login at %s: %v", r.Name, r.NotReady, d.Standby(), got)
			}
			if got := strings.Contains(role.Trust, `"StringEquals":{"SAML:aud":[`+home); got != (r.NotReady == ShortList || r.NotReady == TagsAtHomeOnly) {
				t.Errorf("%s (%q) lists its audiences: %v", r.Name, r.NotReady, got)
			}
		}
	})
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
	ids, providers, tenants, abroad := map[string]bool{}, map[string]bool{}, map[string]int{}, 0
	for _, a := range d.Apps {
		ids[a.ID], providers[a.Provider] = true, true
		tenants[a.Tenant]++
		if tn, ok := d.Tenant(a.Tenant); !ok || tn.Portal != a.Portal || a.ACS.Region() != d.Home() {
			t.Errorf("app %+v of tenant %+v", a, tn)
		}
	}
	for _, u := range d.Users {
		own := map[string]bool{}
		for label := range u.Roles {
			app, _ := d.App(label)
			own[app.Tenant] = true
		}
		if len(own) == len(d.Tenants) {
			abroad++
		}
	}
	if want := map[string]int{Okta: 2, PingOneProd: 1, PingOneTest: 1, OneLogin: 2}; len(ids) != 6 || len(providers) != 6 || !maps.Equal(tenants, want) || abroad == 0 {
		t.Errorf("apps by tenant %v, want %v; %d people are in every tenant; %+v", tenants, want, abroad, d.Apps)
	}
	if u, ok := d.User(""); !ok || u.Login != "ada@acme.example" {
		t.Errorf("the first person is %q", u.Login)
	}
	if _, ok := d.User("mallory@acme.example"); ok {
		t.Error("a stranger is known")
	}
}

// Each provider's metadata is that of its own app.
func TestProvidersDiffer(t *testing.T) {
	inBoth(t, func(t *testing.T, cloud *aws.Cloud, d Demo) {
		issuers := map[string]bool{}
		for _, a := range d.Apps {
			pr, ok := cloud.ProviderByARN(a.Provider)
			if !ok || !strings.HasPrefix(a.Provider, "arn:"+string(d.Partition)+":iam::"+a.Account+":") {
				t.Errorf("%s: no provider %s", a.Label, a.Provider)
			}
			issuers[pr.Issuer] = true
		}
		if len(issuers) != len(d.Apps) {
			t.Errorf("apps share issuers: %v", issuers)
		}
	})
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
	if len(d.Decoys) != 24 {
		t.Errorf("%d decoys, want 24", len(d.Decoys))
	}
	for _, arn := range d.Decoys {
		account, role, ok := cloud.RoleByARN(arn)
		if !ok || admits(role.Trust, d.provider(account.ID()), d.Home(), assume) {
			t.Errorf("%s: there %v, or it admits people", arn, ok)
		}
	}
}

func TestOnlyWorldsThatExist(t *testing.T) {
	t.Parallel()
	if _, err := Plant(aws.New(), Options{Partition: signin.China}); err == nil || !strings.Contains(err.Error(), "aws-us-gov") {
		t.Errorf("a world in China: %v", err)
	}
}
