// Package store is for what must outlive a controller and be the same for all
// of them: the journal of moves, the leadership, pauses and locks, the
// inventory, observations, the audit record. It speaks the etcd v3 API, with
// one code path for three ways to run it: one embedded member, embedded members
// that form a cluster among the controllers, and a cluster that exists already.
//
// Every write of a leader is a transaction that compares the leader's election
// key, so that a deposed leader's write is refused. Every record that steers a
// write is sealed (package seal) and bound to its place and time in etcd.
//
// It must never write for a leader whose leadership is over, never hand out a
// record that it cannot vouch for, and never open a TCP port for a single
// member. docs/store.md says what is detected and what is not.
package store
