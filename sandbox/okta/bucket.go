package okta

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/mishap"
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

// throttle refuses a request as if the limit were used up.
func (o *Org) throttle(w http.ResponseWriter, _ *http.Request) {
	o.rate.mu.Lock()
	limit := o.rate.limit
	o.rate.mu.Unlock()
	w.Header().Set("X-Okta-Request-Id", strings.ToLower(rand.Text()))
	w.Header().Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-Rate-Limit-Remaining", "0")
	w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Add(mishap.ThrottledFor*time.Second).Unix(), 10))
	rateExceeded().write(w)
}

// setLimit changes the limit; the current window starts again.
func (b *bucket) setLimit(perMinute int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.left, b.ends = perMinute, perMinute, time.Time{}
}
