package idp_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// spec 2.1: no other byte changes.
func TestSetAndDelete(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, doc  string
		pointer    idp.Pointer
		value      string // "" deletes
		want       string // "" = refused
		whyRefused string
	}{
		{"replaces a value and keeps white space", "{ \"a\" : 1.50 ,\n\t\"b\":null}", "/b", `"x"`, "{ \"a\" : 1.50 ,\n\t\"b\":\"x\"}", ""},
		{"replaces deep inside", `{"a":{"b":[1,{"c":2}]}}`, "/a/b/1/c", `3`, `{"a":{"b":[1,{"c":3}]}}`, ""},
		{"replaces the root", `{"a":1}`, "", `{}`, `{}`, ""},
		{"adds at the end", `{"a":{"b":1e2 }}`, "/a/c", `null`, `{"a":{"b":1e2,"c":null }}`, ""},
		{"adds to an empty object", `{"a":{ }}`, "/a/c", `[]`, `{"a":{"c":[] }}`, ""},
		{"adds a key that needs quoting", `{}`, `/a"~1b~0`, `1`, `{"a\"/b~":1}`, ""},
		{"finds a key by its meaning", `{"\u0061":1}`, "/a", `2`, `{"\u0061":2}`, ""},
		{"tells case apart", `{"acs":1}`, "/ACS", `2`, `{"acs":1,"ACS":2}`, ""},
		{"deletes the first", `{"a":1, "b":2}`, "/a", "", `{"b":2}`, ""},
		{"deletes the middle", `{"a":1, "b":2 ,"c":3}`, "/b", "", `{"a":1, "c":3}`, ""},
		{"deletes the last", `{"a":1 , "b":2}`, "/b", "", `{"a":1}`, ""},
		{"deletes the only one", `{ "a" : 1 }`, "/a", "", `{  }`, ""},
		{"deletes nothing", `{"a":1}`, "/b", "", `{"a":1}`, ""},
		{"no parent", `{"a":1}`, "/b/c", `1`, "", "parent does not exist"},
		{"parent is a text", `{"a":"x"}`, "/a/b", `1`, "", "not an object"},
		{"never makes an array longer", `{"a":[1]}`, "/a/1", `2`, "", "not an object"},
		{"never deletes an element", `{"a":[1]}`, "/a/0", "", "", "array element"},
		{"index with a leading zero", `{"a":[1,2]}`, "/a/01", `3`, "", "not an object"},
		{"a value that is no JSON", `{"a":1}`, "/a", `x`, "", "not valid JSON"},
		{"a value that smuggles a key in", `{"a":1}`, "/a", `1,"b":2`, "", "not valid JSON"},
		{"a pointer without a slash", `{"a":1}`, "a", `2`, "", "not a JSON pointer"},
		{"a pointer with a lone tilde", `{"a":1}`, "/~2", `2`, "", "not a JSON pointer"},
		{"a duplicate key", `{"a":1,"\u0061":2}`, "/a", `2`, "", "twice"},
		{"text that is not UTF-8", "{\"a\":\"\xff\"}", "/a", `2`, "", "not valid JSON"},
		{"two documents", `{} {}`, "/a", `2`, "", "not valid JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got json.RawMessage
			var err error
			if tt.value == "" {
				got, err = idp.Delete(json.RawMessage(tt.doc), tt.pointer)
			} else {
				got, err = idp.Set(json.RawMessage(tt.doc), tt.pointer, json.RawMessage(tt.value))
			}
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.whyRefused) {
					t.Fatalf("got %s, %v; want an error with %q", got, err, tt.whyRefused)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, tt.want)
			}
		})
	}
}

// spec 2.7
func TestDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) json.RawMessage {
		return json.RawMessage(strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n))
	}
	if _, err := idp.Parse(nested(idp.MaxDepth)); err != nil {
		t.Errorf("%d levels: %v", idp.MaxDepth, err)
	}
	if _, err := idp.Parse(nested(idp.MaxDepth + 1)); !finding.Is(err, finding.TooDeep) {
		t.Errorf("%d levels: %v, want %s", idp.MaxDepth+1, err, finding.TooDeep)
	}
	deep := idp.Pointer(strings.Repeat("/a", idp.MaxDepth))
	if _, err := idp.Set(nested(idp.MaxDepth), deep, json.RawMessage(`{}`)); !finding.Is(err, finding.TooDeep) {
		t.Errorf("set below the deepest level: %v, want %s", err, finding.TooDeep)
	}
}

