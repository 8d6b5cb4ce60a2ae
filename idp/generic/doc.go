// Package generic is for moving SAML apps of an identity provider that has no
// adapter here, through a signed HTTP webhook that the operator runs in front
// of it. The contract (docs/idp/generic.md) is to read and to write one JSON
// document per app. A thin HTTP client signs each call, and the Codec knows the
// few keys of the document that have a meaning here; all others are the
// operator's own and go back as they came.
//
// It must never send the secret itself, never change a key but acs and
// relay_state, never take a webhook's success for done, and never repeat a
// write on its own.
package generic
