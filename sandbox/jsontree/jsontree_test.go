package jsontree_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// TestNothingIsLost: what was decoded comes out as the same values, nulls and
// number texts included, in the vendor's order of keys.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	const in = `{"x":{"b":null,"a":[1.0,1e2,-0,12345678901234567890,"<&> "]},"id":"1","é":{},"e":[]}`
	o, err := jsontree.Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"1","x":{"a":[1.0,1e2,-0,12345678901234567890,"<&> "],"b":null},"e":[],"é":{}}`
	if got := string(jsontree.NewOrder("id x").Encode(o)); got != want {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{``, `null`, `[]`, `1`, `{}{}`, `{"a":`, `{} x`} {
		if _, err := jsontree.Decode([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	o := jsontree.MustDecode(`{"a":{"b":"t","n":null,"l":[1,{"c":2}]},"a/b":{"~":1}}`)
	if jsontree.Text(o, "a", "b") != "t" || jsontree.Text(o, "a", "n") != "" || jsontree.Text(o, "x", "y") != "" || len(jsontree.List(o, "a", "l")) != 2 || jsontree.Sub(o, "a", "b") != nil {
		t.Error("reading")
	}
	if v, ok := jsontree.Get(o, "a", "n"); v != nil || !ok {
		t.Error("a null is there")
	}
	for pointer, want := range map[string]bool{
		"/a/l/1/c": true, "/a~1b/~0": true, "/a/l/0": true, "/a/l/7": false, "/a/l/-1": false, "/a/b/x": false, "/none": false, "/a/n": true, "": false,
	} {
		c := jsontree.Clone(o)
		before := string(jsontree.Order{}.Encode(o))
		if got := jsontree.Remove(c, pointer); got != want || (string(jsontree.Order{}.Encode(c)) == before) == want {
			t.Errorf("%q: %v", pointer, got)
		}
		if string(jsontree.Order{}.Encode(o)) != before {
			t.Errorf("%q: the original changed with its clone", pointer)
		}
	}
	c := jsontree.Clone(o)
	jsontree.Remove(c, "/a/l/0")
	if got := string(jsontree.Order{}.Encode(c["a"])); got != `{"b":"t","l":[{"c":2}],"n":null}` {
		t.Errorf("%s", got)
	}
}

// TestRoundTrip: encode then decode then encode is the same text.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.MapOf(rapid.String(), rapid.OneOf(
			rapid.Just[any](nil), rapid.Just[any](json.Number("1.50")), rapid.Just[any](true),
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.SliceOf(rapid.String()), func(l []string) any {
				out := []any{}
				for _, s := range l {
					out = append(out, s)
				}
				return out
			}))).Draw(rt, "object")
		order := jsontree.NewOrder("a b")
		first := order.Encode(m)
		again, err := jsontree.Decode(first)
		if err != nil || string(order.Encode(again)) != string(first) {
			rt.Fatalf("%v: %s", err, first)
		}
	})
}
