package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/escape"
)

// What Slack takes at most (Block Kit reference), and what we send.
const (
	mostBlocks     = 45    // of 50
	mostText       = 2000  // of the 3,000 of a section
	mostOfAll      = 12000 // of the roughly 13,000 that all blocks together may have
	mostValue      = 2000  // of a button's value: Slack's own limit
	fallbackLength = 300   // of the text that notifications show
)

// message is what goes to Slack: a line for notifications and the blocks.
type message struct {
	Text   string  `json:"text"`
	Blocks []block `json:"blocks,omitempty"`
}

// block is a section of text or a row of buttons.
type block struct {
	Type     string   `json:"type"`
	ID       string   `json:"block_id,omitempty"`
	Text     *text    `json:"text,omitempty"`
	Elements []button `json:"elements,omitempty"`
}

// text is Slack's text object. Verbatim keeps Slack from making links, channels
// and mentions out of it.
type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim *bool  `json:"verbatim,omitempty"`
}

type button struct {
	Type    string        `json:"type"`
	Text    text          `json:"text"`
	Action  string        `json:"action_id"`
	Value   string        `json:"value"`
	Style   string        `json:"style,omitempty"`
	Confirm *confirmation `json:"confirm,omitempty"`
}

// confirmation is the question that Slack asks before it sends a click.
type confirmation struct {
	Title   text `json:"title"`
	Text    text `json:"text"`
	Confirm text `json:"confirm"`
	Deny    text `json:"deny"`
}

func plainText(s string) text { return text{Type: "plain_text", Text: s} }

// page collects lines into the sections of a message. Every line is already
// safe for Slack.
type page struct {
	sections []string
	size     int
	cut      bool
	buttons  []button
}

// say adds a line of text that may hold anything.
func (p *page) say(line string) { p.add(escape.Slack(line)) }

// head adds a line in bold.
func (p *page) head(line string) {
	p.add("*" + strings.ReplaceAll(escape.Slack(line), "*", "∗") + "*")
}

// room is what one list may take of a message, so that what stands behind it is
// told too: a federation may have hundreds of apps.
const room = 2000

// list adds lines of which there may be hundreds: as many as room has place for,
// then how many are left out.
func (p *page) list(lines []string, room int) {
	begun := p.size
	for i, l := range lines {
		if p.size-begun+min(utf8.RuneCountInString(escape.Slack(l)), mostText) > room {
			p.say(fmt.Sprintf("... and %d more; the same command of the command line tells all of them", len(lines)-i))
			return
		}
		p.say(l)
	}
}

// gap begins a new section.
func (p *page) gap() {
	if n := len(p.sections); n > 0 && p.sections[n-1] != "" {
		p.sections = append(p.sections, "")
	}
}

// add adds a line that is safe.
func (p *page) add(line string) {
	line = clip(line, mostText)
	n := utf8.RuneCountInString(line) + 1
	if p.size+n > mostOfAll || len(p.sections) >= mostBlocks-2 {
		p.cut = true
		return
	}
	p.size += n
	last := len(p.sections) - 1
	switch {
	case last < 0:
		p.sections = append(p.sections, line)
	case p.sections[last] == "":
		p.sections[last] = line
	case utf8.RuneCountInString(p.sections[last])+n > mostText:
		p.sections = append(p.sections, line)
	default:
		p.sections[last] += "\n" + line
	}
}

// message returns the whole; its first line is what notifications show.
func (p *page) message() message {
	var m message
	verbatim := true
	for _, s := range p.sections {
		if s == "" {
			continue
		}
		if m.Text == "" {
			first, _, _ := strings.Cut(s, "\n")
			m.Text = clip(strings.Trim(first, "*"), fallbackLength)
		}
		m.Blocks = append(m.Blocks, block{Type: "section", Text: &text{Type: "mrkdwn", Text: s, Verbatim: &verbatim}})
	}
	if p.cut {
		m.Blocks = append(m.Blocks, block{Type: "section", Text: &text{Type: "mrkdwn", Text: "... there is more than Slack shows; the same command of the command line tells all of it", Verbatim: &verbatim}})
	}
	if len(p.buttons) > 0 {
		m.Blocks = append(m.Blocks, block{Type: "actions", Elements: p.buttons})
	}
	return m
}

// clip cuts text that is safe for Slack to n characters, never inside one of
// its entities.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	s = string([]rune(s)[:n-3])
	if i := strings.LastIndexByte(s, '&'); i >= 0 && !strings.Contains(s[i:], ";") {
		s = s[:i]
	}
	return s + "..."
}

// reply is a message as an answer to a command or a click.
type reply struct {
	message
	Type    string `json:"response_type,omitempty"` // ephemeral: only who asked sees it; in_channel
	Replace *bool  `json:"replace_original,omitempty"`
}

// encode never fails: the values hold texts and nothing else.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"text":"the answer cannot be written"}`)
	}
	return b
}
