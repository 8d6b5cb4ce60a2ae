// Package assertion is for checking a SAML response that an IdP's app issued to
// a test user, as AWS would read it: one assertion, signed by a certificate
// that IAM has for the provider, for one endpoint, not yet over. It is pure:
// bytes in, the failed points out.
//
// It must never redeem a response, store it, or show a part of it that could be
// redeemed; never read a value from outside what the signature covers where the
// signature covers it; and never accept what it does not understand.
package assertion
