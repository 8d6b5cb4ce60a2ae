package okta

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// calmShare is how much of a rate bucket calm-time traffic may use, and how
	// much it leaves for a move (spec 2.3).
	calmShare = 0.3
	// longestWait is where waiting for a bucket stops making sense: Okta's
	// windows are one minute.
	longestWait = 2 * time.Minute
	jitter      = 500 * time.Millisecond
)

// bucket is what Okta's rate headers say of one bucket, and how many of its
// calls in this window were ours. Safe for concurrent use.
type bucket struct {
	mu        sync.Mutex
	limit     int
	remaining int
	ours      int
	window    int64     // epoch second of the reset, Okta's clock
	until     time.Time // the same on our clock
}

// saw takes in the headers of an answer (Okta developer docs, "Rate limits").
func (b *bucket) saw(h http.Header, now time.Time) {
	limit, errLimit := strconv.Atoi(h.Get("X-Rate-Limit-Limit"))
	remaining, errLeft := strconv.Atoi(h.Get("X-Rate-Limit-Remaining"))
	reset, errReset := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
	if errLimit != nil || errLeft != nil || errReset != nil || limit <= 0 {
		return // none, or those of a concurrency limit
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if reset != b.window {
		b.window, b.ours = reset, 0
		b.until = now.Add(untilReset(h, now))
	}
	b.ours++
	b.limit, b.remaining = limit, remaining
}

// calmWait returns how long a calm-time call should wait, 0 for not at all.
func (b *bucket) calmWait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := calmShare * float64(b.limit)
	if b.limit == 0 || !now.Before(b.until) || (float64(b.ours+1) <= share && float64(b.remaining) > share) {
		return 0
	}
	return b.until.Sub(now)
}

// untilReset is the time from an answer to its bucket's reset, by Okta's own
// clock where the answer has a Date.
func untilReset(h http.Header, now time.Time) time.Duration {
	reset, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	from := now
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		from = date
	}
	return time.Unix(reset, 0).Sub(from)
}

// throttleWait is how long a 429 asks us to wait: until the reset, else a
// little longer with each attempt.
func throttleWait(h http.Header, now time.Time, attempt int) time.Duration {
	wait := untilReset(h, now)
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
		wait = max(wait, time.Duration(s)*time.Second)
	}
	if wait <= 0 {
		wait = time.Second << min(attempt, 5)
	}
	return wait + rand.N(jitter)
}

// pause waits; false when the wait would not fit before the deadline, or the
// context ended.
func pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Now().Add(d).After(end) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
