package pingone

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// limit allows so many calls per minute; a new minute begins with the first
// call after the old one ended (the shape of the window is ours).
type limit struct {
	mu   sync.Mutex
	max  int
	left int
	ends time.Time
}

func newLimit(perMinute int) *limit { return &limit{max: perMinute, left: perMinute} }

// take counts one call. A refused one gets Retry-After in seconds; answers that
// succeed say nothing of the limit.
func (l *limit) take(h http.Header) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !now.Before(l.ends) {
		l.left, l.ends = l.max, now.Add(time.Minute)
	}
	if l.left > 0 {
		l.left--
		return true
	}
	seconds := (l.ends.Sub(now) + time.Second - 1) / time.Second
	h.Set("Retry-After", strconv.Itoa(int(seconds)))
	return false
}

// throttle refuses a request as if the limit were used up.
func (t *Tenant) throttle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", strconv.Itoa(mishap.ThrottledFor))
	t.fail(w, rateExceeded())
}

// set changes the limit; the current minute starts again.
func (l *limit) set(perMinute int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max, l.left, l.ends = perMinute, perMinute, time.Time{}
}
