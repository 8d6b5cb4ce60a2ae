package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/finding"
)

func edits(accounts ...int) []RoleEdit {
	var out []RoleEdit
	for a, n := range accounts {
		for i := range n {
			out = append(out, RoleEdit{Account: fmt.Sprint(a), Role: fmt.Sprint(a, "/", i)})
		}
	}
	return out
}

// spec 5.4
func TestWaves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why      string
		accounts []int
		want     []int // sizes
	}{
		{"nothing to do", nil, nil},
		{"one role", []int{1}, []int{1}},
		{"one account has no tenth", []int{5}, []int{1, 4}},
		{"a tenth, rounded up", []int{3, 9, 9}, []int{1, 2, 3, 15}},
		{"the first account has one role", []int{1, 20}, []int{1, 3, 17}},
	} {
		plan := edits(c.accounts...)
		var sizes []int
		seen := map[int]bool{}
		for _, w := range waves(plan) {
			sizes = append(sizes, len(w))
			for _, i := range w {
				seen[i] = true
			}
		}
		if !slices.Equal(sizes, c.want) || len(seen) != len(plan) {
			t.Errorf("%s: waves of %v, want %v; %d of %d roles", c.why, sizes, c.want, len(seen), len(plan))
		}
	}
}

// A mismatch in a wave keeps the later ones from being started.
// spec 5.4
func TestWaveStopsTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		for i := range 3 {
			fx.prod.add("/", fmt.Sprint("p", i), trust(prod, home))
		}
		for i := range 6 {
			fx.shared.add("/", fmt.Sprint("s", i), trust(shared, home))
		}
		fx.prod.onPut = func(name, text string) string {
			if name == "p2" {
				return trust(prod, standby)
			}
			return text
		}
		r := fx.apply(t, fx.plan(t), ApplyOptions{})
		if r.Stopped == nil || len(fx.shared.writes) != 0 || r.Counts[NotStarted] != 6 || r.Outcomes[0].Wave != 1 || r.Outcomes[1].Wave != 2 || r.Outcomes[8].Wave != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// journal is what a run leaves behind for the one that resumes it.
type journal map[string]Earlier

func (j journal) options() ApplyOptions {
	return ApplyOptions{Earlier: maps.Clone(j),
		Before: func(_ context.Context, w Write) error { j[w.Role] = Earlier{Write: &w}; return nil },
		After: func(_ context.Context, o Outcome) error {
			e := j[o.Role]
			e.Outcome = &o
			j[o.Role] = e
			return nil
		}}
}

// A run that was cut off at any point is finished by the next one, and no role is
// written twice, also where the write of the moment does not show yet.
// Saboteur: a resume that does not know of the write under way writes it again.
// spec 5.4
func TestResume(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		forget bool // the saboteur
		twice  bool
	}{{"resumed", false, false}, {"without the journal of the write", true, true}} {
		synctest.Test(t, func(t *testing.T) {
			fx := setUp(t, nil)
			for i := range 4 {
				fx.prod.add("/", fmt.Sprint("p", i), trust(prod, home))
			}
			p, j := fx.plan(t), journal{}
			o := j.options()
			ctx, kill := context.WithCancel(t.Context())
			after := o.After
			o.After = func(ctx context.Context, out Outcome) error { // the process dies after the second write, before its outcome is kept
				if out.Role == fx.prod.arn("p1") {
					kill()
					return errors.New("killed")
				}
				return after(ctx, out)
			}
			if r, err := fx.Apply(ctx, p, o); err != nil || r.Stopped == nil || r.Counts[NotStarted] != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			fx.prod.roles["p1"].next = slices.Repeat([]string{trust(prod, home)}, 3)
			if c.forget {
				delete(j, fx.prod.arn("p1"))
			}
			r := fx.apply(t, p, j.options())
			if r.Counts[Written] != 4 || r.Stopped != nil {
				t.Errorf("%s: %+v", c.why, r)
			}
			slices.Sort(fx.prod.writes)
			if twice := !slices.Equal(fx.prod.writes, []string{"p0", "p1", "p2", "p3"}); twice != c.twice {
				t.Errorf("%s: written %v", c.why, fx.prod.writes)
			}
		})
	}
}

// A write that was announced and never made is made by the next run.
func TestResumeUnmadeWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		fx.prod.add("/", "a", trust(prod, home))
		p := fx.plan(t)
		w := Write{Account: prod, Role: fx.prod.arn("a"), Before: trust(prod, home), After: p.Edits[0].Policy, Changes: p.Edits[0].Changes}
		r := fx.apply(t, p, ApplyOptions{Earlier: map[string]Earlier{w.Role: {Write: &w}}})
		if r.Counts[Written] != 1 || len(fx.prod.writes) != 1 {
			t.Errorf("%+v, written %v", r, fx.prod.writes)
		}
	})
}

// What could not be kept would be done twice: the run stops.
func TestApplyStopsWhenOutcomeIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		fx.prod.add("/", "a", trust(prod, home))
		fx.prod.add("/", "b", trust(prod, home))
		r := fx.apply(t, fx.plan(t), ApplyOptions{After: func(context.Context, Outcome) error { return errors.New("disk full") }})
		if r.Stopped == nil || r.Stopped.Code != finding.TrustRefused || len(fx.prod.writes) != 1 {
			t.Errorf("%+v", r)
		}
	})
}
