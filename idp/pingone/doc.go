// Package pingone is for moving SAML apps of a PingOne environment: a thin HTTP
// client with a worker app's token, the table of PingOne's errors, and the
// Codec that knows the JSON of a SAML application. It works on raw JSON,
// because an app's full replacement must carry back every key that it came
// with, known or not.
//
// PingOne here is the platform (console.pingone.*, environments, worker apps).
// PingOne for Enterprise (admin.pingone.com) is another service with another
// API and is not covered.
//
// It must never enable or disable an app, never write an app whose signing key
// it cannot see, never follow a link off the configured hosts, never repeat a
// write on its own, and never decode an app into a struct and send that.
package pingone
