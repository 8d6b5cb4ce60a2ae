package trustpolicy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// Two evaluators that share no code agree wherever ours is sure. Conditions are
// drawn from what both know.
func TestAgreesWithTheNaiveEvaluator(t *testing.T) {
	t.Parallel()
	const okta, ping = "arn:aws:iam::123456789012:saml-provider/Okta", "arn:aws:iam::123456789012:saml-provider/Ping"
	audiences := []string{"https://signin.aws.amazon.com/saml", "https://us-west-2.signin.aws.amazon.com/saml", "HTTPS://signin.aws.amazon.com/saml", "x"}
	values := append(audiences, "https://*", "https://us-west-?.signin.aws.amazon.com/saml", "*", "staff", "${saml:sub}")
	operators := []string{"StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
		"StringEqualsIfExists", "StringNotLikeIfExists", "ForAnyValue:StringEquals", "ForAllValues:StringLike", "ForAnyValue:StringNotEquals", "Null"}
	sure := 0
	rapid.Check(t, func(rt *rapid.T) {
		some := func(name string, from []string) any {
			list := rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(rt, name)
			if len(list) == 1 && rapid.Bool().Draw(rt, "bare") {
				return list[0]
			}
			return list
		}
		statement := func() map[string]any {
			s := map[string]any{
				"Effect": rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(rt, "effect"),
				rapid.SampledFrom([]string{"Action", "Action", "NotAction"}).Draw(rt, "what"): some("actions",
					[]string{"sts:AssumeRoleWithSAML", "STS:assumerole*", "sts:TagSession", "sts:*", "s3:*"}),
				rapid.SampledFrom([]string{"Principal", "Principal", "NotPrincipal"}).Draw(rt, "who"): map[string]any{"Federated": some("providers", []string{okta, ping})},
			}
			if rapid.Bool().Draw(rt, "condition") {
				conditions := map[string]any{}
				for _, op := range rapid.SliceOfNDistinct(rapid.SampledFrom(operators), 1, 2, rapid.ID).Draw(rt, "ops") {
					from := values
					if op == "Null" {
						from = []string{"true", "false"}
					}
					conditions[op] = map[string]any{rapid.SampledFrom([]string{"SAML:aud", "saml:aud", "saml:iss", "saml:edupersonaffiliation"}).Draw(rt, "key"): some("values", from)}
				}
				s["Condition"] = conditions
			}
			return s
		}
		doc := map[string]any{"Version": "2012-10-17", "Statement": rapid.SliceOfN(rapid.Custom(func(*rapid.T) map[string]any { return statement() }), 1, 3).Draw(rt, "statements")}
		text, err := json.Marshal(doc)
		if err != nil {
			rt.Fatal(err)
		}
		p, err := trustpolicy.Parse(string(text))
		if err != nil {
			rt.Fatalf("%v: %s", err, text)
		}
		aud := rapid.SampledFrom(audiences).Draw(rt, "aud")
		groups := rapid.SliceOfN(rapid.SampledFrom([]string{"staff", "guest"}), 0, 2).Draw(rt, "groups")
		keys := map[string][]string{"saml:aud": {aud}}
		if len(groups) > 0 {
			keys["saml:edupersonaffiliation"] = groups
		}
		for _, action := range trustpolicy.SAMLActions() {
			d := trustpolicy.Admits(p, trustpolicy.Login{Provider: okta, Audience: aud, Action: action, Context: keys})
			naive := naivepolicy.Decide(string(text), naivepolicy.Request{Action: action, Caller: naivepolicy.Caller{Kind: "Federated", Names: []string{okta}}, Keys: keys})
			if d.Verdict == trustpolicy.Conditional {
				if naive.Allowed && strings.Contains(string(text), "${") {
					rt.Fatalf("open here, allowed there: %s", text)
				}
				continue
			}
			sure++
			if (d.Verdict == trustpolicy.Allow) != naive.Allowed {
				rt.Fatalf("%s of %s: here %s, there %v: %s", action, fmt.Sprint(keys), d, naive, text)
			}
		}
	})
	if sure == 0 {
		t.Error("the two were never compared")
	}
}
