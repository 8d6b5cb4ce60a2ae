package trustpolicy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// listed is a Deny of every audience but the listed ones.
func listed(who, operator string, audiences ...string) string {
	return `{"Effect":"Deny","Principal":` + who + `,"Action":"sts:*","Condition":{"` + operator + `":{"SAML:aud":["` + strings.Join(audiences, `","`) + `"]}}}`
}

// spec 5.1: edits inside a Deny are a plan of their own, and never mixed.
func TestEditDeny(t *testing.T) {
	t.Parallel()
	both := `{"StringEquals":{"SAML:aud":["` + east + `","` + west + `"]}}`
	for _, c := range []struct{ name, before, after string }{
		{"allow-list in disguise", doc(st(ours, both), listed(`"*"`, "StringNotEquals", east)), doc(st(ours, both), listed(`"*"`, "StringNotEquals", east, west))},
		{"the Allow is left to Edit", doc(st(ours, audEast), listed(`"*"`, "StringNotEquals", east)), doc(st(ours, audEast), listed(`"*"`, "StringNotEquals", east, west))},
		{"not like gets a literal", doc(st(ours, both), listed(ours, "StringNotLike", east)), doc(st(ours, both), listed(ours, "StringNotLike", east, west))},
		{"two Denies", doc(listed(ours, "StringNotEquals", east), st(ours, both), listed(`"*"`, "StringNotEqualsIfExists", east, "x")),
			doc(listed(ours, "StringNotEquals", east, west), st(ours, both), listed(`"*"`, "StringNotEqualsIfExists", east, "x", west))},
		{"listed already", doc(st(ours, audEast), listed(`"*"`, "StringNotEquals", east, west)), ""},
		{"no Deny", doc(st(ours, audEast)), ""},
		{"a Deny of another provider", doc(st(ours, both), listed(`{"Federated":"`+ping+`"}`, "StringNotEquals", east)), ""},
		{"nothing is allowed anyhow", doc(st(`{"Federated":"`+ping+`"}`, both), listed(ours, "StringNotEquals", east)), ""},
		{"beside an unconditional Deny", doc(st(ours, both), listed(`"*"`, "StringNotEquals", east), `{"Effect":"Deny","Principal":"*","Action":"*"}`), ""},
		{"another provider that is kept out by its own Allow", doc(st(ours, both), st(`{"Federated":"`+ping+`"}`, audEast), listed(`"*"`, "StringNotEquals", east)),
			doc(st(ours, both), st(`{"Federated":"`+ping+`"}`, audEast), listed(`"*"`, "StringNotEquals", east, west))},
	} {
		if c.after == "" {
			c.after = c.before
		}
		got, err := EditDeny(c.before, want())
		if err != nil || got.Text != c.after || (got.Text == c.before) != (len(got.Changes) == 0) {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got.Text, c.after)
			continue
		}
		if again, err := EditDeny(got.Text, want()); err != nil || again.Text != got.Text {
			t.Errorf("%s: the second edit changes something: %v", c.name, err)
		}
		if _, err := Edit(got.Text, want()); err != nil {
			t.Errorf("%s: Edit still refuses: %v", c.name, err)
		}
		var r Refusal
		if _, err := Edit(c.before, want()); c.before != c.after && (!errors.As(err, &r) || r.Code != RefusedDeny) {
			t.Errorf("%s: Edit touched a Deny or passed it over: %v", c.name, err)
		}
	}
}

