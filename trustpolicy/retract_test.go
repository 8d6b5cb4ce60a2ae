package trustpolicy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// auds is a condition on SAML:aud with a list.
func auds(list ...string) string {
	return `{"StringEquals":{"SAML:aud":["` + strings.Join(list, `","`) + `"]}}`
}

// spec 4.3: of a text that others changed since, only our additions go; what they
// took out stays out.
func TestRetract(t *testing.T) {
	t.Parallel()
	other := strings.Replace(st(ours, auds(east, west)), `"sts:AssumeRoleWithSAML",`, `"sts:SetSourceIdentity",`, 1)
	otherBack := strings.Replace(st(ours, auds(east)), `"sts:AssumeRoleWithSAML",`, `"sts:SetSourceIdentity",`, 1)
	written := doc(st(ours, auds(east, west)))
	for _, c := range []struct{ why, before, live, want string }{
		{"untouched", doc(st(ours, auds(east))), written, doc(st(ours, auds(east)))},
		{"somebody added a Region", doc(st(ours, auds(east))), doc(st(ours, auds(east, west, ohio))), doc(st(ours, auds(east, ohio)))},
		{"somebody put theirs first", doc(st(ours, auds(east))), doc(st(ours, auds(west, ohio))), doc(st(ours, auds(ohio)))},
		{"somebody narrowed it: what they took out stays out", doc(st(ours, auds(east, ohio))), doc(st(ours, auds(east, west))), doc(st(ours, auds(east)))},
		{"somebody narrowed it by a condition", doc(st(ours, auds(east))), doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","`+west+`"],"SAML:iss":"x"}}`)),
			doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`"],"SAML:iss":"x"}}`))},
		{"another statement came before it", doc(st(ours, auds(east))), doc(st(`{"Federated":"`+ping+`"}`, ""), st(ours, auds(east, west))), doc(st(`{"Federated":"`+ping+`"}`, ""), st(ours, auds(east)))},
		{"they took it out themselves", doc(st(ours, auds(east))), doc(st(ours, auds(east, ohio))), ""},
		{"the statement is gone", doc(st(ours, auds(east))), doc(st(ours, "")), ""},
		{"it stands elsewhere too, as before", doc(st(ours, auds(east)), other), doc(st(ours, auds(east, west, ohio)), other), doc(st(ours, auds(east, ohio)), other)},
		{"both of our two", doc(st(ours, auds(east)), otherBack), doc(otherBack, st(ours, auds(east, west)), other), doc(otherBack, st(ours, auds(east)), otherBack)},
		{"white space stays", doc(st(ours, auds(east))), doc(st(ours, "{\"StringEquals\":{\"SAML:aud\":[ \""+east+"\" ,\n \""+west+"\" ,\t\""+ohio+"\" ]}}")),
			doc(st(ours, "{\"StringEquals\":{\"SAML:aud\":[ \""+east+"\" ,\t\""+ohio+"\" ]}}"))},
		{"twice in the list", doc(st(ours, auds(east))), doc(st(ours, auds(west, east, west))), doc(st(ours, auds(east)))},
	} {
		edit, err := Edit(c.before, want())
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		if c.want == "" {
			c.want = c.live
		}
		got, err := Retract(c.live, edit.Text, edit.Changes, []string{okta})
		if err != nil || got.Text != c.want || (got.Text == c.live) != (len(got.Changes) == 0) {
			t.Errorf("%s: %v\n got %s\nwant %s", c.why, err, got.Text, c.want)
		}
	}
}

