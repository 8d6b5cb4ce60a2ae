package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/spelling"
)

// maxValues bounds what one file may expand to through aliases.
const maxValues = 200_000

// places remembers where each key's value stands, by path.
type places map[string]Pos

// decoder fills structs from a YAML tree and collects every problem on the way.
// Use once.
type decoder struct {
	file     string
	at       places
	problems []Problem
	values   int
	shapes   map[string]*regexp.Regexp
	fields   map[reflect.Type][]field
	waived   map[string]bool // paths that may be absent or empty all the same
	included included
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, at: places{}, shapes: map[string]*regexp.Regexp{}, fields: map[reflect.Type][]field{}, waived: map[string]bool{}}
}

// field is one key of a struct with what its tags say.
type field struct {
	key, def      string
	enum          []string
	required      bool
	min, max      string
	pattern       string
	digits        bool
	unique        bool
	doc           string
	index         int
	reflectedType reflect.Type
}

// fieldsOf reads the tags of a struct type, in the order of the source.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		one := field{key: key, def: f.Tag.Get("default"), required: f.Tag.Get("required") == "true",
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), pattern: f.Tag.Get("pattern"), digits: f.Tag.Get("digits") == "true",
			unique: f.Tag.Get("unique") == "true", doc: f.Tag.Get("doc"), index: i, reflectedType: f.Type}
		if e := f.Tag.Get("enum"); e != "" {
			one.enum = strings.Split(e, ",")
		}
		out = append(out, one)
	}
	return out
}

// fieldsOf is the function of that name, once per type.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	if _, ok := d.fields[t]; !ok {
		d.fields[t] = fieldsOf(t)
	}
	return d.fields[t]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// refuse records a problem at a node.
func (d *decoder) refuse(n *yaml.Node, path, message, remedy string) {
	d.problems = append(d.problems, Problem{File: d.file, Pos: Pos{n.Line, n.Column}, Path: path,
		Message: message, Remedy: remedy, Code: finding.ConfigInvalid})
}

// enter counts a node, follows aliases and refuses tags; nil means: go no
// further.
func (d *decoder) enter(n *yaml.Node, path string) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if d.values >= maxValues {
		return nil
	}
	if d.values++; d.values == maxValues {
		d.problems = nil // nothing found so far matters
		d.refuse(n, path, fmt.Sprintf("the file expands to more than %d values through its aliases", maxValues), "write the values out")
		return nil
	}
	if n.Tag != "" && !strings.HasPrefix(n.Tag, "!!") {
		d.refuse(n, path, "a YAML tag (a word starting with !) means nothing here", "drop it, or quote the text if the ! belongs to it")
		return nil
	}
	return n
}

// value decodes n into v by the type of v.
func (d *decoder) value(n *yaml.Node, path string, f field, v reflect.Value) {
	if _, known := d.at[path]; !known {
		d.at[path] = Pos{n.Line, n.Column} // also of a value that is refused: it is not missing
	}
	if n = d.enter(n, path); n == nil {
		return
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.refuse(n, path, "the key has no value", "give it one, or remove the key")
	case textual(v.Type()) || !isContainer(v.Kind()):
		d.scalar(n, path, f, v)
	case v.Kind() == reflect.Slice:
		d.list(n, path, f, v)
	default:
		d.mapping(n, path, v)
	}
}

func isContainer(k reflect.Kind) bool { return k == reflect.Slice || k == reflect.Struct }

// textual reports whether a type reads itself from text (Region, RelayState,
// Ref).
func textual(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// mapping decodes a struct: unknown and doubled keys, required ones, defaults.
func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.refuse(n, path, "expected keys with values, found "+kindOf(n), "write it as lines of key: value")
		d.defaults(path, v, nil)
		return
	}
	fields := d.fieldsOf(v.Type())
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		f, ok := d.key(key, path, fields)
		if !ok {
			continue
		}
		if first := seen[f.key]; first != nil {
			d.refuse(key, join(path, f.key), fmt.Sprintf("the key stands twice, first in line %d", first.Line), "remove one of the two")
			continue
		}
		seen[f.key] = key
		d.value(val, join(path, f.key), f, v.Field(f.index))
	}
	for _, f := range fields {
		if f.required && seen[f.key] == nil && !d.waived[join(path, f.key)] {
			d.refuse(n, path, fmt.Sprintf("the key %q is missing", f.key), sentence(f.doc))
		}
	}
	d.defaults(path, v, seen)
}

// key finds the field that a key node names.
func (d *decoder) key(n *yaml.Node, path string, fields []field) (field, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.refuse(n, path, "a key must be a single word", "check the indentation and the braces")
		return field{}, false
	case n.Tag == "!!merge":
		d.refuse(n, path, "merge keys (<<) are not supported", "write the keys out")
		return field{}, false
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		if names[i] = f.key; f.key == n.Value {
			return f, true
		}
	}
	remedy := "the keys here are: " + strings.Join(names, ", ")
	if near := spelling.Closest(n.Value, names); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	d.refuse(n, path, "unknown key"+showKey(n.Value), remedy)
	return field{}, false
}

