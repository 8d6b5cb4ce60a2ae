package idp

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// A document of 8 MiB (spec 2.7) may be one object with very many keys: reading
// and comparing it takes work in proportion to its size, not to its square, so
// that no answer of one tenant can hold up a move.
// spec 2.7
func TestVeryManyKeys(t *testing.T) {
	t.Parallel()
	const keys = 150_000
	object := func(last string) json.RawMessage {
		var b strings.Builder
		b.WriteString(`{"wide":{`)
		for i := range keys {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		b.WriteString(last + `:1}}`)
		return json.RawMessage(b.String())
	}
	diff, err := Changed(object(`"x"`), object(`"y"`), nil)
	if err != nil || len(diff) != 2 || diff[0] != "/wide/x" || diff[1] != "/wide/y" {
		t.Fatalf("%v %v", diff, err)
	}
}
