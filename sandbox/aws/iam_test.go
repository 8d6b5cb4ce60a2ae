package aws_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"fmt"

	"github.com/samlfailover/samlfailover/sandbox/aws"
)

func adminWorld(t *testing.T) (*testWorld, *iam.Client) {
	t.Helper()
	w := newWorld(t)
	w.account.AddAccessKey("ops", keyID, secret, []string{"*"})
	return w, w.iam(userKey())
}

func TestListRolesPageByPage(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	for i := range 2498 {
		w.put(t, aws.Role{Name: fmt.Sprintf("r%04d", i), Path: "/fleet/", Trust: audOnly(west), Tags: map[string]string{"k": "v"}})
	}
	for _, row := range []struct {
		name   string
		cap    int
		in     *iam.ListRolesInput
		sizes  []int
		prefix string
	}{
		{"1000 a page", 0, &iam.ListRolesInput{MaxItems: sdk.Int32(1000)}, []int{1000, 1000, 500}, "/"},
		{"prefix", 0, &iam.ListRolesInput{MaxItems: sdk.Int32(1000), PathPrefix: sdk.String("/fleet/")}, []int{1000, 1000, 498}, "/fleet/"},
		{"exactly one page", 0, &iam.ListRolesInput{MaxItems: sdk.Int32(2), PathPrefix: sdk.String("/none/")}, []int{0}, "/none/"},
		{"shorter pages than asked for", 900, &iam.ListRolesInput{MaxItems: sdk.Int32(1000)}, []int{900, 900, 700}, "/"},
	} {
		w.account.SetListCap(row.cap)
		seen := map[string]bool{}
		var sizes []int
		for p := iam.NewListRolesPaginator(c, row.in); p.HasMorePages(); {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(out.Roles))
			for _, r := range out.Roles {
				if seen[*r.Arn] || !strings.HasPrefix(*r.Path, row.prefix) || len(r.Tags) > 0 {
					t.Fatalf("%s: unexpected %+v", row.name, r)
				}
				seen[*r.Arn] = true
			}
		}
		if d := cmp.Diff(row.sizes, sizes); d != "" {
			t.Errorf("%s: %s", row.name, d)
		}
	}
	w.account.SetListCap(0)
	out, err := c.ListRoles(t.Context(), &iam.ListRolesInput{})
	if err != nil || len(out.Roles) != 100 || !out.IsTruncated {
		t.Errorf("the default is 100 a page: %d %v", len(out.Roles), err)
	}
	for _, n := range []int32{0, 1001} {
		if _, err := c.ListRoles(t.Context(), &iam.ListRolesInput{MaxItems: sdk.Int32(n)}); code(err) != "ValidationError" {
			t.Errorf("MaxItems %d: %v", n, err)
		}
	}
	if _, err := c.ListRoles(t.Context(), &iam.ListRolesInput{Marker: sdk.String("?")}); code(err) != "ValidationError" {
		t.Errorf("bad marker: %v", err)
	}
}

func TestDocumentsArePercentEncoded(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	odd := "{\n \"a b\": \"1+1~*'()%20é/\"}"
	w.put(t, aws.Role{Name: "Odd", Trust: odd})
	out, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("Odd")})
	if err != nil {
		t.Fatal(err)
	}
	const want = "%7B%0A%20%22a%20b%22%3A%20%221%2B1~%2A%27%28%29%2520%C3%A9%2F%22%7D"
	if *out.Role.AssumeRolePolicyDocument != want {
		t.Errorf("got %s\nwant %s", *out.Role.AssumeRolePolicyDocument, want)
	}
	if back, err := url.PathUnescape(*out.Role.AssumeRolePolicyDocument); err != nil || back != odd {
		t.Errorf("%q %v", back, err)
	}
}

