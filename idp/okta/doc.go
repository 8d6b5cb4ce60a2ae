// Package okta is for moving SAML apps of an Okta org: its way to sign calls (API
// token, or service app with private key and DPoP), the table of its errors, and
// the Codec that knows the JSON of custom SAML 2.0 apps and of the catalogue's
// AWS Account Federation app. It works on raw JSON, because an app's full replacement must carry
// back every key and every null that it came with.
//
// It must never deactivate or activate an app, never follow a link off the
// org's own origin, never repeat a write on its own, and never decode an app
// into a struct and send that.
package okta
