package trustpolicy

import (
	"fmt"
	"strings"
	"testing"
)

const (
	okta  = "arn:aws:iam::123456789012:saml-provider/Okta"
	ping  = "arn:aws:iam::123456789012:saml-provider/Ping"
	east  = "https://signin.aws.amazon.com/saml"
	west  = "https://us-west-2.signin.aws.amazon.com/saml"
	ohio  = "https://us-east-2.signin.aws.amazon.com/saml"
	evil  = "https://evil.example/x.signin.aws.amazon.com/saml"
	v2012 = `"Version":"2012-10-17",`
)

// allowIf is an Allow for Okta with a Condition.
func allowIf(condition string) string {
	return fmt.Sprintf(`{%s"Statement":{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":"sts:AssumeRoleWithSAML","Condition":%s}}`, v2012, okta, condition)
}

// with is a policy of two statements: a plain Allow for Okta and another one.
func with(statement string) string {
	return fmt.Sprintf(`{%s"Statement":[{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":"sts:AssumeRoleWithSAML"},%s]}`, v2012, okta, statement)
}

// A login with tags or a source identity needs more than one action.
func TestAdmitsNeeds(t *testing.T) {
	t.Parallel()
	p, err := Parse(fmt.Sprintf(`{%s"Statement":[{"Sid":"In","Effect":"Allow","Principal":{"Federated":"%s"},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":{"StringEquals":{"SAML:aud":["%s","%s"]}}},
	{"Sid":"Who","Effect":"Allow","Principal":{"Federated":"%s"},"Action":"sts:setSourceIdentity","Condition":{"StringEquals":{"SAML:aud":"%s"}}},
	{"Effect":"Deny","Principal":"*","Action":"sts:TagSession","Condition":{"StringEquals":{"aws:RequestTag/team":"banned"}}}]}`, v2012, okta, east, west, okta, east))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		login  Login
		want   Verdict
		action string
	}{
		{"plain", Login{Audience: west}, Allow, AssumeRoleWithSAML},
		{"tags", Login{Audience: west, Tags: map[string]string{"Team": "x"}}, Allow, AssumeRoleWithSAML},
		{"banned tag", Login{Audience: west, Tags: map[string]string{"Team": "banned"}}, Deny, TagSession},
		{"identity at home", Login{Audience: east, SourceIdentity: "u"}, Allow, AssumeRoleWithSAML},
		{"identity elsewhere", Login{Audience: west, SourceIdentity: "u"}, Deny, SetSourceIdentity},
		{"one action", Login{Audience: west, Action: "STS:setsourceidentity"}, Deny, "STS:setsourceidentity"},
	} {
		c.login.Provider = okta
		if d := Admits(p, c.login); d.Verdict != c.want || d.Action != c.action {
			t.Errorf("%s: %s of %s, want %s of %s", c.name, d.Verdict, d.Action, c.want, c.action)
		}
	}
	if d := Admits(p, Login{Provider: okta, Audience: west, SourceIdentity: "u"}); d.Condition != "StringEquals SAML:aud" || !strings.Contains(d.String(), "nearest") {
		t.Errorf("the decision does not name the condition that keeps the login out: %+v", d)
	}
}

// A condition on the assertion is the same in every Region; one on the place is not.
func TestAsGood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, policy string
		want, only   bool
	}{
		{"issuer", allowIf(`{"StringEquals":{"SAML:aud":["` + east + `","` + west + `"],"SAML:iss":"x"}}`), true, true},
		{"issuer, audience missing", allowIf(`{"StringEquals":{"SAML:aud":"` + east + `","SAML:iss":"x"}}`), false, false},
		{"network", allowIf(`{"StringEquals":{"aws:SourceVpc":"x"}}`), true, false},
		{"variable on the audience", allowIf(`{"StringEquals":{"SAML:aud":"${saml:x}"}}`), false, false},
	} {
		p, err := Parse(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		home, other := Login{Provider: okta, Audience: east, Partial: true}, Login{Provider: okta, Audience: west, Partial: true}
		if got := AsGood(p, home, other); got != c.want {
			t.Errorf("%s: AsGood %t, want %t", c.name, got, c.want)
		}
		other.Action = AssumeRoleWithSAML
		if got := Admits(p, other).AssertionOnly(); got != c.only {
			t.Errorf("%s: AssertionOnly %t, want %t", c.name, got, c.only)
		}
	}
}
