package control

import "time"

// SinkStatus is how one sink of notifications stands, as counted since this
// controller began to lead. FailingSince is zero while the last try succeeded.
type SinkStatus struct {
	Name         string    `json:"name"`
	Kind         string    `json:"kind"`
	Queued       int       `json:"queued"`
	Oldest       time.Time `json:"oldest,omitzero"` // of what waits
	Sent         int       `json:"sent"`
	LastSent     time.Time `json:"last_sent,omitzero"`
	Failures     int       `json:"failures,omitempty"` // tries that failed
	FailingSince time.Time `json:"failing_since,omitzero"`
	LastError    string    `json:"last_error,omitempty"`
	GivenUp      int       `json:"given_up,omitempty"` // messages
	LastGivenUp  time.Time `json:"last_given_up,omitzero"`
	Lost         int       `json:"lost,omitempty"` // messages that came too fast for any sink
	Finding      *Finding  `json:"finding,omitempty"`
}
