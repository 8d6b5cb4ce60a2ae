// Package runbook is for the paper of the day on which everything else is dead:
// which field of which app a person sets to which value, for every Region, in
// which order, whom to call, how to see that it worked and how to go back. It
// computes that from what was last read, and renders it as Markdown and as one
// HTML file.
//
// It must never call anybody, never hold a secret, and never let text from
// outside act on the page that shows it.
package runbook