// showKey quotes a key that looks like one; anything else may be a secret that
// slipped out of its line.
func showKey(key string) string {
	if len(key) > 32 || !regexp.MustCompile(`^[A-Za-z_][A-Za-z_-]*$`).MatchString(key) {
		return ""
	}
	return fmt.Sprintf(" %q", key)
}

// defaults fills what the file left out, at every depth.
func (d *decoder) defaults(path string, v reflect.Value, seen map[string]*yaml.Node) {
	for _, f := range d.fieldsOf(v.Type()) {
		if seen[f.key] != nil {
			continue
		}
		fv := v.Field(f.index)
		switch {
		case fv.Kind() == reflect.Struct && !textual(fv.Type()):
			d.defaults(join(path, f.key), fv, nil)
		case f.def != "" && fv.Kind() == reflect.Slice:
			fv.Set(reflect.ValueOf(strings.Split(f.def, ",")))
		case f.def != "":
			// A default is written in the file's own form.
			d.scalar(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.def}, join(path, f.key), f, fv)
		}
	}
}

// list decodes a sequence and checks its length and, if asked, its uniqueness.
func (d *decoder) list(n *yaml.Node, path string, f field, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(n, path, "expected a list, found "+kindOf(n), "write each item on a line of its own, starting with a dash")
		return
	}
	count := len(n.Content)
	if low, _ := strconv.Atoi(f.min); count < low && !d.waived[path] {
		d.refuse(n, path, fmt.Sprintf("has %s, at least %d needed", items(count), low), sentence(f.doc))
	}
	if high, err := strconv.Atoi(f.max); err == nil && count > high {
		d.refuse(n, path, fmt.Sprintf("has %s, at most %d are allowed", items(count), high), "shorten the list")
		return
	}
	item := f
	item.min, item.max = "", ""
	out := reflect.MakeSlice(v.Type(), count, count)
	for i, c := range n.Content {
		d.value(c, fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))
	}
	v.Set(out)
	if f.unique {
		d.unique(n, path, out)
	}
}

// unique refuses an item that stands twice.
func (d *decoder) unique(n *yaml.Node, path string, v reflect.Value) {
	first := map[any]int{}
	for i := range v.Len() {
		item := v.Index(i)
		if item.IsZero() {
			continue // refused already
		}
		if j, ok := first[item.Interface()]; ok {
			d.refuse(n.Content[i], fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q is in the list twice, first as number %d", fmt.Sprint(item.Interface()), j+1), "remove one of the two")
			continue
		}
		first[item.Interface()] = i
	}
}

// scalar decodes one value and checks it against the field's tags.
func (d *decoder) scalar(n *yaml.Node, path string, f field, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.refuse(n, path, "expected a single value, found "+kindOf(n), "write it on the line of its key")
		return
	}
	if n.Tag == "!!binary" {
		d.refuse(n, path, "binary values are not supported", "write the text itself")
		return
	}
	if message, remedy := d.set(n, f, v); message != "" {
		d.refuse(n, path, message, remedy)
	}
}

// set stores the scalar n in v and returns what is wrong with it, or "".
func (d *decoder) set(n *yaml.Node, f field, v reflect.Value) (message, remedy string) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.Value == "" {
			return "the value is empty", "give it one, or remove the key"
		}
		if err := u.UnmarshalText([]byte(n.Value)); err != nil {
			message, remedy, _ = strings.Cut(err.Error(), "; ")
			if remedy == "" {
				remedy = sentence(f.doc)
			}
			return message, remedy
		}
		return "", ""
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return setDuration(n, f, v)
	}
	switch v.Kind() {
	case reflect.Bool:
		return setBool(n, v)
	case reflect.Int:
		return setInt(n, f, v)
	case reflect.Float64:
		return setFloat(n, f, v)
	}
	return d.setString(n, f, v)
}

func (d *decoder) setString(n *yaml.Node, f field, v reflect.Value) (message, remedy string) {
	text := n.Value
	switch {
	case n.Tag != "!!str" && (!f.digits || strings.Trim(text, "0123456789") != ""):
		return "expected text, found " + kindOf(n), "put it in quotes"
	case text == "":
		return "the value is empty", "give it one, or remove the key"
	case len(f.enum) > 0 && !contains(f.enum, text):
		remedy = "choose one of these"
		if near := spelling.Closest(text, f.enum); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		return fmt.Sprintf("%s is not one of: %s", quote(text), strings.Join(f.enum, ", ")), remedy
	}
	if p, ok := patternOf(f.pattern); ok && !d.shape(p).MatchString(text) {
		return fmt.Sprintf("%s is not %s", quote(text), p.says), "correct it"
	}
	v.SetString(text)
	return "", ""
}

func contains(list []string, text string) bool {
	for _, l := range list {
		if l == text {
			return true
		}
	}
	return false
}

// shape compiles a pattern once per decoder.
func (d *decoder) shape(p pattern) *regexp.Regexp {
	re := d.shapes[p.expr]
	if re == nil {
		re = regexp.MustCompile(p.expr)
		d.shapes[p.expr] = re
	}
	return re
}
