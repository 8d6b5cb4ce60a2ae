package store

import (
	"fmt"
	"sync"
	"testing"
)

// Whoever reads a leader's box while it is written sees it as it was or as it
// is, and never takes the half of each for a record that somebody changed.
func TestBoxReadWhileWritten(t *testing.T) {
	t.Parallel()
	box := lead(t, fresh(t)).Box("proposal")
	must(t, box.Put(t.Context(), "p", []byte("0")))
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 40 {
			if err := box.Put(t.Context(), "p", fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 40 {
		if _, err := box.All(t.Context()); err != nil {
			t.Error(err)
		}
		if _, there, err := box.Get(t.Context(), "p"); err != nil || !there {
			t.Error(there, err)
		}
	}
	writer.Wait()
}
