package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/escape"
)

// teller writes the story: prose with elapsed time, or one JSON object per
// line. Safe for concurrent use. The first error of the writer ends the telling
// and is returned by summary.
type teller struct {
	mu    sync.Mutex
	out   io.Writer
	json  bool
	width int
	began time.Time
	err   error
}

func newTeller(o Options) *teller {
	t := &teller{out: o.Out, json: o.JSON, width: o.Width, began: time.Now()}
	if t.width <= 0 {
		t.width = 100
	}
	return t
}

// step is one line of JSON.
type step struct {
	Type    string `json:"type"` // chapter or step
	AtMS    int64  `json:"at_ms"`
	Text    string `json:"text"`
	Details any    `json:"details,omitempty"`
}

// chapter begins a part of the story.
func (t *teller) chapter(title string) {
	if t.json {
		t.object(step{Type: "chapter", AtMS: time.Since(t.began).Milliseconds(), Text: title})
		return
	}
	t.write("\n%s\n", title)
}

// say tells one thing that has happened. Words are kept whole and lines
// wrapped; text from outside is escaped.
func (t *teller) say(format string, args ...any) {
	text := escape.Terminal(fmt.Sprintf(format, args...))
	if t.json {
		t.object(step{Type: "step", AtMS: time.Since(t.began).Milliseconds(), Text: strings.TrimSpace(text)})
		return
	}
	at := fmt.Sprintf("%5.1fs  ", time.Since(t.began).Seconds())
	for i, l := range wrap(text, t.width-len(at)) {
		if i > 0 {
			at = strings.Repeat(" ", len(at))
			l = "  " + l
		}
		t.write("%s%s\n", at, l)
	}
}

// list shows the items of what was just said, each on a line of its own.
func (t *teller) list(lines []string) {
	for _, l := range lines {
		if t.json {
			t.say("%s", strings.Join(strings.Fields(l), " "))
		} else {
			t.block([]string{"  " + l})
		}
	}
}

// block shows lines as they are, such as a diff; JSON leaves them out.
func (t *teller) block(lines []string) {
	if t.json {
		return
	}
	for _, l := range lines {
		t.write("          %s\n", escape.Terminal(l))
	}
}

// summary ends the story and returns what went wrong with telling it.
func (t *teller) summary(s Summary, took time.Duration) error {
	if t.json {
		t.object(s)
		return t.failed()
	}
	t.chapter("SUMMARY")
	seconds := func(ms int64) string { return fmt.Sprintf("%.1f s", float64(ms)/1000) }
	for _, row := range [][2]string{
		{"detected", seconds(s.DetectMS) + " after the fault (suspect, then confirmed by quick probes)"},
		{"decided", fmt.Sprintf("%d ms later", s.DecideMS)},
		{"moved", fmt.Sprintf("%d apps in %d ms, each read back and compared whole", s.AppsMoved, s.MoveMS)},
		{"proof", s.Proof},
		{"roles ready", fmt.Sprintf("%d of %d for %s", s.RolesReady, s.Roles, s.Standby)},
		{"forbidden", fmt.Sprintf("%d requests to IAM, Organizations, Account or the global STS during the failover", s.ForbiddenCalls)},
		{"whole story", fmt.Sprintf("%.1f s", took.Seconds())},
	} {
		t.write("  %-12s %s\n", row[0], row[1])
	}
	if s.OK {
		t.write("\nEvery check held.\n")
	} else {
		t.write("\n%d checks FAILED:\n  %s\n", len(s.Failed), strings.Join(s.Failed, "\n  "))
	}
	return t.failed()
}

func (t *teller) object(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		t.fail(err)
		return
	}
	t.write("%s\n", b)
}

func (t *teller) write(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.out, format, args...)
	}
}

func (t *teller) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = errors.Join(t.err, err)
}

func (t *teller) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return fmt.Errorf("tell the story: %w", t.err)
	}
	return nil
}

// wrap breaks a text into lines of at most width characters at spaces; leading
// spaces stay.
func wrap(text string, width int) []string {
	var out []string
	for len(text) > width && width > 20 {
		cut := strings.LastIndexByte(text[:width], ' ')
		if cut <= len(text)-len(strings.TrimLeft(text, " ")) {
			break
		}
		out = append(out, text[:cut])
		text = text[cut+1:]
	}
	return append(out, text)
}
