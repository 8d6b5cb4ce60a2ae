package notify

import (
	"fmt"
	"strings"
	"testing"
)

// However long the lists and the names in them, a message is one that Slack
// shows whole, and what to tell the people who sign in is in it.
func TestSlackTextKeepsItsEnd(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("Prod & <Sandbox> ", 12)[:200]
	n := Notice{Event: MoveFailed, Federation: "workforce", Severity: Error, Title: strings.Repeat("why & ", 20), UserText: []string{"Open the AWS tile again."}}
	for i := range 300 {
		n.Lines = append(n.Lines, fmt.Sprintf("by hand: app %s%d, sign-in URL: %s -> %s", name, i, name, name))
	}
	many := n
	for range 300 {
		many.UserText = append(many.UserText, "Switch role: "+name)
	}
	for why, n := range map[string]Notice{"many lines": n, "many lines and people's lines": many, "one long title": {Event: Page, Title: strings.Repeat("& ", 9000), UserText: n.UserText}} {
		got := slackText(n)
		if len(got) > 4000 || !strings.Contains(got, "Open the AWS tile again.") || !strings.Contains(got, "(cut)") {
			t.Errorf("%s: %d bytes:\n%s", why, len(got), got)
		}
	}
	if got := slackText(Notice{Event: Page, Title: "short", Lines: []string{"a"}, UserText: []string{"b"}}); strings.Contains(got, "(cut)") || !strings.HasSuffix(got, "> a\nTell the people who sign in:\n• b") {
		t.Errorf("a short message: %q", got)
	}
}
