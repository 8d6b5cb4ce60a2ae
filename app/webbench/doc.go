// Package webbench is for what a crowd costs: 200 clients of the network API of
// the real program, each with an open stream of events and a look at the status
// every second, while the sandbox's apps are moved to and fro. It holds tests
// only.
//
// It must never use a network but the simulated one and loopback, and never
// leave a process behind.
package webbench
