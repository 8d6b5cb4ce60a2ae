// Package pingone is for a simulated PingOne tenant (the platform, not
// PingOne for Enterprise): the token endpoint, the admin API for applications
// and their attribute mappings, and the sign-on that sends people to AWS with
// what the admin API holds at that moment. Applications live as JSON trees with
// numbers as text, so that what a client sends back is what is stored.
//
// Behaviour follows the PingOne management OpenAPI description
// (patrickcping/pingone-go-sdk-v2, management/api/openapi.yaml) and the pages
// of developer.pingidentity.com on applications, SAML sign-on, errors, rate
// limits, paging and forward compatibility. Where those are silent there is a
// switch in Readings, or a comment that says "ours".
//
// It must never import product code, and never answer with success for
// something that it did not do unless a test asked for exactly that.
package pingone
