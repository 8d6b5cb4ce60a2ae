//go:build race

package fleet_test

// slowed says that the race detector makes everything many times as slow.
const slowed = true
