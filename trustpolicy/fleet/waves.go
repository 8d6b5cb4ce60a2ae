package fleet

import (
	"context"
	"sync"
)

// waves splits a plan's edits, by index (spec 5.4): one role, the rest of its
// account, a tenth of all roles, the others. What a wave shows to be wrong is
// not done to the next one. No wave is empty.
func waves(edits []RoleEdit) [][]int {
	if len(edits) == 0 {
		return nil
	}
	out := make([][]int, 4)
	out[0] = []int{0}
	tenth := (len(edits) + 9) / 10
	for i := 1; i < len(edits); i++ {
		switch {
		case edits[i].Account == edits[0].Account:
			out[1] = append(out[1], i)
		case len(out[2]) < tenth:
			out[2] = append(out[2], i)
		default:
			out[3] = append(out[3], i)
		}
	}
	var some [][]int
	for _, w := range out {
		if len(w) > 0 {
			some = append(some, w)
		}
	}
	return some
}

// all carries out the plan, wave by wave.
func (r *run) all(ctx context.Context) {
	for n, edits := range waves(r.plan.Edits) {
		if r.halted() {
			return
		}
		for _, i := range edits {
			r.outcomes[i].Wave = n + 1
		}
		r.wave(ctx, edits)
	}
}

// wave carries out some of the edits: one after the other within an account,
// several accounts at a time.
func (r *run) wave(ctx context.Context, edits []int) {
	var order []string
	of := map[string][]int{}
	for _, i := range edits {
		id := r.plan.Edits[i].Account
		if of[id] == nil {
			order = append(order, id)
		}
		of[id] = append(of[id], i)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, r.Parallel)
	for _, id := range order {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for _, i := range of[id] {
				r.role(ctx, i)
			}
		})
	}
	wg.Wait()
}
