package naivepolicy

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const okta = "arn:aws:iam::123456789012:saml-provider/Okta"

// login is a SAML login at us-west-2 with one session tag.
func login() Request {
	return Request{Action: "sts:AssumeRoleWithSAML", Caller: Caller{"Federated", []string{okta}}, Keys: map[string][]string{
		"saml:aud":            {"https://us-west-2.signin.aws.amazon.com/saml"},
		"saml:sub":            {"alice"},
		"aws:tagkeys":         {"team", "cost"},
		"aws:requestedregion": {"us-west-2"},
		"aws:securetransport": {"true"},
		"aws:principalarn":    {"arn:aws:iam::123456789012:role/a/b"},
	}}
}

func one(statement string) string {
	return `{"Version":"2012-10-17","Statement":` + statement + `}`
}

func allow(condition string) string {
	return one(`{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"Action":"sts:AssumeRoleWithSAML","Condition":` + condition + `}`)
}

const west = "https://us-west-2.signin.aws.amazon.com/saml"

// spec 5.7 (the sandbox's side of it)
func TestTruthTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, policy string
		want         bool
	}{
		{"equals", allow(`{"StringEquals":{"SAML:aud":"` + west + `"}}`), true},
		{"key in another case", allow(`{"StringEquals":{"saml:AUD":["x","` + west + `"]}}`), true},
		{"operator in another case", allow(`{"stringequals":{"SAML:aud":"` + west + `"}}`), true},
		{"equals other", allow(`{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}`), false},
		{"value in another case", allow(`{"StringEquals":{"SAML:sub":"Alice"}}`), false},
		{"ignore case", allow(`{"StringEqualsIgnoreCase":{"SAML:sub":"ALICE"}}`), true},
		{"not equals", allow(`{"StringNotEquals":{"SAML:sub":["bob","carol"]}}`), true},
		{"not equals one of them", allow(`{"StringNotEquals":{"SAML:sub":["bob","alice"]}}`), false},
		{"not equals ignore case", allow(`{"StringNotEqualsIgnoreCase":{"SAML:sub":"ALICE"}}`), false},
		{"like", allow(`{"StringLike":{"SAML:aud":"https://*.signin.aws.amazon.com/saml"}}`), true},
		{"like with question marks", allow(`{"StringLike":{"SAML:aud":"https://us-????-2.signin.aws.amazon.com/saml"}}`), true},
		{"like does not ignore case", allow(`{"StringLike":{"SAML:sub":"A*"}}`), false},
		{"equals takes no wildcard", allow(`{"StringEquals":{"SAML:aud":"https://*"}}`), false},
		{"not like", allow(`{"StringNotLike":{"SAML:sub":"b*"}}`), true},
		{"not like, matching", allow(`{"StringNotLike":{"SAML:sub":"a*"}}`), false},
		{"two keys are AND", allow(`{"StringEquals":{"SAML:sub":"alice","SAML:aud":"x"}}`), false},
		{"two operators are AND", allow(`{"StringEquals":{"SAML:sub":"alice"},"StringLike":{"SAML:sub":"b*"}}`), false},
		{"keys that differ in case are AND", allow(`{"StringEquals":{"SAML:aud":"` + west + `","saml:aud":"x"}}`), false},
		{"missing key", allow(`{"StringEquals":{"saml:iss":"x"}}`), false},
		{"missing key, negated", allow(`{"StringNotEquals":{"saml:iss":"x"}}`), true},
		{"missing key, IfExists", allow(`{"StringEqualsIfExists":{"saml:iss":"x"}}`), true},
		{"present key, IfExists", allow(`{"StringEqualsIfExists":{"saml:sub":"x"}}`), false},
		{"null true, absent", allow(`{"Null":{"saml:iss":"true"}}`), true},
		{"null true, present", allow(`{"Null":{"saml:aud":"true"}}`), false},
		{"null false, present", allow(`{"Null":{"saml:aud":"false"}}`), true},
		{"null false, absent", allow(`{"Null":{"saml:iss":false}}`), false},
		{"null with nonsense", allow(`{"Null":{"saml:aud":"maybe"}}`), false},
		{"bool", allow(`{"Bool":{"aws:SecureTransport":true}}`), true},
		{"bool false", allow(`{"Bool":{"aws:SecureTransport":"false"}}`), false},
		{"any value", allow(`{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}`), true},
		{"any value, none", allow(`{"ForAnyValue:StringEquals":{"aws:TagKeys":["x"]}}`), false},
		{"any value, missing key", allow(`{"ForAnyValue:StringEquals":{"saml:iss":["x"]}}`), false},
		{"any value negated, missing key", allow(`{"ForAnyValue:StringNotEquals":{"saml:iss":["x"]}}`), false},
		{"all values", allow(`{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","x"]}}`), true},
		{"all values, one outside", allow(`{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`), false},
		{"all values, missing key", allow(`{"ForAllValues:StringEquals":{"saml:iss":["x"]}}`), true},
		{"ARN like", allow(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}`), true},
		{"ARN like keeps its parts apart", allow(`{"ArnLike":{"aws:PrincipalArn":"arn:*:role/a/b"}}`), false},
		{"ARN not like", allow(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}`), false},
		{"unknown operator", allow(`{"NumericLessThan":{"saml:sub":"1"}}`), false},
		{"unknown set operator", allow(`{"ForSome:StringEquals":{"saml:sub":"alice"}}`), false},
		{"policy variable", allow(`{"StringLike":{"aws:PrincipalArn":"arn:*/b","saml:sub":"${SAML:sub}"}}`), true},
		{"policy variable within a value", allow(`{"StringEquals":{"saml:aud":"https://${aws:RequestedRegion}.signin.aws.amazon.com/saml"}}`), true},
		{"policy variable without a value", allow(`{"StringLike":{"saml:sub":["*${aws:username}","${aws:username}*"]}}`), false},
		{"policy variable without a value, negated", allow(`{"StringNotLike":{"saml:sub":"*${aws:username}"}}`), true},
		{"policy variable of several values", allow(`{"StringNotEquals":{"saml:sub":"${aws:TagKeys}"}}`), false},
		{"policy variable with a default", allow(`{"StringEquals":{"saml:sub":"${aws:username, 'alice'}"}}`), true},
		{"policy variable with a default that is not needed", allow(`{"StringEquals":{"saml:sub":"${aws:RequestedRegion, 'alice'}"}}`), false},
		{"policy variable that does not end", allow(`{"StringNotEquals":{"saml:sub":"${aws:username"}}`), false},
		{"any value, missing key, IfExists", allow(`{"ForAnyValue:StringEqualsIfExists":{"saml:iss":"x"}}`), false},
		{"several values without a set operator", allow(`{"StringEquals":{"aws:TagKeys":["team","cost"]}}`), false},
		{"several values without a set operator, negated", allow(`{"StringNotEquals":{"aws:TagKeys":"x"}}`), false},
		{"policy variable beside a plain match", allow(`{"StringEquals":{"saml:sub":["${x}","alice"]}}`), true},
		{"variable text in an old version", strings.Replace(allow(`{"StringLike":{"saml:sub":["${x}","al*"]}}`), "2012", "2008", 1), true},
		{"no condition", one(`{"Effect":"Allow","Principal":{"Federated":["x","` + okta + `"]},"Action":["sts:TagSession","STS:assumerolewithsaml"]}`), true},
		{"action wildcard", one(`[{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"Action":"sts:AssumeRole*"}]`), true},
		{"every action", one(`{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"Action":"*"}`), true},
		{"other action", one(`{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"Action":"sts:AssumeRole"}`), false},
		{"not action", one(`{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"NotAction":"sts:TagSession"}`), true},
		{"not action, listed", one(`{"Effect":"Allow","Principal":{"Federated":"` + okta + `"},"NotAction":"sts:Assume*"}`), false},
		{"star", one(`{"Effect":"Allow","Principal":"*","Action":"sts:*"}`), true},
		{"AWS star", one(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:*"}`), true},
		{"Federated star is not understood", one(`{"Effect":"Allow","Principal":{"Federated":"*"},"Action":"sts:*"}`), false},
		{"provider as an AWS principal", one(`{"Effect":"Allow","Principal":{"AWS":"` + okta + `"},"Action":"sts:*"}`), false},
		{"provider in another case", one(`{"Effect":"Allow","Principal":{"Federated":"` + strings.ToLower(okta) + `"},"Action":"sts:*"}`), false},
		{"not principal", one(`{"Effect":"Allow","NotPrincipal":{"Federated":"x"},"Action":"sts:*"}`), true},
		{"not principal, listed", one(`{"Effect":"Allow","NotPrincipal":{"Federated":"` + okta + `"},"Action":"sts:*"}`), false},
		{"no principal", one(`{"Effect":"Allow","Action":"sts:*"}`), false},
		{"element that is not known", one(`{"Effect":"Allow","Principal":"*","Action":"sts:*","Resource":"*"}`), false},
		{"not JSON", `{`, false},
		{"key twice", one(`{"Effect":"Allow","Effect":"Allow","Principal":"*","Action":"sts:*"}`), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d := Decide(c.policy, login()); d.Allowed != c.want {
				t.Errorf("got %+v", d)
			}
		})
	}
}

