// Package portal is for the user side of a simulated identity provider: the
// sign-in page, the dashboard with its tiles, and the page that posts a signed
// SAML response to AWS. Issuer makes the response, Pages shows the pages, and
// the vendor's simulator (sandbox/okta and its siblings) says through Directory
// who may sign in and what an app's response holds right now.
//
// It must never keep app settings of its own (the vendor's admin API is the
// single state), never sign with SHA-1, and never import product code.
package portal
