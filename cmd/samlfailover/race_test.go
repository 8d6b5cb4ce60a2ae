//go:build race

package main

// underRace: the race detector is at work.
const underRace = true
