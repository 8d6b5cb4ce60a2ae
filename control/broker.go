package control

import (
	"sync"

	"github.com/samlfailover/samlfailover/failover/move"
)

// Broker hands a move's events to whoever follows it. Events that a slow
// follower has no room for are dropped, never waited for: a move does not wait
// for anybody who only wants to be told. The zero value is ready to use.
type Broker struct {
	mu   sync.Mutex
	next int
	to   map[int]follower
}

type follower struct {
	federation string
	events     chan move.Event
}

// backlog is how many events a follower may lag behind.
const backlog = 1024

// Publish hands an event on; it never blocks.
func (b *Broker) Publish(e move.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.to {
		if f.federation == e.Federation {
			select {
			case f.events <- e:
			default:
			}
		}
	}
}

// Follow calls f with each event of a federation, in order, on a goroutine of
// its own, until stop is called; stop returns after the events published before
// it were delivered, and may be called again.
func (b *Broker) Follow(federation string, f func(move.Event)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.to == nil {
		b.to = map[int]follower{}
	}
	id := b.next
	b.next++
	ch := make(chan move.Event, backlog)
	b.to[id] = follower{federation, ch}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range ch {
			f(e)
		}
	}()
	return func() {
		b.mu.Lock()
		if _, following := b.to[id]; following {
			delete(b.to, id)
			close(ch)
		}
		b.mu.Unlock()
		<-done
	}
}
