package trustpolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CompactSize returns the number of characters of a policy without insignificant
// white space, which is what the role trust policy quota counts at most (IAM
// User Guide, "IAM and AWS STS quotas"). A text that is not JSON counts whole.
func CompactSize(text string) int { return utf8.RuneCountInString(Compact(text)) }

// Compact returns the text without insignificant white space, otherwise byte for
// byte; a text that is not JSON comes back as it is.
func Compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

// Equivalent reports whether two trust policies mean the same: a string and a
// list of one, the order of values and statements, the case of actions,
// operators and condition keys, and white space do not matter. Texts that are
// not policies are equivalent only if they are equal.
func Equivalent(a, b string) bool {
	if a == b {
		return true
	}
	p, errP := Parse(a)
	q, errQ := Parse(b)
	if errP != nil || errQ != nil {
		return false
	}
	return p.version == q.version && frame(p) == frame(q) && slices.Equal(p.canonical(), q.canonical())
}

// canonical lists the statements' canonical forms, sorted.
func (p Policy) canonical() []string {
	var out []string
	for i := range p.statements {
		out = append(out, p.statements[i].canonical(true))
	}
	slices.Sort(out)
	return out
}

// frame is the canonical form of everything outside the statements.
func frame(p Policy) string { return others(p.root, "Version", "Statement") }

// canonical writes the meaning of a statement as one text. Without audiences,
// the values of conditions on SAML:aud are left out.
func (s *statement) canonical(audiences bool) string {
	var who, actions, conditions []string
	for _, w := range s.who.list {
		v := w.value
		if account, resource := splitARN(v); w.kind == awsKind && resource == "root" {
			v = "root of " + account
		}
		if w.all() {
			w.kind, v = everyone, "*"
		}
		who = append(who, string(w.kind)+"="+v)
	}
	for _, a := range s.actions {
		actions = append(actions, strings.ToLower(a))
	}
	for _, c := range s.conditions {
		values := set(c.values)
		if c.lower == audKey && !audiences {
			values = ""
		}
		conditions = append(conditions, strconv.Quote(strings.ToLower(c.op.name))+strconv.Quote(c.lower)+values)
	}
	slices.Sort(conditions)
	return fmt.Sprintf("%t sid=%q not=%t who=%s not=%t actions=%s if=%v rest=%s", s.deny, s.sid, s.who.not, set(who),
		s.notAction, set(actions), conditions, others(s.node, statementElements[:]...))
}

// set writes values without regard to order and repetition.
func set(values []string) string {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return fmt.Sprintf("%q", slices.Compact(sorted))
}

// others writes the members of an object but for some, sorted by key.
func others(n *node, but ...string) string {
	var out []string
	for _, m := range n.members {
		if !slices.Contains(but, m.key) {
			out = append(out, strconv.Quote(m.key)+":"+plain(m.value))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// plain writes any JSON value; only the order of keys and white space are lost.
func plain(n *node) string {
	switch n.kind {
	case isObject:
		return "{" + others(n) + "}"
	case isList:
		var out []string
		for _, it := range n.items {
			out = append(out, plain(it))
		}
		return "[" + strings.Join(out, ",") + "]"
	case isString:
		return strconv.Quote(n.text)
	}
	return n.text
}
