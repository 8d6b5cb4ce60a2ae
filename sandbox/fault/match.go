package fault

import (
	"strconv"
	"strings"
	"time"
)

// Subject is what a fault can hit: one simulated host with the names that a
// target may use for it. Empty fields match no target. Parts are tenants that
// share the host: a fault on one of them hits its requests only. ReadOnly: the
// service has a read-only mode.
type Subject struct {
	Host, Service, Region, Tenant string
	Parts                         []string
	ReadOnly                      bool
}

// named reports whether target is one of the subject's names.
func (s Subject) named(target string) bool {
	return target != "" && (target == s.Host || target == s.Service || target == s.Region || target == s.Tenant)
}

// Fault is a wish: break Target in the way of Effect, for a while (For 0: until
// healed), for Percent of connections or requests (0 means 100).
type Fault struct {
	Target  string        `json:"target"`
	Effect  Effect        `json:"kind"`
	For     time.Duration `json:"for,omitempty"` // nanoseconds
	Percent int           `json:"percent,omitempty"`
}

// Rule is a fault in force. IDs rise with time and are never used twice.
type Rule struct {
	ID      uint64    `json:"id"`
	Target  string    `json:"target"`
	Effect  Effect    `json:"kind"`
	Percent int       `json:"percent"` // 1..100
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: until healed
}

// String is the rule for people: "us-east-1 down, 40 % of the time".
func (r Rule) String() string {
	s := r.Target + " " + r.Effect.String()
	if r.Percent < 100 {
		s += ", " + strconv.Itoa(r.Percent) + " % of the time"
	}
	if !r.Until.IsZero() {
		s += ", until " + r.Until.UTC().Format(time.RFC3339)
	}
	return s
}

// Question asks what is broken for Subject at Stage, at stage Request for the
// part of it that the request concerns ("" = none). After matters at stage
// Request: the newest rule's ID when the request's connection was opened. A
// rule that came later and cuts open connections counts as well.
type Question struct {
	Subject Subject
	Stage   Stage
	After   uint64
	Part    string
}

// Match returns the effects of the rules that answer q at now, oldest rule
// first. draw returns a number in [0,1) and is called once for each matching
// rule with a percentage below 100. Pure, given draw.
func Match(rules []Rule, q Question, now time.Time, draw func() float64) Effects {
	var out Effects
	for _, r := range rules {
		if r.expired(now) || !q.Subject.named(r.Target) && !q.about(r) || !r.acts(q) {
			continue
		}
		if r.Percent < 100 && draw()*100 >= float64(r.Percent) {
			continue
		}
		e := r.Effect
		if e.Kind == Flap {
			if !r.broken(now) {
				continue
			}
			e = Effect{Kind: Refuse}
		}
		out = append(out, e)
	}
	return out
}

// about reports whether the rule is on the part that q asks about.
func (q Question) about(r Rule) bool { return q.Part != "" && q.Part == r.Target }

// expired reports whether the rule's time is over.
func (r Rule) expired(now time.Time) bool { return !r.Until.IsZero() && !now.Before(r.Until) }

// acts reports whether the rule's kind acts at the stage of q.
func (r Rule) acts(q Question) bool {
	row, ok := describe(r.Effect.Kind)
	if !ok {
		return false
	}
	if row.stage == q.Stage {
		return true
	}
	// A flapping place breaks connections that were opened while it worked. A
	// part has no connections of its own: its requests are cut.
	return q.Stage == Request && row.cuts && (r.ID > q.After || r.Effect.Kind == Flap || q.about(r))
}

// broken reports whether a flapping rule is in a broken period; the first is.
func (r Rule) broken(now time.Time) bool {
	return (now.Sub(r.Since)/r.Effect.Duration)%2 == 0
}

// Effects are the effects that hit one connection or one request.
type Effects []Effect

// Has reports whether one of the kinds is among the effects.
func (es Effects) Has(kinds ...Kind) bool {
	_, ok := es.First(kinds...)
	return ok
}

// First returns the oldest effect of one of the kinds.
func (es Effects) First(kinds ...Kind) (Effect, bool) {
	for _, e := range es {
		for _, k := range kinds {
			if e.Kind == k {
				return e, true
			}
		}
	}
	return Effect{}, false
}

// Latency is the sum of all delays.
func (es Effects) Latency() (sum time.Duration) {
	for _, e := range es {
		if e.Kind == Latency {
			sum += e.Duration
		}
	}
	return sum
}

// String lists the effects, for the request log: "latency=300ms, 5xx".
func (es Effects) String() string {
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = e.String()
	}
	return strings.Join(names, ", ")
}
