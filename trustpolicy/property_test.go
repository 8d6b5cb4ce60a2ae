package trustpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	awspolicy "github.com/hashicorp/awspolicyequivalence"
	"pgregory.net/rapid"
)

// draw makes a policy text: random white space, key order, unknown elements and
// number forms.
type drawer struct{ *rapid.T }

func (d drawer) pick(name string, from ...string) string {
	return rapid.SampledFrom(from).Draw(d.T, name)
}

func (d drawer) ws() string { return d.pick("ws", "", "", "", " ", "\n  ", "\t", " \r\n") }

func (d drawer) object(members ...string) string {
	members = rapid.Permutation(members).Draw(d.T, "order")
	return "{" + d.ws() + strings.Join(members, d.ws()+","+d.ws()) + d.ws() + "}"
}

func (d drawer) member(key, value string) string {
	return `"` + key + `"` + d.ws() + ":" + d.ws() + value
}

func (d drawer) strings(name string, from []string) string {
	n := rapid.IntRange(1, 3).Draw(d.T, name)
	var out []string
	for range n {
		out = append(out, `"`+d.pick(name, from...)+`"`)
	}
	if n == 1 && rapid.Bool().Draw(d.T, "bare") {
		return out[0]
	}
	return "[" + d.ws() + strings.Join(out, d.ws()+","+d.ws()) + d.ws() + "]"
}

func (d drawer) conditions() string {
	keys := []string{"SAML:aud", "saml:aud", "SAML:iss", "aws:SourceVpc"}
	values := []string{east, west, ohio, "x", "https://*.signin.aws.amazon.com/saml", "https://us-west-?.signin.aws.amazon.com/saml", "${saml:sub}"}
	ops := rapid.Permutation([]string{"StringEquals", "StringLike", "StringEqualsIfExists", "StringNotEquals", "ForAnyValue:StringEquals", "IpAddress", "Null"}).Draw(d.T, "ops")
	weights := rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(d.T, "operators")
	var out []string
	for _, op := range ops[:weights] {
		from := values
		if op == "Null" {
			from = []string{"true", "false"}
		}
		var members []string
		for _, k := range rapid.Permutation(keys).Draw(d.T, "keys")[:rapid.SampledFrom([]int{1, 1, 2}).Draw(d.T, "n")] {
			members = append(members, d.member(k, d.strings("values", from)))
		}
		out = append(out, d.member(op, d.object(members...)))
	}
	return d.object(out...)
}

func (d drawer) statement() string {
	effect := d.pick("effect", "Allow", "Allow", "Allow", "Deny")
	who := d.pick("principal", `{"Federated":"`+okta+`"}`, `{"Federated":["`+okta+`"]}`, `{"Federated":"`+okta+`","AWS":"123456789012"}`, `{"Federated":["`+okta+`","`+ping+`"]}`, `{"Federated":"`+ping+`"}`, `"*"`)
	members := []string{d.member("Effect", `"`+effect+`"`), d.member(d.pick("who", "Principal", "Principal", "Principal", "NotPrincipal"), who),
		d.member(d.pick("what", "Action", "Action", "Action", "NotAction"), d.strings("action", []string{AssumeRoleWithSAML, "sts:assumerole*", TagSession, SetSourceIdentity, "sts:*", "sts:AssumeRole"}))}
	if rapid.IntRange(0, 3).Draw(d.T, "condition") > 0 {
		members = append(members, d.member("Condition", d.conditions()))
	}
	if rapid.Bool().Draw(d.T, "extra") {
		members = append(members, d.member("Comment", `[12345678901234567890, 1.50, null, {"\u00e9":"a\/b"}]`))
	}
	return d.object(members...)
}

func (d drawer) policy() string {
	var list []string
	for range rapid.IntRange(1, 3).Draw(d.T, "statements") {
		list = append(list, d.statement())
	}
	body := "[" + d.ws() + strings.Join(list, ","+d.ws()) + d.ws() + "]"
	if len(list) == 1 && rapid.Bool().Draw(d.T, "single") {
		body = list[0]
	}
	return d.object(d.member("Version", `"2012-10-17"`), d.member("Statement", body))
}

