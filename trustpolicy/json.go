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

// reader turns tokens into nodes; encoding/json does the lexing.
type reader struct {
	text string
	dec  *json.Decoder
}

// parseJSON reads exactly one JSON value. Duplicate keys, broken escapes,
// invalid UTF-8, nesting deeper than maxDepth and trailing data are errors.
func parseJSON(text string) (*node, error) {
	if !utf8.ValidString(text) {
		return nil, &ParseError{-1, "it is not valid UTF-8"}
	}
	var raw json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		var syn *json.SyntaxError
		if errors.As(err, &syn) {
			return nil, &ParseError{int(syn.Offset), "not valid JSON: " + syn.Error()}
		}
		return nil, &ParseError{-1, "not valid JSON: " + err.Error()}
	}
	r := &reader{text: text, dec: json.NewDecoder(strings.NewReader(text))}
	r.dec.UseNumber()
	return r.value(0)
}

// start returns where the next token begins.
func (r *reader) start() int {
	i := int(r.dec.InputOffset())
	for i < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[i]) >= 0 {
		i++
	}
	return i
}

func (r *reader) value(depth int) (*node, error) {
	n := &node{start: r.start()}
	if depth > maxDepth {
		return nil, &ParseError{n.start, fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, &ParseError{n.start, err.Error()}
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			n.kind, err = isObject, r.object(n, depth)
		} else {
			n.kind, err = isList, r.list(n, depth)
		}
		if err != nil {
			return nil, err
		}
	case string:
		n.kind, n.text = isString, t
	case json.Number:
		n.kind, n.text = isNumber, t.String()
	case bool:
		n.kind, n.text = isBool, fmt.Sprint(t)
	default:
		n.kind, n.text = isNull, "null"
	}
	n.end = int(r.dec.InputOffset())
	if n.kind == isString {
		return n, checkString(n.start, n.text)
	}
	return n, nil
}

func (r *reader) list(n *node, depth int) error {
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := r.dec.Token()
	return err
}

func (r *reader) object(n *node, depth int) error {
	seen := map[string]bool{}
	for r.dec.More() {
		at := r.start()
		tok, err := r.dec.Token()
		if err != nil {
			return &ParseError{at, err.Error()}
		}
		key, _ := tok.(string)
		if err := checkString(at, key); err != nil {
			return err
		}
		if seen[key] {
			return &ParseError{at, fmt.Sprintf("the key %q stands here for the second time", clip(key))}
		}
		seen[key] = true
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{key, at, v})
	}
	_, err := r.dec.Token()
	return err
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
