// Package move is for carrying out a plan: record, journal, then app by app
// read, write, read back, compare and prove, so that a move that was cut off at
// any point is finished by whoever leads next.
//
// It must never write without a durable record, never write after the lease is
// lost, never choose a Region, and never wait on IAM, Organizations, the global
// STS or any notifier (spec 9.2).
package move