// An edit is idempotent, keeps every byte, is proved, makes ready, and equals
// decode, edit, encode.
// spec 5.1
func TestEditProperties(t *testing.T) {
	t.Parallel()
	edited, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		text := drawer{rt}.policy()
		res, err := Edit(text, want())
		var r Refusal
		if errors.As(err, &r) {
			refused++
			return
		}
		if err != nil {
			rt.Fatalf("not a refusal: %v", err)
		}
		if len(res.Changes) > 0 {
			edited++
		}
		if !subsequence(text, res.Text) {
			rt.Fatalf("bytes were lost:\n%s\n%s", text, res.Text)
		}
		if again, err := Edit(res.Text, want()); err != nil || again.Text != res.Text {
			rt.Fatalf("not idempotent: %v\n%s\n%s", err, res.Text, again.Text)
		}
		if got, naive := decoded(rt, res.Text), naively(decoded(rt, text), res.Changes); encodeAny(got) != encodeAny(naive) {
			rt.Fatalf("differs from decode, edit, encode:\n%s\n%s", encodeAny(got), encodeAny(naive))
		}
		widensOnlyAsAllowed(rt, text, res.Text)
	})
	t.Logf("%d edited, %d refused", edited, refused)
	if edited == 0 || refused == 0 {
		t.Errorf("the generator is too narrow: %d edited, %d refused", edited, refused)
	}
}

func subsequence(short, long string) bool {
	i := 0
	for j := 0; j < len(long) && i < len(short); j++ {
		if long[j] == short[i] {
			i++
		}
	}
	return i == len(short)
}

type fataler interface{ Fatalf(string, ...any) }

func decoded(t fataler, text string) map[string]any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// naively applies insertions to the decoded document.
func naively(doc map[string]any, changes []Insertion) map[string]any {
	list, ok := doc["Statement"].([]any)
	if !ok {
		list = []any{doc["Statement"]}
	}
	for _, c := range changes {
		op, key, _ := strings.Cut(c.Condition, " ")
		keys := list[c.Statement].(map[string]any)["Condition"].(map[string]any)[op].(map[string]any)
		if one, ok := keys[key].(string); ok {
			keys[key] = []any{one}
		}
		keys[key] = append(keys[key].([]any), c.Audience)
	}
	return doc
}

func encodeAny(v any) string { b, _ := json.Marshal(v); return string(b) }

// widensOnlyAsAllowed asks the evaluator itself, with concrete logins.
func widensOnlyAsAllowed(t fataler, before, after string) {
	if before == after {
		return
	}
	b, errB := Parse(before)
	a, errA := Parse(after)
	if errB != nil || errA != nil {
		t.Fatalf("%v %v", errB, errA)
	}
	for _, provider := range []string{okta, ping, "arn:aws:iam::123456789012:saml-provider/Third"} {
		for _, action := range append(SAMLActions(), "sts:AssumeRole") {
			for _, aud := range []string{east, west, ohio, evil, "x"} {
				for _, iss := range []string{"", "x"} {
					l := Login{Provider: provider, Audience: aud, Action: action, Context: map[string][]string{"aws:SourceVpc": {"x"}}}
					if action == "sts:AssumeRole" {
						l.Audience = "" // present only in a SAML sign-in
					}
					if iss != "" {
						l.Context["SAML:iss"] = []string{iss}
					}
					was, is := Admits(b, l).Verdict, Admits(a, l).Verdict
					inside := provider == okta && action != "sts:AssumeRole" && slices.Contains(want().Audiences, aud)
					if was == Allow && is != Allow || was != Allow && is == Allow && !inside || was == Deny && is != Deny && !inside {
						t.Fatalf("%s %s %s: %s became %s\n%s\n%s", provider, action, aud, was, is, before, after)
					}
				}
			}
		}
	}
}

// Equivalent agrees with another implementation on rewritten documents and on
// changed ones.
func TestEquivalentAgreesWithAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := drawer{rt}
		a := d.policy()
		b := Compact(a)
		if rapid.Bool().Draw(rt, "other") {
			b = d.policy()
		}
		mine := Equivalent(a, b)
		other, err := awspolicy.PoliciesAreEquivalent(a, b)
		if err != nil {
			return
		}
		if mine && !other && !strings.Contains(a+b, "saml:aud") {
			rt.Fatalf("equivalent here, not there:\n%s\n%s", a, b)
		}
		if other && !mine && !strings.Contains(a+b, "Comment") {
			rt.Fatalf("equivalent there, not here:\n%s\n%s", a, b)
		}
	})
}

