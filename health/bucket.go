package health

import (
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// BucketSpan is the time that one Bucket of probe history covers.
const BucketSpan = 5 * time.Minute

// maxTook bounds the times that a bucket keeps: one a second.
const maxTook = 300

// Bucket is what one vantage saw of one Region with one kind of probe in one
// span of time: the history that a median latency is taken from. Start is a
// multiple of BucketSpan (UTC); Took are the times of the good answers, the
// first 300 of them.
type Bucket struct {
	Vantage string          `json:"vantage"`
	Region  signin.Region   `json:"region"`
	Kind    Kind            `json:"kind"`
	Start   time.Time       `json:"start"`
	OK      int             `json:"ok"`
	Failed  int             `json:"failed"`
	Blocked int             `json:"blocked"`
	Took    []time.Duration `json:"took,omitempty"` // nanoseconds in JSON
}

// BucketStart returns the start of the bucket that a time belongs to.
func BucketStart(t time.Time) time.Time { return t.UTC().Truncate(BucketSpan) }

// Add counts one result; one that was discarded is not counted.
func (b *Bucket) Add(r Result) {
	switch r.Outcome {
	case OK:
		b.OK++
		if len(b.Took) < maxTook {
			b.Took = append(b.Took, r.Took)
		}
	case Failed:
		b.Failed++
	case Blocked:
		b.Blocked++
	}
}
