//go:build race

package app_test

// underRace: the race detector is at work.
const underRace = true