func TestRoleLifeCycle(t *testing.T) {
	t.Parallel()
	_, c := adminWorld(t)
	name, ctx := sdk.String("New"), t.Context()
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: sdk.String(audOnly(west)), Path: sdk.String("/a/"),
		MaxSessionDuration: sdk.Int32(3600), Tags: []types.Tag{{Key: sdk.String("team"), Value: sdk.String("blue")}}})
	if err != nil || *made.Role.Arn != "arn:aws:iam::123456789012:role/a/New" || !strings.HasPrefix(*made.Role.RoleId, "AROA") {
		t.Fatalf("%+v %v", made, err)
	}
	if _, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: sdk.String("NEW"), AssumeRolePolicyDocument: sdk.String(audOnly(west))}); code(err) != "EntityAlreadyExists" {
		t.Errorf("same name in another case: %v", err)
	}
	if _, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{{Key: sdk.String("owner"), Value: sdk.String("x")}}}); err != nil {
		t.Error(err)
	}
	tags, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name})
	if err != nil || len(tags.Tags) != 2 || *tags.Tags[0].Key != "owner" {
		t.Errorf("%+v %v", tags, err)
	}
	if _, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: sdk.String(audOnly(east))}); err != nil {
		t.Error(err)
	}
	got, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	if text, _ := url.PathUnescape(*got.Role.AssumeRolePolicyDocument); err != nil || text != audOnly(east) || len(got.Role.Tags) != 2 {
		t.Errorf("%s %v", text, err)
	}
	if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); err != nil {
		t.Error(err)
	}
	if _, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: name}); code(err) != "NoSuchEntity" {
		t.Errorf("deleted: %v", err)
	}
}

func TestProvidersAndSummary(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	ctx := t.Context()
	w.account.SetTrustQuota(4096)
	doc := string(metadata("https://other.example/", keyPool()[1].cert, keyPool()[2].cert))
	made, err := c.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: sdk.String("Second"), SAMLMetadataDocument: sdk.String(doc + strings.Repeat(" ", 1000))})
	if err != nil || *made.SAMLProviderArn != "arn:aws:iam::123456789012:saml-provider/Second" {
		t.Fatalf("%v", err)
	}
	list, err := c.ListSAMLProviders(ctx, &iam.ListSAMLProvidersInput{})
	if err != nil || len(list.SAMLProviderList) != 2 {
		t.Errorf("%+v %v", list, err)
	}
	got, err := c.GetSAMLProvider(ctx, &iam.GetSAMLProviderInput{SAMLProviderArn: made.SAMLProviderArn})
	if err != nil || !strings.HasPrefix(*got.SAMLMetadataDocument, doc) || got.AssertionEncryptionMode != types.AssertionEncryptionModeTypeAllowed ||
		len(*got.SAMLProviderUUID) < 22 || got.ValidUntil.Before(time.Now()) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := c.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: sdk.String("Bad"), SAMLMetadataDocument: sdk.String(strings.Repeat("x", 1000))}); code(err) != "InvalidInput" {
		t.Errorf("bad metadata: %v", err)
	}
	sum, err := c.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
	if err != nil || sum.SummaryMap["AssumeRolePolicySizeQuota"] != 4096 || sum.SummaryMap["Roles"] != 2 || sum.SummaryMap["Providers"] != 2 || sum.SummaryMap["GlobalEndpointTokenVersion"] != 1 {
		t.Errorf("%+v %v", sum, err)
	}
}

func TestCallersMayOnlyWhatTheirListSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account.AddAccessKey("reader", keyID, secret, []string{"iam:ListRoles"})
	c := w.iam(userKey())
	if _, err := c.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Error(err)
	}
	_, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("Admin")})
	want := "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: iam:GetRole on resource: " + roleAdmin + " because no identity-based policy allows the iam:GetRole action"
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

