package control

import "time"

// JobOutcome is how one run of a scheduled job ended.
type JobOutcome string

// The outcomes.
const (
	JobDone        JobOutcome = "done"
	JobFailed      JobOutcome = "failed"
	JobInterrupted JobOutcome = "interrupted" // it will be run again once it is calm
	JobSkipped     JobOutcome = "skipped"     // the run before had not ended
)

// JobStatus is how one scheduled job stands. Schedule is its line in the config,
// "off" for one that never runs; Next are its next runs, none then.
type JobStatus struct {
	Name        string      `json:"name"`
	Schedule    string      `json:"schedule"`
	Next        []time.Time `json:"next,omitempty"`
	Running     bool        `json:"running,omitempty"`
	Waiting     bool        `json:"waiting,omitempty"` // due, and waits for calm
	LastStart   time.Time   `json:"last_start,omitzero"`
	LastEnd     time.Time   `json:"last_end,omitzero"`
	LastOutcome JobOutcome  `json:"last_outcome,omitempty"`
	LastError   string      `json:"last_error,omitempty"`
	Skipped     int         `json:"skipped,omitempty"` // runs left out since the start
	LastSkip    time.Time   `json:"last_skip,omitzero"`
}