// spec 4.3: what cannot be told, or would lock people out, is refused.
func TestRetractRefuses(t *testing.T) {
	t.Parallel()
	before := doc(st(ours, auds(east)))
	edit, err := Edit(before, want())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why, live string
		want      RefusalCode
	}{
		{"ours is the only one left", doc(st(ours, auds(west))), RefusedLast},
		{"and a lone value", doc(st(ours, `{"StringEquals":{"SAML:aud":"`+west+`"}}`)), RefusedLast},
		{"another provider was added to the statement: it would lose the Region", doc(st(shared, auds(east, west))), RefusedUnprovable},
		{"the operator was changed", doc(st(ours, `{"StringLike":{"SAML:aud":["`+east+`","`+west+`"]}}`)), RefusedUnprovable},
		{"the statement was doubled and both changed", doc(st(ours, auds(east, west, ohio)), st(ours, auds(east, west, ohio))), RefusedUnprovable},
		{"somebody else's statement has it and ours is gone", doc(st(ours, auds(east)), strings.Replace(st(ours, auds(west)), `"Effect"`, `"Sid":"theirs","Effect"`, 1)), RefusedUnprovable},
		{"not JSON", "nonsense", RefusedUnparsable},
	} {
		_, err := Retract(c.live, edit.Text, edit.Changes, []string{okta})
		var r Refusal
		if !errors.As(err, &r) || r.Code != c.want || r.Reason == "" || r.Remedy == "" {
			t.Errorf("%s: %v, want %s", c.why, err, c.want)
		}
	}
	if _, err := Retract(before, before, edit.Changes, []string{okta}); err == nil {
		t.Error("a record that names what was never written is obeyed")
	}
}

// Saboteurs: a removal that takes or gives anything else is not proved.
// spec 4.3
func TestProofOfRemovalRefusesSaboteurs(t *testing.T) {
	t.Parallel()
	theirs := st(`{"Federated":"`+ping+`"}`, auds(east, west))
	deny := listed(`"*"`, "StringNotEquals", east, west)
	before := doc(st(ours, auds(east, west, ohio)), theirs, deny)
	e := EditRequest{Providers: []string{okta}, Audiences: []string{west}}
	for why, after := range map[string]string{
		"takes another audience too":   doc(st(ours, auds(east)), theirs, deny),
		"takes another's":              doc(st(ours, auds(east, ohio)), st(`{"Federated":"`+ping+`"}`, auds(east)), deny),
		"takes a Deny":                 doc(st(ours, auds(east, ohio)), theirs),
		"weakens a Deny":               doc(st(ours, auds(east, ohio)), theirs, listed(`"*"`, "StringNotEquals", east, west, ohio)),
		"adds an audience":             doc(st(ours, auds(east, ohio, evil)), theirs, deny),
		"brings an audience elsewhere": doc(st(ours, auds(east, ohio)), st(`{"Federated":"`+ping+`"}`, auds(east, west, ohio)), deny),
		"changes an operator":          doc(strings.Replace(st(ours, auds(east, ohio)), "StringEquals", "StringLike", 1), theirs, deny),
		"drops the condition":          doc(st(ours, ""), theirs, deny),
		"drops the statement":          doc(theirs, deny),
	} {
		b, errB := Parse(before)
		a, errA := Parse(after)
		if errB != nil || errA != nil {
			t.Fatalf("%s: the saboteur is broken: %v %v", why, errB, errA)
		}
		if ProveRemoval(b, a, e) == nil {
			t.Errorf("%s: proved", why)
		}
	}
	b, _ := Parse(before)
	a, _ := Parse(doc(st(ours, auds(east, ohio)), theirs, deny))
	if err := ProveRemoval(b, a, e); err != nil {
		t.Errorf("the honest one: %v", err)
	}
}

// What an edit did is taken back to what was before; bytes only go.
// spec 4.3
func TestRetractProperties(t *testing.T) {
	t.Parallel()
	taken := 0
	rapid.Check(t, func(rt *rapid.T) {
		text := drawer{rt}.policy()
		edit, err := Edit(text, want())
		if err != nil || len(edit.Changes) == 0 {
			return
		}
		got, err := Retract(edit.Text, edit.Text, edit.Changes, want().Providers)
		if err != nil {
			var r Refusal
			if !errors.As(err, &r) || !slices.Contains([]RefusalCode{RefusedLast, RefusedUnprovable}, r.Code) {
				rt.Fatalf("%v\n%s", err, edit.Text)
			}
			return
		}
		taken++
		if !subsequence(got.Text, edit.Text) || !Equivalent(got.Text, text) {
			rt.Fatalf("not what was before:\n%s\n%s\n%s", text, edit.Text, got.Text)
		}
	})
	if taken == 0 {
		t.Error("the generator is too narrow: nothing was taken back")
	}
	t.Logf("%d taken back", taken)
}
