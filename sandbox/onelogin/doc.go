// Package onelogin is for a simulated OneLogin account: the token endpoint, the
// parts of API v2 that concern apps and connectors, the API that makes a SAML
// assertion, and the portal that sends people to AWS with what the API holds at
// that moment. Apps live as JSON trees, so that each value keeps the type that
// it was sent with.
//
// Behaviour follows developers.onelogin.com (API v2: tokens, rate limits, apps,
// connectors, query parameters, SAML assertions), OneLogin's knowledge base on
// AWS, and what onelogin/terraform-provider-onelogin and onelogin-go-sdk found
// on live accounts. Where those are silent there is a switch in Readings, or a
// comment that says "ours".
//
// It must never import product code, and never answer with success for
// something that it did not do unless a test asked for exactly that.
package onelogin
