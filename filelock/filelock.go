// Package filelock is for keeping a second process away from a file or folder
// that has one owner: the audit file, the store's data folder.
//
// It must never wait for the lock, and never take what another process holds.
package filelock

import "fmt"

// Held is the error of Acquire when another process has the lock. PID is what
// the holder wrote into the file, 0 when it cannot be read.
type Held struct {
	Path  string
	PID   int
	Cause error
}

// Error names the file, the holder and the cause.
func (h *Held) Error() string {
	if h.PID == 0 {
		return fmt.Sprintf("lock %s: another process holds it: %v", h.Path, h.Cause)
	}
	return fmt.Sprintf("lock %s: another process (%d) holds it: %v", h.Path, h.PID, h.Cause)
}

// Unwrap returns the system's own error.
func (h *Held) Unwrap() error { return h.Cause }
