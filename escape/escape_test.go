package escape

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// spec 13.7
func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, in, want string }{
		{"plain text", "AWS Production", "AWS Production"},
		{"letters of other scripts stay", "Zürich 東京", "Zürich 東京"},
		{"ANSI colour", "\x1b[31mred", `\u001b[31mred`},
		{"carriage return hides what was before", "safe\revil", `safe\u000devil`},
		{"line break forges a line", "a\nlevel=ERROR", `a\nlevel=ERROR`},
		{"right-to-left override", "abc\u202edef", `abc\u202edef`},
		{"isolate", "\u2066x", `\u2066x`},
		{"zero-width joiner", "a\u200db", `a\u200db`},
		{"C1 control", "a\u009bb", `a\u009bb`},
		{"broken UTF-8", "a\xffb", `a\xffb`},
		{"tag characters", "\U000e0041", `\U000e0041`},
	} {
		if got := Terminal(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
	long := Terminal(strings.Repeat("é", 3000))
	if utf8.RuneCountInString(long) > Limit+60 || !strings.HasSuffix(long, "(cut, 3000 characters in all)") {
		t.Errorf("long text ends in %q", long[len(long)-60:])
	}
}

// spec 13.7
func TestSlackAndCSV(t *testing.T) {
	t.Parallel()
	if got := Slack("<!channel> & \x1b"); got != `&lt;!channel&gt; &amp; \u001b` {
		t.Errorf("Slack: %q", got)
	}
	for _, in := range []string{"=1+1", "+1", "-1", "@x", "\tx", "\rx"} {
		if got := CSV(in); !strings.HasPrefix(got, "'") {
			t.Errorf("CSV(%q) = %q", in, got)
		}
	}
	if got := CSV("a=1"); got != "a=1" {
		t.Errorf("CSV: %q", got)
	}
}

// spec 13.7: log lines, in text and JSON.
func TestAttr(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	opts := &slog.HandlerOptions{ReplaceAttr: Attr}
	slog.New(slog.NewJSONHandler(&b, opts)).Error("x", "label", "a\u202eb", "err", errors.New("\x1b[0m"))
	slog.New(slog.NewTextHandler(&b, opts)).Error("x", "label", "a\u202eb", "err", errors.New("\x1b[0m"))
	if strings.ContainsAny(b.String(), "\u202e\x1b") {
		t.Errorf("log holds raw characters: %q", b.String())
	}
}

func FuzzTerminal(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := Terminal(s)
		if !utf8.ValidString(out) {
			t.Fatalf("%q became invalid UTF-8", s)
		}
		for _, r := range out {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%q shows %U", s, r)
			}
		}
	})
}
