package slack

import "time"

// bucket is a rate limit: so many calls, one of which comes back after each part
// of the span.
type bucket struct {
	most int
	gap  time.Duration
	left int
	at   time.Time // when left was counted
}

func newBucket(most int, span time.Duration) *bucket {
	return &bucket{most: most, gap: span / time.Duration(most), left: most}
}

// take counts a call; wait is how long the next one has to wait, 0 if this one
// may go on.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	if back := int(now.Sub(b.at) / b.gap); back > 0 || b.at.IsZero() {
		b.left, b.at = min(b.most, b.left+back), now
	}
	if b.left == 0 {
		return max(time.Second, (b.gap - now.Sub(b.at)).Round(time.Second))
	}
	b.left--
	return 0
}
