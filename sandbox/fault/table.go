package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Everything is the target of Heal that means every target.
const Everything = "all"

// Table is the live table of faults. Safe for concurrent use.
type Table struct {
	subjects []Subject

	rules atomic.Pointer[[]Rule] // never changed in place
	mu    sync.Mutex             // held to change rules and to draw
	last  atomic.Uint64
	rng   *rand.Rand
}

// NewTable returns an empty table over the subjects that exist. seed makes the
// draws for percentages repeatable.
func NewTable(subjects []Subject, seed uint64) *Table {
	t := &Table{subjects: slices.Clone(subjects), rng: rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // not for secrets
	t.rules.Store(&[]Rule{})
	return t
}

// Set puts a fault into force from now on. A rule with the same target and kind
// is replaced. The error names the targets or kinds that exist.
func (t *Table) Set(f Fault, now time.Time) (Rule, error) {
	target, err := t.target(f.Target)
	if err != nil {
		return Rule{}, err
	}
	if f.Percent < 0 || f.Percent > 100 {
		return Rule{}, fmt.Errorf("fault on %s: percent is %d; it has to be between 1 and 100", target, f.Percent)
	}
	if f.For < 0 {
		return Rule{}, fmt.Errorf("fault on %s: it cannot last for %s; leave the time out to keep it until it is healed", target, f.For)
	}
	if _, err := ParseEffect(f.Effect.String()); err != nil {
		return Rule{}, fmt.Errorf("fault on %s: %w", target, err)
	}
	if err := t.possible(target, f.Effect.Kind); err != nil {
		return Rule{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Rule{ID: t.last.Add(1), Target: target, Effect: f.Effect, Percent: f.Percent, Since: now}
	if r.Percent == 0 {
		r.Percent = 100
	}
	if f.For > 0 {
		r.Until = now.Add(f.For)
	}
	t.replace(func(old Rule) bool {
		return old.expired(now) || old.Target == r.Target && old.Effect.Kind == r.Effect.Kind
	}, r)
	return r, nil
}

// possible refuses a kind that could never act on target.
func (t *Table) possible(target string, k Kind) error {
	row, _ := describe(k)
	part, whole, mode := "", false, false
	for _, s := range t.subjects {
		shared := slices.Contains(s.Parts, target)
		if shared {
			part = s.Tenant
		}
		whole = whole || s.named(target)
		mode = mode || s.ReadOnly && (shared || s.named(target))
	}
	switch {
	case row.mode && !mode:
		return fmt.Errorf("fault on %s: %s is a mode of iam, okta, pingone and onelogin, and %s is none of them", target, k, target)
	case part != "" && !whole && row.stage == Connect && !row.cuts:
		return fmt.Errorf("fault on %s: %s breaks whole hosts, and %s shares its hosts with others; break %s, or choose a fault of requests such as 5xx", target, k, target, part)
	}
	return nil
}

// Heal removes every rule whose target is this one ("" or "all": every rule)
// and returns those that were in force. Healing what is whole is no error.
func (t *Table) Heal(target string, now time.Time) ([]Rule, error) {
	all := target == "" || strings.EqualFold(target, Everything)
	if !all {
		var err error
		if target, err = t.target(target); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var healed []Rule
	t.replace(func(old Rule) bool {
		if !all && old.Target != target {
			return old.expired(now)
		}
		if !old.expired(now) {
			healed = append(healed, old)
		}
		return true
	})
	return healed, nil
}

// replace drops the rules that drop names and appends more. t.mu is held.
func (t *Table) replace(drop func(Rule) bool, more ...Rule) {
	next := []Rule{}
	for _, r := range *t.rules.Load() {
		if !drop(r) {
			next = append(next, r)
		}
	}
	next = append(next, more...)
	t.rules.Store(&next)
}

// Rules returns the rules in force at now, oldest first.
func (t *Table) Rules(now time.Time) []Rule {
	return slices.DeleteFunc(slices.Clone(*t.rules.Load()), func(r Rule) bool { return r.expired(now) })
}

// Newest returns the ID of the newest rule ever set, for Question.After.
func (t *Table) Newest() uint64 { return t.last.Load() }

// Match answers q at now over the rules in force.
func (t *Table) Match(q Question, now time.Time) Effects {
	rules := *t.rules.Load()
	if len(rules) == 0 {
		return nil
	}
	return Match(rules, q, now, t.draw)
}

func (t *Table) draw() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rng.Float64()
}

// target returns the known spelling of a target.
func (t *Table) target(text string) (string, error) {
	want := strings.ToLower(strings.TrimSpace(text))
	for _, s := range t.subjects {
		for _, name := range append([]string{s.Host, s.Service, s.Region, s.Tenant}, s.Parts...) {
			if name != "" && strings.ToLower(name) == want {
				return name, nil
			}
		}
	}
	return "", fmt.Errorf("%q is not something that can break here; a target is %s", clip(text), t.Targets())
}

// Targets says in one sentence what a target may be.
func (t *Table) Targets() string {
	services := t.names(func(s Subject) []string { return []string{s.Service} })
	tenants := t.names(func(s Subject) []string { return append([]string{s.Tenant}, s.Parts...) })
	regions := t.names(func(s Subject) []string { return []string{s.Region} })
	return fmt.Sprintf("a service (%s), a tenant (%s), one of %d Regions (us-east-1, us-west-2, ...) or one of %d hosts (signin.aws.amazon.com, ...)",
		strings.Join(services, ", "), strings.Join(tenants, ", "), len(regions), len(t.subjects))
}

// names returns the distinct, non-empty values of one column, sorted.
func (t *Table) names(column func(Subject) []string) []string {
	var out []string
	for _, s := range t.subjects {
		out = append(out, column(s)...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(v string) bool { return v == "" })
}
