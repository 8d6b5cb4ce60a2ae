package trustpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of what is parsed. IAM's own limit for the document parameter of
// UpdateAssumeRolePolicy is 131,072 characters (IAM API Reference).
const (
	maxPolicyChars = 131072
	maxDepth       = 64
)

// ParseError says at which byte a text stops being a policy, and why. Offset is
// counted from 0 in the text given to Parse; -1 means the text as a whole.
type ParseError struct {
	Offset int
	What   string
}

// Error names the offset and the reason.
func (e *ParseError) Error() string {
	if e.Offset < 0 {
		return "not a trust policy: " + e.What
	}
	return fmt.Sprintf("not a trust policy: at byte %d: %s", e.Offset, e.What)
}

type kind uint8

const (
	isNull kind = iota
	isBool
	isNumber
	isString
	isList
	isObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// node is one JSON value with the bytes it covers, text[start:end].
type node struct {
	kind       kind
	start, end int
	text       string // a string's decoded value; a number, boolean or null as written
	items      []*node
	members    []member
}

type member struct {
	key   string
	at    int // offset of the key
	value *node
}

// get returns the member with exactly this key, or nil.
func (n *node) get(key string) *node {
	for _, m := range n.members {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// has reports whether an object that is being read has the key. Few members are
// compared one by one; for many, which no honest policy has, seen remembers them.
func (n *node) has(key string, seen *map[string]bool) bool {
	if len(n.members) < 16 {
		return n.get(key) != nil
	}
	if *seen == nil {
		*seen = map[string]bool{}
		for _, m := range n.members {
			(*seen)[m.key] = true
		}
	}
	twice := (*seen)[key]
	(*seen)[key] = true
	return twice
}

// reader turns valid JSON into nodes; encoding/json has checked the grammar.
type reader struct {
	text string
	at   int
}

// parseJSON reads exactly one JSON value. Duplicate keys, broken escapes,
// invalid UTF-8, nesting deeper than maxDepth and trailing data are errors.
func parseJSON(text string) (*node, error) {
	if !utf8.ValidString(text) {
		return nil, &ParseError{-1, "it is not valid UTF-8"}
	}
	if raw := []byte(text); !json.Valid(raw) {
		err := json.Unmarshal(raw, new(any))
		var syn *json.SyntaxError
		if errors.As(err, &syn) {
			return nil, &ParseError{int(syn.Offset), "not valid JSON: " + syn.Error()}
		}
		return nil, &ParseError{-1, fmt.Sprintf("not valid JSON: %v", err)}
	}
	r := &reader{text: text}
	return r.value(0)
}

// skip moves over white space and the separators, and returns what comes next.
// In valid JSON a separator cannot stand where it is not due.
func (r *reader) skip() byte {
	for strings.IndexByte(" \t\r\n,:", r.text[r.at]) >= 0 {
		r.at++
	}
	return r.text[r.at]
}

func (r *reader) value(depth int) (*node, error) {
	first := r.skip()
	n := &node{start: r.at}
	if depth > maxDepth {
		return nil, &ParseError{n.start, fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	var err error
	switch first {
	case '{':
		n.kind, err = isObject, r.object(n, depth)
	case '[':
		n.kind, err = isList, r.list(n, depth)
	case '"':
		n.kind = isString
		n.text, err = r.str()
	default:
		n.kind, n.text = r.scalar()
	}
	n.end = r.at
	return n, err
}

// scalar reads a number, a boolean or null.
func (r *reader) scalar() (kind, string) {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,]}", r.text[r.at]) < 0 {
		r.at++
	}
	switch word := r.text[start:r.at]; word {
	case "null":
		return isNull, word
	case "true", "false":
		return isBool, word
	default:
		return isNumber, word
	}
}

// str reads a string and decodes it.
func (r *reader) str() (string, error) {
	start := r.at
	escaped := false
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	s := r.text[start+1 : r.at-1]
	if escaped {
		if err := json.Unmarshal([]byte(r.text[start:r.at]), &s); err != nil {
			return "", &ParseError{start, err.Error()}
		}
	}
	return s, checkString(start, s)
}

func (r *reader) list(n *node, depth int) error {
	r.at++
	for r.skip() != ']' {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	r.at++
	return nil
}

func (r *reader) object(n *node, depth int) error {
	var seen map[string]bool
	r.at++
	for r.skip() != '}' {
		at := r.at
		key, err := r.str()
		if err != nil {
			return err
		}
		if n.has(key, &seen) {
			return &ParseError{at, fmt.Sprintf("the key %q stands here for the second time", clip(key))}
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{key, at, v})
	}
	r.at++
	return nil
}

// checkString refuses what encoding/json repairs silently: a lone surrogate
// becomes U+FFFD, and two different texts would compare equal.
func checkString(at int, s string) error {
	if strings.ContainsRune(s, utf8.RuneError) {
		return &ParseError{at, "a string holds U+FFFD or a broken \\u escape"}
	}
	return nil
}

// clip keeps outside text short enough for a message.
func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "..."
	}
	return s
}
