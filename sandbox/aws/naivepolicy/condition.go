package naivepolicy

import (
	"slices"
	"strings"
)

// compare says whether one policy value fits one request value.
type compare func(policy, request string) bool

// operators are the base operators; negated ones are listed with their
// positive form.
func operators(name string) (c compare, negated, ok bool) {
	switch name {
	case "stringequals":
		return exact, false, true
	case "stringnotequals":
		return exact, true, true
	case "stringequalsignorecase":
		return strings.EqualFold, false, true
	case "stringnotequalsignorecase":
		return strings.EqualFold, true, true
	case "stringlike":
		return wildcard, false, true
	case "stringnotlike":
		return wildcard, true, true
	case "bool":
		return strings.EqualFold, false, true
	case "arnequals", "arnlike":
		return arnLike, false, true
	case "arnnotequals", "arnnotlike":
		return arnLike, true, true
	}
	return nil, false, false
}

func exact(a, b string) bool { return a == b }

// arnLike matches the six parts of an ARN each for itself.
func arnLike(pattern, arn string) bool {
	p, a := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(p) != 6 || len(a) != 6 {
		return false
	}
	for i := range p {
		if !wildcard(p[i], a[i]) {
			return false
		}
	}
	return true
}

// holds evaluates one operator with one key.
func (d Document) holds(c Condition, keys map[string][]string) truth {
	have, present := keys[strings.ToLower(c.Key)]
	name := strings.ToLower(c.Operator)
	if name == "null" {
		return nullHolds(c.Values, present)
	}
	set, base, found := strings.Cut(name, ":")
	if !found {
		set, base = "", name
	}
	base, ifExists := strings.CutSuffix(base, "ifexists")
	cmp, negated, ok := operators(base)
	if !ok || !slices.Contains([]string{"", "foranyvalue", "forallvalues"}, set) {
		return unknown
	}
	switch {
	case set == "" && len(have) > 1:
		return unknown // several values need a set operator
	case !present, set != "" && strings.Join(have, "") == "":
		return truthOf(set == "forallvalues" || set == "" && (ifExists || negated))
	}
	return quantify(set, negated, have, func(x string) truth { return d.anyFits(cmp, c.Values, x, keys) })
}

// quantify combines the request's values. fits says whether a request value
// fits one of the policy's values; a negated operator wants that it fits none.
func quantify(set string, negated bool, have []string, fits func(string) truth) truth {
	all, some := yes, no
	for _, x := range have {
		t := fits(x)
		if negated {
			t = t.not()
		}
		all, some = min(all, t), max(some, t)
	}
	switch {
	case set == "forallvalues", set == "" && negated:
		return all
	default:
		return some
	}
}

// anyFits compares one request value with each policy value.
func (d Document) anyFits(cmp compare, values []string, x string, keys map[string][]string) truth {
	t := no
	for _, v := range values {
		text, sure := v, yes
		if d.Version == "2012-10-17" {
			text, sure = substitute(v, keys)
		}
		if sure == yes {
			sure = truthOf(cmp(text, x))
		}
		t = max(t, sure)
	}
	return t
}

// substitute replaces the variables of a policy value. The truth is no if one of
// them has neither a value nor a default, so that nothing fits; unknown for what
// is not built: ${*} and its like, keys of several values, values with wildcards.
func substitute(v string, keys map[string][]string) (string, truth) {
	t := yes
	for strings.Contains(v, "${") {
		before, rest, _ := strings.Cut(v, "${")
		name, after, closed := strings.Cut(rest, "}")
		name, standIn, defaulted := strings.Cut(name, ", '")
		have := keys[strings.ToLower(name)]
		if len(have) == 0 && defaulted {
			have = []string{strings.TrimSuffix(standIn, "'")}
		}
		switch {
		case !closed, strings.ContainsAny(name, "*?$,' "), len(have) > 1, len(have) == 1 && strings.ContainsAny(have[0], "*?$'"):
			return "", unknown
		case len(have) == 0:
			t = no
		default:
			after = have[0] + after
		}
		v = before + after
	}
	return v, t
}

// nullHolds is Null: "true" wants the key absent, "false" present.
func nullHolds(values []string, present bool) truth {
	t := no
	for _, v := range values {
		switch strings.ToLower(v) {
		case "true":
			t = max(t, truthOf(!present))
		case "false":
			t = max(t, truthOf(present))
		default:
			t = max(t, unknown)
		}
	}
	return t
}
