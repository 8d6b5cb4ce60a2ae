// Package approval is for proposals: moves that wait for people to agree. It
// knows who counts, when enough have approved, and what makes a proposal void.
//
// It must never keep a proposal, look at a clock or carry anything out: control
// does, and every answer here follows from the values alone.
package approval