func TestIAMSignatureScope(t *testing.T) {
	t.Parallel()
	w, _ := adminWorld(t)
	gov := w.AddAccountIn("aws-us-gov", "222222222222", "gov")
	gov.AddAccessKey("ops", "AKIAGOV", "govsecret", []string{"*"})
	for _, c := range []struct{ name, endpoint, region, key, secret, want string }{
		{"aws is signed for us-east-1", "https://iam.amazonaws.com", "us-east-1", keyID, secret, ""},
		{"not for another Region", "https://iam.amazonaws.com", "us-west-2", keyID, secret, "SignatureDoesNotMatch"},
		{"GovCloud is signed for us-gov-west-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1", "AKIAGOV", "govsecret", ""},
		{"partitions are separate worlds", "https://iam.us-gov.amazonaws.com", "us-gov-west-1", keyID, secret, "InvalidClientTokenId"},
		{"port in the host", "https://iam.amazonaws.com:8443", "us-east-1", keyID, secret, ""},
	} {
		cfg := w.sdkConfig(c.region, staticKey(c.key, c.secret))
		cfg.BaseEndpoint = sdk.String(c.endpoint)
		if _, err := iam.NewFromConfig(cfg).ListRoles(t.Context(), &iam.ListRolesInput{}); code(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if a := w.post(t, "https://iam.amazonaws.com/", url.Values{"Action": {"ListRoles"}, "Version": {"2010-05-08"}}); a.StatusCode != http.StatusForbidden || readError(t, a).Error.Code != "MissingAuthenticationToken" {
		t.Errorf("unsigned: %d %s", a.StatusCode, a.text)
	}
}

func TestUpdateAssumeRolePolicyValidatesLikeIAM(t *testing.T) {
	t.Parallel()
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":[` + s + `]}` }
	principal := func(p string) string {
		return statement(`{"Effect":"Allow","Principal":` + p + `,"Action":"sts:AssumeRole"}`)
	}
	const malformed = "MalformedPolicyDocument"
	for _, c := range []struct{ name, doc, code, message string }{
		{"not JSON", `{`, malformed, "This policy contains invalid Json"},
		{"text behind", audOnly(west) + "x", malformed, "invalid Json"},
		{"key twice", strings.Replace(audOnly(west), `"Effect":"Allow"`, `"Effect":"Allow","Effect":"Allow"`, 1), malformed, "invalid Json"},
		{"list", `[]`, malformed, "Syntax errors in policy."},
		{"unknown element", `{"Version":"2012-10-17","Statement":[],"Foo":1}`, malformed, "Syntax errors"},
		{"unknown version", `{"Version":"2020-01-01","Statement":[]}`, malformed, "Syntax errors"},
		{"effect in lower case", strings.Replace(audOnly(west), `"Allow"`, `"allow"`, 1), malformed, "Syntax errors"},
		{"resource", statement(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), malformed, "Has prohibited field Resource"},
		{"no principal", statement(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), malformed, "Missing required field Principal"},
		{"action of another service", statement(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`), malformed, "AssumeRole policy may only specify STS AssumeRole actions."},
		{"unknown operator", trust(`"sts:AssumeRoleWithSAML"`, `{"StringSortOf":{"SAML:aud":"x"}}`), malformed, "Syntax errors"},
		{"deleted role", principal(`{"AWS":"AROAEXAMPLEEXAMPLEEX"}`), malformed, `Invalid principal in policy: "AWS":"AROAEXAMPLEEXAMPLEEX"`},
		{"deleted user in a list", principal(`{"AWS":["arn:aws:iam::123456789012:root","AIDAEXAMPLEEXAMPLEEX"]}`), malformed, `Invalid principal in policy: "AWS":"AIDAEXAMPLEEXAMPLEEX"`},
		{"role that does not exist", principal(`{"AWS":"arn:aws:iam::123456789012:role/None"}`), malformed, "Invalid principal in policy"},
		{"another partition", principal(`{"AWS":"arn:aws-cn:iam::123456789012:root"}`), malformed, "Invalid principal in policy"},
		{"unknown kind", principal(`{"Saml":"x"}`), malformed, "Invalid principal in policy"},
		{"bad provider ARN", principal(`{"Federated":"arn:aws:iam::123456789012:role/x"}`), malformed, "Invalid principal in policy"},
		{"wide character", strings.Replace(audOnly(west), "Version", "Versi\u2192n", 1), "ValidationError", "must contain only printable ASCII characters"},
		{"quota", audOnly(strings.Repeat("x", 2000)), "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"white space does not count", strings.Replace(audOnly(west), "{", "{"+strings.Repeat(" ", 3000), 1), "", ""},
		{"existing role", principal(`{"AWS":"` + roleOther + `"}`), "", ""},
		{"role of a foreign account", principal(`{"AWS":"arn:aws:iam::999999999999:role/x"}`), "", ""},
		{"account number", principal(`{"AWS":"999999999999"}`), "", ""},
		{"service", principal(`{"Service":"rolesanywhere.amazonaws.com"}`), "", ""},
		{"web identity", statement(`{"Effect":"Allow","Principal":{"Federated":"cognito-identity.amazonaws.com"},"Action":"sts:AssumeRoleWithWebIdentity"}`), "", ""},
		{"OIDC provider", statement(`{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.example.com"},"Action":"sts:AssumeRoleWithWebIdentity"}`), "", ""},
		{"latin letters", strings.Replace(audOnly(west), `{"Effect"`, `{"Sid":"é","Effect"`, 1), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, client := adminWorld(t)
			before, _ := w.account.Role("Admin")
			_, err := client.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("Admin"), PolicyDocument: sdk.String(c.doc)})
			if code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Fatalf("%v", err)
			}
			want := c.doc
			if err != nil {
				want = before.Trust
			}
			if now, _ := w.account.Role("Admin"); now.Trust != want {
				t.Errorf("stored %q", now.Trust)
			}
		})
	}
}

func TestDocumentsMayBeReserialised(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	w.account.SetCompactDocuments(true)
	doc := strings.Replace(audOnly(west), ",", ",\n  ", 2)
	if _, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("Admin"), PolicyDocument: sdk.String(doc)}); err != nil {
		t.Fatal(err)
	}
	if r, _ := w.account.Role("Admin"); r.Trust != audOnly(west) {
		t.Errorf("%s", r.Trust)
	}
}

