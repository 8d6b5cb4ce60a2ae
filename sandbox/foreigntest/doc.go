// Package foreigntest is for other people's programs in the simulated world:
// curl, the AWS CLI, Chromium, python3-onelogin-saml2 and xmlsec1 of Debian,
// each with nothing but what sourcing the world's env file gives. What they
// accept and refuse was decided by nobody here. It holds tests only.
//
// It must never lend a program a setting that a reader of the env file would
// not have, and never let one see the proxy, the CA or the credentials of the
// machine that it runs on.
package foreigntest
