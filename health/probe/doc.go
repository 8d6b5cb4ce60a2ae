// Package probe is for asking AWS's Regional hosts whether they serve: the
// sign-in host for its SP metadata, the Regional STS with a junk assertion, the
// console host for any answer. It says how far each probe came, what the answer
// means and what it proves, and its Runner keeps probing on a monotonic
// schedule of its own.
//
// It must never decide anything, follow a redirect, send credentials, or ask a
// host that the signin catalogue does not hold.
package probe
