package trustpolicy

import (
	"slices"
	"strings"
)

// maxAtoms bounds the free booleans of a proof: 2^12 assignments.
const maxAtoms = 12

// literal is a condition whose answer is not known, over free booleans: one of
// the atoms holds, or, negated, none of them does.
type literal struct {
	atoms   []string
	negated bool
}

// clause is a statement that applies if all its literals hold.
type clause struct {
	index    int
	deny     bool
	audience bool // has a condition on SAML:aud
	literals []literal
}

// reduce leaves of a policy what can still decide the request: statements about
// its principal and action, none of whose known conditions fails. waive, if not
// nil, names conditions to take for true.
func (p Policy) reduce(req request, waive func(*condition) bool) []clause {
	req.version = p.version
	var out []clause
	for i := range p.statements {
		s := &p.statements[i]
		if c, ok := s.reduce(req, waive); ok {
			out = append(out, c)
		}
	}
	return out
}

func (s *statement) reduce(req request, waive func(*condition) bool) (clause, bool) {
	who := s.who.covers(req.caller)
	if who == no || !s.grants(req.action) {
		return clause{}, false
	}
	out := clause{index: s.index, deny: s.deny}
	if who == maybe {
		out.literals = append(out.literals, literal{[]string{"principal\x01" + string(req.caller.kind)}, s.who.not})
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		out.audience = out.audience || c.lower == audKey
		if waive != nil && waive(c) {
			continue
		}
		switch t, _ := c.holds(req); t {
		case no:
			return clause{}, false
		case maybe:
			out.literals = append(out.literals, c.literal(req))
		}
	}
	return out, true
}

// literal names the unknown behind a condition so that equal unknowns get equal
// names. For a single-valued key Equals and NotEquals are each other's negation
// (an absent key makes the first false and the second true), so they share one
// name. A value is named with the variables that the request settles replaced:
// it is another unknown in a request that settles them otherwise.
func (c condition) literal(req request) literal {
	values := slices.Clone(c.values)
	for i, v := range values {
		if hasVariable(req.version, v) {
			text, t := req.expand(v)
			values[i] = string('0'+rune(t)) + "\x02" + spell(text, '\x03', '\x04')
		}
		if c.op.base == opEqualsFold {
			values[i] = strings.ToLower(values[i])
		}
	}
	slices.Sort(values)
	policy := strings.Join(slices.Compact(values), "\x00")
	given, presence := req.lookup(c.lower)
	missing := "absent\x01" + c.lower
	if c.op.base == opNull && presence == unknown {
		if len(values) == 1 {
			return literal{[]string{missing}, strings.EqualFold(values[0], "false")}
		}
	}
	if c.op.base == opUnsupported || c.op.base == opNull || c.op.set != single || presence == present || !singleValued(c.lower) {
		return literal{atoms: []string{strings.Join([]string{strings.ToLower(c.op.name), c.lower, policy,
			strings.Join(given, "\x00")}, "\x01")}}
	}
	match := strings.Join([]string{string('0' + rune(c.op.base)), c.lower, policy}, "\x01")
	switch {
	case c.op.negated:
		return literal{[]string{match}, true}
	case c.op.ifExists:
		return literal{[]string{match, missing}, false}
	}
	return literal{[]string{match}, false}
}

// atoms collects the distinct free booleans of clauses.
func atoms(sets ...[]clause) []string {
	var out []string
	for _, set := range sets {
		for _, c := range set {
			for _, l := range c.literals {
				out = append(out, l.atoms...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// assignment gives every atom a value: bit i belongs to names[i].
type assignment struct {
	names []string
	bits  int
}

func (a assignment) holds(l literal) bool {
	for _, name := range l.atoms {
		if i, ok := slices.BinarySearch(a.names, name); ok && a.bits>>i&1 == 1 {
			return !l.negated
		}
	}
	return l.negated
}

// allows decides the clauses: an explicit Deny beats every Allow, and without an
// Allow the answer is no.
func (a assignment) allows(clauses []clause) bool {
	allowed := false
	for _, c := range clauses {
		if !slices.ContainsFunc(c.literals, func(l literal) bool { return !a.holds(l) }) {
			if c.deny {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

// every calls test with every assignment of the atoms until it returns false;
// it reports whether all returned true. More than maxAtoms are not tried: the
// answer is then false and tried is false.
func every(names []string, test func(assignment) bool) (all, tried bool) {
	if len(names) > maxAtoms {
		return false, false
	}
	for bits := range 1 << len(names) {
		if !test(assignment{names, bits}) {
			return false, true
		}
	}
	return true, true
}

// without returns the clauses that keep does not reject.
func without(clauses []clause, reject func(clause) bool) []clause {
	return slices.DeleteFunc(slices.Clone(clauses), reject)
}
