package trustpolicy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Case is one block of testdata/admits: a trust policy, a login and AWS's answer.
type Case struct {
	File, Name, Rule string
	Policy           string
	Login            Login
	Want             Verdict
	Reason           Reason
	By, Needs        string // "" = not said
}

// Cases reads testdata/admits; README.txt there says what the lines mean.
func Cases(tb testing.TB) []Case {
	tb.Helper()
	files, err := filepath.Glob("testdata/admits/*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var out []Case
	for _, file := range files {
		if filepath.Base(file) == "README.txt" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
			c, err := readCase(block)
			if err != nil {
				tb.Fatalf("%s: %v in:\n%s", file, err, block)
			}
			c.File = filepath.Base(file)
			out = append(out, c)
		}
	}
	return out
}

func readCase(block string) (Case, error) {
	block = strings.NewReplacer("<okta>", okta, "<ping>", ping, "<east>", east, "<west>", west, "<ohio>", ohio, "<evil>", evil).Replace(block)
	c := Case{Login: Login{Provider: okta, Audience: east, Context: map[string][]string{}}}
	for _, line := range strings.Split(block, "\n") {
		key, value, found := strings.Cut(line, ":")
		if !found || !c.set(key, strings.TrimSpace(value)) {
			return c, fmt.Errorf("the line %q is not understood", line)
		}
	}
	if c.Name == "" || c.Rule == "" || c.Policy == "" || c.Want == "" {
		return c, fmt.Errorf("a name, a rule, a policy or an answer is missing")
	}
	return c, nil
}

func (c *Case) set(key, value string) bool {
	left, right, _ := strings.Cut(value, " = ")
	switch key {
	case "name":
		c.Name = value
	case "rule":
		c.Rule = value
	case "condition":
		c.Policy = allowIf(value)
	case "statement":
		c.Policy = with(value)
	case "policy":
		c.Policy = value
	case "aud":
		c.Login.Audience = value
	case "provider":
		c.Login.Provider = value
	case "action":
		c.Login.Action = value
	case "key":
		c.Login.Context[strings.TrimSuffix(left, " =")] = contextValues(right)
	case "tag":
		if c.Login.Tags == nil {
			c.Login.Tags = map[string]string{}
		}
		c.Login.Tags[left] = right
	case "transitive":
		c.Login.TransitiveTagKeys = strings.Fields(value)
	case "identity":
		c.Login.SourceIdentity = value
	case "partial":
		c.Login.Partial = value == "yes"
	case "want":
		verdict, reason, _ := strings.Cut(value, " ")
		c.Want, c.Reason = Verdict(verdict), Reason(reason)
	case "by":
		c.By = value
	case "needs":
		c.Needs = value
	default:
		return false
	}
	return true
}

// contextValues reads "a | b"; "" in quotes is the empty string.
func contextValues(text string) []string {
	if text == "" {
		return nil
	}
	values := strings.Split(text, " | ")
	for i, v := range values {
		if v == `""` {
			values[i] = ""
		}
	}
	return values
}

// differs says how a decision is not what the case wants; "" if it is.
func (c Case) differs(d Decision) string {
	by := "-"
	if d.Statement >= 0 {
		by = strconv.Itoa(d.Statement)
	}
	by = strings.TrimSpace(by + " " + d.Condition)
	switch {
	case d.Verdict != c.Want || d.Reason != c.Reason:
		return fmt.Sprintf("%s/%s, want %s/%s", d.Verdict, d.Reason, c.Want, c.Reason)
	case c.By != "" && by != c.By:
		return fmt.Sprintf("decided by %q, want %q", by, c.By)
	case c.Needs != "" && strings.Join(d.Needs, " ") != c.Needs:
		return fmt.Sprintf("needs %q, want %q", d.Needs, c.Needs)
	}
	return ""
}

// wrong returns the cases that an evaluator gets wrong.
func wrong(tb testing.TB, decide func(Policy, Login) Decision) []string {
	tb.Helper()
	var out []string
	for _, c := range Cases(tb) {
		p, err := Parse(c.Policy)
		if err != nil {
			tb.Fatalf("%s: %s: %v", c.File, c.Name, err)
		}
		d := decide(p, c.Login)
		if bad := c.differs(d); bad != "" {
			out = append(out, fmt.Sprintf("%s: %s: %s: rule %s (%s)", c.File, c.Name, bad, c.Rule, d))
		}
	}
	return out
}

// spec 5.7, 6.1
func TestCases(t *testing.T) {
	t.Parallel()
	for _, w := range wrong(t, Admits) {
		t.Error(w)
	}
	var names []string
	for _, c := range Cases(t) {
		names = append(names, c.File+": "+c.Name)
		if !strings.HasPrefix(c.Rule, "[") && !strings.HasPrefix(c.Rule, "undocumented") {
			t.Errorf("%s: %s: the rule %q names no page", c.File, c.Name, c.Rule)
		}
	}
	if len(names) < 120 {
		t.Errorf("only %d cases", len(names))
	}
	slices.Sort(names)
	if n := len(slices.Compact(slices.Clone(names))); n != len(names) {
		t.Errorf("%d of %d names stand twice", len(names)-n, len(names))
	}
}

