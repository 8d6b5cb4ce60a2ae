// Package crashtest is for killing moves: it runs them with the product's own
// adapters against the simulated world, ends the process at every boundary that
// it crosses (journal, audit record, lease, locks, every call to an identity
// provider, before and after), lets the next leader finish, and looks at what
// the identity providers hold and what they were asked. docs/crash-points.md is
// generated from it.
//
// It must never hold product code, and nothing may import it.
package crashtest
