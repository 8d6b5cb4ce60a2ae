package foreigntest_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/signin"
)

// debianAWS is Debian's AWS CLI; another one in PATH may be of any version.
const debianAWS = "/usr/bin/aws"

// awscli returns the words that start it: it asks once, and prints JSON.
func awscli(t *testing.T) []string {
	t.Helper()
	return []string{"AWS_MAX_ATTEMPTS=1", tool(t, debianAWS, "awscli"), "--output", "json"}
}

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

type caller struct{ Account, Arn string }

func TestAWSCallerIdentity(t *testing.T) {
	t.Parallel()
	aws := awscli(t)
	p := running(t)
	o := p.Demo().Operator
	want := caller{o.Account, "arn:aws:iam::" + o.Account + ":user/" + o.User}
	for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1"} {
		if got := decoded[caller](t, p.must(t, append(aws, "--region", region, "sts", "get-caller-identity")...)); got != want {
			t.Errorf("%s: %+v, want %+v", region, got, want)
		}
	}
	a := p.run(t, append([]string{"AWS_SECRET_ACCESS_KEY=somebody-elses"}, append(aws, "sts", "get-caller-identity")...)...)
	if a.code == 0 || !strings.Contains(a.err, "(SignatureDoesNotMatch)") {
		t.Errorf("a wrong secret key: exit code %d\n%s%s", a.code, a.out, a.err)
	}
}

func TestAWSListsRolesPageByPage(t *testing.T) {
	t.Parallel()
	aws := awscli(t)
	p := running(t)
	account, ok := p.Cloud().Account(signin.AWS, p.Demo().Operator.Account)
	if !ok {
		t.Fatal("the operator's account does not exist")
	}
	type role struct {
		Arn                      string
		AssumeRolePolicyDocument json.RawMessage
	}
	want := map[string]string{}
	for _, r := range account.Roles() {
		want[r.ARN()] = r.Trust
	}
	since := p.Requests().Last()
	got := decoded[struct{ Roles []role }](t, p.must(t, append(aws, "iam", "list-roles", "--page-size", "7")...)).Roles
	if len(got) != len(want) || len(got) < 30 {
		t.Errorf("%d roles listed, %d in the account", len(got), len(want))
	}
	for _, r := range got {
		trust, ok := want[r.Arn]
		if !ok {
			t.Errorf("%s is listed twice or does not exist", r.Arn)
			continue
		}
		delete(want, r.Arn)
		if a, b := decoded[any](t, trust), decoded[any](t, string(r.AssumeRolePolicyDocument)); !equalJSON(a, b) {
			t.Errorf("%s: the trust policy came as %s, is %s", r.Arn, r.AssumeRolePolicyDocument, trust)
		}
	}
	pages := p.Requests().Count(since, func(e reqlog.Entry) bool {
		return e.Kind == reqlog.Request && e.Host == "iam.amazonaws.com" && e.Status == 200 && strings.Contains(e.Note, "ListRoles")
	})
	if pages != (len(got)+6)/7 {
		t.Errorf("%d roles came in %d pages of 7", len(got), pages)
	}
}

