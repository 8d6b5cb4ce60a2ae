package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// The reasons why a vote does not count.
const (
	AbstainSilent     = "silent"      // nothing was ever heard about the Region
	AbstainStale      = "stale"       // what was heard is too old
	AbstainOwnNetwork = "own-network" // the vantage has no proof that its own network works
	AbstainBlocked    = "blocked"     // somebody between the vantage and AWS answers
	AbstainSuspect    = "suspect"     // not confirmed yet
	AbstainWitness    = "witness"     // confirmed, waiting for another Region to bear witness
)

// VoteOf returns the voice of one observation on its own: silent, stale,
// suspect and blocked ones do not count. Whether the vantage's own network is
// at fault shows only beside its other Regions: see Votes.
func VoteOf(o Observation, maxAge time.Duration, now time.Time) Vote {
	v := Vote{Observation: o}
	switch {
	case o.At.IsZero() || len(o.Last) == 0:
		v.Abstain = AbstainSilent
	case now.Sub(oldest(o)) > maxAge:
		v.Abstain = AbstainStale
	case o.State == Suspect:
		v.Abstain = AbstainSuspect
	case o.State == Unhealthy && has(o, Failed):
	case has(o, Blocked):
		v.Abstain = AbstainBlocked
	case o.State == Unknown:
		v.Abstain = AbstainSilent
	}
	return v
}

// oldest returns the time of the oldest of the newest results of each kind: a
// kind that is no longer probed makes the whole observation stale.
func oldest(o Observation) time.Time {
	out := o.At
	for _, r := range o.Last {
		if end := ended(r); end.Before(out) {
			out = end
		}
	}
	return out
}

func has(o Observation, outcome Outcome) bool {
	return slices.ContainsFunc(o.Last, func(r Result) bool { return r.Outcome == outcome })
}

// witnessTime is how long after a confirmation the other Regions' answers are
// waited for, before the vantage suspects its own network aloud. It does not
// vote meanwhile either.
const witnessTime = 2 * time.Second

// Votes returns the votes of ONE vantage from its observations of all Regions
// that it probes. A vote for unhealthy counts only with a witness: another
// Region that the same vantage could reach while this one failed. Without one
// the vantage's own network may be what is broken, so it votes for neither side
// (promise 7). A vantage that probes one Region only has never a witness; give
// it a second one.
func Votes(all []Observation, maxAge time.Duration, now time.Time) []Vote {
	out := make([]Vote, len(all))
	for i, o := range all {
		out[i] = VoteOf(o, maxAge, now)
		if out[i].Abstain != "" || o.State != Unhealthy || witnessed(o, all, maxAge, now) {
			continue
		}
		out[i].Abstain = AbstainOwnNetwork
		if len(all) > 1 && now.Sub(o.Since) <= witnessTime {
			out[i].Abstain = AbstainWitness
		}
	}
	return out
}

// witnessed looks for a fresh, healthy other Region that proves our own network
// good while o failed.
func witnessed(o Observation, all []Observation, maxAge time.Duration, now time.Time) bool {
	return slices.ContainsFunc(all, func(other Observation) bool {
		return other.Region != o.Region && other.State == Healthy && slices.ContainsFunc(other.Last, func(r Result) bool {
			return r.Outcome == OK && now.Sub(ended(r)) <= maxAge && bearsWitness(o, other, ended(r), maxAge)
		})
	})
}

// bearsWitness: the other Region was healthy before o began to fail, still is,
// and answered after o was confirmed; or it became healthy later, o has failed
// in a row since, for so long that the other was probed too, and the other
// answered after that. When our own network comes back, one Region is healthy
// before the next, a probe that began in the fault fails after it, and a last
// short fault may hit the Region that is still rising: neither holds then.
func bearsWitness(o, other Observation, answered time.Time, maxAge time.Duration) bool {
	began := o.Since
	if len(o.Failing) > 0 && o.Failing[0].Before(began) {
		began = o.Failing[0]
	}
	if !other.Since.After(began) && !answered.Before(o.Since) {
		return true
	}
	since := slices.IndexFunc(o.Failing, func(t time.Time) bool { return !t.Before(other.Since) })
	return since >= 0 && slices.ContainsFunc(o.Last, func(r Result) bool {
		return r.Outcome == Failed && r.Start.Sub(o.Failing[since]) >= maxAge/2 && !answered.Before(ended(r))
	})
}

func ended(r Result) time.Time { return r.Start.Add(r.Took) }

// Verdicts returns the verdict on each Region from the observations of all
// vantages, in the order of regions. configured is the number of vantages in
// the config, whether they report or not.
func Verdicts(configured int, regions []signin.Region, all []Observation, maxAge time.Duration, now time.Time) []Verdict {
	byVantage := map[string][]Observation{}
	var vantages []string
	for _, o := range all {
		if _, ok := byVantage[o.Vantage]; !ok {
			vantages = append(vantages, o.Vantage)
		}
		byVantage[o.Vantage] = append(byVantage[o.Vantage], o)
	}
	slices.Sort(vantages)
	votes := map[signin.Region][]Vote{}
	for _, name := range vantages {
		for _, v := range Votes(byVantage[name], maxAge, now) {
			votes[v.Observation.Region] = append(votes[v.Observation.Region], v)
		}
	}
	out := make([]Verdict, len(regions))
	for i, r := range regions {
		out[i] = Quorum(configured, votes[r], now)
		out[i].Region = r
	}
	return out
}

