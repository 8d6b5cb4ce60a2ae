// Package clustertest is for three controllers as processes in one simulated
// world: the real binary, a network for each of them, and what can happen to
// them in the middle of a move (killed, frozen, cut off, without a majority, with
// a broken disk or certificate). What they wrote is judged by the log of the
// simulated identity providers, not by what they say of themselves. It holds
// tests only.
//
// It must never use the network of the machine: addresses are in namespaces of
// its own, or on loopback. It must never leave a process behind.
package clustertest
