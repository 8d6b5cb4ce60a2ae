// Package okta is for a simulated Okta org: the admin API for SAML apps
// (list, read, replace, metadata), the token endpoint for service apps with
// private_key_jwt and DPoP, and the user portal that signs people in to
// AWS with what the admin API holds at that moment. Apps live as JSON trees
// with numbers as text, so that what a client sends back is what is stored.
//
// Behaviour follows Okta's management OpenAPI description, recorded exchanges
// of okta/terraform-provider-okta, and Okta's rate-limit and error-code pages.
// Where those are silent the simulator takes the worst case for a client; each
// such place says so. Points that matter to a client can be switched to their
// other reading: see Readings.
//
// It must never import product code, and never answer 200 for something that
// it did not do unless a test asked for exactly that.
package okta