// Saboteurs: evaluators with one wrong rule each; the cases have to refuse all.
func TestCasesCatchWrongEvaluators(t *testing.T) {
	t.Parallel()
	saboteurs := map[string]func(Policy, Login) Decision{
		"no Deny":            mutateStatements(func(s *statement) { s.deny = false }),
		"no NotPrincipal":    mutateStatements(func(s *statement) { s.who.not = false }),
		"actions with case":  func(p Policy, l Login) Decision { return Admits(exactActions(p), l) },
		"keys with case":     mutate(func(c *condition, _ Login) { c.lower = c.key }),
		"* stops at dots":    mutate(stopAtDots),
		"equals is like":     mutate(swap(opEquals, opLike)),
		"like is equals":     mutate(swap(opLike, opEquals)),
		"case of values":     mutate(swap(opEquals, opEqualsFold)),
		"unsupported equals": mutate(swap(opUnsupported, opEquals)),
		"no negation":        mutate(func(c *condition, _ Login) { c.op.negated = false }),
		"no IfExists":        mutate(func(c *condition, _ Login) { c.op.ifExists = false }),
		"no set operators":   mutate(func(c *condition, _ Login) { c.op.set = single }),
		"any is all":         mutate(swapSet(anyValue, allValues)),
		"all is any":         mutate(swapSet(allValues, anyValue)),
		"first value only": mutate(func(c *condition, _ Login) {
			if len(c.values) > 1 {
				c.values = c.values[:1]
			}
		}),
		"first statement only": func(p Policy, l Login) Decision {
			p.statements = p.statements[:min(1, len(p.statements))]
			return Admits(p, l)
		},
		"everything unknown": func(p Policy, l Login) Decision { l.Partial = true; return Admits(p, l) },
		"always variables":   func(p Policy, l Login) Decision { p.version = version2012; return Admits(p, l) },
		"never variables":    func(p Policy, l Login) Decision { p.version = version2008; return Admits(p, l) },
		"needs nothing else": func(p Policy, l Login) Decision { l.Action = AssumeRoleWithSAML; return Admits(p, l) },
		"unknown is no": func(p Policy, l Login) Decision {
			d := Admits(p, l)
			if d.Verdict == Conditional {
				d.Verdict, d.Reason = Deny, Implicit
			}
			return d
		},
	}
	for name, decide := range saboteurs {
		if len(wrong(t, decide)) == 0 {
			t.Errorf("the cases pass an evaluator with a wrong rule: %s", name)
		}
	}
}

func mutateStatements(f func(*statement)) func(Policy, Login) Decision {
	return func(p Policy, l Login) Decision {
		p.statements = slices.Clone(p.statements)
		for i := range p.statements {
			f(&p.statements[i])
		}
		return Admits(p, l)
	}
}

func mutate(f func(*condition, Login)) func(Policy, Login) Decision {
	return func(p Policy, l Login) Decision {
		return mutateStatements(func(s *statement) {
			s.conditions = slices.Clone(s.conditions)
			for j := range s.conditions {
				f(&s.conditions[j], l)
			}
		})(p, l)
	}
}

// exactActions leaves only the actions that are spelled as AWS spells them.
func exactActions(p Policy) Policy {
	p.statements = slices.Clone(p.statements)
	for i := range p.statements {
		s := &p.statements[i]
		s.actions = slices.DeleteFunc(slices.Clone(s.actions), func(a string) bool { return strings.Contains(a, "STS") })
	}
	return p
}

// stopAtDots puts in place of a pattern the values of the login that it matches
// if * is taken for a part of a host name, as in TLS certificates.
func stopAtDots(c *condition, l Login) {
	if c.op.base != opLike || strings.Contains(strings.Join(c.values, ""), "${") {
		return
	}
	var matched []string
	for _, v := range append([]string{l.Audience}, slices.Concat(contexts(l)...)...) {
		for _, pattern := range c.values {
			parts, labels := strings.Split(pattern, "."), strings.Split(v, ".")
			same := len(parts) == len(labels)
			for i := 0; same && i < len(parts); i++ {
				same = like(parts[i], labels[i])
			}
			if same {
				matched = append(matched, v)
			}
		}
	}
	c.op.base, c.values = opEquals, matched
}

func contexts(l Login) [][]string {
	var out [][]string
	for _, v := range l.Context {
		out = append(out, v)
	}
	return out
}

// swap takes one base operator for another.
func swap(from, to baseOp) func(*condition, Login) {
	return func(c *condition, _ Login) {
		if c.op.base == from {
			c.op.base = to
		}
	}
}

func swapSet(from, to setOp) func(*condition, Login) {
	return func(c *condition, _ Login) {
		if c.op.set == from {
			c.op.set = to
		}
	}
}

// Asked is one request of a case's login, for another evaluator.
type Asked struct {
	Action string
	Keys   map[string][]string
}

// Asked lists the requests that all have to be allowed for the login.
func (c Case) Asked() []Asked {
	actions := []string{c.Login.Action}
	if c.Login.Action == "" {
		actions = append([]string{AssumeRoleWithSAML}, c.Login.needs()...)
	}
	var out []Asked
	for _, a := range actions {
		out = append(out, Asked{a, c.Login.request(a).keys})
	}
	return out
}
