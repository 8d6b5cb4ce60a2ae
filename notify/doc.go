// Package notify is for telling people what happens: Slack, PagerDuty and signed
// webhooks. What is told is kept first and sent then, in order, again and again
// until it has arrived or is too old, by whoever leads.
//
// It must never make a move, a decision or a probe wait, never decide anything,
// and never let a secret into a message, an error or a log.
//
// Delivery is at least once. A leader that dies between a delivery and its note
// of it leaves the message to the next, which sends it again: PagerDuty drops
// the repetition by its dedup key, receivers of webhooks by the message's id,
// Slack shows it twice.
package notify
