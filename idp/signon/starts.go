package signon

import (
	"context"
	"sync"

	"github.com/samlfailover/samlfailover/idp"
)

// Starts remembers where sign-on to an app begins, which is read from the app
// once. The zero value is empty and ready. Safe for concurrent use.
type Starts struct {
	mu    sync.Mutex
	known map[idp.AppID]string
}

// Of returns the start of an app, reading it where it is not known.
func (s *Starts) Of(ctx context.Context, id idp.AppID, read func(context.Context, idp.AppID) (string, error)) (string, error) {
	s.mu.Lock()
	start, ok := s.known[id]
	s.mu.Unlock()
	if ok {
		return start, nil
	}
	start, err := read(ctx, id)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[idp.AppID]string{}
	}
	s.known[id] = start
	return start, nil
}

// Forget makes Of read an app's start again: the one known led nowhere, and may
// have been changed in the IdP.
func (s *Starts) Forget(id idp.AppID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}
