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

func deny(rest string) string {
	return with(`{"Effect":"Deny","Principal":"*","Action":"sts:*"` + rest + `}`)
}

type row struct {
	name, policy string
	aud          string              // default east
	context      map[string][]string // further keys
	want         Verdict
	reason       Reason
	why          string
}

func truthTable() []row {
	edu := func(v ...string) map[string][]string { return map[string][]string{"saml:edupersonaffiliation": v} }
	return []row{
		{"equals", allowIf(`{"StringEquals":{"SAML:aud":"` + east + `"}}`), "", nil, Allow, Allowed, "the value is the audience"},
		{"equals other", allowIf(`{"StringEquals":{"SAML:aud":"` + west + `"}}`), "", nil, Deny, Implicit, "another audience"},
		{"equals list", allowIf(`{"StringEquals":{"SAML:aud":["` + west + `","` + east + `"]}}`), "", nil, Allow, Allowed, "values are OR"},
		{"key case", allowIf(`{"StringEquals":{"saml:AUD":"` + east + `"}}`), "", nil, Allow, Allowed, "keys ignore case"},
		{"value case", allowIf(`{"StringEquals":{"SAML:aud":"HTTPS://signin.aws.amazon.com/saml"}}`), "", nil, Deny, Implicit, "values do not"},
		{"two keys by case", allowIf(`{"StringEquals":{"SAML:aud":"` + east + `","saml:aud":"` + west + `"}}`), "", nil, Deny, Implicit, "both have to hold"},
		{"two operators", allowIf(`{"StringEquals":{"SAML:aud":"` + east + `"},"StringLike":{"SAML:aud":"*west*"}}`), "", nil, Deny, Implicit, "operators are AND"},
		{"wildcard under equals", allowIf(`{"StringEquals":{"SAML:aud":"https://*"}}`), "", nil, Deny, Implicit, "* is a letter there"},
		{"like star", allowIf(`{"StringLike":{"SAML:aud":"https://*.signin.aws.amazon.com/saml"}}`), west, nil, Allow, Allowed, "* is any text"},
		{"like bare host", allowIf(`{"StringLike":{"SAML:aud":"https://*.signin.aws.amazon.com/saml"}}`), east, nil, Deny, Implicit, "the dot has to be there"},
		{"like foreign", allowIf(`{"StringLike":{"SAML:aud":"https://*.signin.aws.amazon.com/saml"}}`), evil, nil, Allow, Allowed, "* crosses dots and slashes"},
		{"like question mark", allowIf(`{"StringLike":{"SAML:aud":"https://us-west-?.signin.aws.amazon.com/saml"}}`), west, nil, Allow, Allowed, "? is one character"},
		{"like question mark none", allowIf(`{"StringLike":{"SAML:aud":"https://signin.aws.amazon.com/saml?"}}`), "", nil, Deny, Implicit, "? is not none"},
		{"like case", allowIf(`{"StringLike":{"SAML:aud":"HTTPS://*"}}`), "", nil, Deny, Implicit, "case-sensitive"},
		{"ignore case", allowIf(`{"StringEqualsIgnoreCase":{"SAML:aud":"HTTPS://SIGNIN.aws.amazon.com/saml"}}`), "", nil, Allow, Allowed, "ignores case"},
		{"not equals", allowIf(`{"StringNotEquals":{"SAML:aud":["` + west + `","` + ohio + `"]}}`), "", nil, Allow, Allowed, "none of them"},
		{"not equals hit", allowIf(`{"StringNotEquals":{"SAML:aud":["` + west + `","` + east + `"]}}`), "", nil, Deny, Implicit, "one of them"},
		{"not like", allowIf(`{"StringNotLike":{"SAML:aud":"https://us-*"}}`), "", nil, Allow, Allowed, "no match"},
		{"not equals ignore case", allowIf(`{"StringNotEqualsIgnoreCase":{"SAML:aud":"HTTPS://SIGNIN.aws.amazon.com/saml"}}`), "", nil, Deny, Implicit, "matches but for case"},
		{"if exists", allowIf(`{"StringEqualsIfExists":{"SAML:aud":"` + west + `"}}`), "", nil, Deny, Implicit, "the key exists"},
		{"if exists absent", allowIf(`{"StringEqualsIfExists":{"SAML:iss":"x"}}`), "", nil, Allow, Allowed, "no such key"},
		{"absent positive", allowIf(`{"StringEquals":{"SAML:iss":"x"}}`), "", nil, Deny, Implicit, "no such key"},
		{"absent negated", allowIf(`{"StringNotEquals":{"SAML:iss":"x"}}`), "", nil, Allow, Allowed, "no such key"},
		{"absent request tag", allowIf(`{"StringLike":{"aws:RequestTag/team":"*"}}`), "", nil, Deny, Implicit, "no such tag"},
		{"any", allowIf(`{"ForAnyValue:StringEquals":{"saml:edupersonaffiliation":["staff"]}}`), "", edu("guest", "staff"), Allow, Allowed, "one value matches"},
		{"any none", allowIf(`{"ForAnyValue:StringEquals":{"saml:edupersonaffiliation":["staff"]}}`), "", edu("guest"), Deny, Implicit, "no value matches"},
		{"any absent", allowIf(`{"ForAnyValue:StringNotEquals":{"saml:edupersonaffiliation":["staff"]}}`), "", nil, Deny, Implicit, "absent is false"},
		{"any negated", allowIf(`{"ForAnyValue:StringNotEquals":{"saml:edupersonaffiliation":["staff"]}}`), "", edu("staff", "guest"), Allow, Allowed, "one is none of them"},
		{"all", allowIf(`{"ForAllValues:StringLike":{"saml:edupersonaffiliation":["st*","g*"]}}`), "", edu("guest", "staff"), Allow, Allowed, "every value matches"},
		{"all but one", allowIf(`{"ForAllValues:StringLike":{"saml:edupersonaffiliation":["st*"]}}`), "", edu("guest", "staff"), Deny, Implicit, "one does not"},
		{"all absent", allowIf(`{"ForAllValues:StringEquals":{"saml:edupersonaffiliation":"staff"}}`), "", nil, Allow, Allowed, "absent is true"},
		{"all on aud", allowIf(`{"ForAllValues:StringEquals":{"SAML:aud":"` + east + `"}}`), "", nil, Allow, Allowed, "one value"},
		{"several values, agreeing", allowIf(`{"StringEquals":{"saml:edupersonaffiliation":["staff","guest"]}}`), "", edu("guest", "staff"), Allow, Allowed, "all match"},
		{"several values, mixed", allowIf(`{"StringEquals":{"saml:edupersonaffiliation":["staff"]}}`), "", edu("guest", "staff"), Conditional, MultiValue, "not documented"},
		{"null true", allowIf(`{"Null":{"SAML:aud":"true"}}`), "", nil, Deny, Implicit, "the key is there"},
		{"null false", allowIf(`{"Null":{"SAML:aud":false}}`), "", nil, Allow, Allowed, "the key is there"},
		{"null absent", allowIf(`{"Null":{"SAML:iss":"true"}}`), "", nil, Allow, Allowed, "the key is absent"},
		{"unknown key", allowIf(`{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), "", nil, Conditional, UnknownKey, "not given"},
		{"unknown key given", allowIf(`{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), "", map[string][]string{"AWS:sourcevpc": {"vpc-1"}}, Allow, Allowed, "given"},
		{"unknown key beside a false one", allowIf(`{"StringEquals":{"aws:SourceVpc":"vpc-1","SAML:aud":"x"}}`), "", nil, Deny, Implicit, "false whatever it is"},
		{"unknown key that does not matter", allowIf(`{"StringLikeIfExists":{"aws:SourceVpc":"*"}}`), "", nil, Allow, Allowed, "true whatever it is"},
		{"unsupported", allowIf(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), "", nil, Conditional, UnsupportedOperator, "not built"},
		{"unsupported beside a false one", allowIf(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals":{"SAML:aud":"x"}}`), "", nil, Deny, Implicit, "false whatever it is"},
		{"unsupported named first", allowIf(`{"StringEquals":{"aws:SourceVpc":"v"},"ArnLike":{"aws:PrincipalArn":"x"}}`), "", nil, Conditional, UnsupportedOperator, "it can be built"},
		{"null if exists", allowIf(`{"NullIfExists":{"SAML:aud":"true"}}`), "", nil, Conditional, UnsupportedOperator, "no such operator"},
		{"variable", allowIf(`{"StringEquals":{"SAML:aud":"${aws:PrincipalTag/x}"}}`), "", nil, Conditional, PolicyVariable, "replaced by AWS"},
		{"variable beside a match", allowIf(`{"StringEquals":{"SAML:aud":["${saml:sub}","` + east + `"]}}`), "", nil, Allow, Allowed, "values are OR"},
		{"no variable in 2008", strings.Replace(allowIf(`{"StringEquals":{"SAML:aud":"${saml:sub}"}}`), v2012, "", 1), "", nil, Deny, Implicit, "a literal there"},
		{"deny beats allow", deny(``), "", nil, Deny, Explicit, "no condition"},
		{"deny that fails", deny(`,"Condition":{"StringEquals":{"SAML:aud":"` + west + `"}}`), "", nil, Allow, Allowed, "the Deny does not apply"},
		{"allow-list in disguise", deny(`,"Condition":{"StringNotEquals":{"SAML:aud":"` + west + `"}}`), "", nil, Deny, Explicit, "not on the list"},
		{"deny unknown", deny(`,"Condition":{"StringNotEquals":{"aws:SourceVpc":"v"}}`), "", nil, Conditional, UnknownKey, "it could apply"},
		{"deny null region", deny(`,"Condition":{"Null":{"SAML:sub":"true"}}`), "", nil, Deny, Explicit, "absent"},
		{"not action", with(`{"Effect":"Deny","Principal":"*","NotAction":"sts:TagSession"}`), "", nil, Deny, Explicit, "everything else is denied"},
		{"not action named", with(`{"Effect":"Deny","Principal":"*","NotAction":"STS:assumerolewith*"}`), "", nil, Allow, Allowed, "named ones are not"},
		{"not principal", with(`{"Effect":"Deny","NotPrincipal":{"Federated":"` + okta + `"},"Action":"*"}`), "", nil, Allow, Allowed, "we are excepted"},
		{"not principal other", with(`{"Effect":"Deny","NotPrincipal":{"Federated":"` + ping + `"},"Action":"*"}`), "", nil, Deny, Explicit, "we are not"},
		{"deny AWS star", with(`{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"*"}`), "", nil, Deny, Explicit, "means everybody"},
		{"deny AWS root", with(`{"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"*"}`), "", nil, Allow, Allowed, "a SAML caller is no AWS principal"},
		{"action wildcard", `{"Statement":{"Effect":"Allow","Principal":{"Federated":["x","` + okta + `"]},"Action":["s3:*","STS:assumerole*"]}}`, "", nil, Allow, Allowed, "case and * of actions"},
		{"wrong action", `{"Statement":{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"Action":"sts:AssumeRoleWithWebIdentity"}}`, "", nil, Deny, Implicit, "not granted"},
		{"wrong provider", `{"Statement":{"Effect":"Allow","Principal":{"Federated":"` + ping + `"},"Action":"*"}}`, "", nil, Deny, Implicit, "another provider"},
		{"provider wildcard", `{"Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:saml-provider/*"},"Action":"*"}}`, "", nil, Deny, Implicit, "no wildcard within a principal"},
		{"everybody", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}`, "", nil, Allow, Allowed, "counts as a match"},
		{"excluded middle", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringEquals":{"aws:SourceVpc":"v"}}},
			{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"v"}}}]}`, "", nil, Allow, Allowed, "one of the two holds"},
		{"allow and deny alike", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}},
			{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`, "", nil, Deny, Implicit, "never allowed"},
		{"no statement", `{"Statement":[]}`, "", nil, Deny, Implicit, "nothing is allowed"},
		{"empty values", allowIf(`{"StringEquals":{"SAML:aud":[]}}`), "", nil, Deny, Implicit, "none matches"},
	}
}

// check runs the table and returns the rows that an evaluator gets wrong.
func check(t *testing.T, decide func(Policy, Login) Decision) (wrong []string) {
	t.Helper()
	for _, r := range truthTable() {
		p, err := Parse(r.policy)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		aud := r.aud
		if aud == "" {
			aud = east
		}
		d := decide(p, Login{Provider: okta, Audience: aud, Context: r.context})
		if d.Verdict != r.want || d.Reason != r.reason {
			wrong = append(wrong, fmt.Sprintf("%s: %s/%s, want %s/%s: %s (%s)", r.name, d.Verdict, d.Reason, r.want, r.reason, r.why, d))
		}
	}
	return wrong
}

// spec 5.7, 6.1
func TestTruthTable(t *testing.T) {
	t.Parallel()
	for _, w := range check(t, Admits) {
		t.Error(w)
	}
}

// Saboteurs: evaluators with one wrong rule each; the table has to refuse all.
func TestTruthTableCatchesWrongEvaluators(t *testing.T) {
	t.Parallel()
	mutate := func(f func(*condition)) func(Policy, Login) Decision {
		return func(p Policy, l Login) Decision {
			q := p
			q.statements = append([]statement(nil), p.statements...)
			for i := range q.statements {
				q.statements[i].conditions = append([]condition(nil), q.statements[i].conditions...)
				for j := range q.statements[i].conditions {
					f(&q.statements[i].conditions[j])
				}
			}
			return Admits(q, l)
		}
	}
	saboteurs := map[string]func(Policy, Login) Decision{
		"no Deny": func(p Policy, l Login) Decision {
			p.statements = append([]statement(nil), p.statements...)
			for i := range p.statements {
				p.statements[i].deny = false
			}
			return Admits(p, l)
		},
		"keys with case":     mutate(func(c *condition) { c.lower = c.key }),
		"equals is like":     mutate(swap(opEquals, opLike)),
		"case of values":     mutate(swap(opEquals, opEqualsFold)),
		"unsupported equals": mutate(swap(opUnsupported, opEquals)),
		"no negation":        mutate(func(c *condition) { c.op.negated = false }),
		"no IfExists":        mutate(func(c *condition) { c.op.ifExists = false }),
		"no set operators":   mutate(func(c *condition) { c.op.set = single }),
		"any is all": mutate(func(c *condition) {
			if c.op.set == anyValue {
				c.op.set = allValues
			}
		}),
		"everything unknown": func(p Policy, l Login) Decision { l.Partial = true; return Admits(p, l) },
		"always variables":   func(p Policy, l Login) Decision { p.version = version2012; return Admits(p, l) },
		"unknown is no": func(p Policy, l Login) Decision {
			d := Admits(p, l)
			if d.Verdict == Conditional {
				d.Verdict, d.Reason = Deny, Implicit
			}
			return d
		},
	}
	for name, decide := range saboteurs {
		if len(check(t, decide)) == 0 {
			t.Errorf("the table passes an evaluator with a wrong rule: %s", name)
		}
	}
}

// swap takes one base operator for another.
func swap(from, to baseOp) func(*condition) {
	return func(c *condition) {
		if c.op.base == from {
			c.op.base = to
		}
	}
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
