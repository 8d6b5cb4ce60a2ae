// Package copies is for keeping the audit record a second time, outside: in a
// file on other storage, or with whoever receives a signed webhook. Somebody who
// can change this machine's file cannot change what stands there (spec 14).
//
// It must never make anybody wait who records something: the file of this
// machine is the queue, and a copy that fails or hangs is a finding (spec 11.4).
// It sends what the record holds, redacted as that is, and nothing else.
//
// A record is copied at least once: after a failure a receiver may see it again,
// with the same number and hash.
package copies
