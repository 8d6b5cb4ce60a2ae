// Package discover is for finding out what belongs together before anybody has
// written it down: it joins the AWS apps of all tenants, by issuer and signing
// certificate, to the SAML providers and roles of the AWS accounts, names the
// topology of each (spec 2.10), everything that has no counterpart, and the
// federations that follow. It is pure: values in, report out.
//
// It must never call an IdP or AWS, never guess a connection that issuer,
// certificate or the config in force do not show, and never decide what moves:
// what it drafts is for a person to read.
package discover
