package onelogin

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// limit allows so many calls per hour; a new hour begins with the first call
// after the old one ended (the shape of the window is ours).
type limit struct {
	mu   sync.Mutex
	max  int
	left int
	ends time.Time
}

func newLimit(perHour int) *limit { return &limit{max: perHour, left: perHour} }

// standing is the state of the limit; reset is in seconds from now, not a time.
type standing struct{ max, left, reset int }

// take counts calls (0 = only look) and reports whether there was room.
func (l *limit) take(calls int) (standing, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !now.Before(l.ends) {
		l.left, l.ends = l.max, now.Add(time.Hour)
	}
	ok := l.left >= calls
	if ok {
		l.left -= calls
	}
	return standing{l.max, l.left, int((l.ends.Sub(now) + time.Second - 1) / time.Second)}, ok
}

// set changes the limit; the current hour starts again.
func (l *limit) set(perHour int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max, l.left, l.ends = perHour, perHour, time.Time{}
}

// write puts the state into the headers of an answer.
func (s standing) write(h http.Header) {
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.max))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(s.left))
	h.Set("X-RateLimit-Reset", strconv.Itoa(s.reset))
}

// throttle refuses a request as if the limit were used up.
func (t *Tenant) throttle(w http.ResponseWriter, _ *http.Request) {
	s, _ := t.rate.take(0)
	s.left, s.reset = 0, mishap.ThrottledFor
	if !t.o.Readings.NoRateHeaders {
		s.write(w.Header())
	}
	if t.o.Readings.RetryAfter {
		w.Header().Set("Retry-After", strconv.Itoa(s.reset))
	}
	t.fail(w, rateExceeded())
}

// serveRateLimit is GET /auth/rate_limit. It counts no call.
func (t *Tenant) serveRateLimit(w http.ResponseWriter, r *http.Request) {
	if _, ok, refused := t.tokens.bearer(r, time.Now()); !ok {
		refused.old = true
		t.fail(w, refused)
		return
	}
	s, _ := t.rate.take(0)
	writeJSON(w, http.StatusOK, encode(object{"status": status(http.StatusOK, "Success"),
		"data": object{"X-RateLimit-Limit": s.max, "X-RateLimit-Remaining": s.left, "X-RateLimit-Reset": s.reset}}))
}
