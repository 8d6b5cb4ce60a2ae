// Package mishap is for what a test asks a simulated vendor to do wrong with
// the next reads and writes: ignore one, lose a field, lose the answer, be
// read-only, let somebody else in between. A simulator embeds Hooks, so that
// tests find the verbs on it, and asks the Script.
//
// It must never act by itself: without a request of a test nothing goes wrong.
// It must never import product code.
package mishap

import (
	"context"
	"net/http"
	"sync"
)

// Effect is what happens to one write.
type Effect struct {
	Ignore     bool   // answer as if stored, store nothing
	Lose       string // JSON pointer that is missing from what is stored; "" = none
	LoseAnswer bool   // store, then cut the connection
}

// Script holds the requests. It is safe for concurrent use; callbacks run
// without any lock of it held, so that they may call the simulator.
type Script struct {
	mu          sync.Mutex
	readOnly    bool
	next        []Effect
	onRead      func(id string)
	beforeWrite func(id string)
}

// Hooks are the verbs for tests.
type Hooks struct{ s *Script }

// New returns an empty script and its verbs.
func New() (*Script, Hooks) {
	s := &Script{}
	return s, Hooks{s}
}

// SetReadOnly makes every write fail while reads work.
func (h Hooks) SetReadOnly(on bool) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.readOnly = on
}

// IgnoreNextWrite makes the next valid write answer with success and store
// nothing. Mishaps of writes queue up: each call is for one write.
func (h Hooks) IgnoreNextWrite() { h.s.queue(Effect{Ignore: true}) }

// LoseFieldOnWrite makes the next valid write store everything but the value at
// the JSON pointer; the answer still holds it.
func (h Hooks) LoseFieldOnWrite(pointer string) { h.s.queue(Effect{Lose: pointer}) }

// LoseNextAnswer makes the next valid write take effect and then cut the
// connection (http.ErrAbortHandler) instead of answering.
func (h Hooks) LoseNextAnswer() { h.s.queue(Effect{LoseAnswer: true}) }

// LetNextWrite lets one write through unharmed, for a mishap of a later one.
func (h Hooks) LetNextWrite() { h.s.queue(Effect{}) }

// OnRead sets a callback that runs after a single app was read and before the
// answer is sent; nil removes it.
func (h Hooks) OnRead(f func(id string)) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.onRead = f
}

// BeforeWrite sets a callback that runs when a write has arrived and before it
// takes effect; nil removes it.
func (h Hooks) BeforeWrite(f func(id string)) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.beforeWrite = f
}

func (s *Script) queue(e Effect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, e)
}

// ReadOnly says whether writes fail now.
func (s *Script) ReadOnly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readOnly
}

// Take returns the effect on the write that is about to happen.
func (s *Script) Take() Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) == 0 {
		return Effect{}
	}
	e := s.next[0]
	s.next = s.next[1:]
	return e
}

// AfterRead runs the callback of OnRead.
func (s *Script) AfterRead(id string) {
	s.mu.Lock()
	call := s.onRead
	s.mu.Unlock()
	if call != nil {
		call(id)
	}
}

// Arrived runs the callback of BeforeWrite.
func (s *Script) Arrived(id string) {
	s.mu.Lock()
	call := s.beforeWrite
	s.mu.Unlock()
	if call != nil {
		call(id)
	}
}

type readOnlyKey struct{}

// InReadOnlyMode serves h with the request marked, so that a fault on the
// network can put a service into read-only mode for some requests.
func InReadOnlyMode(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), readOnlyKey{}, true)))
	})
}

// IsReadOnly reports whether a request came through InReadOnlyMode.
func IsReadOnly(ctx context.Context) bool { return ctx.Value(readOnlyKey{}) != nil }

// ThrottledFor is how long a fault that throttles asks clients to stay away.
const ThrottledFor = 5 // seconds
