// Package assertion is for reading a SAML response the way AWS does: bounded
// XML, exactly one assertion, a signature by a key of the provider's metadata,
// and values taken from the signed, canonicalised element only. Sources: IAM
// User Guide, "Configure SAML assertions for the authentication response" and
// "Troubleshoot SAML federation with IAM"; STS API Reference,
// "AssumeRoleWithSAML". Where AWS's strictness is not published this package is
// the strict side, and says so at the place.
//
// It must never read a value from an element that no accepted signature covers,
// except to find out whose signature to expect, and never decide about roles.
package assertion
