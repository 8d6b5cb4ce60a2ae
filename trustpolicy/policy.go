package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The policy language versions; variables exist only in the newer one (IAM User
// Guide, "IAM JSON policy elements: Version").
const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

// Policy is a parsed trust policy. The zero value admits nobody.
type Policy struct {
	text       string
	root       *node
	version    string
	statements []statement
}

// Text returns the text that was parsed, byte for byte.
func (p Policy) Text() string { return p.text }

// Statements returns how many statements the policy has.
func (p Policy) Statements() int { return len(p.statements) }

type statement struct {
	index      int
	sid        string
	deny       bool
	who        principals
	actions    []string
	notAction  bool
	conditions []condition
	node       *node
}

// name is how a person finds the statement.
func (s statement) name() string {
	if s.sid != "" {
		return fmt.Sprintf("statement %d (%s)", s.index, clip(s.sid))
	}
	return fmt.Sprintf("statement %d", s.index)
}

// statementElements are the elements whose spelling must be exact; a near miss
// would otherwise be ignored silently.
var statementElements = [...]string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"}

// Parse reads a trust policy. Errors are *ParseError with the byte offset. A
// duplicate key is an error; condition keys that differ only in case are both
// kept and both have to hold. Unknown elements are kept and ignored.
func Parse(text string) (Policy, error) {
	if n := utf8.RuneCountInString(text); n > maxPolicyChars {
		return Policy{}, &ParseError{-1, fmt.Sprintf("it has %d characters, the limit is %d", n, maxPolicyChars)}
	}
	root, err := parseJSON(text)
	if err != nil {
		return Policy{}, err
	}
	return build(text, root)
}

func build(text string, root *node) (Policy, error) {
	p := Policy{text: text, root: root, version: version2008}
	if root.kind != isObject {
		return Policy{}, &ParseError{root.start, "a policy is an object, this is " + root.kind.String()}
	}
	if err := spelling(root, "Version", "Id", "Statement"); err != nil {
		return Policy{}, err
	}
	if v := root.get("Version"); v != nil {
		if v.kind != isString || (v.text != version2012 && v.text != version2008) {
			return Policy{}, &ParseError{v.start, "Version must be \"2012-10-17\" or \"2008-10-17\""}
		}
		p.version = v.text
	}
	list := root.get("Statement")
	if list == nil {
		return Policy{}, &ParseError{root.start, "it has no Statement"}
	}
	nodes := []*node{list}
	if list.kind == isList {
		nodes = list.items
	}
	for i, n := range nodes {
		s, err := buildStatement(i, n)
		if err != nil {
			return Policy{}, err
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

// spelling refuses members that are one of the elements but for upper and lower
// case.
func spelling(n *node, elements ...string) error {
	for _, m := range n.members {
		for _, e := range elements {
			if m.key != e && strings.EqualFold(m.key, e) {
				return &ParseError{m.at, fmt.Sprintf("the element %q must be spelled %q", m.key, e)}
			}
		}
	}
	return nil
}

func buildStatement(i int, n *node) (statement, error) {
	s := statement{index: i, node: n}
	if n.kind != isObject {
		return s, &ParseError{n.start, fmt.Sprintf("statement %d must be an object, this is %s", i, n.kind)}
	}
	if err := spelling(n, statementElements[:]...); err != nil {
		return s, err
	}
	if sid := n.get("Sid"); sid != nil {
		if sid.kind != isString {
			return s, &ParseError{sid.start, "Sid must be a string"}
		}
		s.sid = sid.text
	}
	switch e := n.get("Effect"); {
	case e == nil:
		return s, &ParseError{n.start, fmt.Sprintf("statement %d has no Effect", i)}
	case e.kind != isString || (e.text != "Allow" && e.text != "Deny"):
		return s, &ParseError{e.start, "Effect must be \"Allow\" or \"Deny\""}
	default:
		s.deny = e.text == "Deny"
	}
	for _, step := range []func(*statement, *node) error{buildActions, buildPrincipals, buildConditions} {
		if err := step(&s, n); err != nil {
			return s, err
		}
	}
	return s, nil
}

func buildActions(s *statement, n *node) error {
	v, err := oneOf(n, "Action", "NotAction", &s.notAction)
	if err != nil {
		return err
	}
	s.actions, err = stringList(v, "an action")
	return err
}

// oneOf returns whichever of two elements that exclude each other is there.
func oneOf(n *node, yes, no string, negated *bool) (*node, error) {
	a, b := n.get(yes), n.get(no)
	switch {
	case a == nil && b == nil:
		return nil, &ParseError{n.start, fmt.Sprintf("a statement needs %s or %s", yes, no)}
	case a != nil && b != nil:
		return nil, &ParseError{n.start, fmt.Sprintf("a statement cannot have both %s and %s", yes, no)}
	case b != nil:
		*negated = true
		return b, nil
	}
	return a, nil
}

// stringList reads a string or a list of strings.
func stringList(v *node, what string) ([]string, error) {
	items := []*node{v}
	if v.kind == isList {
		items = v.items
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		if it.kind != isString {
			return nil, &ParseError{it.start, fmt.Sprintf("%s must be a string, this is %s", what, it.kind)}
		}
		out = append(out, it.text)
	}
	return out, nil
}

func buildConditions(s *statement, n *node) error {
	c := n.get("Condition")
	if c == nil {
		return nil
	}
	if c.kind != isObject {
		return &ParseError{c.start, "Condition must be an object"}
	}
	for _, op := range c.members {
		if op.value.kind != isObject {
			return &ParseError{op.value.start, fmt.Sprintf("the condition operator %q must hold an object", clip(op.key))}
		}
		for _, k := range op.value.members {
			values, err := conditionValues(k.value)
			if err != nil {
				return err
			}
			s.conditions = append(s.conditions, condition{op: parseOperator(op.key), key: k.key,
				lower: strings.ToLower(k.key), values: values, node: k.value})
		}
	}
	return nil
}

// conditionValues reads a string or a list; IAM takes booleans and numbers for
// their text.
func conditionValues(v *node) ([]string, error) {
	items := []*node{v}
	if v.kind == isList {
		items = v.items
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		if it.kind == isList || it.kind == isObject || it.kind == isNull {
			return nil, &ParseError{it.start, "a condition value must be a string, this is " + it.kind.String()}
		}
		out = append(out, it.text)
	}
	return out, nil
}

// grants reports whether the statement is about the action, which is compared
// without regard to case (IAM User Guide, "IAM JSON policy elements: Action").
func (s statement) grants(action string) bool {
	hit := slices.ContainsFunc(s.actions, func(a string) bool {
		if !strings.ContainsAny(a, "*?") {
			return strings.EqualFold(a, action)
		}
		return like(strings.ToLower(a), strings.ToLower(action))
	})
	return hit != s.notAction
}

// Providers returns the ARNs (or names) of the identity providers that an Allow
// statement names, in order of appearance, each once.
func (p Policy) Providers() []string {
	var out []string
	for _, s := range p.statements {
		if s.deny || s.who.not {
			continue
		}
		for _, v := range s.who.list {
			if v.kind == federated && !slices.Contains(out, v.value) {
				out = append(out, v.value)
			}
		}
	}
	return out
}

// DeletedPrincipals returns the principals that are unique IDs of users or
// roles that no longer exist (AIDA..., AROA...): IAM shows the ID once the
// principal is gone and then rejects every rewrite of the document (IAM User
// Guide, "AWS JSON policy elements: Principal").
func (p Policy) DeletedPrincipals() []string {
	var out []string
	for _, s := range p.statements {
		for _, v := range s.who.list {
			if deletedID(v.value) && !slices.Contains(out, v.value) {
				out = append(out, v.value)
			}
		}
	}
	return out
}

func deletedID(v string) bool {
	if len(v) < 16 || (!strings.HasPrefix(v, "AROA") && !strings.HasPrefix(v, "AIDA")) {
		return false
	}
	return !strings.ContainsFunc(v, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
}