func TestEquivalent(t *testing.T) {
	t.Parallel()
	base := doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`))
	for _, c := range []struct {
		name, other string
		want        bool
	}{
		{"same", base, true},
		{"white space", "{ " + base[1:], true},
		{"order of values", doc(st(ours, `{"StringEquals":{"SAML:aud":["`+west+`","`+east+`"]}}`)), true},
		{"case of the key", strings.Replace(base, "SAML:aud", "saml:aud", 1), true},
		{"case of an action", strings.Replace(base, "sts:TagSession", "sts:tagsession", 1), true},
		{"list of one principal", strings.Replace(base, `"`+okta+`"`, `["`+okta+`"]`, 1), true},
		{"statement without a list", `{"Version":"2012-10-17","Statement":` + st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"]}}`) + `}`, true},
		{"a value less", doc(st(ours, audEast)), false},
		{"case of a value", strings.Replace(base, "us-west", "US-west", 1), false},
		{"another effect", strings.Replace(base, "Allow", "Deny", 1), false},
		{"another version", strings.Replace(base, "2012", "2008", 1), false},
		{"another unknown element", strings.Replace(base, `"Statement"`, `"Id":"x","Statement"`, 1), false},
		{"a statement more", strings.Replace(base, `}}}]`, `}}},`+st(ours, "")+`]`, 1), false},
		{"not a policy", "x", false},
	} {
		if got := Equivalent(base, c.other); got != c.want || Equivalent(c.other, base) != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	root := func(v string) string { return doc(`{"Effect":"Allow","Principal":{"AWS":"` + v + `"},"Action":"x"}`) }
	if !Equivalent(root("123456789012"), root("arn:aws:iam::123456789012:root")) {
		t.Error("an account number and its root are the same principal")
	}
	if n := CompactSize("{ \"é\" : 1 }"); n != 7 {
		t.Errorf("compact size %d", n)
	}
}

// Without a Deny, deciding and editing agree: after an edit the provider is
// admitted wherever it was at home.
func TestEditMakesReady(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		res, err := Edit(drawer{rt}.policy(), want())
		if err != nil {
			return
		}
		p, err := Parse(res.Text)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		for _, c := range []string{"StringNotEquals", "Null", "IpAddress"} {
			if strings.Contains(res.Text, c) {
				return
			}
		}
		home := Login{Provider: okta, Audience: east, Partial: true}
		other := home
		other.Audience = west
		if !AsGood(p, home, other) {
			rt.Fatalf("not as good as home:\n%s", res.Text)
		}
	})
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range p.statements {
			if s.node.start < 0 || s.node.end > len(text) || !json.Valid([]byte(text[s.node.start:s.node.end])) {
				t.Fatalf("a span that is no value: %d-%d", s.node.start, s.node.end)
			}
		}
		if !Equivalent(text, Compact(text)) {
			t.Fatal("compacting changes the meaning")
		}
	})
}

func FuzzAdmits(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		sure, open := Admits(p, Login{Provider: okta, Audience: east}), Admits(p, Login{Provider: okta, Audience: east, Partial: true})
		if open.Verdict != Conditional && sure.Verdict != Conditional && open.Verdict != sure.Verdict {
			t.Fatalf("knowing less gives another answer: %s, %s", sure, open)
		}
		Eval([]byte(text))
		Eval([]byte(fmt.Sprintf(`{"policy":%s,"principal":"x"}`, text)))
	})
}

func FuzzEdit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		res, err := Edit(text, want())
		var r Refusal
		if err != nil {
			if !errors.As(err, &r) || r.Remedy == "" {
				t.Fatalf("%v", err)
			}
			return
		}
		if !subsequence(text, res.Text) {
			t.Fatal("bytes were lost")
		}
		if again, err := Edit(res.Text, want()); err != nil || again.Text != res.Text {
			t.Fatalf("not idempotent: %v", err)
		}
		widensOnlyAsAllowed(t, text, res.Text)
	})
}

func FuzzEditDeny(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		res, err := EditDeny(text, want())
		if err != nil {
			return
		}
		if !subsequence(text, res.Text) {
			t.Fatal("bytes were lost")
		}
		if again, err := EditDeny(res.Text, want()); err != nil || again.Text != res.Text {
			t.Fatalf("not idempotent: %v", err)
		}
		widensOnlyAsAllowed(t, text, res.Text)
	})
}

func seeds(f *testing.F) {
	for _, c := range Cases(f) {
		f.Add(c.Policy)
	}
	f.Add(doc(st(shared, audEast), st(ours, audEast)))
	f.Add(doc(st(ours, audEast), listed(`"*"`, "StringNotEquals", east)))
}
