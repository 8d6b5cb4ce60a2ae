// Package server is for HTTP in front of control: it authenticates, decodes,
// calls the use case, encodes. Today it answers on the controller's own Unix
// socket; the network API will widen the same handlers.
//
// It must never hold a rule or any state of its own, and never answer without a
// token.
package server
