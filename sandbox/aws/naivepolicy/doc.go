// Package naivepolicy is for the sandbox's own answer to one question: does
// this role trust policy let this caller do this? It is deliberately small and
// plain, shares no code with the product's evaluator, and is strict: what it
// does not understand never grants (in an Allow) and always bites (in a Deny).
// The rules are those of the IAM User Guide, "Policy evaluation logic", "IAM
// JSON policy elements" (Principal, Action, Condition operators) and "Creating
// a condition with multiple keys or values".
//
// It must never import another package of this project and never do I/O.
package naivepolicy
