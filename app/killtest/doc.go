// Package killtest is for what is left when the real program is killed by SIGKILL
// between the acknowledgement of a request and its work, in the middle of it and
// before it is told: for Slack's slash command and buttons, a hook and the API.
// What was written, and what people see, is read from the simulated vendors. It
// holds tests only.
//
// It must never use a network but the simulated one and loopback, and never leave
// a process behind.
package killtest
