package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
)

// Moment is a point in time, as 2026-12-20T00:00:00Z.
type Moment string

// UnmarshalText accepts a time with its offset from UTC.
func (m *Moment) UnmarshalText(b []byte) error {
	if _, err := time.Parse(time.RFC3339, string(b)); err != nil {
		return errors.New("this is not a point in time; write it as 2026-12-20T00:00:00Z, or with an offset, 2026-12-20T00:00:00+01:00")
	}
	*m = Moment(b)
	return nil
}

// time returns the moment; zero when there is none.
func (m Moment) time() time.Time {
	t, _ := time.Parse(time.RFC3339, string(m))
	return t
}

// Freeze is a window in which trust policies are not written, and the moves that
// it names do not start.
type Freeze struct {
	From        Moment   `yaml:"from" required:"true" doc:"When it begins, as 2026-12-20T00:00:00Z."`
	Until       Moment   `yaml:"until" required:"true" doc:"When it is over: the first moment at which things are allowed again."`
	Why         string   `yaml:"why" required:"true" pattern:"label" doc:"What for, as people are told who are refused."`
	Federations []string `yaml:"federations" unique:"true" max:"200" doc:"Which federations it holds. Absent: all."`
	Moves       string   `yaml:"moves" default:"none" enum:"none,planned,all" doc:"Which moves it holds besides: none; planned ones, which do not leave an unhealthy Region; or all, so that only a person who overrides the rule freeze by name leaves an unhealthy Region."`
}

// Freezes returns the windows of freeze that hold a federation.
func (c *Config) Freezes(name string) []federation.Freeze {
	moves := map[string]federation.FrozenMoves{"planned": federation.FreezePlanned, "all": federation.FreezeEveryMove}
	var out []federation.Freeze
	for _, f := range c.Freeze {
		if len(f.Federations) == 0 || slices.Contains(f.Federations, name) {
			out = append(out, federation.Freeze{From: f.From.time(), Until: f.Until.time(), Why: f.Why, Moves: moves[f.Moves]})
		}
	}
	return out
}

func (c *checker) freezes() {
	for i, f := range c.doc.Freeze {
		path := fmt.Sprintf("freeze[%d]", i)
		if f.From != "" && f.Until != "" && !f.From.time().Before(f.Until.time()) {
			c.fail(path+".until", fmt.Sprintf("%s is not after from %s, so the window never holds", f.Until, f.From), "make it later than from")
		}
		c.federationsKnown(path+".federations", f.Federations)
	}
}
