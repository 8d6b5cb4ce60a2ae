package trustpolicy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// hostile draws trust policies that try to make an edit widen more than it may,
// and the logins with which another evaluator looks for a widening.
type hostile struct{ *rapid.T }

const (
	hostileOurs   = "arn:aws:iam::123456789012:saml-provider/Okta"
	hostileOther  = "arn:aws:iam::123456789012:saml-provider/Ping"
	hostileThird  = "arn:aws:iam::999999999999:saml-provider/Okta"
	hostileHome   = "https://signin.aws.amazon.com/saml"
	hostileTarget = "https://us-west-2.signin.aws.amazon.com/saml"
)

func (h hostile) one(name string, from ...string) string {
	return rapid.SampledFrom(from).Draw(h.T, name)
}

func (h hostile) list(name string, from ...string) string {
	got := rapid.SliceOfN(rapid.SampledFrom(from), 1, 3).Draw(h.T, name)
	if len(got) == 1 && rapid.Bool().Draw(h.T, "bare") {
		return `"` + got[0] + `"`
	}
	return `["` + strings.Join(got, `","`) + `"]`
}

// condition is one Condition element. Operators and keys come in several
// spellings, so that one meaning may stand twice.
func (h hostile) condition() string {
	ops := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"StringEquals", "stringequals", "StringLike", "StringNotEquals", "StringNotLike",
		"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringEqualsIfExists", "StringLikeIfExists", "StringNotEqualsIfExists",
		"ForAnyValue:StringEquals", "ForAllValues:StringEquals", "ForAllValues:StringLike", "ForAnyValue:StringLike", "ForAnyValue:StringNotEquals",
		"ForAllValues:StringNotLike", "Null", "Bool"}), 1, 3, rapid.ID).Draw(h.T, "operators")
	var out []string
	for _, op := range ops {
		values := []string{hostileHome, hostileTarget, strings.ToUpper(hostileHome), "https://*", "*", "?*", "https://us-west-?.signin.aws.amazon.com/saml", "x", ""}
		if op == "Null" || op == "Bool" {
			values = []string{"true", "false"}
		}
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"SAML:aud", "saml:aud", "SAML:AUD", "SAML:iss", "saml:edupersonaffiliation", "aws:RequestTag/team"}), 1, 2, rapid.ID).Draw(h.T, "keys")
		var members []string
		for _, k := range keys {
			members = append(members, `"`+k+`":`+h.list("values", values...))
		}
		out = append(out, `"`+op+`":{`+strings.Join(members, ",")+`}`)
	}
	return `{` + strings.Join(out, ",") + `}`
}

func (h hostile) statement() string {
	who := h.one("principal", `"*"`, `{"Federated":"`+hostileOurs+`"}`, `{"Federated":"`+hostileOurs+`"}`, `{"Federated":["`+hostileOurs+`","`+hostileOther+`"]}`,
		`{"Federated":"`+hostileOther+`"}`, `{"Federated":"`+hostileThird+`","AWS":"*"}`, `{"AWS":"*"}`, `{"Federated":"`+hostileOurs+`","AWS":["123456789012","arn:aws:iam::123456789012:role/x"],"Service":"ec2.amazonaws.com"}`)
	out := `{"Effect":"` + h.one("effect", "Allow", "Allow", "Allow", "Deny") + `","` + h.one("who", "Principal", "Principal", "Principal", "NotPrincipal") + `":` + who +
		`,"` + h.one("what", "Action", "Action", "NotAction") + `":` + h.list("actions", "sts:AssumeRoleWithSAML", "STS:assumerole*", "sts:TagSession", "sts:*", "*", "sts:AssumeRole", "sts:SetSource?dentity", "s3:*")
	if rapid.IntRange(0, 4).Draw(h.T, "conditioned") > 0 {
		out += `,"Condition":` + h.condition()
	}
	return out + `}`
}

func (h hostile) policy() string {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return hostile{t}.statement() }), 1, 4).Draw(h.T, "statements")
	return `{"Version":"` + h.one("version", "2012-10-17", "2008-10-17") + `","Statement":[` + strings.Join(list, ",") + `]}`
}

