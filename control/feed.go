package control

import (
	"sync"

	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
)

// FeedEvent is one piece of news; either Move or Loop is set.
type FeedEvent struct {
	ID         int
	Federation string
	Move       *MoveEvent // progress of a move
	Loop       *LoopEvent // a new decision, a proposal, a Region that is suspect
}

// feedSize is how many events are kept for those who come back.
const feedSize = 4096

// Feed keeps the newest events of all federations, numbered from 1, so that a
// listener who was cut off goes on where it stopped. It never waits for a
// listener. The zero value is ready to use; safe for concurrent use.
type Feed struct {
	mu     sync.Mutex
	last   int
	events []FeedEvent // the oldest first
	more   chan struct{}
}

// Moved adds progress of a move.
func (f *Feed) Moved(e move.Event) { f.add(FeedEvent{Federation: e.Federation, Move: &e}) }

// Decided adds news of a federation's loop.
func (f *Feed) Decided(e controller.Event) { f.add(FeedEvent{Federation: e.Federation, Loop: &e}) }

func (f *Feed) add(e FeedEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	e.ID = f.last
	if len(f.events) >= 2*feedSize {
		f.events = append([]FeedEvent(nil), f.events[len(f.events)-feedSize:]...)
	}
	f.events = append(f.events, e)
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

// News are events after an id. Last is the newest id that was looked at: what
// to ask with next. Missed says that events after the id are not kept any more,
// or that the id is of another run of the controller. More is closed when there
// are further events.
type News struct {
	Events []FeedEvent
	Last   int
	Missed bool
	More   <-chan struct{}
}

// after returns the events behind an id that sees allows.
func (f *Feed) after(id int, sees func(federation string) bool) News {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.more == nil {
		f.more = make(chan struct{})
	}
	first := f.last - len(f.events) + 1
	out := News{Last: f.last, More: f.more, Missed: id > f.last || id < first-1}
	if out.Missed {
		id = 0
	}
	for _, e := range f.events[max(0, id+1-first):] {
		if sees(e.Federation) {
			out.Events = append(out.Events, e)
		}
	}
	return out
}

// News returns what has happened after an id, as far as the actor may see it. A
// negative id asks for what is still to come.
func (c *Control) News(actor Actor, after int) News {
	if c.Feed == nil {
		return News{}
	}
	if after < 0 {
		n := c.Feed.after(0, func(string) bool { return false })
		n.Missed = false
		return n
	}
	return c.Feed.after(after, actor.Sees)
}
