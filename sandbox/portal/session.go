package portal

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

// sessions remembers who is signed in. Cookies are random, kept in memory and
// good for sessionLife.
type sessions struct {
	path string // of the cookie

	mu  sync.Mutex
	all map[string]session
}

type session struct {
	login string
	ends  time.Time
}

const (
	cookieName  = "sid"
	sessionLife = 2 * time.Hour
	maxSessions = 10_000
)

func newSessions(path string) *sessions { return &sessions{path: path, all: map[string]session{}} }

// begin starts a session and returns its cookie.
func (s *sessions) begin(login string) *http.Cookie {
	id, now := rand.Text(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(now)
	s.all[id] = session{login, now.Add(sessionLife)}
	return s.cookie(id, 0)
}

// makeRoom drops ended sessions once there are many, then any one.
func (s *sessions) makeRoom(now time.Time) {
	if len(s.all) < maxSessions {
		return
	}
	for id, one := range s.all {
		if !now.Before(one.ends) {
			delete(s.all, id)
		}
	}
	for id := range s.all {
		if len(s.all) < maxSessions {
			return
		}
		delete(s.all, id)
	}
}

// login returns who sent r.
func (s *sessions) login(r *http.Request) (string, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[c.Value]
	return one.login, ok && time.Now().Before(one.ends)
}

// end forgets the session of r and returns the cookie that deletes its own.
func (s *sessions) end(r *http.Request) *http.Cookie {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, c.Value)
	}
	return s.cookie("", -1)
}

func (s *sessions) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: s.path, MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
