package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// Rules are the tracker's numbers. Zero values mean the defaults.
type Rules struct {
	Fall         int           `json:"fall"`          // consecutive failures that confirm an outage; 3
	Rise         int           `json:"rise"`          // consecutive successes that end one; 5
	Interval     time.Duration `json:"interval"`      // between two probes of one kind; 10 s (spec 7.6)
	FastInterval time.Duration `json:"fast_interval"` // while suspect; 1 s
}

// WithDefaults fills in what is zero. Rise is at least Fall: coming back must
// not be easier than going down.
func (r Rules) WithDefaults() Rules {
	if r.Fall <= 0 {
		r.Fall = 3
	}
	if r.Rise <= 0 {
		r.Rise = 5
	}
	r.Rise = max(r.Rise, r.Fall)
	if r.Interval <= 0 {
		r.Interval = 10 * time.Second
	}
	if r.FastInterval <= 0 {
		r.FastInterval = time.Second
	}
	r.FastInterval = min(r.FastInterval, r.Interval)
	return r
}

// Tracker turns the samples of one vantage about one Region into a state. It
// is pure (time comes with the samples) and not safe for concurrent use.
//
// Each kind of probe has a machine of its own:
//
//	unknown  --ok--> healthy        nothing speaks against it
//	unknown, healthy --failed--> suspect   and quick probes from now on
//	suspect  --ok--> healthy        cleared
//	suspect  --Fall failures in a row--> unhealthy   confirmed
//	unhealthy --Rise successes in a row--> healthy    at the steady pace
//
// The Region is as bad as its worst kind: a person needs the sign-in page, the
// STS behind it and the console that the login lands on, so each kind alone
// makes a Region unhealthy. It is healthy only when every kind is.
//
// Blocked samples neither fail nor succeed: they break no run and end none, but
// they are shown and keep the vantage from voting. Discarded samples (spec 7.7)
// change nothing but the schedule.
type Tracker struct {
	vantage string
	region  signin.Region
	rules   Rules
	kinds   []*kindState
	state   State
	since   time.Time
	newest  time.Time
}

// failuresKept is how many failures in a row are remembered one by one.
const failuresKept = 16

type kindState struct {
	kind      Kind
	state     State
	fails     int
	oks       int
	failed    []time.Time // starts of the newest failures in a row
	last      Result      // newest sample that was not discarded
	seen      bool        // last is set
	scheduled time.Time
}

// NewTracker follows one Region over these kinds of probes.
func NewTracker(vantage string, region signin.Region, kinds []Kind, rules Rules) *Tracker {
	t := &Tracker{vantage: vantage, region: region, rules: rules.WithDefaults(), state: Unknown}
	for _, k := range kinds {
		t.kinds = append(t.kinds, &kindState{kind: k, state: Unknown})
	}
	return t
}

// Add takes one sample. Samples of other Regions or kinds, and samples older
// than the newest of their kind, are ignored.
func (t *Tracker) Add(r Result) {
	k := t.find(r.Kind)
	if k == nil || r.Region != t.region {
		return
	}
	if r.Start.After(k.scheduled) {
		k.scheduled = r.Start
	}
	if r.Outcome == Discarded || (k.seen && r.Start.Before(k.last.Start)) {
		return
	}
	k.add(r, t.rules)
	end := r.Start.Add(r.Took)
	if end.After(t.newest) {
		t.newest = end
	}
	if now := t.worst(); now != t.state {
		t.state, t.since = now, end
	}
}

func (k *kindState) add(r Result, rules Rules) {
	k.last, k.seen = r, true
	switch r.Outcome {
	case OK:
		k.oks, k.fails = k.oks+1, 0
		if k.state != Unhealthy || k.oks >= rules.Rise {
			k.state, k.failed = Healthy, nil
		}
	case Failed:
		if k.oks > 0 {
			k.failed = nil // a new run begins
		}
		k.fails, k.oks = k.fails+1, 0
		k.failed = append(k.failed, r.Start)
		k.failed = slices.Clone(k.failed[max(0, len(k.failed)-failuresKept):])
		switch {
		case k.fails >= rules.Fall:
			k.state = Unhealthy
		case k.state != Unhealthy:
			k.state = Suspect
		}
	}
}

