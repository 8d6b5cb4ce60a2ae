// Package iam is for the simulated IAM control plane (IAM API Reference): roles,
// trust policies, SAML providers and the account summary, over the signed Query
// protocol.
//
// It must never let an unsigned or unauthorised call see or change anything.
package iam
