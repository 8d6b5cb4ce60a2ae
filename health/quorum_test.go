package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

const maxAge = 30 * time.Second

// observed makes an observation whose newest result is age old.
func observed(vantage string, region signin.Region, state health.State, age time.Duration) health.Observation {
	now := epoch.Add(time.Hour)
	o := health.Observation{Vantage: vantage, Region: region, State: state, Since: now.Add(-time.Minute), At: now.Add(-age)}
	outcome := health.OK
	if state == health.Unhealthy || state == health.Suspect {
		outcome, o.Reason = health.Failed, "signin: refused"
	}
	o.Last = []health.Result{{Region: region, Kind: health.SignIn, Outcome: outcome, Start: o.At, Reason: "x"}}
	return o
}

func with(o health.Observation, kind health.Kind, outcome health.Outcome) health.Observation {
	o.Last = append(o.Last, health.Result{Region: o.Region, Kind: kind, Outcome: outcome, Start: o.At})
	return o
}

// spec 7.3
func TestVoteOf(t *testing.T) {
	t.Parallel()
	now := epoch.Add(time.Hour)
	stuck := observed("v", virginia, health.Healthy, 0)
	stuck.Last = append(stuck.Last, health.Result{Kind: health.STS, Outcome: health.OK, Start: now.Add(-time.Hour)})
	cases := []struct {
		name string
		o    health.Observation
		want string
	}{
		{"healthy counts", observed("v", virginia, health.Healthy, time.Second), ""},
		{"unhealthy counts", observed("v", virginia, health.Unhealthy, time.Second), ""},
		{"never heard", health.Observation{Vantage: "v", Region: virginia, State: health.Unknown}, health.AbstainSilent},
		{"too old", observed("v", virginia, health.Unhealthy, time.Minute), health.AbstainStale},
		{"one kind is no longer asked", stuck, health.AbstainStale},
		{"not confirmed", observed("v", virginia, health.Suspect, time.Second), health.AbstainSuspect},
		{"blocked", with(observed("v", virginia, health.Healthy, time.Second), health.STS, health.Blocked), health.AbstainBlocked},
		{"failing beside a blocked kind still counts", with(observed("v", virginia, health.Unhealthy, time.Second), health.STS, health.Blocked), ""},
		{"not every kind answered yet", observed("v", virginia, health.Unknown, time.Second), health.AbstainSilent},
	}
	for _, c := range cases {
		if got := health.VoteOf(c.o, maxAge, now).Abstain; got != c.want {
			t.Errorf("%s: abstains %q, want %q", c.name, got, c.want)
		}
	}
}

// spec 7.3
func TestOwnNetwork(t *testing.T) {
	t.Parallel()
	now := epoch.Add(time.Hour)
	beforeConfirmed := observed("v", oregon, health.Healthy, 2*time.Minute)
	beforeConfirmed.At = now
	later := observed("v", oregon, health.Healthy, time.Second)
	later.Since = now.Add(-30 * time.Second)
	cases := []struct {
		name    string
		other   []health.Observation
		want    string
		failing time.Time
	}{
		{"another Region answers", []health.Observation{observed("v", oregon, health.Healthy, time.Second)}, "", time.Time{}},
		{"no other Region is probed", nil, health.AbstainOwnNetwork, time.Time{}},
		{"the other fails too", []health.Observation{observed("v", oregon, health.Unhealthy, time.Second)}, health.AbstainOwnNetwork, time.Time{}},
		{"the other is suspect", []health.Observation{observed("v", oregon, health.Suspect, time.Second)}, health.AbstainOwnNetwork, time.Time{}},
		{"the other answered only before the outage was confirmed", []health.Observation{beforeConfirmed}, health.AbstainOwnNetwork, time.Time{}},
		{"the other became healthy later, and this one failed only once again before it answered", []health.Observation{later}, health.AbstainOwnNetwork, now.Add(-31 * time.Second)},
		{"the other became healthy later, and this one failed for long enough again before it answered", []health.Observation{later}, "", now.Add(-25 * time.Second)},
		{"the other became healthy while this one failed already", []health.Observation{observed("v", oregon, health.Healthy, time.Second)}, health.AbstainOwnNetwork, now.Add(-70 * time.Second)},
		{"one of two others answers", []health.Observation{observed("v", oregon, health.Unhealthy, 0), observed("v", signin.MustRegion("eu-west-1"), health.Healthy, 0)}, "", time.Time{}},
	}
	for _, c := range cases {
		sick := observed("v", virginia, health.Unhealthy, time.Second)
		if !c.failing.IsZero() {
			sick.Failing = []time.Time{c.failing, sick.Last[0].Start}
		}
		all := append([]health.Observation{sick}, c.other...)
		if got := health.Votes(all, maxAge, now)[0].Abstain; got != c.want {
			t.Errorf("%s: us-east-1 abstains %q, want %q", c.name, got, c.want)
		}
	}
}

