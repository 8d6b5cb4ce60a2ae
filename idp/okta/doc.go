// Package okta is for moving SAML apps of an Okta org: a thin HTTP client, the
// table of Okta's errors, and the Codec that knows the JSON of a custom SAML
// 2.0 app. It works on raw JSON, because an app's full replacement must carry
// back every key and every null that it came with.
//
// It must never deactivate or activate an app, never follow a link off the
// org's own origin, never repeat a write on its own, and never decode an app
// into a struct and send that.
package okta
