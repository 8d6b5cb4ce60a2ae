package idp

import "context"

type calmKey struct{}

// Calm marks the calls under ctx as calm-time traffic (regular reads, lists):
// an adapter keeps it below 30 % of the vendor's rate bucket, so that a move
// has room (spec 2.3). Calls without the mark are not held back.
func Calm(ctx context.Context) context.Context {
	return context.WithValue(ctx, calmKey{}, true)
}

// IsCalm reports whether ctx carries the mark.
func IsCalm(ctx context.Context) bool {
	calm, _ := ctx.Value(calmKey{}).(bool)
	return calm
}
