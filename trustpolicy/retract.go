package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
)

// Retract takes the audiences of an earlier edit out of a text that others have
// changed since, and changes nothing else. Written is the text of that edit and
// added what it added there; a statement is found again by its Sid, principals,
// actions and condition, whatever its place. What others took out already is passed over,
// and what they took out is not brought back. Where it is not clear which value
// is the one that was added, or nobody would be left in its condition, the answer
// is a Refusal.
//
// The result is proved: every access that is gone lies inside providers x the
// three SAML actions x the audiences taken out, and nobody gains any.
func Retract(text, written string, added []Insertion, providers []string) (Result, error) {
	live, err := Parse(text)
	if err != nil {
		return Result{}, Refusal{RefusedUnparsable, wholeDocument, err.Error(), "correct the trust policy by hand"}
	}
	then, err := Parse(written)
	if err != nil {
		return Result{}, Refusal{RefusedUnparsable, wholeDocument, "the text of the earlier edit: " + err.Error(), "take our additions out by hand"}
	}
	out := Result{Text: text}
	items := map[*node][]int{} // of a list, those that go
	e := EditRequest{Providers: providers}
	for _, add := range added {
		s, c, err := live.addition(then, add)
		if err != nil {
			return Result{}, err
		}
		if c == nil {
			continue
		}
		if items[c.node], err = take(s, c, items[c.node], add.Audience); err != nil {
			return Result{}, err
		}
		out.Changes = append(out.Changes, Insertion{s.index, s.sid, c.name(), add.Audience})
		if !slices.Contains(e.Audiences, add.Audience) {
			e.Audiences = append(e.Audiences, add.Audience)
		}
	}
	if len(out.Changes) == 0 {
		return out, nil
	}
	out.Text = cut(text, items)
	after, err := reparse(out.Text)
	if err != nil {
		return Result{}, err
	}
	return out, ProveRemoval(live, after, e)
}

// ProveRemoval shows that after differs from before by audiences of the request
// that were taken away from its providers, and by nothing else: read backwards, a
// removal is an edit that Prove accepts, so nobody gains anything and nobody else
// loses anything.
func ProveRemoval(before, after Policy, e EditRequest) error {
	if err := Prove(after, before, e); err != nil {
		return Refusal{RefusedUnprovable, wholeDocument, fmt.Sprintf("taking the audiences out cannot be shown to take out nothing else (read backwards: %v)", err),
			"take them out by hand after a review"}
	}
	return nil
}

// places lists the conditions that hold an audience as a value of its own and
// let somebody in by it.
func (p Policy) places(audience string) []need {
	var out []need
	for i := range p.statements {
		s := &p.statements[i]
		for j := range s.conditions {
			c := &s.conditions[j]
			if !s.deny && c.lower == audKey && c.positive() && slices.Contains(c.values, audience) {
				out = append(out, need{st: s, cond: c})
			}
		}
	}
	return out
}

// addition finds what an earlier edit added in the policy as it is now; nothing
// if it is gone. Then is the policy after that edit.
func (p Policy) addition(then Policy, add Insertion) (*statement, *condition, error) {
	was := slices.DeleteFunc(then.places(add.Audience), func(n need) bool { return n.st.index != add.Statement || n.cond.name() != add.Condition })
	if len(was) != 1 {
		return nil, nil, Refusal{RefusedUnprovable, add.Statement, fmt.Sprintf("the record of the earlier edit names %s in a statement that does not hold it", clip(add.Audience)), "take the audience out by hand"}
	}
	here := p.places(add.Audience)
	same := slices.DeleteFunc(slices.Clone(here), func(n need) bool { return !alike(n, was[0]) })
	doubled := len(same) > 1
	if doubled { // the one that nobody else touched
		same = slices.DeleteFunc(same, func(n need) bool { return n.st.canonical(false) != was[0].st.canonical(false) })
	}
	if len(same) == 1 {
		return same[0].st, same[0].cond, nil
	}
	for _, n := range here {
		known := slices.ContainsFunc(then.places(add.Audience), func(old need) bool { return old.st != was[0].st && alike(old, n) })
		if doubled || !known {
			return nil, nil, Refusal{RefusedUnprovable, n.st.index, fmt.Sprintf("%s holds %s, and it is not clear whether that is what we added: the statement was changed or doubled since", n.st.name(), clip(add.Audience)),
				"take the audience out by hand, if it is to go"}
		}
	}
	return nil, nil, nil
}

// alike reports whether two conditions are the same one in two texts.
func alike(a, b need) bool {
	return a.st.sid == b.st.sid && a.cond.name() == b.cond.name() && a.st.subject() == b.st.subject()
}

// subject writes whom and what a statement is about.
func (s *statement) subject() string {
	var who, what []string
	for _, w := range s.who.list {
		who = append(who, string(w.kind)+"="+w.value)
	}
	for _, a := range s.actions {
		what = append(what, strings.ToLower(a))
	}
	return fmt.Sprint(s.who.not, set(who), s.notAction, set(what))
}

// take adds to the items that go from a list every one that is the audience.
func take(s *statement, c *condition, gone []int, audience string) ([]int, error) {
	for i, it := range c.node.items {
		if it.text == audience && !slices.Contains(gone, i) {
			gone = append(gone, i)
		}
	}
	if c.node.kind != isList || len(gone) >= len(c.node.items) {
		return nil, Refusal{RefusedLast, s.index, fmt.Sprintf("%s has no other audience left than what we added: nobody could sign in by it", s.name()),
			"remove the statement by hand, if nobody is to sign in by it"}
	}
	return gone, nil
}

// cut takes items out of lists, each with one separator; all other bytes stay.
func cut(text string, items map[*node][]int) string {
	type span struct{ from, to int }
	var spans []span
	for n, gone := range items {
		kept := false
		for i, it := range n.items {
			switch {
			case !slices.Contains(gone, i):
				kept = true
			case kept:
				spans = append(spans, span{n.items[i-1].end, it.end})
			default:
				spans = append(spans, span{it.start, n.items[i+1].start})
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return b.from - a.from })
	for _, s := range spans {
		text = text[:s.from] + text[s.to:]
	}
	return text
}
