package trustpolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// spec 5.7, 2.7
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	ok := allowIf(audEast)
	for _, c := range []struct{ name, text, says string }{
		{"empty", "", "not valid JSON"},
		{"trailing data", ok + "{}", "not valid JSON"},
		{"trailing comma", strings.Replace(ok, `]`, `,]`, 1) + ",", "not valid JSON"},
		{"duplicate element", strings.Replace(ok, `"Effect":"Allow"`, `"Effect":"Allow","Effect":"Deny"`, 1), "second time"},
		{"duplicate by escape", strings.Replace(ok, `"Effect":"Allow"`, `"Effect":"Allow","\u0045ffect":"Deny"`, 1), "second time"},
		{"duplicate among many", strings.Replace(ok, `"Effect":"Allow"`, `"Effect":"Allow"`+manyMembers(40)+`,"m37":2`, 1), "second time"},
		{"misspelled element", strings.Replace(ok, `"Effect"`, `"effect"`, 1), `must be spelled "Effect"`},
		{"no effect", strings.Replace(ok, `"Effect":"Allow",`, "", 1), "no Effect"},
		{"effect", strings.Replace(ok, `"Allow"`, `"allow"`, 1), `"Allow" or "Deny"`},
		{"no principal", strings.Replace(ok, `"Principal"`, `"Resource"`, 1), "needs Principal"},
		{"both actions", strings.Replace(ok, `"Action"`, `"NotAction":"x","Action"`, 1), "both Action"},
		{"string principal", strings.Replace(ok, `{"Federated":"`+okta+`"}`, `"x"`, 1), "must be \"*\""},
		{"version", strings.Replace(ok, "2012-10-17", "2013-10-17", 1), "Version"},
		{"number action", strings.Replace(ok, `"sts:AssumeRoleWithSAML"`, `1`, 1), "must be a string"},
		{"condition list", strings.Replace(ok, audEast, `[]`, 1), "Condition must be an object"},
		{"nested value", strings.Replace(ok, `"`+east+`"`, `[["x"]]`, 1), "must be a string"},
		{"list", "[]", "a policy is an object"},
		{"no statement", "{}", "no Statement"},
		{"statement text", `{"Statement":"x"}`, "must be an object"},
		{"broken escape", `{"Statement":[],"Id":"\ud800"}`, "broken"},
		{"not UTF-8", "{\"Statement\":[],\"Id\":\"\xff\"}", "UTF-8"},
		{"deep", `{"Statement":[],"Id":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `}`, "deeper"},
		{"long", `{"Statement":[],"Id":"` + strings.Repeat("x", maxPolicyChars) + `"}`, "characters"},
	} {
		_, err := Parse(c.text)
		var p *ParseError
		if !errors.As(err, &p) || !strings.Contains(err.Error(), c.says) || p.Offset > len(c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// manyMembers are unknown elements m0, m1, ...
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":1`, i)
	}
	return b.String()
}

// The span of every value is exactly its text, whatever the white space.
func TestSpans(t *testing.T) {
	t.Parallel()
	text := " {\n\"Statement\" : [ ] ,\t\"Id\":  \"a\\u0041\\\"\" , \"n\":12345678901234567890, \"l\" :[ null ,true, {\"x\" : 1.50 }]}\n"
	root, err := parseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(*node)
	walk = func(n *node) {
		got = append(got, text[n.start:n.end])
		for _, i := range n.items {
			walk(i)
		}
		for _, m := range n.members {
			walk(m.value)
		}
	}
	for _, m := range root.members {
		walk(m.value)
	}
	want := []string{"[ ]", `"a\u0041\""`, "12345678901234567890", `[ null ,true, {"x" : 1.50 }]`, "null", "true", `{"x" : 1.50 }`, "1.50"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDeletedPrincipals(t *testing.T) {
	t.Parallel()
	p, err := Parse(doc(st(`{"Federated":"`+okta+`","AWS":["AROA1234567890EXAMPLE","arn:aws:iam::123456789012:user/AIDA","AIDA1234567890EXAMPLE"]}`, "")))
	if err != nil || !slices.Equal(p.DeletedPrincipals(), []string{"AROA1234567890EXAMPLE", "AIDA1234567890EXAMPLE"}) {
		t.Errorf("%v %v", p.DeletedPrincipals(), err)
	}
}