// When our own network comes back, the Region that rises first must not turn
// the others, which still count their good answers, into outages.
//
// spec 7.3
func TestRecoveryOfOurOwnNetwork(t *testing.T) {
	t.Parallel()
	now := epoch.Add(time.Hour)
	rising := observed("v", virginia, health.Unhealthy, time.Second)
	rising.Last[0].Outcome = health.OK
	risen := observed("v", oregon, health.Healthy, 0)
	risen.Since = now.Add(-2 * time.Second)
	if got := health.Votes([]health.Observation{rising, risen}, maxAge, now)[0]; got.Abstain != health.AbstainOwnNetwork {
		t.Errorf("a Region that is still rising after our own fault votes unhealthy (abstain %q)", got.Abstain)
	}
	risen.Since = now.Add(-time.Hour)
	if got := health.Votes([]health.Observation{rising, risen}, maxAge, now)[0]; got.Abstain != "" {
		t.Errorf("a Region that is still rising after a real outage abstains %q", got.Abstain)
	}
}

func votes(states ...health.State) []health.Vote {
	var out []health.Vote
	for i, s := range states {
		o := observed(fmt.Sprint("v", i), virginia, s, time.Second)
		v := health.Vote{Observation: o}
		if s == health.Suspect {
			v.Abstain = health.AbstainSuspect
		}
		if s == health.Unknown {
			v.Abstain = health.AbstainStale
		}
		out = append(out, v)
	}
	return out
}

// spec 7.3
func TestQuorum(t *testing.T) {
	t.Parallel()
	up, down, sus, none := health.Healthy, health.Unhealthy, health.Suspect, health.Unknown
	cases := []struct {
		name       string
		configured int
		votes      []health.Vote
		want       health.State
		suspect    bool
		says       string
	}{
		{"one vantage, healthy", 1, votes(up), up, false, "one vantage only"},
		{"one vantage, unhealthy", 1, votes(down), down, false, "one vantage only"},
		{"one vantage, suspect", 1, votes(sus), none, true, "confirming"},
		{"nobody reports", 3, nil, none, false, "nothing heard from 3"},
		{"none configured", 0, nil, none, false, "no majority"},
		{"two of three", 3, votes(down, down, up), down, false, "2 of 3 vantages confirm failures"},
		{"two of three are heard and agree", 3, votes(down, down), down, false, "nothing heard from 1"},
		{"one of three is heard", 3, votes(down), none, true, "2 needed"},
		{"silent ones do not shrink the denominator", 5, votes(down, down, none, none, none), none, true, "3 needed"},
		{"a tie is unknown", 2, votes(up, down), none, true, "no majority"},
		{"a tie of four", 4, votes(up, up, down, down), none, true, "no majority"},
		{"healthy with one doubt", 3, votes(up, up, sus), up, true, "2 of 3"},
		{"more votes than configured enlarge the denominator", 1, votes(down, up, up), up, true, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := health.Quorum(c.configured, c.votes, epoch.Add(time.Hour))
			if got.State != c.want || got.Suspect != c.suspect || !strings.Contains(got.Reason, c.says) {
				t.Errorf("verdict %s, suspect %v, %q; want %s, %v, with %q", got.State, got.Suspect, got.Reason, c.want, c.suspect, c.says)
			}
			if (c.configured < 2) != got.SoleVantage() {
				t.Errorf("sole vantage = %v with %d configured", got.SoleVantage(), c.configured)
			}
		})
	}
}

type quorumFunc func(int, []health.Vote, time.Time) health.Verdict

