// Package prove is for showing more of a moved app than a read-back can: a test
// user signs in through it, and what it issues is checked as AWS would check it
// (spec 3, P3).
//
// It must never round a level up, never redeem, keep or log an assertion, never
// change an app, and never try a refused password again.
package prove
