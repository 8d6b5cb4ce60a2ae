package trustpolicy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// want is what the tests ask for: both home and standby for Okta.
func want() EditRequest {
	return EditRequest{Providers: []string{okta}, Audiences: []string{east, west}}
}

// st is a statement for Okta with the three actions.
func st(principal, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Effect":"Allow","Principal":` + principal + `,"Action":["sts:AssumeRoleWithSAML","sts:TagSession"]` + condition + `}`
}

func doc(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

const (
	ours    = `{"Federated":"` + okta + `"}`
	shared  = `{"Federated":["` + okta + `","` + ping + `"]}`
	audEast = `{"StringEquals":{"SAML:aud":"` + east + `"}}`
)

// spec 5.1, 5.2
func TestEdit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, after string }{
		{"string becomes a list", doc(st(ours, audEast)), doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`))},
		{"own separator", doc(st(ours, "{\"StringEquals\":{\"SAML:aud\":[\n  \"x\"  ,\n  \""+east+"\"\n]}}")),
			doc(st(ours, "{\"StringEquals\":{\"SAML:aud\":[\n  \"x\"  ,\n  \""+east+"\"  ,\n  \""+west+"\"\n]}}"))},
		{"list of one", doc(st(ours, `{"StringEquals":{"SAML:aud":[ "`+east+`" ]}}`)), doc(st(ours, `{"StringEquals":{"SAML:aud":[ "`+east+`", "`+west+`" ]}}`))},
		{"empty list", doc(st(ours, `{"StringEquals":{"SAML:aud":[]}}`)), doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`))},
		{"like gets a literal", doc(st(ours, `{"StringLike":{"saml:AUD":"`+east+`"}}`)), doc(st(ours, `{"StringLike":{"saml:AUD":["`+east+`","`+west+`"]}}`))},
		{"like admits already", doc(st(ours, `{"StringLike":{"SAML:aud":"https://*signin.aws.amazon.com/saml"}}`)), ""},
		{"no condition", doc(st(ours, "")), ""},
		{"complete", doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`","x"]}}`)), ""},
		{"escaped value", doc(st(ours, `{"StringEquals":{"SAML:aud":["`+strings.Replace(east, "/", `\/`, 1)+`","`+west+`"]}}`)), ""},
		{"other provider only", doc(st(`{"Federated":"`+ping+`"}`, audEast)), ""},
		{"AWS principal only", doc(st(`{"AWS":"arn:aws:iam::123456789012:root"}`, audEast)), ""},
		{"both keys", doc(st(ours, `{"StringEquals":{"SAML:aud":"`+east+`","saml:aud":"`+east+`"}}`)),
			doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"],"saml:aud":["`+east+`","`+west+`"]}}`))},
		{"tags in a statement of their own", doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`), strings.Replace(st(ours, audEast), `"sts:AssumeRoleWithSAML",`, `"sts:SetSourceIdentity",`, 1)),
			doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`), strings.Replace(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`), `"sts:AssumeRoleWithSAML",`, `"sts:SetSourceIdentity",`, 1))},
		{"another statement without condition", doc(st(ours, audEast), st(ours, "")), ""},
		{"foreign condition on the other one", doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`"]}}`), st(ours, `{"StringEquals":{"SAML:iss":"x"}}`)),
			doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`), st(ours, `{"StringEquals":{"SAML:iss":"x"}}`))},
		{"action wildcard", strings.ReplaceAll(doc(st(ours, audEast)), "sts:AssumeRoleWithSAML", "STS:*"),
			strings.ReplaceAll(doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`)), "sts:AssumeRoleWithSAML", "STS:*")},
		{"shared with a service, which never has the key", doc(st(`{"Federated":"`+okta+`","Service":"ec2.amazonaws.com","AWS":"123456789012"}`, audEast)),
			doc(st(`{"Federated":"`+okta+`","Service":"ec2.amazonaws.com","AWS":"123456789012"}`, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`))},
		{"shared, and the other one is admitted already", doc(st(shared, audEast), st(`{"Federated":"`+ping+`"}`, "")),
			doc(st(shared, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`), st(`{"Federated":"`+ping+`"}`, ""))},
		{"unrelated operator elsewhere", doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`"]},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`)),
			doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`))},
		{"unconditional Deny: nothing would help", doc(st(ours, audEast), `{"Effect":"Deny","Principal":"*","Action":"*"}`), ""},
		{"Null", doc(st(ours, `{"StringEquals":{"SAML:aud":"`+east+`"},"Null":{"SAML:aud":"true"}}`)), ""},
	} {
		if c.after == "" {
			c.after = c.before
		}
		got, err := Edit(c.before, want())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.Text != c.after || (got.Text == c.before) != (len(got.Changes) == 0) {
			t.Errorf("%s:\n got %s\nwant %s\n%v", c.name, got.Text, c.after, got.Changes)
		}
		if again, err := Edit(got.Text, want()); err != nil || again.Text != got.Text {
			t.Errorf("%s: the second edit changes something: %v", c.name, err)
		}
	}
}

// spec 5.1, 5.7
func TestEditRefuses(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range maxAtoms + 1 {
		many = append(many, fmt.Sprintf(`"aws:RequestTag/%d":"x"`, i))
	}
	for _, c := range []struct {
		name, text string
		want       RefusalCode
	}{
		{"shared", doc(st(shared, audEast)), RefusedShared},
		{"everybody", doc(st(`"*"`, audEast)), RefusedOpen},
		{"AWS star", doc(st(`{"AWS":"*"}`, audEast)), RefusedOpen},
		{"not principal", doc(st(`{"Federated":"x"}`, ""), strings.Replace(st(`{"Federated":"`+ping+`"}`, audEast), `"Principal"`, `"NotPrincipal"`, 1)), RefusedOpen},
		{"variable", doc(st(ours, `{"StringEquals":{"SAML:aud":"${saml:x}"}}`)), RefusedVariable},
		{"operator", doc(st(ours, `{"ArnLike":{"SAML:aud":"x"}}`)), RefusedOperator},
		{"ignore case", doc(st(ours, `{"StringEqualsIgnoreCase":{"SAML:aud":"`+east+`"}}`)), RefusedIgnoreCase},
		{"excluded", doc(st(ours, `{"StringNotEquals":{"SAML:aud":"`+west+`"}}`)), RefusedExcluded},
		{"deny", doc(st(ours, ""), `{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringNotEquals":{"SAML:aud":"`+east+`"}}}`), RefusedDeny},
		{"deny after an edit", doc(st(ours, audEast), `{"Effect":"Deny","Principal":"*","Action":"sts:TagSession","Condition":{"StringLike":{"SAML:aud":"*us-west*"}}}`), RefusedDeny},
		{"deny with an open condition", doc(st(ours, audEast), `{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"StringNotEquals":{"SAML:aud":"`+east+`","SAML:iss":"x"}}}`), RefusedDeny},
		{"too many conditions", doc(st(ours, `{"StringEquals":{"SAML:aud":"`+east+`",`+strings.Join(many, ",")+`}}`)), RefusedTooComplex},
		{"not JSON", "nonsense", RefusedUnparsable},
		{"duplicate key", doc(st(ours, `{"StringEquals":{"SAML:aud":"a","SAML:aud":"b"}}`)), RefusedUnparsable},
		{"characters", strings.Replace(doc(st(ours, audEast)), `"Statement"`, `"Id":"東","Statement"`, 1), RefusedCharacters},
	} {
		_, err := Edit(c.text, want())
		var r Refusal
		if !errors.As(err, &r) || r.Code != c.want || r.Reason == "" || r.Remedy == "" {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	for _, bad := range []EditRequest{
		{Providers: []string{okta}, Audiences: []string{"https://*.signin.aws.amazon.com/saml"}},
		{Providers: []string{okta}, Audiences: []string{"https://us-west-?.signin.aws.amazon.com/saml"}},
		{Providers: []string{okta}, Audiences: []string{"https://${saml:x}/saml"}},
		{Providers: []string{okta}, Audiences: []string{"http://signin.aws.amazon.com/saml"}},
		{Providers: []string{okta}, Audiences: []string{"https://a\"b"}},
		{Providers: []string{"*"}, Audiences: []string{east}},
	} {
		_, err := Edit(doc(st(ours, audEast)), bad)
		var r Refusal
		if !errors.As(err, &r) || r.Code != RefusedRequest {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// Saboteur edits: each widens or loses something; the proof has to refuse them
// although they look like edits.
// spec 5.1, 5.2
func TestProveRefusesSaboteurs(t *testing.T) {
	t.Parallel()
	denyList := `{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringNotEquals":{"SAML:aud":["` + east + `"]}}}`
	base := doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","x"]}}`), st(`{"Federated":"`+ping+`"}`, audEast), denyList, st(ours, `{"StringLike":{"SAML:aud":"`+east+`"}}`))
	list := `["` + east + `","x"]`
	for _, c := range []struct{ name, after string }{
		{"adds to another provider's statement", strings.Replace(base, `saml-provider/Ping"},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":`+audEast, `saml-provider/Ping"},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`, 1)},
		{"drops a value", strings.Replace(base, list, `["`+east+`","`+west+`"]`, 1)},
		{"adds a wildcard", strings.Replace(base, `{"StringLike":{"SAML:aud":"`+east+`"}}`, `{"StringLike":{"SAML:aud":["`+east+`","https://*.signin.aws.amazon.com/saml"]}}`, 1)},
		{"adds another audience", strings.Replace(base, list, `["`+east+`","x","`+ohio+`"]`, 1)},
		{"touches a Deny", strings.Replace(base, `["`+east+`"]}}}`, `["`+east+`","`+west+`"]}}}`, 1)},
		{"drops a statement", strings.Replace(base, `,`+denyList, "", 1)},
		{"removes a condition", strings.Replace(base, `,"Condition":`+audEast, "", 1)},
		{"adds an action", strings.Replace(base, `"sts:TagSession"]`, `"sts:TagSession","sts:AssumeRole"]`, 1)},
		{"adds a provider", strings.Replace(base, ours, shared, 1)},
		{"changes an operator", strings.Replace(base, "StringEquals", "StringLike", 1)},
		{"turns a Deny around", strings.Replace(base, `"Deny"`, `"Allow"`, 1)},
		{"drops the version", strings.Replace(base, `"Version":"2012-10-17",`, "", 1)},
		{"changes an unknown element", strings.Replace(base, `"Statement"`, `"Id":"x","Statement"`, 1)},
	} {
		if c.after == base {
			t.Fatalf("%s: the saboteur does nothing", c.name)
		}
		before, errB := Parse(base)
		after, errA := Parse(c.after)
		if errB != nil || errA != nil {
			t.Fatalf("%s: %v %v", c.name, errB, errA)
		}
		if err := Prove(before, after, want()); err == nil {
			t.Errorf("%s: proved", c.name)
		}
	}
}

// The two halves of the proof are independent: each refuses by itself what
// changes who may sign in.
func TestProofHalves(t *testing.T) {
	t.Parallel()
	lists := func(v ...string) string {
		return `{"StringEquals":{"SAML:aud":["` + strings.Join(v, `","`) + `"]}}`
	}
	for _, c := range []struct {
		name, before, after string
		form, meaning       bool // accepted by
	}{
		{"right", doc(st(ours, lists(east))), doc(st(ours, lists(east, west))), true, true},
		{"foreign audience", doc(st(ours, lists(east))), doc(st(ours, lists(east, evil))), false, false},
		{"lost audience", doc(st(ours, lists(east, "x"))), doc(st(ours, lists(east))), false, false},
		{"shared statement", doc(st(shared, lists(east))), doc(st(shared, lists(east, west))), true, false},
		{"everybody", doc(st(`"*"`, lists(east))), doc(st(`"*"`, lists(east, west))), true, false},
		{"Deny weakened for a wanted audience", doc(st(ours, ""), `{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"StringNotEquals":{"SAML:aud":["`+east+`"]}}}`),
			doc(st(ours, ""), `{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"StringNotEquals":{"SAML:aud":["`+east+`","`+west+`"]}}}`), false, true},
		{"ignoring case", doc(st(ours, `{"StringEqualsIgnoreCase":{"SAML:aud":["`+east+`"]}}`)), doc(st(ours, `{"StringEqualsIgnoreCase":{"SAML:aud":["`+east+`","`+west+`"]}}`)), true, false},
		{"pattern", doc(st(ours, `{"StringLike":{"SAML:aud":["`+east+`"]}}`)), doc(st(ours, `{"StringLike":{"SAML:aud":["`+east+`","https://us-*.signin.aws.amazon.com/saml"]}}`)), false, false},
		{"condition dropped", doc(st(ours, `{"StringEquals":{"SAML:aud":"`+east+`","SAML:iss":"x"}}`)), doc(st(ours, audEast)), false, true},
	} {
		b, _ := Parse(c.before)
		a, _ := Parse(c.after)
		if err := sameForm(b, a, want(), false); (err == nil) != c.form {
			t.Errorf("%s: form: %v", c.name, err)
		}
		if err := sameMeaning(b, a, want()); (err == nil) != c.meaning {
			t.Errorf("%s: meaning: %v", c.name, err)
		}
	}
}
