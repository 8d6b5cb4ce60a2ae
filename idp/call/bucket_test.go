package call_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
)

// The three ways in which vendors say how long to wait.
func TestWaitHeaders(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ahead := now.Add(time.Minute).Format(http.TimeFormat) // the vendor's clock is a minute ahead
	for _, tt := range []struct {
		name, value, date string
		want              time.Duration
	}{
		{"Retry-After", "7", "", 7 * time.Second},
		{"Retry-After", now.Add(90 * time.Second).Format(http.TimeFormat), "", 90 * time.Second},
		{"Retry-After", now.Add(90 * time.Second).Format(http.TimeFormat), ahead, 30 * time.Second},
		{"Retry-After", "soon", "", 0}, {"Retry-After", "-3", "", 0}, {"Retry-After", "", "", 0},
		{"Retry-After", "9999999999", "", 1 << 30 * time.Second},
		{"Reset", "1793534430", "", 30 * time.Second},
		{"Reset", "1793534430", ahead, 0},
		{"Reset", "1793534490", ahead, 30 * time.Second},
		{"Reset", "x", "", 0},
		{"Left", "832", "", 832 * time.Second}, {"Left", "-1", "", 0}, {"Left", "1.5", "", 0},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if tt.date != "" {
			h.Set("Date", tt.date)
		}
		got := map[string]time.Duration{"Retry-After": call.RetryAfter(h, now), "Reset": call.UntilEpoch(h, "Reset", now), "Left": call.SecondsLeft(h, "Left")}[tt.name]
		if got != tt.want {
			t.Errorf("%s: %q (date %q): %v, want %v", tt.name, tt.value, tt.date, got, tt.want)
		}
	}
}

// calmCalls counts how many calm calls get through within 10 s of a window.
func calmCalls(t *testing.T, b *call.Bucket, answer func(*http.Request) (*http.Response, error)) int {
	s := &server{answer: answer}
	c := caller(t, s, vendor())
	begun := time.Now()
	for n := 0; ; n++ {
		if n > 300 {
			return n
		}
		if _, err := c.Get(idp.Calm(t.Context()), call.Request{Bucket: b, Path: "/x"}); err != nil {
			t.Fatal(err)
		}
		if time.Since(begun) > 10*time.Second {
			return n
		}
	}
}

// spec 2.3: calm-time traffic takes 30 % of what the vendor states, else of
// what we assume; without either nothing is held back.
func TestCalmShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		stated := func(*http.Request) (*http.Response, error) {
			left := 60*time.Second - time.Since(begun)%(60*time.Second)
			return reply(200, "X-Left", strconv.Itoa(int(left/time.Second)))
		}
		silent := func(*http.Request) (*http.Response, error) { return reply(200) }
		if n := calmCalls(t, &call.Bucket{}, stated); n != 30 {
			t.Errorf("stated limit of 100: %d calm calls in a window", n)
		}
		if n := calmCalls(t, &call.Bucket{Assumed: 50}, silent); n != 15 {
			t.Errorf("assumed limit of 50: %d calm calls in a window", n)
		}
		if n := calmCalls(t, &call.Bucket{}, silent); n <= 300 {
			t.Errorf("no limit: held back after %d", n)
		}
	})
}

// spec 2.3: a move does not wait for calm-time traffic's share.
func TestAMoveIsNotHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(*http.Request) (*http.Response, error) { return reply(200, "X-Left", "60") }}
		c := caller(t, s, vendor())
		b := &call.Bucket{}
		begun := time.Now()
		for range 90 {
			if _, err := c.Get(t.Context(), call.Request{Bucket: b, Path: "/x"}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("waited %v", took)
		}
	})
}

// spec 2.3: calls that start together do not all take the last place of the
// calm-time share. The saboteur would be a bucket that counts answers only.
func TestCalmCallsAtOnceShareTheBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		s := &server{answer: func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			<-time.After(50 * time.Millisecond)
			return reply(200, "X-Left", "60")
		}}
		c, b := caller(t, s, vendor()), &call.Bucket{}
		get := func() {
			ctx, cancel := context.WithTimeout(idp.Calm(t.Context()), time.Second)
			defer cancel()
			_, _ = c.Get(ctx, call.Request{Bucket: b, Subject: "app x", Path: "/x"}) // some are held back, that is the point
		}
		get() // learns the limit of 100
		var all sync.WaitGroup
		for range 80 {
			all.Go(get)
		}
		all.Wait()
		if n := asked.Load(); n != 30 {
			t.Errorf("%d calm calls went out of a bucket of 100, want 30", n)
		}
	})
}
