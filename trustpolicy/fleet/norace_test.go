//go:build !race

package fleet_test

const slowed = false
