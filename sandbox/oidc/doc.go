// Package oidc is for a simulated OpenID Connect issuer: discovery, a key set
// that rotates, and tokens for people of the world, good ones and bad ones. It
// follows OpenID Connect Discovery 1.0 and RFC 7517 to 7519.
//
// It must never share code with the product that checks its tokens, nor import
// product code but signin.
package oidc
