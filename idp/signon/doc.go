// Package signon is for one sign-on of a test user at an IdP's own pages, as
// far as the page whose form would post a SAML response: cookies, redirects and
// the form, for the vendors whose API does not hand a response out.
//
// It must never go to a host that is not the tenant's own, never post that form
// to AWS, never run a page's script, and never put a cookie, a token, a
// password, a query or a response into an error.
package signon
