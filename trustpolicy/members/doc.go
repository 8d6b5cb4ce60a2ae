// Package members is for which AWS accounts a federation has: those that its
// config lists, and those that its config chooses of an AWS organization, as
// last read.
//
// It must never be asked for by a decision or a move, since AWS Organizations
// lives in one Region, and never drop an account because Organizations is silent.
package members