// What Deny does beside an Allow for everybody: what is not understood denies.
func TestDenies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, deny string
		allowed    bool
	}{
		{"matching", `"Principal":"*","Action":"sts:*"`, false},
		{"other action", `"Principal":"*","Action":"sts:TagSession"`, true},
		{"other provider", `"Principal":{"Federated":"x"},"Action":"*"`, true},
		{"not principal spares the listed", `"NotPrincipal":{"Federated":"` + okta + `"},"Action":"*"`, true},
		{"not principal hits the others", `"NotPrincipal":{"Federated":"x"},"Action":"*"`, false},
		{"allow-list in disguise, listed", `"Principal":"*","Action":"*","Condition":{"StringNotEquals":{"SAML:aud":["` + west + `"]}}`, true},
		{"allow-list in disguise, not listed", `"Principal":"*","Action":"*","Condition":{"StringNotEquals":{"SAML:aud":["x"]}}`, false},
		{"unknown operator", `"Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`, false},
		{"unknown operator beside one that does not match", `"Principal":"*","Action":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals":{"SAML:sub":"bob"}}`, true},
		{"policy variable", `"Principal":"*","Action":"*","Condition":{"StringEquals":{"SAML:sub":"${saml:sub}"}}`, false},
		{"policy variable without a value", `"Principal":"*","Action":"*","Condition":{"StringEquals":{"SAML:sub":"${x}"}}`, true},
		{"policy variable that is not understood", `"Principal":"*","Action":"*","Condition":{"StringEquals":{"SAML:sub":"${x, 'y'}${*}"}}`, false},
		{"several values without a set operator", `"Principal":"*","Action":"*","Condition":{"StringEquals":{"aws:TagKeys":"x"}}`, false},
		{"wildcard in a principal", `"Principal":{"Federated":"arn:*"},"Action":"*"`, false},
	} {
		for _, order := range []string{"deny first", "deny last"} {
			a, d := `{"Effect":"Allow","Principal":{"Federated":"`+okta+`"},"Action":"*"}`, `{"Effect":"Deny",`+c.deny+`}`
			if order == "deny first" {
				a, d = d, a
			}
			if got := Decide(one("["+a+","+d+"]"), login()); got.Allowed != c.allowed {
				t.Errorf("%s, %s: %+v", c.name, order, got)
			}
		}
	}
}

