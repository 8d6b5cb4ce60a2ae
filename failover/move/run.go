package move

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// run is one move being carried out or resumed.
type run struct {
	m    *Mover
	f    federation.Federation
	r    Record
	apps []*appRun // in step order
}

// appRun is one app of a run; only the goroutine that moves the app touches it
// until the run has ended.
type appRun struct {
	step     StepRecord
	result   failover.AppResult
	last     idp.StepResult
	wrote    []idp.Change     // changes of earlier tries that may have been sent
	fatal    error            // ends the run, not just this app
	unkept   *finding.Finding // why there is no document from before the move
	best     bool             // the proof reached is the best that could be (ErrUnprovable)
	trouble  sync.Once
	troubled chan struct{} // closed when the first try has failed
}

// newRun takes up a record where its notes end.
func newRun(m *Mover, f federation.Federation, r Record) *run {
	x := &run{m: m, f: f, r: r}
	for _, s := range r.Steps {
		a := &appRun{step: s, result: failover.AppResult{App: s.App}, troubled: make(chan struct{})}
		for _, n := range r.Notes {
			if n.App == s.App.String() {
				a.recall(n)
			}
		}
		x.apps = append(x.apps, a)
	}
	return x
}

// recall takes over what an earlier leader noted.
func (a *appRun) recall(n StepNote) {
	switch n.Phase {
	case Planned:
		a.wrote = n.Changes
	case Verified:
		a.result.Moved, a.result.Proof = true, max(a.result.Proof, failover.P1)
	case Proved:
		a.result.Proof = max(a.result.Proof, n.Proof)
	}
}

// run moves every app and ends the record.
func (x *run) run(ctx context.Context) (failover.Result, error) {
	if err := x.all(ctx); err != nil {
		return x.result(), fmt.Errorf("move %s was cut off and stays open in the journal: %w", x.r.ID, err)
	}
	res := x.result()
	res.Finished = time.Now().UTC()
	if err := x.m.Journal.Finish(ctx, x.r.ID, res); err != nil {
		return res, fmt.Errorf("end move %s in the journal: %w", x.r.ID, err)
	}
	x.m.after(ctx, x.r, "move.finished", res)
	x.drop(ctx)
	x.m.emit(x.r, Event{Kind: EventFinished, Proof: res.Proof, Text: FinishText(res), Result: &res})
	return res, nil
}

// all moves the lead app, then the others (spec 9.1). It returns an error only
// when the whole run has to stop.
func (x *run) all(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	rest := x.apps
	leadEnded := make(chan struct{})
	var lead *appRun
	if len(rest) > 0 && rest[0].step.Lead {
		lead, rest = rest[0], rest[1:]
		g.Go(func() error {
			defer close(leadEnded)
			return x.move(ctx, lead)
		})
	}
	g.Go(func() error {
		if why := x.afterLead(ctx, lead, leadEnded); why != nil {
			for _, a := range rest {
				a.result.Finding = why
			}
			return nil
		}
		return x.rest(ctx, rest)
	})
	return g.Wait()
}

// afterLead waits for the lead app. A failover goes on when the lead is proved,
// has trouble, or takes too long; every other move stops with a finding unless
// the lead is moved and, as far as it can be, proved.
func (x *run) afterLead(ctx context.Context, lead *appRun, ended <-chan struct{}) *finding.Finding {
	if lead == nil {
		return nil
	}
	if x.r.Cause == failover.Failover {
		patience := time.NewTimer(x.m.Limits.ProofTimeout)
		defer patience.Stop()
		select {
		case <-ended:
		case <-lead.troubled:
		case <-patience.C:
		case <-ctx.Done():
		}
		return nil
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return nil
	}
	if lead.result.Moved && (x.m.Prover == nil || x.r.Undoes != "" || lead.best || lead.result.Proof >= failover.P3) {
		return nil
	}
	why := fmt.Sprintf("proof reached: %s", lead.result.Proof)
	if f := lead.result.Finding; f != nil {
		why += "; " + f.Error()
	}
	return &finding.Finding{Code: finding.ProofMissing, Subject: "app " + lead.step.App.Name,
		What:   fmt.Sprintf("the lead app was not moved and proved, so the %s stops before the other apps", x.r.Cause),
		Why:    why,
		Remedy: "mend the lead app, or undo the move; a failover would go on"}
}

