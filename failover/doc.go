// Package failover is for deciding: given a Situation (everything that was read
// and observed, with the time), the Rules say hold, propose or move, why, on
// which evidence, and what would change the answer; a Plan holds the exact
// steps of the move with before and after. All of it is pure and encodes as
// JSON, so that a decision can be explained, simulated and audited.
//
// It must never do I/O, never read a clock, and never name a Region that the
// federation does not allow.
package failover
