// Package gate is for what every request from the network passes before it
// reaches a use case: limits, the list of host names, the source address, the
// proof of who asks, and the body as a whole.
//
// It must never know a use case, decide what a caller may do, or write a
// credential anywhere; a request that it cannot place is refused.
package gate
