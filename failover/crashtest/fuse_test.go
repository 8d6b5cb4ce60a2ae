package crashtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

var errCrashed = errors.New("the process is dead")

// crossing is one passage of a boundary: what is asked of the outer world, for
// which app or tenant ("": for the move as a whole), and the how manieth time in
// the life of the process. Apps move side by side; each has crossings of its
// own, so that a name means the same in every run.
type crossing struct {
	what, of string
	n        int
}

func (c crossing) String() string {
	s := c.what
	if c.n > 1 {
		s += fmt.Sprintf(" %d", c.n)
	}
	if c.of != "" {
		s += " of " + c.of
	}
	return s
}

// point is a moment at which a process may die: before the effect of a crossing,
// or between the effect and its answer.
type point struct {
	crossing
	after bool
}

func (p point) String() string {
	if p.after {
		return "after " + p.crossing.String()
	}
	return "before " + p.crossing.String()
}

// fuse ends a process at a point; the zero fuse never does. Nothing has an
// effect later, which is all that the world can see of a killed process.
type fuse struct {
	at  string // a point's text
	die func() // ends the process: it may return

	mu    sync.Mutex
	blown bool
	times map[crossing]int // by crossing without its number
	seen  []crossing       // in the order in which they began
}

// cross has an effect unless the process is dead. The effect runs without the
// lock: apps do not wait for each other.
func (f *fuse) cross(what, of string, effect func() error) error {
	c, dead := f.begin(what, of)
	if dead {
		return errCrashed
	}
	err := effect()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown || f.blows(point{c, true}) {
		return errCrashed
	}
	return err
}

// begin numbers a crossing and reports whether the process dies before it.
func (f *fuse) begin(what, of string) (c crossing, dead bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c = crossing{what: what, of: of}
	if f.blown {
		return c, true
	}
	if f.times == nil {
		f.times = map[crossing]int{}
	}
	f.times[c]++
	c.n = f.times[c]
	f.seen = append(f.seen, c)
	return c, f.blows(point{c, false})
}

// blows ends the process if this is the point; the caller holds the lock.
func (f *fuse) blows(p point) bool {
	if f.at == "" || p.String() != f.at {
		return false
	}
	f.blown = true
	f.die()
	return true
}

func (f *fuse) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blown
}

// points returns every point that the process has passed, in an order that does
// not depend on which app was faster: those of the move as a whole, then tenant
// by tenant and app by app, each in the order of its own life.
func (f *fuse) points() []point {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(f.seen)
	slices.SortStableFunc(all, func(a, b crossing) int { return strings.Compare(a.of, b.of) })
	var out []point
	for _, c := range all {
		out = append(out, point{c, false}, point{c, true})
	}
	return out
}

// forApp is the name of the app that a call belongs to, as its context says.
type forApp struct{}

func appOf(ctx context.Context) string {
	name, _ := ctx.Value(forApp{}).(string)
	return name
}
