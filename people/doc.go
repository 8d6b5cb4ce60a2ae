// Package people is for who asks: persons, the ways in which they prove who they
// are, and the role that each has in each federation. It holds values only, so
// that socket, network API, Slack, hooks and tests mean the same by a caller.
//
// It must never read a request, open a connection or keep a secret: a token is
// known by its digest, and the doors (server) say which proof they have checked.
package people
