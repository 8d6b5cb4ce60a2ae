// Package signin is for the simulated AWS Sign-In endpoint of one Region: the
// service-provider metadata, the SAML endpoints /saml and /saml/acs/<ID>, the
// role chooser and the failure pages (IAM User Guide, "Enabling SAML 2.0
// federated principals to access the AWS Management Console" and "Troubleshoot
// SAML federation with IAM").
//
// It must never open a console session before every check has passed, and never
// redirect to a host that is not AWS's.
package signin
