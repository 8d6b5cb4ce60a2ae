// Package audit is for the record without which nothing is changed: one JSON
// line per act, each bound to the one before by a hash, durable before the call
// returns.
//
// It must never lose an entry that it has acknowledged, never append to a chain
// that is broken, and never hold a secret: what is recorded encodes itself
// (package secret encodes as "[redacted]").
package audit
