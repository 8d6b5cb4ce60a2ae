package spelling

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	t.Parallel()
	words := []string{"status", "plan", "move", "approve", "reject", "pause", "resume"}
	for _, c := range []struct{ why, word, want string }{
		{"two letters swapped", "sttaus", "status"},
		{"one letter left out", "aprove", "approve"},
		{"one letter too many", "pllan", "plan"},
		{"another case, and space around", " MOVE ", "move"},
		{"nothing near", "frobnicate", ""},
		{"nothing at all", "", ""},
		{"too long to be a word", strings.Repeat("status", 20), ""},
	} {
		if got := Closest(c.word, words); got != c.want {
			t.Errorf("%s: %q gives %q, want %q", c.why, c.word, got, c.want)
		}
	}
}
