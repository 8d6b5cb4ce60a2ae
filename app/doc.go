// Package app is for the wiring: it turns a checked config into a running
// service, or into the pieces that a single command needs. Serve, demo and the
// end-to-end tests all start here.
//
// It must never hold a rule of its own and never read the environment (the
// caller hands it over).
package app
