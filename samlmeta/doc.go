// Package samlmeta is for reading the metadata of a SAML identity provider: who
// it says it is (entityID) and with which certificates it signs. IAM keeps such
// a document in every SAML provider, and an IdP gives one out for every app.
//
// It must never fetch anything, never expand a DTD, and never say that a
// certificate is good: it only says which ones the document names.
package samlmeta
