// Package api is for the HTTP API under /api/v1: it translates requests into use
// cases of control and their answers and failures back, and describes itself as
// OpenAPI 3.1.
//
// It must never hold a rule, let a caller in by itself, or show an error that
// was not written for the caller.
package api
