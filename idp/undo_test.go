package idp_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
)

func change(p idp.Pointer, before, after string) idp.Change {
	c := idp.Change{Pointer: p}
	if before != "" {
		c.Before = json.RawMessage(before)
	}
	if after != "" {
		c.After = json.RawMessage(after)
	}
	return c
}

// spec 4.1
func TestInvert(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		wrote []idp.Change
		now   string
		want  []idp.Change
		kept  int
	}{
		{"takes back what still holds", []idp.Change{change("/a", `"x"`, `"y"`)}, `{"a":"y"}`, []idp.Change{change("/a", `"y"`, `"x"`)}, 0},
		{"restores null as null", []idp.Change{change("/a", `null`, `"y"`)}, `{"a":"y"}`, []idp.Change{change("/a", `"y"`, `null`)}, 0},
		{"restores absence", []idp.Change{change("/a", "", `"y"`)}, `{"a":"y"}`, []idp.Change{change("/a", `"y"`, "")}, 0},
		{"brings back what was deleted", []idp.Change{change("/a", `1.50`, "")}, `{}`, []idp.Change{change("/a", "", `1.50`)}, 0},
		{"keeps a later edit", []idp.Change{change("/a", `"x"`, `"y"`)}, `{"a":"z"}`, nil, 1},
		{"keeps a later deletion", []idp.Change{change("/a", `"x"`, `"y"`)}, `{}`, nil, 1},
		{"leaves what is back already", []idp.Change{change("/a", `"x"`, `"y"`)}, `{"a":"x"}`, nil, 0},
		{"joins two attempts", []idp.Change{change("/a", `"x"`, `"y"`), change("/a", `"y"`, `"z"`)}, `{"a":"z"}`, []idp.Change{change("/a", `"z"`, `"x"`)}, 0},
		{"sees through escapes", []idp.Change{change("/a", `"x\u0026"`, `"y\u0026"`)}, `{"a":"y&"}`, []idp.Change{change("/a", `"y&"`, `"x\u0026"`)}, 0},
		{"never writes the alias host", []idp.Change{change("/a", `"https://us-east-1.signin.aws.amazon.com/saml"`, `"y"`)}, `{"a":"y"}`,
			[]idp.Change{change("/a", `"y"`, `"`+east+`"`)}, 0}, // spec 1.2
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, kept, err := idp.Invert(tt.wrote, idp.Document{ID: "0oa1", Raw: json.RawMessage(tt.now)})
			if err != nil || len(kept) != tt.kept {
				t.Fatalf("kept %v, error %v", kept, err)
			}
			if !slices.EqualFunc(got, tt.want, func(a, b idp.Change) bool {
				return a.Pointer == b.Pointer && sameOrNil(a.Before, b.Before) && sameOrNil(a.After, b.After)
			}) {
				t.Errorf("got %s, want %s", show(got), show(tt.want))
			}
		})
	}
	if _, _, err := idp.Invert(nil, idp.Document{Raw: json.RawMessage(`{`)}); err == nil {
		t.Error("broken JSON inverted")
	}
}

func show(c []idp.Change) string {
	b, _ := json.Marshal(c)
	return string(b)
}

// A record is input: what it says was there before is checked like everything
// that we write.
func TestUndoTrustsNoRecord(t *testing.T) {
	t.Parallel()
	t.Run("a foreign endpoint is refused", func(t *testing.T) {
		t.Parallel()
		m := newMemory(doc(west, westPage))
		_, err := idp.Undo(t.Context(), m, okta.Codec{}, "0oa1", []idp.Change{change(acsPointer, `"https://evil.example/saml"`, `"`+west+`"`)}, idp.Hooks{})
		if !finding.Is(err, finding.ForeignACS) || m.writes != 0 {
			t.Errorf("%v, %d writes", err, m.writes)
		}
	})
	t.Run("a foreign RelayState is left out and named, the endpoint goes back", func(t *testing.T) {
		t.Parallel()
		m := newMemory(doc(west, westPage))
		var wrote []idp.Change
		for _, f := range []idp.Pointer{"ssoAcsUrl", "recipient", "destination"} {
			wrote = append(wrote, change("/settings/signOn/"+f, `"`+east+`"`, `"`+west+`"`))
		}
		wrote = append(wrote, change(relay, `"https://evil.example/"`, `"`+westPage+`"`))
		r, err := idp.Undo(t.Context(), m, okta.Codec{}, "0oa1", wrote, idp.Hooks{})
		if err != nil || m.get(acsPointer) != `"`+east+`"` || m.get(relay) != `"`+westPage+`"` {
			t.Errorf("%v: %s", err, m.raw)
		}
		if !slices.ContainsFunc(r.Findings, func(f finding.Finding) bool { return f.Code == finding.ForeignRelayState }) {
			t.Errorf("not named: %v", r.Findings)
		}
	})
	t.Run("an undo of an undone move writes nothing", func(t *testing.T) {
		t.Parallel()
		m := newMemory(doc(east, eastPage))
		r, err := idp.Undo(t.Context(), m, okta.Codec{}, "0oa1", []idp.Change{change(acsPointer, `"`+east+`"`, `"`+west+`"`)}, idp.Hooks{})
		if err != nil || !r.Already || m.writes != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestApplyChecksBefore(t *testing.T) {
	t.Parallel()
	d := idp.Document{ID: "0oa1", Raw: json.RawMessage(`{"a":null}`)}
	if _, err := idp.Apply(d, []idp.Change{change("/a", "", `1`)}); !finding.Is(err, finding.ChangedMeanwhile) {
		t.Errorf("absent against null: %v", err)
	}
	got, err := idp.Apply(d, []idp.Change{change("/a", `null`, ""), change("/b", "", `1.0`)})
	if err != nil || string(got.Raw) != `{"b":1.0}` || string(d.Raw) != `{"a":null}` {
		t.Errorf("%s, %v; the original is %s", got.Raw, err, d.Raw)
	}
}