// spec 2.1: value, type and null.
func TestChanged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, a, b string
		volatile   []idp.Pointer
		want       []idp.Pointer
		wantText   []idp.Pointer // when number forms differ only
	}{
		{"order and white space mean nothing", `{"a":1,"b":[true]}`, `{ "b":[ true ], "a":1 }`, nil, nil, nil},
		{"escapes mean nothing", `{"a":"\u00e9\/\n"}`, "{\"a\":\"é/\\u000a\"}", nil, nil, nil},
		{"a pair of surrogates is one character", `{"a":"\ud83d\ude00"}`, `{"a":"😀"}`, nil, nil, nil},
		{"lone surrogates differ", `{"a":"\ud800"}`, `{"a":"\ud801"}`, nil, []idp.Pointer{"/a"}, nil},
		{"null is not absent", `{"a":null}`, `{}`, nil, []idp.Pointer{"/a"}, nil},
		{"null is not empty", `{"a":null}`, `{"a":""}`, nil, []idp.Pointer{"/a"}, nil},
		{"true is not a text", `{"a":true}`, `{"a":"true"}`, nil, []idp.Pointer{"/a"}, nil},
		{"true is not false", `{"a":true}`, `{"a":false}`, nil, []idp.Pointer{"/a"}, nil},
		{"a number is not a text", `{"a":1}`, `{"a":"1"}`, nil, []idp.Pointer{"/a"}, nil},
		{"one more key", `{"a":{}}`, `{"a":{"b/c":1}}`, nil, []idp.Pointer{"/a/b~1c"}, nil},
		{"an element changed", `{"a":[1,{"b":2}]}`, `{"a":[1,{"b":3}]}`, nil, []idp.Pointer{"/a/1/b"}, nil},
		{"the order of an array", `{"a":[1,2]}`, `{"a":[2,1]}`, nil, []idp.Pointer{"/a/0", "/a/1"}, nil},
		{"an array grew", `{"a":[1]}`, `{"a":[1,2]}`, nil, []idp.Pointer{"/a"}, nil},
		{"volatile", `{"t":1,"a":1}`, `{"t":2,"a":1}`, []idp.Pointer{"/t"}, nil, nil},
		{"volatile and below", `{"t":{"x":1}}`, `{"t":{"x":2}}`, []idp.Pointer{"/t"}, nil, nil},
		{"volatile came into being", `{}`, `{"t":2}`, []idp.Pointer{"/t"}, nil, nil},
		{"volatile is no prefix of text", `{"tt":1}`, `{"tt":2}`, []idp.Pointer{"/t"}, []idp.Pointer{"/tt"}, nil},
		{"number forms", `{"a":[1.0,1e2,-0,0.10,1E+2]}`, `{"a":[1,100,0,1e-1,100.00]}`, nil, nil, []idp.Pointer{"/a/0", "/a/1", "/a/2", "/a/3", "/a/4"}},
		{"every digit counts", `{"a":12345678901234567890}`, `{"a":12345678901234567891}`, nil, []idp.Pointer{"/a"}, nil},
		{"tiny is not zero", `{"a":1e-400}`, `{"a":0}`, nil, []idp.Pointer{"/a"}, nil},
		{"sign", `{"a":-1}`, `{"a":1}`, nil, []idp.Pointer{"/a"}, nil},
		{"an absurd exponent", `{"a":1e99999999999}`, `{"a":1e99999999998}`, nil, []idp.Pointer{"/a"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, swap := range []bool{false, true} {
				a, b := json.RawMessage(tt.a), json.RawMessage(tt.b)
				if swap {
					a, b = b, a
				}
				got, err := idp.Changed(a, b, tt.volatile)
				if err != nil || !slices.Equal(got, tt.want) {
					t.Errorf("Changed(swapped=%v) = %v, %v; want %v", swap, got, err, tt.want)
				}
				wantText := tt.want
				if tt.wantText != nil {
					wantText = tt.wantText
				}
				if got, err := idp.ChangedText(a, b, tt.volatile); err != nil || !slices.Equal(got, wantText) {
					t.Errorf("ChangedText(swapped=%v) = %v, %v; want %v", swap, got, err, wantText)
				}
			}
		})
	}
	if _, err := idp.Changed(json.RawMessage(`{}`), json.RawMessage(`{`), nil); err == nil {
		t.Error("broken JSON compared")
	}
}