func TestProtectedRoles(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/aws-service-role/x.amazonaws.com/", "/aws-reserved/sso.amazonaws.com/us-east-1/"} {
		w, c := adminWorld(t)
		w.put(t, aws.Role{Name: "P", Path: path, Trust: audOnly(west)})
		_, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("P"), PolicyDocument: sdk.String(audOnly(west))})
		if code(err) != "UnmodifiableEntity" || !strings.Contains(err.Error(), "Cannot perform the operation on the protected role 'P' - this role is only modifiable by AWS") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: sdk.String("P")}); code(err) != "UnmodifiableEntity" {
			t.Errorf("%s: delete: %v", path, err)
		}
		k := honest()
		k.attrs[0] = attr("Role", "arn:aws:iam::123456789012:role"+path+"P,"+provider)
		if a := w.signIn(t, west, k.encoded(t), ""); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: login: %d", path, a.StatusCode)
		}
	}
	// The name alone protects nothing: anyone can make such a role.
	w, c := adminWorld(t)
	w.put(t, aws.Role{Name: "AWSReservedSSO_Admin_0123456789abcdef", Trust: audOnly(west)})
	if _, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("AWSReservedSSO_Admin_0123456789abcdef"), PolicyDocument: sdk.String(audOnly(west))}); err != nil {
		t.Error(err)
	}
}

func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := adminWorld(t)
		w.account.SetThrottle(1, 2)
		var got []string
		for range 3 {
			_, err := c.ListSAMLProviders(t.Context(), &iam.ListSAMLProvidersInput{})
			got = append(got, code(err))
		}
		time.Sleep(time.Second)
		_, err := c.ListSAMLProviders(t.Context(), &iam.ListSAMLProvidersInput{})
		if d := cmp.Diff([]string{"", "", "Throttling", ""}, append(got, code(err))); d != "" {
			t.Error(d)
		}
	})
}

// In read-only mode IAM still answers questions and changes nothing.
func TestReadOnlyIAM(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	for host, s := range w.hosts {
		if (s.ReadOnly != nil) != (s.Service == "iam") {
			t.Errorf("%s has a read-only mode: %v", host, s.ReadOnly != nil)
		}
		if s.ReadOnly != nil {
			s.Handler = s.ReadOnly
			w.hosts[host] = s
		}
	}
	if _, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("Other")}); err != nil {
		t.Error(err)
	}
	_, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("Other"), PolicyDocument: sdk.String(audOnly(west))})
	if _, r, _ := w.RoleByARN("arn:aws:iam::" + account + ":role/Other"); code(err) != "ServiceUnavailable" || r.Trust != audOnly(east) {
		t.Errorf("%v, and the policy is %s", err, r.Trust)
	}
}