func (t *Tracker) find(kind Kind) *kindState {
	for _, k := range t.kinds {
		if k.kind == kind {
			return k
		}
	}
	return nil
}

// worst is the Region's state: the worst of its kinds.
func (t *Tracker) worst() State {
	out := Healthy
	if len(t.kinds) == 0 {
		return Unknown
	}
	for _, k := range t.kinds {
		if badness(k.state) > badness(out) {
			out = k.state
		}
	}
	return out
}

// badness orders states: not knowing is worse than healthy, a suspicion is
// worse than not knowing.
func badness(s State) int {
	return slices.Index([]State{Healthy, Unknown, Suspect, Unhealthy}, s)
}

// Observation returns what this vantage says now.
func (t *Tracker) Observation() Observation {
	o := Observation{Vantage: t.vantage, Region: t.region, State: t.state, Since: t.since, At: t.newest}
	for _, k := range t.kinds {
		if k.seen {
			o.Last = append(o.Last, k.last)
		}
		if len(k.failed) > len(o.Failing) {
			o.Failing = k.failed
		}
	}
	o.Reason = t.reason()
	return o
}

// reason tells the kinds that make the state in full, the other troubled ones
// by name.
func (t *Tracker) reason() string {
	var why, too []string
	for _, k := range t.kinds {
		switch {
		case !k.seen || k.last.Outcome == OK && k.state == Healthy:
		case t.state == Unhealthy && k.state != Unhealthy:
			too = append(too, string(k.kind))
		default:
			why = append(why, k.sentence(t.rules))
		}
	}
	if len(too) > 0 {
		why = append(why, strings.Join(too, " and ")+" in trouble too")
	}
	return strings.Join(why, "; ")
}

func (k *kindState) sentence(rules Rules) string {
	switch {
	case k.last.Outcome == Blocked:
		return fmt.Sprintf("%s: no vote, %s", k.kind, k.last.Reason)
	case k.state == Unhealthy && k.last.Outcome == OK:
		return fmt.Sprintf("%s answers again, %d of %d needed in a row", k.kind, k.oks, rules.Rise)
	case k.state == Unhealthy:
		return fmt.Sprintf("%s failed %d times in a row (%s)", k.kind, k.fails, k.last.Reason)
	}
	return fmt.Sprintf("%s failed %d of %d times (%s)", k.kind, k.fails, rules.Fall, k.last.Reason)
}

// Quick reports whether the kind is suspect, that is, wants quick probes.
func (t *Tracker) Quick(kind Kind) bool {
	k := t.find(kind)
	return k != nil && k.state == Suspect
}

// NextProbe returns when the kind wants its next probe, never before now; a
// kind without samples wants it now.
func (t *Tracker) NextProbe(kind Kind, now time.Time) time.Time {
	k := t.find(kind)
	if k == nil || k.scheduled.IsZero() {
		return now
	}
	gap := t.rules.Interval
	if k.state == Suspect {
		gap = t.rules.FastInterval
	}
	if next := k.scheduled.Add(gap); next.After(now) {
		return next
	}
	return now
}

// Stalled reports whether our own machine stood still or its clock jumped
// around a sample (spec 7.7): it started slack later than planned, took slack
// longer than its own time limit, or wall clock and monotonic clock disagree by
// more than slack. All three times must come from time.Now in this process.
func Stalled(planned, start, end time.Time, timeout, slack time.Duration) bool {
	if start.Sub(planned) > slack || end.Sub(start) > timeout+slack {
		return true
	}
	wall := end.Round(0).Sub(planned.Round(0))
	return (wall - end.Sub(planned)).Abs() > slack
}
