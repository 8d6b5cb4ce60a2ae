//go:build !race

package crashtest

// underRace: the race detector is at work.
const underRace = false
