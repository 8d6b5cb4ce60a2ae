package control

import (
	"time"

	"github.com/samlfailover/samlfailover/finding"
)

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
	// Finding is what the error carries, for people.
	Finding  *finding.Finding `json:"finding,omitempty"`
	Skipped  int              `json:"skipped,omitempty"` // runs left out since the start
	LastSkip time.Time        `json:"last_skip,omitzero"`
}

// ReloadOutcome is how a reload of the config ended.
type ReloadOutcome string

// The outcomes.
const (
	ReloadApplied   ReloadOutcome = "applied"
	ReloadRefused   ReloadOutcome = "refused"   // the config from before stays in force
	ReloadUnchanged ReloadOutcome = "unchanged" // it says the same as before
	ReloadWaiting   ReloadOutcome = "waiting"   // for a move that runs
)

// ReloadStatus is how the last reload ended. Digest is that of the config it was
// about, where it could be read; Errors say why it was refused.
type ReloadStatus struct {
	At      time.Time     `json:"at"`
	Outcome ReloadOutcome `json:"outcome"`
	Trigger string        `json:"trigger"`
	Digest  string        `json:"digest,omitempty"`
	Changes int           `json:"changes"`
	Errors  []string      `json:"errors,omitempty"`
}
