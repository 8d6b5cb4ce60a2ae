package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

// rateWindow is how far back the speed is measured: long enough that one slow
// call does not move the estimate, short enough to follow a throttled API.
const rateWindow = 30 * time.Second

// enough is how long work has to be under way before its speed says anything.
const enough = time.Second

// meter follows one stage of long work: how fast it goes and when it will be
// done. It reads no clock.
type meter struct{ marks []mark }

// mark is how much was done at a moment.
type mark struct {
	at   time.Time
	done int
}

// note keeps how much is done now, and forgets what is past the window but for
// the newest mark before it, from which the window's speed counts.
func (m *meter) note(now time.Time, done int) {
	m.marks = append(m.marks, mark{now, done})
	for len(m.marks) > 2 && now.Sub(m.marks[1].at) >= rateWindow {
		m.marks = m.marks[1:]
	}
}

// rate is the speed up to now in units a second, 0 while it is not known. Time in
// which nothing is done makes it slower.
func (m *meter) rate(now time.Time) float64 {
	if len(m.marks) < 2 {
		return 0
	}
	first, last := m.marks[0], m.marks[len(m.marks)-1]
	took := now.Sub(first.at)
	if took < enough || last.done <= first.done {
		return 0
	}
	return float64(last.done-first.done) / took.Seconds()
}

// left is how long the rest takes at that speed; known is false while nobody can
// say.
func (m *meter) left(now time.Time, total int) (left time.Duration, known bool) {
	speed := m.rate(now)
	if len(m.marks) == 0 || total <= 0 || speed == 0 {
		return 0, false
	}
	rest := max(total-m.marks[len(m.marks)-1].done, 0)
	return time.Duration(float64(rest) / speed * float64(time.Second)), true
}

// step is one moment of long work with its estimate; the event that --output
// json prints of it. LeftSeconds is absent while nobody can say.
type step struct {
	Event string `json:"event"` // always "progress"
	control.TrustProgress
	Rate        float64  `json:"rate"` // units a second, 0 while it is not known
	LeftSeconds *float64 `json:"left_seconds,omitempty"`
}

// follower turns progress into steps, not more often than wanted: the first of a
// stage comes after pause, the last one always if it told of the stage before.
type follower struct {
	pause     time.Duration // between two steps of a stage
	lastAlone bool          // a stage's last step is told even if no other was
	show      func(step)

	stage string
	meter meter
	told  time.Time // when the stage's last step was shown, at first when it began
	any   bool      // one was
}

// take follows one step of the work.
func (f *follower) take(p control.TrustProgress, now time.Time) {
	if p.Stage != f.stage || len(f.meter.marks) > 0 && p.Done < f.meter.marks[len(f.meter.marks)-1].done {
		f.stage, f.meter, f.told, f.any = p.Stage, meter{}, now, false
	}
	f.meter.note(now, p.Done)
	last := p.Total > 0 && p.Done >= p.Total
	if now.Sub(f.told) < f.pause && (!last || !f.any && !f.lastAlone) {
		return
	}
	f.told, f.any = now, true
	s := step{Event: "progress", TrustProgress: p, Rate: f.meter.rate(now)}
	if left, known := f.meter.left(now, p.Total); known {
		seconds := left.Seconds()
		s.LeftSeconds = &seconds
	}
	f.show(s)
}

// barWidth is how many characters the bar itself has.
const barWidth = 24

// bar is a step as one line of a terminal of this width.
func (s step) bar(width int) string {
	line := s.words()
	if s.Total > 0 {
		full := min(barWidth*s.Done/s.Total, barWidth)
		line = "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "] " + line
	}
	line += "  " + escape.Terminal(s.Text)
	if utf8.RuneCountInString(line) < width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)])
}

// words are a step in words, without the text of what was done.
func (s step) words() string {
	unit := "roles"
	switch s.Stage {
	case "scan":
		unit = "accounts"
	case "tenants":
		unit = s.Stage
	}
	out := fmt.Sprintf("%s: %d", escape.Terminal(s.Stage), s.Done)
	if s.Total > 0 {
		out += fmt.Sprintf(" of %d %s, %d %%", s.Total, unit, 100*s.Done/s.Total)
	} else {
		out += " " + unit
	}
	if s.Rate > 0 {
		out += fmt.Sprintf(", %.1f/s", s.Rate)
	}
	if s.LeftSeconds != nil && s.Done < s.Total {
		out += ", " + (time.Duration(*s.LeftSeconds * float64(time.Second))).Round(time.Second).String() + " left"
	}
	return out
}
