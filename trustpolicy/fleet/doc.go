// Package fleet is for the trust policies of a whole federation: Scan reads the
// roles of its AWS accounts and says which Regions each could serve, Plan says
// what has to be added where, Apply writes it and reads it back.
//
// It must never write what trustpolicy.Edit would not produce, never take a
// text to write from a plan file, never touch a role that AWS or other
// automation owns, and never be called on the path of a failover: IAM's control
// plane lives in one Region of the partition (AWS whitepaper "AWS Fault
// Isolation Boundaries").
package fleet
