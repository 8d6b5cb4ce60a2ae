package okta

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// bucket is a rate limit as Okta counts it: so many calls per window, and a new
// window begins with the first call after the old one ended.
type bucket struct {
	mu    sync.Mutex
	limit int
	left  int
	ends  time.Time
}

const rateWindow = time.Minute

// take counts one call, writes the rate headers (a window ends on a whole
// second, reset is that second since 1970) and reports whether the call may go
// on.
func (b *bucket) take(h http.Header) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if !now.Before(b.ends) {
		b.left, b.ends = b.limit, now.Add(rateWindow).Truncate(time.Second)
	}
	ok := b.left > 0
	if ok {
		b.left--
	}
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(b.limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(b.left))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(b.ends.Unix(), 10))
	return ok
}

// setLimit changes the limit; the current window starts again.
func (b *bucket) setLimit(perMinute int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.left, b.ends = perMinute, perMinute, time.Time{}
}
