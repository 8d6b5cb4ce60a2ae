package control

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/failover/move"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func event(federation string, n int) move.Event {
	return move.Event{Federation: federation, Text: strconv.Itoa(n)}
}

// What was published before stop is delivered, in order, once, and nothing of
// another federation.
func TestBrokerDelivers(t *testing.T) {
	t.Parallel()
	var b Broker
	var one, two []string
	stopOne := b.Follow("corp", func(e move.Event) { one = append(one, e.Text) })
	stopTwo := b.Follow("corp", func(e move.Event) { two = append(two, e.Text) })
	var want []string
	for i := range backlog {
		b.Publish(event("corp", i))
		want = append(want, strconv.Itoa(i))
		if i%10 == 0 {
			b.Publish(event("labs", i))
		}
	}
	stopOne()
	if !slices.Equal(one, want) {
		t.Errorf("%d events, want %d in order", len(one), len(want))
	}
	b.Publish(event("corp", backlog))
	stopOne() // twice does no harm
	stopTwo()
	b.Publish(event("corp", backlog+1))
	if len(one) != backlog || len(two) < backlog || len(two) > backlog+1 {
		t.Errorf("%d and %d events", len(one), len(two))
	}
}

// A follower that stands still neither stops the move nor other followers.
func TestBrokerNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b Broker
		release := make(chan struct{})
		slow, quick := 0, 0
		stopSlow := b.Follow("corp", func(move.Event) { <-release; slow++ })
		stopQuick := b.Follow("corp", func(move.Event) { quick++ })
		for i := range 3 * backlog {
			b.Publish(event("corp", i)) // a bubble in which this blocks ends in a deadlock
			synctest.Wait()
		}
		close(release)
		stopSlow()
		stopQuick()
		if quick != 3*backlog || slow < backlog || slow > backlog+1 {
			t.Errorf("the quick follower got %d, the slow one %d", quick, slow)
		}
	})
}

// Publishing, following and stopping at the same time: a Publish after stop must
// not panic (run with -race).
func TestBrokerRaces(t *testing.T) {
	t.Parallel()
	var b Broker
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				b.Publish(event("corp", i))
			}
		})
		wg.Go(func() {
			for range 100 {
				last := -1
				stop := b.Follow("corp", func(e move.Event) { last++ })
				b.Publish(event("corp", 0))
				stop()
				if last < 0 {
					t.Error("an event published while following was not delivered")
				}
				b.Publish(event("corp", 0))
			}
		})
	}
	wg.Wait()
}
