package naivepolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Document is a policy as it was written: nothing is normalised, so a checker
// can still see odd forms. Version is "" when absent.
type Document struct {
	Version    string
	Statements []Statement
}

// Statement is one statement. The pointers and nil slices say "absent".
type Statement struct {
	Sid          string
	Effect       string
	Principal    []Principal // Principal element, flattened
	NotPrincipal []Principal
	Action       []string
	NotAction    []string
	Conditions   []Condition
	Other        []string // elements that a trust policy does not know (Resource, typos)
}

// Principal is one value of a Principal element. Kind is "AWS", "Federated",
// "Service", ..., or "*" for the bare "*".
type Principal struct{ Kind, Value string }

// Condition is one operator with one key and its values, as spelled.
type Condition struct {
	Operator, Key string
	Values        []string
}

// Errors of Parse.
var (
	ErrNotJSON = errors.New("the policy is not valid JSON")
	ErrSyntax  = errors.New("the policy has a syntax error")
)

// Parse reads a policy. A repeated key in any object is ErrNotJSON, a wrong
// shape ErrSyntax; both are wrapped with what was found.
func Parse(text string) (Document, error) {
	tree, err := readTree(text)
	if err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrNotJSON, err)
	}
	d, err := readDocument(tree)
	if err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return d, nil
}

// object keeps members in order and as spelled.
type object []member

type member struct {
	key   string
	value any
}

// readTree decodes JSON into object, []any, string, bool, json.Number and nil.
func readTree(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text behind the document")
	}
	return v, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > 32 {
		return nil, errors.New("nested too deeply")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		return readObject(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	return t, nil
}

func readObject(dec *json.Decoder, depth int) (any, error) {
	o, seen := object{}, map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if seen[key] {
			return nil, fmt.Errorf("the key %q appears twice", key)
		}
		seen[key] = true
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, member{key, v})
	}
	_, err := dec.Token()
	return o, err
}

func readDocument(tree any) (Document, error) {
	o, ok := tree.(object)
	if !ok {
		return Document{}, errors.New("the document is not an object")
	}
	var d Document
	for _, m := range o {
		switch m.key {
		case "Version":
			v, _ := m.value.(string)
			if v != "2012-10-17" && v != "2008-10-17" {
				return d, fmt.Errorf("Version is %v", m.value)
			}
			d.Version = v
		case "Id":
			if _, ok := m.value.(string); !ok {
				return d, errors.New("Id is not a text")
			}
		case "Statement":
			list, ok := m.value.([]any)
			if !ok {
				list = []any{m.value}
			}
			for _, s := range list {
				st, err := readStatement(s)
				if err != nil {
					return d, err
				}
				d.Statements = append(d.Statements, st)
			}
		default:
			return d, fmt.Errorf("unknown element %q", m.key)
		}
	}
	if len(d.Statements) == 0 {
		return d, errors.New("there is no Statement")
	}
	return d, nil
}

func readStatement(tree any) (Statement, error) {
	var s Statement
	o, ok := tree.(object)
	if !ok {
		return s, errors.New("a Statement is not an object")
	}
	var err error
	for _, m := range o {
		switch m.key {
		case "Sid":
			s.Sid, ok = m.value.(string)
			if !ok {
				err = errors.New("Sid is not a text")
			}
		case "Effect":
			s.Effect, _ = m.value.(string)
		case "Principal":
			s.Principal, err = readPrincipals(m.value)
		case "NotPrincipal":
			s.NotPrincipal, err = readPrincipals(m.value)
		case "Action":
			s.Action, err = readTexts(m.value)
		case "NotAction":
			s.NotAction, err = readTexts(m.value)
		case "Condition":
			s.Conditions, err = readConditions(m.value)
		default:
			s.Other = append(s.Other, m.key)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", m.key, err)
		}
	}
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return s, fmt.Errorf("Effect is %q", s.Effect)
	}
	if (s.Action == nil) == (s.NotAction == nil) {
		return s, errors.New("a statement needs exactly one of Action and NotAction")
	}
	if s.Principal != nil && s.NotPrincipal != nil {
		return s, errors.New("a statement has both Principal and NotPrincipal")
	}
	return s, nil
}

func readPrincipals(v any) ([]Principal, error) {
	if v == "*" {
		return []Principal{{"*", "*"}}, nil
	}
	o, ok := v.(object)
	if !ok || len(o) == 0 {
		return nil, errors.New(`it is neither "*" nor an object with members`)
	}
	var out []Principal
	for _, m := range o {
		texts, err := readTexts(m.value)
		if err != nil {
			return nil, err
		}
		for _, t := range texts {
			out = append(out, Principal{m.key, t})
		}
	}
	return out, nil
}

func readConditions(v any) ([]Condition, error) {
	ops, ok := v.(object)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	var out []Condition
	for _, op := range ops {
		keys, ok := op.value.(object)
		if !ok {
			return nil, fmt.Errorf("operator %s holds no object", op.key)
		}
		for _, k := range keys {
			values, err := readTexts(k.value)
			if err != nil {
				return nil, err
			}
			out = append(out, Condition{op.key, k.key, values})
		}
	}
	return out, nil
}

// readTexts reads a text or a list of texts; booleans and numbers count as
// their text, as IAM accepts them in conditions.
func readTexts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		switch t := e.(type) {
		case string:
			out = append(out, t)
		case bool:
			out = append(out, fmt.Sprint(t))
		case json.Number:
			out = append(out, t.String())
		default:
			return nil, errors.New("a value is neither a text nor a list of texts")
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the list is empty")
	}
	return out, nil
}
