// Package onelogin is for moving SAML apps of a OneLogin account: a thin HTTP
// client for API v2, the table of OneLogin's errors, and the Codec that knows
// the JSON of the SAML custom connector, the one kind of app whose endpoint can
// be set by API. It works on raw JSON and sends nothing but an app's own
// configuration: OneLogin merges what it is sent and stores it as it came.
//
// It must never revoke a token (every process with the same credential shares
// it), never send role_ids, which would replace the list of those who may use
// the app, never add a configuration key that the app did not have, and never
// repeat a write on its own.
package onelogin