// A write is not to be seen at once where the world says so, neither by reads
// nor by sign-ins; what is refused is refused by the newest document.
func TestWritesTakeTimeToShow(t *testing.T) {
	t.Parallel()
	if keyPool()[0].key == nil { // made outside of the bubble
		t.Fatal("no key")
	}
	synctest.Test(t, func(t *testing.T) {
		w, c := adminWorld(t)
		w.account.SetWriteDelay(10 * time.Second)
		before := audOnly(east)
		write := func(text string) {
			t.Helper()
			if _, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("Other"), PolicyDocument: sdk.String(text)}); err != nil {
				t.Fatal(err)
			}
		}
		reads := func(want, why string) {
			t.Helper()
			one, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("Other")})
			if err != nil {
				t.Fatal(err)
			}
			list, err := c.ListRoles(t.Context(), &iam.ListRolesInput{})
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []string{*one.Role.AssumeRolePolicyDocument, *list.Roles[1].AssumeRolePolicyDocument} {
				if text, err := url.PathUnescape(got); err != nil || text != want {
					t.Errorf("%s: %s", why, text)
				}
			}
		}
		write(audOnly(east, west))
		reads(before, "at once")
		if r, _ := w.account.Role("Other"); r.Written() != audOnly(east, west) {
			t.Error("what was written last is not known")
		}
		time.Sleep(6 * time.Second)
		write(audOnly(west))
		reads(before, "after 6 s")
		time.Sleep(4 * time.Second)
		reads(audOnly(east, west), "after 10 s")
		time.Sleep(6 * time.Second)
		reads(audOnly(west), "after 16 s")
		write(before)
		w.account.ChangeRole("Other", func(r *aws.Role) { r.Trust = audOnly(east, west) })
		time.Sleep(time.Minute)
		reads(audOnly(east, west), "a later change of the world's makers")
	})
}

// What a deleted role was called in other trust policies becomes its id, and
// then IAM takes no rewrite of them.
func TestDeletedPrincipal(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	w.put(t, aws.Role{Name: "Pipeline", Trust: audOnly(east)})
	pipeline, _ := w.account.Role("Pipeline")
	text := strings.Replace(audOnly(east), `"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"`+pipeline.ARN()+`"},"Action":"sts:AssumeRole"},`, 1)
	in := &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("Other"), PolicyDocument: sdk.String(text)}
	if _, err := c.UpdateAssumeRolePolicy(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: sdk.String("Pipeline")}); err != nil {
		t.Fatal(err)
	}
	r, _ := w.account.Role("Other")
	if !strings.Contains(r.Trust, `"`+pipeline.ID+`"`) || strings.Contains(r.Trust, "Pipeline") {
		t.Errorf("%s", r.Trust)
	}
	in.PolicyDocument = sdk.String(r.Trust)
	if _, err := c.UpdateAssumeRolePolicy(t.Context(), in); code(err) != "MalformedPolicyDocument" || !strings.Contains(err.Error(), "Invalid principal in policy") {
		t.Errorf("%v", err)
	}
}

func TestTagsDenied(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	w.account.SetTagsDenied(true)
	if _, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("Other")}); code(err) != "AccessDenied" {
		t.Errorf("GetRole: %v", err)
	}
	if _, err := c.ListRoleTags(t.Context(), &iam.ListRoleTagsInput{RoleName: sdk.String("Other")}); code(err) != "AccessDenied" {
		t.Errorf("ListRoleTags: %v", err)
	}
	if _, err := c.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Errorf("ListRoles: %v", err)
	}
}

// SimulatePrincipalPolicy says what the policies of a user or role allow, to
// whoever may ask, and of the own account only.
func TestSimulatePrincipalPolicy(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	w.put(t, aws.Role{Name: "reader", Path: "/x/", Trust: audOnly(west), Allow: []string{"iam:GetRole", "sts:*"}})
	role := "arn:aws:iam::" + account + ":role/x/reader"
	out, err := c.SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &role, ActionNames: []string{"iam:GetRole", "iam:CreateRole", "sts:AssumeRole"}, ResourceArns: []string{role, roleOther}})
	if err != nil || len(out.EvaluationResults) != 6 || out.IsTruncated {
		t.Fatalf("%+v %v", out, err)
	}
	for i, want := range []types.PolicyEvaluationDecisionType{"allowed", "allowed", "implicitDeny", "implicitDeny", "allowed", "allowed"} {
		if out.EvaluationResults[i].EvalDecision != want {
			t.Errorf("%d: %+v", i, out.EvaluationResults[i])
		}
	}
	for why, c := range map[string]struct {
		source, code string
		actions      []string
	}{
		"nobody":          {"arn:aws:iam::" + account + ":role/reader", "NoSuchEntity", []string{"iam:GetRole"}},
		"another account": {"arn:aws:iam::999999999999:role/x/reader", "NoSuchEntity", []string{"iam:GetRole"}},
		"no principal":    {provider, "InvalidInput", []string{"iam:GetRole"}},
		"no action":       {role, "ValidationError", []string{""}},
	} {
		_, err := w.iam(userKey()).SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &c.source, ActionNames: c.actions})
		if code(err) != c.code {
			t.Errorf("%s: %v", why, err)
		}
	}
}
