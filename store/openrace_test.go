package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/failover/move"
)

// Whoever looks at a move while it is noted sees one moment of it, never a store
// that somebody has tampered with.
func TestOpenWhileNoting(t *testing.T) {
	t.Parallel()
	j := lead(t, fresh(t)).Journal()
	m := record("20261122-070000-aaaaaa", "prod", 3)
	if err := j.Begin(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		defer close(done)
		for i := range 200 {
			if err := j.Note(t.Context(), m.ID, move.StepNote{App: fmt.Sprintf("okta/%d", i), Phase: move.Planned}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
		}
		if open, err := j.Open(t.Context()); err != nil || len(open) != 1 || open[0].ID != m.ID {
			t.Fatalf("open moves %v, %v", open, err)
		}
	}
}
