package config

import (
	"errors"
	"fmt"
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

// Freeze is a window in which trust policies are not written.
type Freeze struct {
	From  Moment `yaml:"from" required:"true" doc:"When it begins, as 2026-12-20T00:00:00Z."`
	Until Moment `yaml:"until" required:"true" doc:"When it is over: the first moment at which writing is allowed again."`
	Why   string `yaml:"why" required:"true" pattern:"label" doc:"What for, as people are told who are refused."`
}

// Freezes returns the windows of freeze.
func (c *Config) Freezes() []federation.Freeze {
	var out []federation.Freeze
	for _, f := range c.Freeze {
		out = append(out, federation.Freeze{From: f.From.time(), Until: f.Until.time(), Why: f.Why})
	}
	return out
}

func (c *checker) freezes() {
	for i, f := range c.doc.Freeze {
		if f.From != "" && f.Until != "" && !f.From.time().Before(f.Until.time()) {
			c.fail(fmt.Sprintf("freeze[%d].until", i), fmt.Sprintf("%s is not after from %s, so the window never holds", f.Until, f.From), "make it later than from")
		}
	}
}
