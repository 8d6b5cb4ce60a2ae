package health

import (
	"testing"
	"time"
)

// Each result counts once, under its outcome; times are kept of good answers
// only, and not without end.
func TestBucket(t *testing.T) {
	t.Parallel()
	var b Bucket
	for range maxTook + 5 {
		b.Add(Result{Outcome: OK, Took: time.Millisecond})
	}
	b.Add(Result{Outcome: Failed, Took: time.Second})
	b.Add(Result{Outcome: Blocked, Took: time.Second})
	b.Add(Result{Outcome: Discarded, Took: time.Second})
	if b.OK != maxTook+5 || b.Failed != 1 || b.Blocked != 1 || len(b.Took) != maxTook {
		t.Errorf("counted %d, %d, %d with %d times", b.OK, b.Failed, b.Blocked, len(b.Took))
	}
	at := time.Date(2026, 11, 22, 7, 4, 59, 0, time.FixedZone("x", 3600))
	if got := BucketStart(at); !got.Equal(time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)) || got.Location() != time.UTC {
		t.Errorf("it starts at %s", got)
	}
}
