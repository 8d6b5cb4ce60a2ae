package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

const referenceHead = `# The config file, key by key

This page is generated from the program's own types; change the ` + "`doc`" + ` tags in ` + "`config/types.go`" + ` and run
` + "`make generate`" + `. For editors there is a JSON Schema: [config.schema.json](config.schema.json).

The file is strict YAML: an unknown key, a key that stands twice or a value of the wrong kind is an error, and every
error is reported at once as ` + "`file:line:column: key: what is wrong; what to do`" + `. It is named with ` + "`-c`" + `, else by
` + "`$SAMLFAILOVER_CONFIG`" + `, else it is ` + "`./samlfailover.yaml`" + `. Nobody but its owner may be able to write it. Relative paths
start at its folder. Secrets are named, never written: ` + "`env:NAME`" + ` or ` + "`file:PATH`" + `.
`

// Reference returns docs/config.md.
func Reference() []byte {
	var b strings.Builder
	b.WriteString(referenceHead)
	table(&b, "Top level", "", reflect.TypeFor[document]())
	return []byte(b.String())
}

// table writes one section for a struct and one for each struct below it.
func table(b *strings.Builder, title, prefix string, t reflect.Type) {
	fmt.Fprintf(b, "\n## %s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", title)
	fields := fieldsOf(t)
	for _, f := range fields {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.key, valueWords(f), defaultWords(f), strings.ReplaceAll(f.doc, "|", `\|`))
	}
	for _, f := range fields {
		path, inner := prefix+f.key, f.reflectedType
		if inner.Kind() == reflect.Slice {
			path, inner = path+"[]", inner.Elem()
		}
		if inner.Kind() == reflect.Struct && !textual(inner) {
			table(b, "`"+path+"`", path+".", inner)
		}
	}
}

// valueWords says what a key takes.
func valueWords(f field) string {
	t, list := f.reflectedType, ""
	if t.Kind() == reflect.Slice {
		t, list = t.Elem(), "list of "
	}
	one := "text"
	switch {
	case t == reflect.TypeFor[signin.Region]():
		one = "Region"
	case t == reflect.TypeFor[signin.RelayState]():
		one = "console URL"
	case t == reflect.TypeFor[Ref]():
		one = "reference"
	case t == reflect.TypeFor[KeyID]():
		one = "key id or reference"
	case t == reflect.TypeFor[time.Duration]():
		one = "duration"
	case t.Kind() == reflect.Struct:
		one = "section"
	case t.Kind() == reflect.Bool:
		one = "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Float64:
		one = "number"
	case len(f.enum) > 0:
		one = "`" + strings.Join(f.enum, "`, `") + "`"
	}
	if list != "" && one == "section" {
		one = "sections"
	}
	return list + one + boundWords(f, list != "")
}

// boundWords says within which bounds.
func boundWords(f field, list bool) string {
	switch {
	case f.min == "" && f.max == "":
		return ""
	case list && f.min == "":
		return ", at most " + f.max
	case list && f.max == "":
		return ", at least " + f.min
	}
	return ", " + f.min + " to " + f.max
}

func defaultWords(f field) string {
	switch {
	case f.required:
		return "required"
	case f.def == "":
		return ""
	}
	return "`" + f.def + "`"
}
