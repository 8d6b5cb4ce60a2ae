// Package account is for the simulated AWS Account Management (AWS Account
// Management Reference Guide, API): the one read call that says which Regions an
// account has enabled, over signed REST with JSON.
//
// It must never answer an unsigned or unauthorised call, nor tell one account
// about another.
package account
