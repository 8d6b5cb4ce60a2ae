// Package control is for the use cases: status, plan, move, explain, trust. It
// checks who asks, records the act, and acts; command line, API and later Slack
// only translate, so that each gives the same rule, code and words.
//
// It must never know how a request came in, and never hold a rule about when to
// move: those are failover's.
package control
