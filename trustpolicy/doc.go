// Package trustpolicy is for reading, judging and editing the trust policies of
// IAM roles that SAML sign-ins assume: Parse, Admits, Edit, Prove, Equivalent.
// It is pure: text in, values and typed refusals out.
//
// It must never do I/O, never import another package of this project, and never
// return an edit that it has not proved to add exactly the wanted audiences for
// the wanted providers.
//
// The evaluation rules follow the IAM User Guide: "Policy evaluation logic",
// "IAM JSON policy elements: Condition operators", "Conditions with multiple
// context keys or values", "Single-valued vs. multivalued context keys" and
// "Available keys for SAML-based federation". Where AWS documents nothing, the
// answer is Conditional, never a guess.
//
// All functions are safe for concurrent use; a Policy is immutable.
package trustpolicy
