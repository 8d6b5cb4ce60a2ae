package trustpolicy

import (
	"slices"
	"strings"
)

// audKey is SAML:aud in the form that keys are compared in.
const audKey = "saml:aud"

// truth is three-valued; and is min, or is max.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func (t truth) not() truth { return yes - t }

func known(b bool) truth {
	if b {
		return yes
	}
	return no
}

type baseOp uint8

const (
	opUnsupported baseOp = iota
	opEquals
	opEqualsFold
	opLike
	opNull
)

type setOp uint8

const (
	single setOp = iota
	anyValue
	allValues
)

// operator is a condition operator taken apart. Negated and ifExists are never
// set on Null.
type operator struct {
	name     string // as written
	base     baseOp
	set      setOp
	negated  bool
	ifExists bool
}

// parseOperator reads an operator name without regard to case. Names that are
// not built yield opUnsupported.
func parseOperator(name string) operator {
	op := operator{name: name}
	s := strings.ToLower(name)
	if rest, ok := strings.CutPrefix(s, "foranyvalue:"); ok {
		op.set, s = anyValue, rest
	} else if rest, ok := strings.CutPrefix(s, "forallvalues:"); ok {
		op.set, s = allValues, rest
	}
	s, op.ifExists = strings.CutSuffix(s, "ifexists")
	switch s {
	case "stringequals":
		op.base = opEquals
	case "stringnotequals":
		op.base, op.negated = opEquals, true
	case "stringequalsignorecase":
		op.base = opEqualsFold
	case "stringnotequalsignorecase":
		op.base, op.negated = opEqualsFold, true
	case "stringlike":
		op.base = opLike
	case "stringnotlike":
		op.base, op.negated = opLike, true
	case "null":
		if op.set == single && !op.ifExists {
			op.base = opNull
		}
	}
	return op
}

// condition is one key of one operator.
type condition struct {
	op     operator
	key    string // as written
	lower  string
	values []string
	node   *node // the values in the text
}

// name is how a person finds the condition: "StringEquals SAML:aud".
func (c condition) name() string { return clip(c.op.name) + " " + clip(c.key) }

// positive reports whether adding a value can only widen the condition.
func (c condition) positive() bool {
	return c.op.base != opUnsupported && c.op.base != opNull && !c.op.negated
}

// holds evaluates the condition; a reason comes with maybe.
func (c condition) holds(req request) (truth, Reason) {
	if c.op.base == opUnsupported || (c.op.base == opNull && !nullValues(c.values)) {
		return maybe, UnsupportedOperator
	}
	if hasVariable(req.version, c.key) {
		return maybe, PolicyVariable
	}
	values, presence := req.lookup(c.lower)
	if c.op.base == opNull {
		return c.null(presence)
	}
	switch presence {
	case unknown:
		if c.always() {
			return yes, ""
		}
		return maybe, UnknownKey
	case absent:
		return c.whenAbsent(), ""
	}
	return c.whenPresent(req, values)
}

func nullValues(values []string) bool {
	for _, v := range values {
		if !strings.EqualFold(v, "true") && !strings.EqualFold(v, "false") {
			return false
		}
	}
	return true
}

// null: "true" asks for an absent key, "false" for a present one.
func (c condition) null(p presence) (truth, Reason) {
	wantsAbsent := slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "true") })
	wantsPresent := slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "false") })
	if p == unknown && wantsAbsent != wantsPresent {
		return maybe, UnknownKey
	}
	return known((wantsAbsent && p != present) || (wantsPresent && p != absent)), ""
}

// whenAbsent: a missing key makes a negated operator true and a positive one
// false; ...IfExists and ForAllValues are true. ForAnyValue is false whatever
// else the operator says: it wants one value.
func (c condition) whenAbsent() truth {
	switch c.op.set {
	case anyValue:
		return no
	case allValues:
		return yes
	}
	return known(c.op.ifExists || c.op.negated)
}

// always: a condition that holds whatever an unknown key turns out to be.
func (c condition) always() bool {
	everything := slices.ContainsFunc(c.values, func(v string) bool { return v != "" && strings.Trim(v, "*") == "" })
	whenAbsent := c.op.set == allValues || (c.op.ifExists && c.op.set == single && singleValued(c.lower))
	return c.op.base == opLike && !c.op.negated && everything && whenAbsent
}

func (c condition) whenPresent(req request, values []string) (truth, Reason) {
	switch {
	case c.op.set == single && (len(values) > 1 || multivalued(c.lower)):
		return maybe, MultiValue // AWS does not document a multivalued key without a set operator
	case c.op.set != single && strings.Join(values, "") == "":
		return c.whenAbsent(), "" // "a null dataset, such as an empty string"
	}
	lowest, highest := yes, no
	for _, v := range values {
		t := c.matches(req, v)
		if c.op.negated {
			t = t.not()
		}
		lowest, highest = min(lowest, t), max(highest, t)
	}
	t := lowest
	if c.op.set == anyValue {
		t = highest
	}
	if t == maybe {
		return t, PolicyVariable
	}
	return t, ""
}

// matches compares one request value with all policy values (OR).
func (c condition) matches(req request, value string) truth {
	best := no
	for _, v := range c.values {
		t := no
		if hasVariable(req.version, v) {
			t = c.matchesExpanded(req, v, value)
		} else if c.matchesOne(v, value) {
			return yes
		}
		best = max(best, t)
	}
	return best
}

func (c condition) matchesExpanded(req request, policy, value string) truth {
	text, t := req.expand(policy)
	if t != yes {
		return t
	}
	if c.op.base == opLike {
		return known(likeRunes(text, []rune(value)))
	}
	return known(c.matchesOne(spell(text, '*', '?'), value))
}

func (c condition) matchesOne(policy, value string) bool {
	switch c.op.base {
	case opEqualsFold:
		return strings.EqualFold(policy, value)
	case opLike:
		return like(policy, value)
	}
	return policy == value
}

// Like reports whether s matches a pattern as StringLike does: * stands for any
// characters, also none, ? for exactly one; case-sensitive.
func Like(pattern, s string) bool { return like(pattern, s) }

// like matches * (any characters, also none, also dots and slashes) and ? (one
// character), case-sensitively.
func like(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	return likeRunes(wildcards(pattern), []rune(s))
}

func likeRunes(p, t []rune) bool {
	pi, ti, star, mark := 0, 0, -1, 0
	for ti < len(t) {
		switch {
		case pi < len(p) && p[pi] == anyRunes:
			star, mark = pi, ti
			pi++
		case pi < len(p) && (p[pi] == oneRune || p[pi] == t[ti]):
			pi++
			ti++
		case star >= 0:
			mark++
			pi, ti = star+1, mark
		default:
			return false
		}
	}
	for pi < len(p) && p[pi] == anyRunes {
		pi++
	}
	return pi == len(p)
}