func TestParseTellsJSONFromSyntax(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		``: ErrNotJSON, `{"a":1,"a":2}`: ErrNotJSON, `{} {}`: ErrNotJSON, strings.Repeat("[", 100): ErrNotJSON,
		`{}`: ErrSyntax, `[]`: ErrSyntax, `{"Statement":{}}`: ErrSyntax, `{"Statement":{"Effect":"Allow","Principal":"x","Action":"a"}}`: ErrSyntax,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":[]}}`:                      ErrSyntax,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":"a","NotAction":"b"}}`:     ErrSyntax,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":"a","Condition":{"x":1}}}`: ErrSyntax,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":{"a":1}}}`:                 ErrSyntax,
	} {
		if _, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWildcardAgreesWithRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?.]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab.]{0,8}`).Draw(t, "text")
		re := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		if got, want := wildcard(pattern, text), regexp.MustCompile(`^(?s:`+re+`)$`).MatchString(text); got != want {
			t.Fatalf("wildcard(%q, %q) = %v", pattern, text, got)
		}
	})
}

// Nothing that is added to a Deny statement's conditions may turn a refusal
// into an admission of a different caller: adding a statement of effect Deny
// never allows more.
func TestADenyNeverAllowsMore(t *testing.T) {
	t.Parallel()
	statement := func(t *rapid.T, effect string) string {
		op := rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "Null", "Odd", "ForAllValues:StringLike"}).Draw(t, "op")
		value := rapid.SampledFrom([]string{"alice", "bob", "*", "true", "${x}"}).Draw(t, "value")
		who := rapid.SampledFrom([]string{`"*"`, `{"Federated":"` + okta + `"}`, `{"Federated":"x"}`}).Draw(t, "who")
		return `{"Effect":"` + effect + `","Principal":` + who + `,"Action":"sts:*","Condition":{"` + op + `":{"saml:sub":"` + value + `"}}}`
	}
	rapid.Check(t, func(t *rapid.T) {
		base := statement(t, "Allow")
		before := Decide(one("["+base+"]"), login()).Allowed
		after := Decide(one("["+base+","+statement(t, "Deny")+"]"), login()).Allowed
		if after && !before {
			t.Fatal("a Deny admitted somebody")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(allow(`{"StringEquals":{"SAML:aud":"x"}}`))
	f.Add(`{"Statement":[{"Effect":"Deny","NotPrincipal":"*","NotAction":["a"]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			if Decide(text, login()).Allowed {
				t.Fatal("an unreadable policy allowed something")
			}
			return
		}
		d.Decide(login())
	})
}
