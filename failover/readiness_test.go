package failover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// both gives the two standby Regions a share that was changed in the same way.
func both(change func(*inventory.Share)) func(*Situation) {
	return func(s *Situation) {
		for i := range s.Shares {
			if s.Shares[i].Region != east {
				change(&s.Shares[i])
			}
		}
	}
}

// spec 6.1 spec 6.2 spec 5.6: over which roles min_ready_share is taken, what is
// too old for auto and never for a person, and what is not counted at all. A
// person may go below the share, by name.
func TestReadyEnough(t *testing.T) {
	t.Parallel()
	role := "arn:aws:iam::222222222222:role/admin"
	for _, c := range []struct {
		why    string
		change func(*inventory.Share)
		policy func(*federation.Policy)
		auto   Action // of the controller
		person Action // who asked for us-west-2
		says   string
	}{
		{"many new roles hide a broken account", func(s *inventory.Share) {
			s.Total, s.Ready, s.NotReady, s.Lowest = 1000, 990, nil, inventory.Tally{Account: "222222222222", Total: 20, Ready: 10}
		}, nil, Hold, Hold, "in account 222222222222 10 of 20"},
		{"every account is good enough", func(s *inventory.Share) { s.Lowest = inventory.Tally{Account: "222222222222", Total: 20, Ready: 19} }, nil, Move, Move, ""},
		{"an operator's list decides instead", func(s *inventory.Share) {
			s.Lowest, s.Over = inventory.Tally{Account: "222222222222", Total: 20}, &inventory.Tally{Total: 3, Ready: 3}
		}, nil, Move, Move, ""},
		{"of the list too few are ready", func(s *inventory.Share) { s.Total, s.Ready, s.Over = 60, 60, &inventory.Tally{Total: 3, Ready: 2} }, nil, Hold, Hold, "of share_over 2 of 3"},
		{"of the list one was read too long ago", func(s *inventory.Share) { s.Over = &inventory.Tally{Total: 3, Ready: 3, Stale: 1} }, nil, Hold, Move, "of share_over 2 of 3"},
		{"an account was read too long ago", func(s *inventory.Share) { s.Stale = []string{"222222222222"} }, nil, Hold, Move, "account 222222222222 was last read"},
		{"a role that must be ready is gone", func(s *inventory.Share) { s.Missing = []string{role} }, func(p *federation.Policy) { p.MustBeReady = []string{role} }, Hold, Hold, "did not see it"},
		{"a role that must be ready was read too long ago", func(s *inventory.Share) {
			s.Stale, s.Over = []string{"222222222222"}, &inventory.Tally{Total: 1, Ready: 1}
		},
			func(p *federation.Policy) { p.MustBeReady = []string{role} }, Hold, Move, "read too long ago"},
		{"some are excepted", func(s *inventory.Share) { s.Total, s.Ready, s.Excepted, s.NotReady = 20, 20, 40, nil }, nil, Move, Move, ""},
		{"all are excepted", func(s *inventory.Share) { *s = inventory.Share{Region: s.Region, Excepted: 60, TakenAt: s.TakenAt} }, nil, Hold, Move, "every role is excepted"},
		{"the whole scan is old", func(s *inventory.Share) { s.TakenAt = now.Add(-48 * time.Hour) }, nil, Hold, Move, "more than max_age"},
	} {
		s := with(outage(), both(c.change))
		if c.policy != nil {
			c.policy(&s.Federation.Policy)
		}
		d := Standard().Decide(s)
		if d.Outcome != c.auto || c.auto == Hold && (d.Rule != NotReady || !strings.Contains(d.Why, c.says)) {
			t.Errorf("%s: auto is told %s by %q: %s", c.why, d.Outcome, d.Rule, d.Why)
		}
		asked := Standard().Decide(ask(s, west))
		if asked.Outcome != c.person {
			t.Errorf("%s: a person is told %s by %q: %s", c.why, asked.Outcome, asked.Rule, asked.Why)
		}
		if got := Standard().Decide(ask(s, west, NotReady)); got.Outcome != Move {
			t.Errorf("%s: a person who overrides the rule is told %s by %q", c.why, got.Outcome, got.Rule)
		}
	}
}

// spec 6.2: a sudden drop of the share is a finding of every decision, and pages.
func TestDropIsShown(t *testing.T) {
	t.Parallel()
	drop := &finding.Finding{Code: finding.ReadinessDropped, Subject: "federation corp in us-west-2", What: "fewer"}
	s := with(calm(), func(s *Situation) {
		s.Shares[1].Dropped = drop
	})
	d := Standard().Decide(s)
	if !slices.ContainsFunc(d.Findings, func(f finding.Finding) bool { return f.Code == drop.Code && f.Severity() == finding.Page }) {
		t.Errorf("%+v", d.Findings)
	}
}