// spec 5.1
func TestEditDenyRefuses(t *testing.T) {
	t.Parallel()
	theirs := `{"Federated":"` + ping + `"}`
	for _, c := range []struct {
		name, text string
		want       RefusalCode
	}{
		{"would admit another provider", doc(st(ours, ""), st(theirs, ""), listed(`"*"`, "StringNotEquals", east)), RefusedShared},
		{"would admit another provider named beside ours", doc(st(shared, ""), listed(shared, "StringNotEquals", east)), RefusedShared},
		{"would admit everybody", doc(st(`"*"`, ""), listed(`"*"`, "StringNotEquals", east)), RefusedOpen},
		{"ignores case", doc(st(ours, ""), listed(ours, "StringNotEqualsIgnoreCase", east)), RefusedDeny},
		{"names the audience", doc(st(ours, ""), listed(ours, "StringEquals", west)), RefusedDeny},
		{"a pattern", doc(st(ours, ""), listed(ours, "StringLike", "https://us-*")), RefusedDeny},
		{"variable", doc(st(ours, ""), listed(ours, "StringNotEquals", "${saml:x}", east)), RefusedVariable},
		{"an operator that is not evaluated", doc(st(ours, ""), listed(ours, "ArnNotLike", east)), RefusedDeny},
		{"the Allow cannot be edited", doc(st(shared, audEast), listed(ours, "StringNotEquals", east), st(ours, `{"StringEquals":{"SAML:aud":"${x}"}}`)), RefusedVariable},
		{"characters", strings.Replace(doc(st(ours, ""), listed(ours, "StringNotEquals", east)), `"Statement"`, `"Id":"東","Statement"`, 1), RefusedCharacters},
		{"not JSON", "nonsense", RefusedUnparsable},
	} {
		_, err := EditDeny(c.text, want())
		var r Refusal
		if !errors.As(err, &r) || r.Code != c.want || r.Reason == "" || r.Remedy == "" {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	_, err := EditDeny(doc(st(ours, "")), EditRequest{Providers: []string{okta}, Audiences: []string{"https://*"}})
	var r Refusal
	if !errors.As(err, &r) || r.Code != RefusedRequest {
		t.Errorf("a wildcard: %v", err)
	}
}

// Saboteurs: each kind of proof refuses the other kind of edit, and a Deny edit
// that does anything else.
// spec 5.1
func TestProofsOfDenyRefuseSaboteurs(t *testing.T) {
	t.Parallel()
	base := doc(st(ours, `{"StringEquals":{"SAML:aud":["`+east+`","x"]}}`), listed(`"*"`, "StringNotEquals", east), listed(`"*"`, "StringEquals", "y"))
	list := `["` + east + `"]`
	for _, c := range []struct {
		name, after string
		deny        bool
	}{
		{"an Allow edit as a Deny edit", strings.Replace(base, `["`+east+`","x"]`, `["`+east+`","x","`+west+`"]`, 1), true},
		{"a Deny edit as an Allow edit", strings.Replace(base, list, `["`+east+`","`+west+`"]`, 1), false},
		{"both at once", strings.Replace(strings.Replace(base, list, `["`+east+`","`+west+`"]`, 1), `["`+east+`","x"]`, `["`+east+`","x","`+west+`"]`, 1), true},
		{"an exception that nobody asked for", strings.Replace(base, list, `["`+east+`","`+ohio+`"]`, 1), true},
		{"a pattern", strings.Replace(base, list, `["`+east+`","https://*"]`, 1), true},
		{"a narrower Deny", strings.Replace(base, list, `["`+west+`"]`, 1), true},
		{"a value added to what is denied", strings.Replace(base, `["y"]`, `["y","`+west+`"]`, 1), true},
		{"a Deny less", strings.Replace(base, ","+listed(`"*"`, "StringEquals", "y"), "", 1), true},
	} {
		b, errB := Parse(base)
		a, errA := Parse(c.after)
		if errB != nil || errA != nil || c.after == base {
			t.Fatalf("%s: the saboteur is broken: %v %v", c.name, errB, errA)
		}
		if prove(b, a, want(), c.deny) == nil {
			t.Errorf("%s: proved", c.name)
		}
	}
}

// The Deny edit has the properties of the additive one, and opens the way for it.
// spec 5.1
func TestEditDenyProperties(t *testing.T) {
	t.Parallel()
	edited := 0
	rapid.Check(t, func(rt *rapid.T) {
		d := drawer{rt}
		who := d.pick("who", `"*"`, ours, shared, `{"AWS":"*"}`)
		op := d.pick("op", "StringNotEquals", "StringNotLike", "StringNotEqualsIfExists", "ForAnyValue:StringNotEquals", "stringnotequals")
		extra := d.pick("extra", "", `,"StringEquals":{"aws:SourceVpc":"v"}`, `,"Null":{"SAML:aud":"false"}`)
		deny := strings.Replace(listed(who, op, d.pick("first", east, "x"), d.pick("second", east, ohio)), `}}}`, `}`+extra+`}}`, 1)
		text := doc(deny, d.statement(), st(ours, d.pick("aud", "", audEast)))
		res, err := EditDeny(text, want())
		var r Refusal
		switch {
		case errors.As(err, &r):
			return
		case err != nil:
			rt.Fatalf("not a refusal: %v", err)
		case len(res.Changes) > 0:
			edited++
		}
		if !subsequence(text, res.Text) {
			rt.Fatalf("bytes were lost:\n%s\n%s", text, res.Text)
		}
		if again, err := EditDeny(res.Text, want()); err != nil || again.Text != res.Text {
			rt.Fatalf("not idempotent: %v\n%s", err, res.Text)
		}
		_, err = Edit(res.Text, want())
		if errors.As(err, &r) && r.Code == RefusedDeny {
			rt.Fatalf("a Deny still keeps an audience out: %v\n%s", err, res.Text)
		}
		widensOnlyAsAllowed(rt, text, res.Text)
	})
	if edited == 0 {
		t.Error("the generator is too narrow: nothing was edited")
	}
}

// What fits is added in the order given; the rest is named.
func TestEditWithin(t *testing.T) {
	t.Parallel()
	long := "https://us-gov-west-1.signin.amazonaws-us-gov.com/saml/acs/AAAAAAAAAAAAAAAAAAAAAA"
	e := EditRequest{Providers: []string{okta}, Audiences: []string{east, west, long, ohio}}
	text := doc(st(ours, audEast))
	size := CompactSize(text)
	one := len(west) + len(`,""`)
	for _, c := range []struct {
		name  string
		quota int
		left  []string
		added int
	}{
		{"all", 4096, nil, 3},
		{"none", size + 10, []string{west, long, ohio}, 0},
		{"one of the short ones", size + len(`[]`) + one, []string{long, ohio}, 1},
		{"both short ones", size + len(`[]`) + 2*one, []string{long}, 2},
		{"too large before", 100, []string{west, long, ohio}, 0},
	} {
		res, left, err := EditWithin(text, e, c.quota)
		if err != nil || !slices.Equal(left, c.left) || len(res.Changes) != c.added {
			t.Errorf("%s: %d added, %v left, %v", c.name, len(res.Changes), left, err)
		}
		if n := CompactSize(res.Text); n > c.quota && len(res.Changes) > 0 {
			t.Errorf("%s: %d characters, the quota is %d", c.name, n, c.quota)
		}
	}
	if _, _, err := EditWithin(doc(st(shared, audEast)), want(), 4096); err == nil {
		t.Error("a refusal is lost")
	}
	if _, left, err := EditWithin(doc(st(ours, "")), want(), 10); err != nil || left != nil {
		t.Errorf("nothing is missing, but %v is left (%v)", left, err)
	}
}
