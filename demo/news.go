package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/control"
)

// news collects what the controller tells while the story goes on.
type news struct {
	loops chan control.LoopEvent
	moves chan control.MoveEvent
}

func newNews() *news {
	return &news{loops: make(chan control.LoopEvent, 1024), moves: make(chan control.MoveEvent, 1024)}
}

// loop and move take an event without blocking; what nobody has room for is
// dropped, and the story then fails for want of it.
func (n *news) loop(e control.LoopEvent) {
	select {
	case n.loops <- e:
	default:
	}
}

func (n *news) move(e control.MoveEvent) {
	select {
	case n.moves <- e:
	default:
	}
}

// forget drops what has been told so far.
func (n *news) forget() {
	for {
		select {
		case <-n.loops:
		case <-n.moves:
		default:
			return
		}
	}
}

// until waits for something that must happen soon.
func until(ctx context.Context, what string, happened func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := happened()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s in vain: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}
