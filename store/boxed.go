package store

import "context"

// Box returns every record of a box by its key, as of this moment.
func (r Reads) Box(ctx context.Context, kind string) (map[string][]byte, error) {
	out, err := r.box(ctx, kind)
	return out, BoxReads{kind: kind}.failed("read", err)
}
