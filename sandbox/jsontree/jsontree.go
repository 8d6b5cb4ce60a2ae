// Package jsontree is for the JSON documents that a simulated vendor keeps:
// trees in which numbers stay the text that they were and nulls stay nulls, so
// that what a client sends back is what is stored.
//
// It must never know a vendor's fields, and never import product code.
package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Object is a JSON object. Values are nil, bool, string, json.Number, []any and
// Object's own underlying type, never float64.
type Object = map[string]any

// Decode reads exactly one JSON object.
func Decode(raw []byte) (Object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var o Object
	if err := d.Decode(&o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("the JSON text is null, not an object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more text after the JSON object")
	}
	return o, nil
}

// MustDecode is Decode for texts of the program's own; it panics on others.
func MustDecode(text string) Object {
	o, err := Decode([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("sandbox: %v in %s", err, text))
	}
	return o
}

// Order is the order in which a vendor writes the keys that it knows; others
// follow by name. It is read-only once made.
type Order map[string]int

// NewOrder takes the keys as words.
func NewOrder(keys string) Order {
	o := Order{}
	for i, k := range strings.Fields(keys) {
		o[k] = i - 1000 // before every unknown key, whose rank is 0
	}
	return o
}

// Encode writes a value compactly. It panics on values that Decode does not
// make and encoding/json cannot write.
func (o Order) Encode(v any) []byte {
	var b bytes.Buffer
	o.write(&b, v)
	return b.Bytes()
}

func (o Order) write(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case Object:
		b.WriteByte('{')
		for i, k := range o.Keys(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			writeScalar(b, k)
			b.WriteByte(':')
			o.write(b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			o.write(b, e)
		}
		b.WriteByte(']')
	default:
		writeScalar(b, v)
	}
}

func writeScalar(b *bytes.Buffer, v any) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("sandbox: encode %T: %v", v, err))
	}
	b.Truncate(b.Len() - 1) // Encode's newline
}

// Keys returns the keys of an object in this order.
func (o Order) Keys(in Object) []string {
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if d := o[a] - o[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

// Clone copies a value deeply.
func Clone[T any](v T) T {
	c, _ := clone(v).(T)
	return c
}

func clone(v any) any {
	switch v := v.(type) {
	case Object:
		if v == nil {
			return v
		}
		out := make(Object, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		if v == nil {
			return v
		}
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// Get returns the value at a path of keys; ok is false where a key is absent or
// something on the way is no object.
func Get(o Object, path ...string) (v any, ok bool) {
	v = o
	for _, k := range path {
		in, isObject := v.(Object)
		if !isObject {
			return nil, false
		}
		if v, ok = in[k]; !ok {
			return nil, false
		}
	}
	return v, true
}

// Text returns the string at a path, or "".
func Text(o Object, path ...string) string {
	v, _ := Get(o, path...)
	s, _ := v.(string)
	return s
}

// Sub returns the object at a path, or nil.
func Sub(o Object, path ...string) Object {
	v, _ := Get(o, path...)
	in, _ := v.(Object)
	return in
}

// List returns the list at a path, or nil.
func List(o Object, path ...string) []any {
	v, _ := Get(o, path...)
	in, _ := v.([]any)
	return in
}

// Remove deletes what a JSON pointer (RFC 6901) names, also an element of a
// list; it reports whether that was there.
func Remove(o Object, pointer string) bool {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	_, removed := without(o, parts)
	return removed
}

// without returns v without what the parts name. Objects are changed in place.
func without(v any, parts []string) (any, bool) {
	switch v := v.(type) {
	case Object:
		in, ok := v[parts[0]]
		if !ok {
			return v, false
		}
		if len(parts) == 1 {
			delete(v, parts[0])
			return v, true
		}
		next, removed := without(in, parts[1:])
		v[parts[0]] = next
		return v, removed
	case []any:
		i := slices.Index(indexes(len(v)), parts[0])
		if i < 0 {
			return v, false
		}
		if len(parts) == 1 {
			return slices.Delete(v, i, i+1), true
		}
		next, removed := without(v[i], parts[1:])
		v[i] = next
		return v, removed
	}
	return v, false
}

func indexes(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}
