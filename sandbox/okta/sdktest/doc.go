// Package sdktest is for holding the simulated Okta org against somebody else's
// client: Okta's own Go SDK. It is a module of its own, so that the SDK's many
// dependencies stay out of the product's.
//
// It must never be linked into anything; it holds tests only, which CI runs.
package sdktest