// hostileQuestions are all logins and other calls that may show a widening.
func hostileQuestions() []naivepolicy.Request {
	callers := []naivepolicy.Caller{{Kind: "Federated", Names: []string{hostileOurs}}, {Kind: "Federated", Names: []string{hostileOther}},
		{Kind: "Federated", Names: []string{hostileThird}}, {Kind: "Federated", Names: []string{"cognito-identity.amazonaws.com"}},
		{Kind: "AWS", Names: []string{"arn:aws:iam::123456789012:role/x", "123456789012", "arn:aws:iam::123456789012:root"}},
		{Kind: "Service", Names: []string{"ec2.amazonaws.com"}}}
	var out []naivepolicy.Request
	for _, who := range callers {
		saml := strings.Contains(who.Names[0], "saml-provider")
		for _, action := range []string{"sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRole", "s3:GetObject"} {
			audiences := []string{""}
			if saml && slices.Contains(trustpolicy.SAMLActions(), action) {
				audiences = []string{hostileHome, hostileTarget, strings.ToUpper(hostileHome), strings.ToUpper(hostileTarget), "https://evil.example/saml",
					"https://us-west-1.signin.aws.amazon.com/saml", "x"}
			}
			for _, aud := range audiences {
				for bits := range 8 {
					keys := map[string][]string{}
					if aud != "" {
						keys["saml:aud"] = []string{aud}
					}
					if bits&1 > 0 {
						keys["saml:iss"] = []string{"x"}
					}
					if bits&2 > 0 {
						keys["saml:edupersonaffiliation"] = []string{"x", hostileHome}
					}
					if bits&4 > 0 {
						keys["aws:requesttag/team"] = []string{hostileTarget}
					}
					out = append(out, naivepolicy.Request{Action: action, Caller: who, Keys: keys})
				}
			}
		}
	}
	return out
}

// widening returns a question that the second policy allows, the first does
// not, and that lies outside what the edit was asked for; or one that was lost.
func widening(before, after string) string {
	if before == after {
		return ""
	}
	b, errB := naivepolicy.Parse(before)
	a, errA := naivepolicy.Parse(after)
	if errB != nil || errA != nil {
		return fmt.Sprintf("the other evaluator cannot read it: %v %v", errB, errA)
	}
	for _, q := range hostileQuestions() {
		was, is := b.Decide(q).Allowed, a.Decide(q).Allowed
		aud := q.Keys["saml:aud"]
		inside := q.Caller.Names[0] == hostileOurs && slices.Contains(trustpolicy.SAMLActions(), q.Action) && len(aud) == 1 && (aud[0] == hostileHome || aud[0] == hostileTarget)
		if was && !is || is && !was && !inside {
			return fmt.Sprintf("%s by %s with %v: allowed %v, now %v", q.Action, q.Caller.Names[0], q.Keys, was, is)
		}
	}
	return ""
}

// Whatever policy Edit agrees to change, another evaluator finds nothing that
// was widened beyond the request and nothing lost.
// spec 5.1
func TestNoHostilePolicyIsWidened(t *testing.T) {
	t.Parallel()
	want := trustpolicy.EditRequest{Providers: []string{hostileOurs}, Audiences: []string{hostileHome, hostileTarget}}
	edited, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		text := hostile{rt}.policy()
		if !json.Valid([]byte(text)) {
			rt.Fatalf("the generator is broken: %s", text)
		}
		weaker, err := trustpolicy.EditDeny(text, want)
		if found := widening(text, weaker.Text); err == nil && found != "" {
			rt.Fatalf("by the edit of a Deny: %s\nbefore %s\nafter  %s", found, text, weaker.Text)
		}
		got, err := trustpolicy.Edit(text, want)
		if err != nil {
			refused++
			return
		}
		if len(got.Changes) > 0 {
			edited++
		}
		if found := widening(text, got.Text); found != "" {
			rt.Fatalf("%s\nbefore %s\nafter  %s", found, text, got.Text)
		}
	})
	t.Logf("%d edited, %d refused", edited, refused)
	if edited == 0 || refused == 0 {
		t.Errorf("the generator is too narrow: %d edited, %d refused", edited, refused)
	}
}

// Prove refuses every hand-made widening that the other evaluator sees.
// spec 5.1
func TestProveRefusesWhatWidens(t *testing.T) {
	t.Parallel()
	want := trustpolicy.EditRequest{Providers: []string{hostileOurs}, Audiences: []string{hostileHome, hostileTarget}}
	widened, accepted := 0, 0
	property := func(rt *rapid.T) {
		before := hostile{rt}.policy()
		old := rapid.SampledFrom([]string{`"` + hostileHome + `"`, `"x"`, `"*"`, `["`}).Draw(rt, "old")
		fresh := rapid.SampledFrom([]string{`["` + hostileHome + `","` + hostileTarget + `"]`, `"` + hostileTarget + `","` + hostileHome + `"`, `"*","x"`, `["` + hostileTarget + `","`}).Draw(rt, "new")
		after := strings.Replace(before, old, fresh, 1)
		b, errB := trustpolicy.Parse(before)
		a, errA := trustpolicy.Parse(after)
		if errA != nil || errB != nil || before == after {
			return
		}
		found := widening(before, after)
		if found != "" {
			widened++
		}
		if trustpolicy.Prove(b, a, want) != nil {
			return
		}
		accepted++
		if found != "" {
			rt.Fatalf("%s\nbefore %s\nafter  %s", found, before, after)
		}
	}
	for range 20 { // a widening is drawn in a few of a hundred tries
		if rapid.Check(t, property); widened > 0 {
			break
		}
	}
	t.Logf("%d widened, %d accepted", widened, accepted)
	if widened == 0 {
		t.Error("the generator is too narrow: nothing was widened")
	}
}
