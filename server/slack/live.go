package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/control"
)

// editGap is the least time between two edits of a message: Slack takes some 50
// in a minute (Slack API documentation, "Rate limits", tier 3).
const editGap = 1500 * time.Millisecond

// live shows a move while it goes on. Events come in at any speed and are never
// waited for; the message is edited when it can be.
type live struct {
	sheet *sheet
	head  string
	log   *slog.Logger

	mu    sync.Mutex
	order []string // apps, "" for the move as a whole
	now   map[string]string
	last  map[string]int // when each was told of last
	count int

	news chan struct{}
	end  context.CancelFunc
	done sync.WaitGroup
}

// begin starts to show; nothing is shown before the first event.
func begin(ctx context.Context, s *sheet, head string, log *slog.Logger) *live {
	ctx, end := context.WithCancel(ctx)
	l := &live{sheet: s, head: head, log: log, now: map[string]string{}, last: map[string]int{}, news: make(chan struct{}, 1), end: end}
	l.done.Go(func() { l.run(ctx) })
	return l
}

// event takes what has just happened; it never blocks.
func (l *live) event(e control.MoveEvent) {
	text := e.Text
	if e.Finding != nil {
		text += " (" + e.Finding.Error() + ")"
	}
	l.mu.Lock()
	if !slices.Contains(l.order, e.App) {
		l.order = append(l.order, e.App)
	}
	l.count++
	l.last[e.App] = l.count
	l.now[e.App] = e.Time.UTC().Format("15:04:05") + "  " + text
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// stop ends the showing and joins it.
func (l *live) stop() {
	l.end()
	l.done.Wait()
}

func (l *live) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.news:
		}
		gap := editGap
		if err := l.sheet.show(ctx, l.page(), false); err != nil {
			l.log.Debug("the progress of a move cannot be shown in Slack; the move goes on", "error", err)
			var no *slackError
			if errors.As(err, &no) {
				gap = max(gap, no.wait)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gap):
		}
	}
}

// unfinished ends a message that is still being edited. Slack gives a message its
// name in the answer to the post: a controller that is killed before it has kept
// the name leaves the message as it is, and the next one begins another.
const unfinished = "This goes on. Should this message change no more, the end is in a newer one."

func (l *live) page() message {
	l.mu.Lock()
	defer l.mu.Unlock()
	var p page
	p.head(l.head)
	order := l.order
	if more := len(order) - oneByOne; more > 0 { // what has just happened says most
		newest := slices.SortedFunc(slices.Values(order), func(a, b string) int { return l.last[b] - l.last[a] })[:oneByOne]
		order = slices.DeleteFunc(slices.Clone(order), func(app string) bool { return app != "" && !slices.Contains(newest, app) })
		p.say(fmt.Sprintf("%d apps so far; the newest:", len(l.order)))
	}
	for _, app := range order {
		line := l.now[app]
		if app != "" {
			line = app + ": " + line
		}
		p.say(line)
	}
	p.say(unfinished)
	return p.message()
}
