package idp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/finding"
)

// MaxDepth bounds how deeply a document may nest (spec 2.7).
const MaxDepth = 64

// Value is one value inside a JSON text that was parsed without losing a byte
// of it. Safe for concurrent use as long as nobody writes to the parsed bytes.
type Value struct {
	text []byte
	node *node
}

// node is a JSON value and where it stands in the text.
type node struct {
	kind       byte // one of { [ " 0 t f n
	start, end int
	members    []member
	index      map[string]int // of members by key; nil in an object with few
	items      []*node
}

// fewMembers is up to where walking an object's members beats an index. Above
// it an object of 8 MiB would take hours to compare.
const fewMembers = 16

// member is one entry of an object; start is where its key's quote stands.
type member struct {
	key   string
	start int
	value *node
}

// Parse checks a JSON text (RFC 8259, UTF-8, at most MaxDepth levels) and
// returns its outermost value. A duplicate key is refused: two readers of such
// a text may see two different apps. Errors carry a finding.
func Parse(raw json.RawMessage) (Value, error) {
	if !json.Valid(raw) || !utf8.Valid(raw) {
		return Value{}, finding.Finding{Code: finding.IdPAnswer, What: "the text is not valid JSON",
			Remedy: "check what answers at the tenant's URL; nothing was changed"}
	}
	p := parser{text: raw}
	n, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	return Value{raw, n}, nil
}

// Raw returns the bytes of the value.
func (v Value) Raw() json.RawMessage {
	if v.node == nil {
		return nil
	}
	return slices.Clip(v.text[v.node.start:v.node.end])
}

// Text returns the content of a string; ok is false for any other value.
func (v Value) Text() (s string, ok bool) {
	if v.node == nil || v.node.kind != '"' {
		return "", false
	}
	return unquote(v.Raw()), true
}

// IsNull reports whether the value is the literal null.
func (v Value) IsNull() bool { return v.node != nil && v.node.kind == 'n' }

// Items returns the elements of an array, nil for any other value.
func (v Value) Items() []Value {
	if v.node == nil {
		return nil
	}
	out := make([]Value, len(v.node.items))
	for i, n := range v.node.items {
		out[i] = Value{v.text, n}
	}
	return out
}

// IsObject reports whether the value is an object.
func (v Value) IsObject() bool { return v.node != nil && v.node.kind == '{' }

// At returns the value that the pointer names; ok is false when there is none
// or the pointer is malformed. Keys are compared exactly, case included.
func (v Value) At(p Pointer) (at Value, ok bool) {
	tokens, err := p.tokens()
	if err != nil || v.node == nil {
		return Value{}, false
	}
	n := v.node
	for _, t := range tokens {
		if n = n.child(t); n == nil {
			return Value{}, false
		}
	}
	return Value{v.text, n}, true
}

// child returns the member or element that one pointer token names, or nil.
func (n *node) child(token string) *node {
	switch n.kind {
	case '{':
		if i := n.member(token); i >= 0 {
			return n.members[i].value
		}
	case '[':
		i, err := strconv.Atoi(token)
		if err == nil && i >= 0 && i < len(n.items) && strconv.Itoa(i) == token {
			return n.items[i]
		}
	}
	return nil
}

// member returns the index of a key, or -1.
func (n *node) member(key string) int {
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(n.members, func(m member) bool { return m.key == key })
}

// tokens splits a pointer (RFC 6901, section 3).
func (p Pointer) tokens() ([]string, error) {
	if p == "" {
		return nil, nil
	}
	if p[0] != '/' || !utf8.ValidString(string(p)) {
		return nil, fmt.Errorf("%q is not a JSON pointer", string(p))
	}
	tokens := strings.Split(string(p[1:]), "/")
	for i, t := range tokens {
		bare := strings.NewReplacer("~0", "", "~1", "").Replace(t)
		if strings.Contains(bare, "~") {
			return nil, fmt.Errorf("%q is not a JSON pointer: ~ stands alone", string(p))
		}
		tokens[i] = unescapeToken.Replace(t)
	}
	return tokens, nil
}

// The escapes of RFC 6901; a Replacer works left to right, so "~01" becomes
// "~1" as section 4 asks.
var (
	unescapeToken = strings.NewReplacer("~1", "/", "~0", "~")
	escapeToken   = strings.NewReplacer("~", "~0", "/", "~1")
)

// Child returns the pointer to a key or index below p.
func (p Pointer) Child(token string) Pointer {
	return p + "/" + Pointer(escapeToken.Replace(token))
}

// Within reports whether p is other or lies below it.
func (p Pointer) Within(other Pointer) bool {
	return p == other || strings.HasPrefix(string(p), string(other)+"/")
}

// parser walks a text that json.Valid accepted, so it checks no grammar.
type parser struct {
	text []byte
	pos  int
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// value reads the next value; depth counts the objects and arrays around it.
func (p *parser) value(depth int) (*node, error) {
	p.space()
	n := &node{kind: p.text[p.pos], start: p.pos}
	var err error
	switch n.kind {
	case '{', '[':
		if depth >= MaxDepth {
			return nil, finding.Finding{Code: finding.TooDeep, What: fmt.Sprintf("the JSON nests deeper than %d levels", MaxDepth),
				Remedy: "look at the app in the IdP's console; nothing was changed"}
		}
		p.pos++
		if n.kind == '{' {
			err = p.object(n, depth+1)
		} else {
			err = p.array(n, depth+1)
		}
		p.pos++ // the closing bracket
	case '"':
		p.skipString()
	case 't', 'f', 'n':
		p.skipPlain()
	default:
		n.kind = '0'
		p.skipPlain()
	}
	n.end = p.pos
	return n, err
}

func (p *parser) object(n *node, depth int) error {
	seen := map[string]int{}
	for p.space(); p.text[p.pos] != '}'; p.space() {
		if p.text[p.pos] == ',' {
			p.pos++
			p.space()
		}
		start := p.pos
		p.skipString()
		key := unquote(p.text[start:p.pos])
		if _, twice := seen[key]; twice {
			return finding.Finding{Code: finding.IdPAnswer, What: fmt.Sprintf("the JSON names the key %q twice in one object", clip(key)),
				Why: "which of the two counts depends on the reader", Remedy: "look at the app in the IdP's console; nothing was changed"}
		}
		seen[key] = len(n.members)
		p.space()
		p.pos++ // the colon
		v, err := p.value(depth)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{key, start, v})
	}
	if len(n.members) > fewMembers {
		n.index = seen
	}
	return nil
}

func (p *parser) array(n *node, depth int) error {
	for p.space(); p.text[p.pos] != ']'; p.space() {
		if p.text[p.pos] == ',' {
			p.pos++
		}
		v, err := p.value(depth)
		if err != nil {
			return err
		}
		n.items = append(n.items, v)
	}
	return nil
}

// skipString moves past a string that starts at pos.
func (p *parser) skipString() {
	for p.pos++; p.text[p.pos] != '"'; p.pos++ {
		if p.text[p.pos] == '\\' {
			p.pos++
		}
	}
	p.pos++
}

// skipPlain moves past a number or a literal.
func (p *parser) skipPlain() {
	for p.pos < len(p.text) && strings.IndexByte(",]} \t\r\n", p.text[p.pos]) < 0 {
		p.pos++
	}
}

// clip keeps an unknown text short enough for a message.
func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "..."
	}
	return s
}
