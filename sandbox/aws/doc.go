// Package aws is for the AWS side of the sandbox: accounts with roles and SAML
// providers, the sign-in endpoint and the console of every Region, STS, and one
// IAM control plane per partition, strict enough that a login in it means
// something. New makes a world, Sites lists its hosts.
//
// What is not verified about AWS is listed at Strictness; the zero value is the
// strict side. Also ours, not AWS's: the order of ValidationError checks; a
// comment anywhere in a SAML response is refused; a foreign RelayState lands on
// the console home; the identity policies of users and roles are plain lists of
// actions (Role.Allow).
//
// It must never dial anything and never import product code but signin.
package aws