func TestChangeKeepsAbsentAndNullApart(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]idp.Change{
		"absent to null": {Pointer: "/a", After: json.RawMessage(`null`)},
		"null to absent": {Pointer: "/a", Before: json.RawMessage(`null`)},
		"text to text":   {Pointer: "/a", Before: json.RawMessage(`"x"`), After: json.RawMessage(`"y"`)},
	} {
		raw, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got idp.Change
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if got.Pointer != want.Pointer || !sameOrNil(got.Before, want.Before) || !sameOrNil(got.After, want.After) {
			t.Errorf("%s: stored as %s, came back as %+v", name, raw, got)
		}
	}
}

func sameOrNil(a, b json.RawMessage) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// anyJSON draws JSON text with odd keys, numbers and white space.
func anyJSON(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kinds := []string{"null", "true", "number", "string", "object", "array"}
		if depth == 0 {
			kinds = kinds[:4]
		}
		space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
		switch rapid.SampledFrom(kinds).Draw(t, "kind") {
		case "null":
			return space + "null"
		case "true":
			return "true" + space
		case "number":
			return rapid.SampledFrom([]string{"0", "-0", "1.50", "1e2", "12345678901234567890", "-3E-7"}).Draw(t, "number")
		case "string":
			return string(idp.QuoteJSON(rapid.String().Draw(t, "text")))
		case "array":
			return "[" + strings.Join(rapid.SliceOfN(anyJSON(depth-1), 0, 3).Draw(t, "items"), space+",") + "]"
		}
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "A", "", "/", "~", "a/b", "é", "\""}), 0, 4, func(s string) string { return s }).Draw(t, "keys")
		var members []string
		for _, k := range keys {
			members = append(members, string(idp.QuoteJSON(k))+space+":"+anyJSON(depth-1).Draw(t, "value"))
		}
		return "{" + space + strings.Join(members, ","+space) + "}"
	})
}

// spec 2.1: for any document, adding a key and taking it away again gives the
// same bytes, and a text never differs from itself.
func TestEditProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := json.RawMessage(`{"r":` + anyJSON(3).Draw(t, "doc") + `}`)
		value := json.RawMessage(anyJSON(2).Draw(t, "new"))
		with, err := idp.Set(doc, "/new", value)
		if err != nil {
			t.Fatalf("set in %s: %v", doc, err)
		}
		if got, ok, err := idp.Get(with, "/new"); err != nil || !ok || !bytes.Equal(got, bytes.TrimSpace(value)) {
			t.Fatalf("get after set: %s, %v, %v", got, ok, err)
		}
		if diff, err := idp.ChangedText(doc, with, []idp.Pointer{"/new"}); err != nil || len(diff) > 0 {
			t.Fatalf("set changed %v, %v", diff, err)
		}
		if back, err := idp.Delete(with, "/new"); err != nil || !bytes.Equal(back, doc) {
			t.Fatalf("set and delete:\n%s\n%s (%v)", doc, back, err)
		}
	})
}

// FuzzEdit: whatever the document and the pointer, Set puts exactly the value
// there and leaves every byte around it alone.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":"\u0061"}]},"n":null}`), "/a/b/1/c", []byte(`"x"`))
	f.Add([]byte(`{ "a~b/c" : 1.50 }`), "/a~0b~1c", []byte(`null`))
	f.Add([]byte(`{}`), "/new", []byte(`{"deep":[]}`))
	f.Add([]byte(`{"a":1,"a":2}`), "/a", []byte(`3`))
	f.Add([]byte(`{"\ud800":1,"\ud801":2}`), "/a", []byte(`3`))
	f.Fuzz(func(t *testing.T, doc []byte, pointer string, value []byte) {
		p := idp.Pointer(pointer)
		if _, err := idp.Parse(value); err != nil {
			return
		}
		old, had, err := idp.Get(doc, p)
		if err != nil {
			return
		}
		next, err := idp.Set(doc, p, value)
		if err != nil {
			return
		}
		value = bytes.Trim(value, " \t\r\n")
		if got, ok, err := idp.Get(next, p); err != nil || !ok || !bytes.Equal(got, value) {
			t.Fatalf("set %q in %q: got back %q, %v, %v", p, doc, got, ok, err)
		}
		if !had {
			if back, err := idp.Delete(next, p); err != nil || !bytes.Equal(back, doc) {
				t.Fatalf("set and delete %q: %q became %q (%v)", p, doc, back, err)
			}
			return
		}
		if back, err := idp.Set(next, p, old); err != nil || (p != "" && !bytes.Equal(doc, back)) {
			t.Fatalf("set and set back %q: %q became %q (%v)", p, doc, back, err)
		}
		if diff, err := idp.ChangedText(doc, next, []idp.Pointer{p}); err != nil || len(diff) > 0 {
			t.Fatalf("set %q in %q also changed %v (%v)", p, doc, diff, err)
		}
	})
}
