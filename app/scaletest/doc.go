// Package scaletest is for the real binary over a fleet of 20,000 roles in 100
// accounts, served over sockets: what a scan and an apply cost, how much memory
// they take, and what is left when apply is killed again and again. What was
// written is counted by the simulated IAM. It holds tests only.
//
// It must never use a network but the simulated one, and never leave a process
// behind.
package scaletest
