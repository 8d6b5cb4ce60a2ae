// Package awsaccess is for every AWS client of the product: base credentials,
// roles assumed through a Regional STS with other Regions to fall back to, and
// an IAM client per account in its own partition. AWS endpoints come from the
// SDK's own rules; variables and config files that name others are ignored
// unless the operator allows them (spec 15.2).
//
// It must never use the global STS endpoint, read the environment itself (the
// SDK's default credential chain does, when nothing else is configured), or be
// needed by a step of a move.
package awsaccess