func equalJSON(a, b any) bool {
	x, _ := json.Marshal(a) // was JSON a moment ago
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// What IAM holds is what the IdP gives its administrators.
func TestAWSReadsTheProvider(t *testing.T) {
	t.Parallel()
	aws := awscli(t)
	p := running(t)
	app := p.Demo().Apps[0]
	got := decoded[struct{ SAMLMetadataDocument string }](t, p.must(t, append(aws, "iam", "get-saml-provider", "--saml-provider-arn", app.Provider)...))
	want, err := p.Org().Metadata(app.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.SAMLMetadataDocument != string(want) {
		t.Errorf("IAM has\n%s\nOkta has\n%s", got.SAMLMetadataDocument, want)
	}
}

// assume calls assume-role-with-saml for the only role of a person.
func (p place) assume(t *testing.T, response []byte, role, provider string) answer {
	t.Helper()
	return p.run(t, append(awscli(t), "sts", "assume-role-with-saml", "--role-arn", role, "--principal-arn", provider,
		"--saml-assertion", base64.StdEncoding.EncodeToString(response))...)
}

// spec 3
func TestAWSAssumesARoleWithARealAssertion(t *testing.T) {
	t.Parallel()
	aws := awscli(t)
	p := running(t)
	const user = "katherine@acme.example"
	app := p.Demo().Apps[0]
	u, _ := p.Demo().User(user)
	role := u.Roles[app.Label][0]
	response := p.signIn(t, app.Label, user).Assertion
	a := p.assume(t, response, role, app.Provider)
	if a.code != 0 {
		t.Fatalf("exit code %d\n%s", a.code, a.err)
	}
	type session struct {
		Credentials     struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		AssumedRoleUser caller
		Audience        string
	}
	s := decoded[session](t, a.out)
	want := caller{app.Account, "arn:aws:sts::" + app.Account + ":assumed-role/payments-operator/" + user}
	if s.AssumedRoleUser.Arn != want.Arn || s.Audience != app.ACS.String() {
		t.Errorf("assumed %s at %s, want %s at %s", s.AssumedRoleUser.Arn, s.Audience, want.Arn, app.ACS)
	}
	as := []string{"AWS_ACCESS_KEY_ID=" + s.Credentials.AccessKeyId, "AWS_SECRET_ACCESS_KEY=" + s.Credentials.SecretAccessKey}
	who := append(slices.Clone(aws), "sts", "get-caller-identity")
	if got := decoded[caller](t, p.must(t, append(append(as, "AWS_SESSION_TOKEN="+s.Credentials.SessionToken), who...)...)); got != want {
		t.Errorf("the credentials belong to %+v, want %+v", got, want)
	}
	if a := p.run(t, append(as, who...)...); a.code == 0 {
		t.Errorf("the credentials work without their session token: %s", a.out)
	}
}

// Saboteurs: what STS must refuse.
func TestAWSRefusesWhatIsNotVouchedFor(t *testing.T) {
	t.Parallel()
	awscli(t)
	p := running(t)
	const user = "katherine@acme.example"
	app, other := p.Demo().Apps[0], p.Demo().Apps[1]
	u, _ := p.Demo().User(user)
	role := u.Roles[app.Label][0]
	response := p.signIn(t, app.Label, user).Assertion
	admin := strings.Replace(role, "payments-operator", "Administrator", 1)
	for _, c := range []struct {
		why            string
		response       []byte
		role, provider string
		want           string
	}{
		{"a role added after signing", swap(t, response, role, admin), admin, app.Provider, "(InvalidIdentityToken)"},
		{"another person's name", swap(t, response, user, "mallory@acme.example"), role, app.Provider, "(InvalidIdentityToken)"},
		{"a key that IAM does not know", forged(t, p, app, user), role, app.Provider, "(InvalidIdentityToken)"},
		{"a role that the assertion does not hold", response, admin, app.Provider, "(AccessDenied)"},
		{"another account's provider", response, role, other.Provider, "(AccessDenied)|(InvalidIdentityToken)"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			a := p.assume(t, c.response, c.role, c.provider)
			refused := slices.ContainsFunc(strings.Split(c.want, "|"), func(code string) bool { return strings.Contains(a.err, code) })
			if a.code == 0 || !refused || strings.Contains(a.out, "SecretAccessKey") {
				t.Errorf("exit code %d, want %s\n%s", a.code, c.want, a.err)
			}
		})
	}
}

// IAM dies with us-east-1, the STS of another Region does not.
func TestAWSInAnOutage(t *testing.T) {
	t.Parallel()
	aws := awscli(t)
	p := running(t)
	p.breaks(t, "us-east-1", fault.Effect{Kind: fault.Down})
	if a := p.run(t, append(aws, "iam", "list-roles")...); a.code == 0 || !strings.Contains(a.err, "proxy") {
		t.Errorf("IAM answers while us-east-1 is down: exit code %d\n%s%s", a.code, a.out, a.err)
	}
	if a := p.run(t, append(aws, "--region", "us-east-1", "sts", "get-caller-identity")...); a.code == 0 {
		t.Errorf("STS answers while us-east-1 is down:\n%s", a.out)
	}
	p.must(t, append(aws, "--region", "us-west-2", "sts", "get-caller-identity")...)
}

// The AWS CLI finds the endpoints of GovCloud by itself.
func TestAWSInGovCloud(t *testing.T) {
	t.Parallel()
	aws := tool(t, "/usr/bin/aws", "awscli")
	p := runningIn(t, signin.GovCloud)
	if out := p.must(t, aws, "sts", "get-caller-identity", "--output", "json"); !strings.Contains(out, "arn:aws-us-gov:iam::111122223333:user/operator") {
		t.Errorf("get-caller-identity says\n%s", out)
	}
	if out := p.must(t, aws, "iam", "list-saml-providers", "--output", "json"); !strings.Contains(out, p.Demo().Apps[0].Provider) {
		t.Errorf("list-saml-providers says\n%s", out)
	}
	asked := map[string]bool{}
	entries, _ := p.Requests().Since(0)
	for _, e := range entries {
		asked[e.Host] = true
	}
	if want := map[string]bool{"sts.us-gov-east-1.amazonaws.com": true, "iam.us-gov.amazonaws.com": true}; !maps.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}
