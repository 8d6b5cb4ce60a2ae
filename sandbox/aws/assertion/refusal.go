package assertion

import (
	"fmt"
	"net/http"
)

// Refusal is a login that failed, in AWS's words and in ours.
type Refusal struct {
	Status        int
	Code, Message string // STS error code and AWS's sentence
	// Service and Inner name the service behind STS that refused and its own
	// error code; STS then adds them to its message.
	Service, Inner string
	// Junk marks what the sign-in page answers with its general sentence.
	Junk bool
	// Why is the sandbox's own explanation; AWS says nothing like it.
	Why string
}

// JunkSentence is the sign-in page's general refusal (IAM User Guide,
// "Troubleshoot SAML federation with IAM").
const JunkSentence = "Your request included an invalid SAML response. To logout, click here."

const openID = "AWSOpenIdDiscoveryService"

// Error returns code, message and reason.
func (r *Refusal) Error() string { return r.Code + ": " + r.Message + ": " + r.Why }

// STSMessage returns the message of STS's error answer.
func (r *Refusal) STSMessage(requestID string) string {
	if r.Inner == "" {
		return r.Message
	}
	return fmt.Sprintf("%s (Service: %s; Status Code: %d; Error Code: %s; Request ID: %s)", r.Message, r.Service, r.Status, r.Inner, requestID)
}

// PageMessage returns the sentence of the sign-in page.
func (r *Refusal) PageMessage(requestID string) string {
	switch {
	case r.Junk:
		return JunkSentence
	case r.Inner != "":
		return r.STSMessage(requestID)
	}
	return fmt.Sprintf("%s (Service: AWSSecurityTokenService; Status Code: %d; Error Code: %s; Request ID: %s)", r.Message, r.Status, r.Code, requestID)
}

// junk is a response that could not even be read.
func junk(why string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "InvalidIdentityToken", Message: "Invalid base64 SAMLResponse",
		Service: openID, Inner: "AuthSamlInvalidSamlResponseException", Junk: true, Why: fmt.Sprintf(why, args...)}
}

// Misshapen is a readable response that is not what AWS documents.
func Misshapen(why string, args ...any) *Refusal {
	r := junk(why, args...)
	r.Message = "Invalid SAML response"
	return r
}

// Invalid is an InvalidIdentityToken with AWS's own sentence.
func Invalid(message, why string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "InvalidIdentityToken", Message: message, Why: fmt.Sprintf(why, args...)}
}

func badSignature(why string, args ...any) *Refusal {
	return Invalid("Response signature invalid", why, args...)
}

// Expired is an assertion that came too late.
func Expired(why string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "ExpiredTokenException",
		Message: "Token must be redeemed within 5 minutes of issuance", Why: fmt.Sprintf(why, args...)}
}

// NoProvider says that the provider of the Role attribute does not exist.
func NoProvider(why string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "InvalidIdentityToken", Message: "Specified provider doesn't exist",
		Service: openID, Inner: "AuthSamlManifestNotFoundException", Why: fmt.Sprintf(why, args...)}
}

func wrongIssuer(why string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Code: "InvalidIdentityToken", Message: "Issuer not present in specified provider",
		Service: openID, Inner: "AuthSamlInvalidSamlResponseException", Why: fmt.Sprintf(why, args...)}
}

// Denied says that the role does not admit this login.
func Denied(why string, args ...any) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Code: "AccessDenied",
		Message: "Not authorized to perform sts:AssumeRoleWithSAML", Why: fmt.Sprintf(why, args...)}
}
