package call

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// calmShare is how much of a rate bucket calm-time traffic may use, and how
	// much it leaves for a move (spec 2.3).
	calmShare = 0.3
	jitter    = 500 * time.Millisecond
	// drift is how much later the end of a window may seem to be without being
	// the end of another one: vendors round to seconds.
	drift         = 5 * time.Second
	assumedWindow = time.Minute
	// longestWindow bounds what an answer may claim: no vendor counts over more
	// than an hour, and a wrong header must not silence calm reads for days.
	longestWindow = time.Hour
)

// Bucket is what a vendor says of one rate bucket, and how many of its calls in
// this window were ours. The zero value is ready to use and learns its limit
// from the answers. Safe for concurrent use.
type Bucket struct {
	// Assumed is the limit per minute where the vendor's answers state none; 0 =
	// nothing is held back then. Set it before the first call.
	Assumed int

	mu        sync.Mutex
	limit     int
	remaining int
	ours      int
	booked    int       // calm calls let through whose answer has not come
	until     time.Time // end of the window, on our clock
}

// saw takes in what an answer says.
func (b *Bucket) saw(r Rate, stated bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !stated || r.Limit <= 0 || r.Reset <= 0 {
		if b.Assumed <= 0 {
			return
		}
		b.assume(now)
		return
	}
	b.arrived()
	if end := now.Add(min(r.Reset, longestWindow)); !now.Before(b.until) || end.After(b.until.Add(drift)) {
		b.until, b.ours, b.booked = end, 0, 0
	}
	b.ours++
	b.limit, b.remaining = r.Limit, r.Remaining
}

// assume counts a call against the assumed limit, in windows of our own.
func (b *Bucket) assume(now time.Time) {
	b.arrived()
	if !now.Before(b.until) {
		b.until, b.ours, b.booked = now.Add(assumedWindow), 0, 0
	}
	b.ours++
	b.limit, b.remaining = b.Assumed, b.Assumed
}

// arrived takes one booking back: its answer counts from now on.
func (b *Bucket) arrived() { b.booked = max(0, b.booked-1) }

// calmWait returns how long a calm-time call should wait; 0 for not at all, and
// then the call is booked, so that several at once do not all take the last
// place.
func (b *Bucket) calmWait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := calmShare * float64(b.limit)
	if b.limit == 0 || !now.Before(b.until) {
		return 0
	}
	if float64(b.ours+b.booked+1) <= share && float64(b.remaining-b.booked) > share {
		b.booked++
		return 0
	}
	return b.until.Sub(now)
}

// rate reads an answer's headers the vendor's way.
func (c *Caller) rate(h http.Header) (Rate, bool) {
	if c.vendor.Rate == nil {
		return Rate{}, false
	}
	return c.vendor.Rate(h, time.Now())
}

// throttleWait is how long a 429 asks us to wait: until its bucket's window
// ends or as Retry-After says, whichever is later, else a little longer with
// each attempt.
func (c *Caller) throttleWait(h http.Header, attempt int) time.Duration {
	now := time.Now()
	r, _ := c.rate(h)
	wait := max(r.Reset, RetryAfter(h, now))
	if wait <= 0 {
		wait = time.Second << min(attempt, 5)
	}
	return wait + rand.N(jitter)
}

// RetryAfter reads the header of that name, seconds or a date (RFC 9110 section
// 10.2.3); 0 = it is absent, wrong, or in the past.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.Atoi(text); err == nil {
		return seconds(s)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(sent(h, now)))
	}
	return 0
}

// UntilEpoch reads a header that holds a moment in seconds since 1970 and
// returns the time from the answer to it, by the vendor's own clock where the
// answer has a Date; 0 = absent, wrong, or in the past.
func UntilEpoch(h http.Header, name string, now time.Time) time.Duration {
	at, err := strconv.ParseInt(strings.TrimSpace(h.Get(name)), 10, 64)
	if err != nil {
		return 0
	}
	return max(0, time.Unix(at, 0).Sub(sent(h, now)))
}

// SecondsLeft reads a header that holds a number of seconds; 0 = absent or
// wrong.
func SecondsLeft(h http.Header, name string) time.Duration {
	s, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
	if err != nil {
		return 0
	}
	return seconds(s)
}

// seconds bounds what a header says, so that a duration cannot overflow.
func seconds(s int) time.Duration {
	return time.Duration(min(max(s, 0), 1<<30)) * time.Second
}

// sent is when the vendor answered, by its own clock if it says so.
func sent(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}
