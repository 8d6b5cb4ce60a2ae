// Package world is for the state of the simulated AWS: partitions, accounts,
// SAML providers, roles, access keys and the sessions that sign-in and STS have
// issued. The handlers of the other packages read and change it.
//
// It must never answer HTTP and never decide whether somebody may do something.
// All methods may be called concurrently; what they return are copies.
package world