// rest moves the other apps in parallel, each tenant on its own, so that one
// that does not answer delays nobody else's apps (spec 2.5). Proofs run beside
// the moves: an app that is slow to prove keeps none from being moved.
func (x *run) rest(ctx context.Context, apps []*appRun) error {
	width := x.m.Limits.Parallel
	if width <= 0 {
		width = x.f.Policy.Parallel
	}
	if width <= 0 {
		width = 4
	}
	byTenant := map[string][]*appRun{}
	for _, a := range apps {
		byTenant[a.step.App.Tenant] = append(byTenant[a.step.App.Tenant], a)
	}
	g, ctx := errgroup.WithContext(ctx)
	turn := make(chan struct{}, width) // of the proofs
	for _, of := range byTenant {
		g.Go(func() error {
			tenant, tctx := errgroup.WithContext(ctx)
			tenant.SetLimit(width)
			for _, a := range of {
				tenant.Go(func() error {
					if there, err := x.bring(tctx, a); err != nil || !there {
						return err
					}
					g.Go(func() error {
						turn <- struct{}{}
						defer func() { <-turn }()
						return x.prove(ctx, a)
					})
					return nil
				})
			}
			return tenant.Wait()
		})
	}
	return g.Wait()
}

// move brings one app to its target and proves it. An error ends the run.
func (x *run) move(ctx context.Context, a *appRun) error {
	if there, err := x.bring(ctx, a); err != nil || !there {
		return err
	}
	return x.prove(ctx, a)
}

// bring brings one app to its target and reports whether it is there. An error
// ends the run.
func (x *run) bring(ctx context.Context, a *appRun) (there bool, err error) {
	if err := permitted(x.f, x.r, a.step); err != nil {
		x.fail(a, err)
		return false, nil
	}
	if !a.result.Moved {
		err = x.tries(ctx, a)
	}
	return a.result.Moved, err
}

// prove shows more than the read-back, where that is possible. A proof that
// fails lowers the level and stops nothing here.
func (x *run) prove(ctx context.Context, a *appRun) error {
	if x.m.Prover == nil || x.r.Undoes != "" || a.result.Proof >= failover.P3 {
		return nil
	}
	pctx, cancel := context.WithTimeout(ctx, x.m.Limits.ProofTimeout)
	defer cancel()
	level, err := x.m.Prover.Prove(pctx, x.f.Serving(a.step.App, x.r.To), x.r.To)
	a.best = errors.Is(err, ErrUnprovable)
	if err != nil {
		a.result.Finding = asFinding(a.step.App, finding.ProofMissing, "the app is moved and read back, and no login through it was proved", err)
	}
	if level <= a.result.Proof {
		return ctx.Err()
	}
	a.result.Proof = level
	return x.note(ctx, a, StepNote{Phase: Proved, Proof: level}, "proved: "+level.String())
}

// note journals a phase and tells it.
func (x *run) note(ctx context.Context, a *appRun, n StepNote, text string) error {
	n.App, n.At = a.step.App.String(), time.Now().UTC()
	if err := x.m.Journal.Note(ctx, x.r.ID, n); err != nil {
		return fmt.Errorf("journal that app %s is %s: %w", a.step.App.Name, n.Phase, err)
	}
	x.m.emit(x.r, Event{Kind: EventApp, App: a.step.App.Name, Phase: n.Phase, Proof: a.result.Proof, Text: a.step.App.Name + " " + text, Finding: n.Finding})
	return nil
}

// fail ends an app's part in the move.
func (x *run) fail(a *appRun, err error) {
	a.result.Finding = asFinding(a.step.App, finding.MoveIncomplete, "the app could not be moved", err)
	a.trouble.Do(func() { close(a.troubled) })
	x.m.emit(x.r, Event{Kind: EventFailed, App: a.step.App.Name, Text: a.step.App.Name + " was not moved: " + err.Error(), Finding: a.result.Finding})
}

// asFinding returns the finding in err, or makes one of it.
func asFinding(app federation.AppRef, code finding.Code, what string, err error) *finding.Finding {
	if f, ok := finding.From(err); ok {
		return &f
	}
	return &finding.Finding{Code: code, Subject: "app " + app.Name, What: what, Why: err.Error(),
		Remedy: "run the move again, or do the hand steps"}
}

// isFatal reports whether an error ends the run.
func isFatal(ctx context.Context, err error) bool {
	return errors.Is(err, ErrDeposed) || ctx.Err() != nil
}

// join appends the changes of a new try to those of earlier ones, without
// repeating what is the same.
func join(wrote, changes []idp.Change) []idp.Change {
	out := append([]idp.Change(nil), wrote...)
	for _, c := range changes {
		known := false
		for _, have := range out {
			known = known || reflect.DeepEqual(have, c)
		}
		if !known {
			out = append(out, c)
		}
	}
	return out
}