// Quorum returns the verdict on one Region (spec 7.3). It takes a majority of
// the CONFIGURED vantages to say healthy or unhealthy; who is silent, stale,
// blocked, suspicious or cut off votes for neither, and the denominator stays.
// Anything else is unknown. Of several votes of one vantage the newest counts;
// votes of more vantages than are configured enlarge the denominator.
func Quorum(configured int, votes []Vote, now time.Time) Verdict {
	votes = onePerVantage(votes)
	v := Verdict{State: Unknown, Configured: configured, Votes: votes}
	var up, down []time.Time
	for _, vote := range votes {
		if v.Region.IsZero() {
			v.Region = vote.Observation.Region
		}
		switch {
		case vote.Abstain == "" && vote.Observation.State == Healthy:
			up = append(up, vote.Observation.Since)
		case vote.Abstain == "" && vote.Observation.State == Unhealthy:
			down = append(down, vote.Observation.Since)
		}
	}
	v.For, v.Against = len(up), len(down)
	need := max(configured, len(votes))/2 + 1
	switch {
	case len(down) >= need:
		v.State, v.Since = Unhealthy, nth(down, need)
	case len(up) >= need:
		v.State, v.Since = Healthy, nth(up, need)
	}
	v.Suspect = v.State != Unhealthy && slices.ContainsFunc(votes, suspects)
	v.Reason = v.sentence(need)
	return v
}

// suspects reports whether a vantage has fresh doubts about the Region, counted
// or not.
func suspects(v Vote) bool {
	fresh := v.Abstain != AbstainStale && v.Abstain != AbstainSilent
	return fresh && (v.Observation.State == Suspect || v.Observation.State == Unhealthy)
}

func onePerVantage(votes []Vote) []Vote {
	var out []Vote
	for _, v := range votes {
		i := slices.IndexFunc(out, func(o Vote) bool { return o.Observation.Vantage == v.Observation.Vantage })
		switch {
		case i < 0:
			out = append(out, v)
		case v.Observation.At.After(out[i].Observation.At):
			out[i] = v
		}
	}
	slices.SortFunc(out, func(a, b Vote) int { return strings.Compare(a.Observation.Vantage, b.Observation.Vantage) })
	return out
}

// nth returns the time when the need-th of the voices began: since then there
// was a majority.
func nth(times []time.Time, need int) time.Time {
	slices.SortFunc(times, time.Time.Compare)
	return times[need-1]
}

func (v Verdict) sentence(need int) string {
	var parts []string
	all := vantages(v.Configured)
	switch v.State {
	case Unhealthy:
		parts = append(parts, fmt.Sprintf("%d of %s %s failures", v.Against, all, verb("confirm", v.Against)))
	case Healthy:
		parts = append(parts, fmt.Sprintf("%d of %s %s good answers", v.For, all, verb("get", v.For)))
	default:
		if v.Configured != 1 {
			parts = append(parts, fmt.Sprintf("no majority: %d of %s say healthy, %d unhealthy, %d needed", v.For, all, v.Against, need))
		}
	}
	for _, vote := range v.Votes {
		if line := vote.sentence(); line != "" {
			parts = append(parts, line)
		}
	}
	if missing := v.Configured - len(v.Votes); missing > 0 {
		parts = append(parts, fmt.Sprintf("nothing heard from %d", missing))
	}
	if v.SoleVantage() {
		parts = append(parts, "one vantage only")
	}
	return strings.Join(parts, "; ")
}

func (v Vote) sentence() string {
	name := v.Observation.Vantage
	if name == "" {
		name = "this vantage"
	}
	why := v.Observation.Reason
	if v.Abstain != "" {
		text := map[string]string{
			AbstainSilent:     "has no result yet",
			AbstainStale:      "has no fresh result",
			AbstainOwnNetwork: "does not count: no other Region was seen to answer while this one failed, so its own network may be at fault",
			AbstainBlocked:    "does not count: it is blocked on the way",
			AbstainSuspect:    "suspects an outage and is confirming it",
			AbstainWitness:    "sees it down and asks another Region whether its own network is to blame",
		}[v.Abstain]
		if text == "" {
			text = "does not count: " + v.Abstain
		}
		if why != "" {
			text += ": " + why
		}
		return name + " " + text
	}
	if why == "" {
		return ""
	}
	return name + ": " + why
}

func vantages(n int) string {
	if n == 1 {
		return "1 vantage"
	}
	return fmt.Sprintf("%d vantages", n)
}

// verb puts a verb into the number of those who do it.
func verb(v string, n int) string {
	if n == 1 {
		return v + "s"
	}
	return v
}
