package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// schema is one JSON Schema node; the order of the fields is that of the file.
type schema struct {
	Schema      string   `json:"$schema,omitempty"`
	ID          string   `json:"$id,omitempty"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Type        any      `json:"type,omitempty"`
	Default     any      `json:"default,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	Minimum     *float64 `json:"minimum,omitempty"`
	Maximum     *float64 `json:"maximum,omitempty"`
	MinLength   int      `json:"minLength,omitempty"`
	Required    []string `json:"required,omitempty"`
	Properties  keys     `json:"properties,omitempty"`
	// Closed is false where other keys are refused, nil where it does not apply.
	Closed   *bool   `json:"additionalProperties,omitempty"`
	Items    *schema `json:"items,omitempty"`
	MinItems int     `json:"minItems,omitempty"`
	MaxItems int     `json:"maxItems,omitempty"`
	Unique   bool    `json:"uniqueItems,omitempty"`
}

// keys are properties in the order of the source.
type keys []struct {
	name string
	node *schema
}

// MarshalJSON keeps the order, which a map would lose.
func (k keys) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range k {
		if i > 0 {
			b.WriteByte(',')
		}
		node, err := json.Marshal(p.node)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", p.name, node)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Schema returns the JSON Schema (draft 2020-12) of the config file, for
// editors: what a schema can say. Load checks more.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[document](), field{})
	root.Schema, root.Title = "https://json-schema.org/draft/2020-12/schema", "samlfailover config"
	root.ID = "https://github.com/samlfailover/samlfailover/docs/config.schema.json"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic("config: encode own schema: " + err.Error()) // static data: a test encodes it
	}
	return b.Bytes()
}

// schemaOf describes a type under the tags of its field.
func schemaOf(t reflect.Type, f field) *schema {
	s := &schema{Description: f.doc}
	switch {
	case t == reflect.TypeFor[signin.Region]():
		s.Type = "string"
		for _, e := range signin.Catalogue() {
			s.Enum = append(s.Enum, e.Region.String())
		}
	case t == reflect.TypeFor[signin.RelayState]():
		s.Type, s.Pattern = "string", "^https://"
	case t == reflect.TypeFor[Ref]():
		s.Type, s.Pattern = "string", "^(env|file):"
	case t == reflect.TypeFor[Day]():
		s.Type, s.Pattern = "string", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
	case t == reflect.TypeFor[Moment]():
		s.Type, s.Pattern = "string", `^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$`
	case t == reflect.TypeFor[KeyID]():
		s.Type, s.Pattern = "string", "^((env|file):.+|[A-Z0-9]{16,32})$"
	case t == reflect.TypeFor[time.Duration]():
		s.Type, s.Pattern = "string", `^([0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h))+$`
		setDefault(s, f.def)
	case t.Kind() == reflect.Struct:
		s.object(t)
	case t.Kind() == reflect.Slice:
		s.array(t, f)
	default:
		s.scalar(t, f)
	}
	return s
}

func (s *schema) object(t reflect.Type) {
	closed := false
	s.Type, s.Closed = "object", &closed
	for _, f := range fieldsOf(t) {
		s.Properties = append(s.Properties, struct {
			name string
			node *schema
		}{f.key, schemaOf(f.reflectedType, f)})
		if f.required {
			s.Required = append(s.Required, f.key)
		}
	}
}

func (s *schema) array(t reflect.Type, f field) {
	s.Type, s.Unique = "array", f.unique
	s.MinItems, _ = strconv.Atoi(f.min)
	s.MaxItems, _ = strconv.Atoi(f.max)
	item := f
	item.doc, item.def, item.min, item.max = "", "", "", ""
	s.Items = schemaOf(t.Elem(), item)
}

func (s *schema) scalar(t reflect.Type, f field) {
	switch t.Kind() {
	case reflect.Bool:
		s.Type = "boolean"
		if f.def != "" {
			s.Default = f.def == "true"
		}
		return
	case reflect.Int, reflect.Float64:
		s.Type = "number"
		if t.Kind() == reflect.Int {
			s.Type = "integer"
		}
		s.Minimum, s.Maximum = number(f.min), number(f.max)
		if f.def != "" {
			s.Default = json.Number(f.def)
		}
		return
	}
	s.Type, s.Enum, s.MinLength = "string", f.enum, 1
	if f.digits {
		s.Type = []string{"string", "integer"}
	}
	if p, ok := patternOf(f.pattern); ok {
		s.Pattern = p.expr
	}
	setDefault(s, f.def)
}

func setDefault(s *schema, def string) {
	if def != "" {
		s.Default = def
	}
}

func number(text string) *float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return &x
}
