package mishap_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// TestQueue: mishaps are for one write each, in the order of the requests.
func TestQueue(t *testing.T) {
	t.Parallel()
	s, h := mishap.New()
	if s.Take() != (mishap.Effect{}) || s.ReadOnly() {
		t.Error("something goes wrong by itself")
	}
	h.LetNextWrite()
	h.IgnoreNextWrite()
	h.LoseFieldOnWrite("/a")
	h.LoseNextAnswer()
	for i, want := range []mishap.Effect{{}, {Ignore: true}, {Lose: "/a"}, {LoseAnswer: true}, {}} {
		if got := s.Take(); got != want {
			t.Errorf("write %d: %+v", i, got)
		}
	}
	h.SetReadOnly(true)
	if !s.ReadOnly() {
		t.Error("not read-only")
	}
	h.SetReadOnly(false)
	if s.ReadOnly() {
		t.Error("still read-only")
	}
}

// TestCallbacks run without a lock: they may ask for more mishaps.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	s, h := mishap.New()
	s.AfterRead("x")
	s.Arrived("x")
	var got []string
	h.OnRead(func(id string) { got = append(got, "read "+id); h.IgnoreNextWrite() })
	h.BeforeWrite(func(id string) { got = append(got, "write "+id); h.OnRead(nil) })
	s.AfterRead("1")
	s.Arrived("2")
	s.AfterRead("3")
	if len(got) != 2 || got[0] != "read 1" || got[1] != "write 2" || !s.Take().Ignore {
		t.Errorf("%v", got)
	}
}
