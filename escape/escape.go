// Package escape is for showing text that came from outside (an IdP's labels,
// AWS's messages, a person's reason) without letting it act on the channel that
// shows it: a terminal or log, Slack, a CSV cell. HTML is html/template's job.
//
// It must never be skipped for text that we did not write, and never import
// another package of this project.
package escape

import (
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limit is the longest text, in characters, that is shown; more is cut and the
// cut is said.
const Limit = 2000

// Terminal makes text safe for terminals and logs: control, ANSI and
// bidirectional characters and invalid UTF-8 appear as escapes, line breaks too.
func Terminal(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	shown := 0
	for i := 0; i < len(s); {
		if shown == Limit {
			fmt.Fprintf(&b, "... (cut, %d characters in all)", utf8.RuneCountInString(s))
			break
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !visible(r) && r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		case !visible(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
		shown++
	}
	return b.String()
}

// visible reports whether a character shows as itself: printable, and neither a
// direction mark nor another format character.
func visible(r rune) bool { return unicode.IsPrint(r) && !unicode.Is(unicode.Cf, r) }

func plain(s string) bool {
	if len(s) > Limit {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// Slack makes text safe for Slack's mrkdwn: Terminal's rules, then & < > as
// entities (Slack API documentation, "Formatting text for app surfaces").
func Slack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(Terminal(s))
}

// CSV makes a cell safe for spreadsheets: one that starts like a formula gets a
// leading apostrophe (OWASP, "CSV Injection"), then Terminal's rules.
func CSV(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		s = "'" + s
	}
	return Terminal(s)
}

// Attr is a slog.HandlerOptions.ReplaceAttr that makes every string and error
// value of a log line safe.
func Attr(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		return slog.String(a.Key, Terminal(v))
	case error:
		return slog.String(a.Key, Terminal(v.Error()))
	}
	return a
}
