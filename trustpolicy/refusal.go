package trustpolicy

import "fmt"

// RefusalCode names why an edit is refused.
type RefusalCode string

// The refusals.
const (
	RefusedRequest    RefusalCode = "bad-request"          // the wanted providers or audiences are not usable
	RefusedUnparsable RefusalCode = "unparsable"           // the text is not a trust policy
	RefusedCharacters RefusalCode = "characters"           // the text holds characters that IAM does not take
	RefusedShared     RefusalCode = "shared-statement"     // the edit would widen another provider's access
	RefusedOpen       RefusalCode = "open-principal"       // the edit would widen everybody's access
	RefusedOthers     RefusalCode = "other-principals"     // the edit would widen access of AWS or service principals
	RefusedVariable   RefusalCode = "policy-variable"      // SAML:aud is compared with ${...}
	RefusedOperator   RefusalCode = "unsupported-operator" // SAML:aud stands under an operator that is not built
	RefusedIgnoreCase RefusalCode = "ignore-case"          // SAML:aud is compared without regard to case
	RefusedExcluded   RefusalCode = "excluded-audience"    // an Allow excludes the audience by a negated operator
	RefusedDeny       RefusalCode = "deny-edit"            // a Deny keeps the audience out
	RefusedLast       RefusalCode = "last-audience"        // what is to go is all that a condition admits
	RefusedTooComplex RefusalCode = "too-many-conditions"  // more foreign conditions than the proof can enumerate
	RefusedUnprovable RefusalCode = "unproved"             // the proof found something else
)

// wholeDocument is the statement of a refusal that is about no single one.
const wholeDocument = -1

// Refusal says why no edit is made, and what a person can do. Statement is -1
// when it is about the whole document.
type Refusal struct {
	Code      RefusalCode
	Statement int
	Reason    string
	Remedy    string
}

// Error gives reason and remedy in one line.
func (r Refusal) Error() string {
	return fmt.Sprintf("%s [%s]; next: %s", r.Reason, r.Code, r.Remedy)
}