// refuseQuorum returns the rule that a quorum breaks on this input, or "". down
// voices say unhealthy, up healthy, the rest of configured nothing.
func refuseQuorum(q quorumFunc, configured, up, down, mute int) string {
	var states []health.State
	for range up {
		states = append(states, health.Healthy)
	}
	for range down {
		states = append(states, health.Unhealthy)
	}
	for range mute {
		states = append(states, health.Unknown)
	}
	now := epoch.Add(time.Hour)
	got := q(configured, votes(states...), now).State
	switch {
	case got == health.Unhealthy && 2*down <= configured:
		return fmt.Sprintf("%d of %d configured vantages caused unhealthy", down, configured)
	case got == health.Healthy && 2*up <= configured:
		return fmt.Sprintf("%d of %d configured vantages caused healthy", up, configured)
	case got != health.Unhealthy && 2*down > configured:
		return fmt.Sprintf("%d of %d configured vantages could not cause unhealthy", down, configured)
	case got == health.Suspect:
		return "a verdict was suspect"
	}
	if up > 0 {
		// Monotone: one more voice for unhealthy never makes it better.
		states[0] = health.Unhealthy
		if after := q(configured, votes(states...), now).State; got == health.Unhealthy && after != health.Unhealthy || got != health.Healthy && after == health.Healthy {
			return fmt.Sprintf("one more failing vantage turned %s into %s", got, after)
		}
	}
	return ""
}

// spec 7.3
func TestQuorumKeepsTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		configured := rapid.IntRange(1, 9).Draw(t, "configured")
		up := rapid.IntRange(0, configured).Draw(t, "up")
		down := rapid.IntRange(0, configured-up).Draw(t, "down")
		mute := rapid.IntRange(0, configured-up-down).Draw(t, "mute")
		if why := refuseQuorum(health.Quorum, configured, up, down, mute); why != "" {
			t.Fatal(why)
		}
	})
}

func TestSaboteurQuorumsAreRefused(t *testing.T) {
	t.Parallel()
	saboteurs := map[string]quorumFunc{
		"a denominator that shrinks with silence": func(_ int, v []health.Vote, now time.Time) health.Verdict {
			n := 0
			for _, vote := range v {
				if vote.Abstain == "" {
					n++
				}
			}
			return health.Quorum(n, v[:n], now)
		},
		"any single voice decides": func(c int, v []health.Vote, now time.Time) health.Verdict {
			out := health.Quorum(c, v, now)
			if out.Against > 0 {
				out.State = health.Unhealthy
			}
			return out
		},
		"abstentions count as healthy": func(c int, v []health.Vote, now time.Time) health.Verdict {
			out := health.Quorum(c, v, now)
			if out.State == health.Unknown && c-out.Against > out.Against {
				out.State = health.Healthy
			}
			return out
		},
	}
	for name, q := range saboteurs {
		refused := false
		for up := range 4 {
			for down := range 4 - up {
				refused = refused || refuseQuorum(q, 3, up, down, 3-up-down) != ""
			}
		}
		if !refused {
			t.Errorf("the check accepts a quorum with %s", name)
		}
	}
}

func TestOneVantageHasOneVoice(t *testing.T) {
	t.Parallel()
	v := votes(health.Unhealthy)[0]
	got := health.Quorum(3, []health.Vote{v, v, v}, epoch.Add(time.Hour))
	if got.State != health.Unknown || got.Against != 1 {
		t.Errorf("one vantage that votes three times: %s with %d against", got.State, got.Against)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	all := []health.Observation{
		observed("paris", virginia, health.Unhealthy, 0), observed("paris", oregon, health.Healthy, 0),
		observed("tokyo", virginia, health.Unhealthy, 0), observed("tokyo", oregon, health.Healthy, 0),
		observed("cut-off", virginia, health.Unhealthy, 0), observed("cut-off", oregon, health.Unhealthy, 0),
	}
	got := health.Verdicts(3, []signin.Region{oregon, virginia}, all, maxAge, epoch.Add(time.Hour))
	if got[0].Region != oregon || got[0].State != health.Healthy || got[1].State != health.Unhealthy || got[1].Against != 2 {
		t.Errorf("verdicts: %s %s, %s %s (%s)", got[0].Region, got[0].State, got[1].Region, got[1].State, got[1].Reason)
	}
	one := health.Verdicts(1, []signin.Region{virginia}, all[:1], maxAge, epoch.Add(time.Hour))[0]
	if one.State != health.Unknown || !strings.Contains(one.Reason, "own network") {
		t.Errorf("one vantage that probes one Region: %s, %q", one.State, one.Reason)
	}
}
