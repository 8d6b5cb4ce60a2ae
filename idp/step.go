package idp

import (
	"context"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Hooks are what the caller of a step does at its turning points. A nil hook is
// left out. An error of a hook stops the step; nothing has been written then.
type Hooks struct {
	// Planned gets the document as read and the changes about to be made,
	// before anything is written: the place to journal and to audit. It is not
	// called when there is nothing to change.
	Planned func(ctx context.Context, before Document, changes []Change) error
	// Writing is called directly before the write goes out: the place to check
	// a lease once more.
	Writing func(ctx context.Context) error
	// Bound is called after Writing, before each try of the write, and returns
	// the context of that call alone: the place to give it a deadline.
	Bound func(ctx context.Context) (context.Context, context.CancelFunc, error)
	// ReadBack bounds how long a write may take to show up; 0 means 15 s.
	ReadBack time.Duration
}

// StepResult is what became of one app. On an error it holds what was known
// when the step ended.
type StepResult struct {
	App     App      `json:"app"` // as described on the last good read
	Before  Document `json:"before"`
	After   Document `json:"after"`
	Changes []Change `json:"changes,omitempty"`
	// Calls counts what the step asked of the tenant, at most four; Polls the
	// further reads while a write was not yet visible. Retries inside a call are
	// the tenant's own.
	Calls int `json:"calls"`
	Polls int `json:"polls,omitempty"`
	// Findings are worth showing although they did not stop the step, such as a
	// RelayState that was kept.
	Findings []finding.Finding `json:"findings,omitempty"`
	// Already: the app was as meant, so nothing was written.
	Already bool `json:"already,omitempty"`
	// Sent: a write has left. With an error it means that the app may have
	// changed; running the step again settles it.
	Sent bool `json:"sent,omitempty"`
}

// Compute returns the changes to make to a document that was just read. It may
// add findings to the result.
type Compute func(now Document, app App) ([]Change, []finding.Finding, error)

// Step points one app at the target (spec 2.2): read, check, compute, re-read,
// write, read back, compare whole. It is idempotent and converges, so a step
// that was cut off anywhere is finished by running it again.
//
// Errors carry a finding. One limit remains: if somebody else changes the app
// in the moment between our re-read and our write, a vendor that keeps no
// version number shows no trace of the edit that our write replaced.
func Step(ctx context.Context, t Tenant, c Codec, id AppID, target signin.Target, h Hooks) (StepResult, error) {
	return StepChanges(ctx, t, c, id, func(now Document, app App) ([]Change, []finding.Finding, error) {
		changes, err := c.Retarget(now, target)
		if f, ok := RelayFinding(subject(id), app.RelayState, target); ok {
			return changes, []finding.Finding{f}, err
		}
		return changes, nil, err
	}, h)
}

// StepChanges is Step with any way to compute the changes.
func StepChanges(ctx context.Context, t Tenant, c Codec, id AppID, compute Compute, h Hooks) (StepResult, error) {
	s := step{tenant: t, codec: c, id: id, hooks: h}
	err := s.run(ctx, compute)
	return s.result, err
}

type step struct {
	tenant Tenant
	codec  Codec
	id     AppID
	hooks  Hooks
	result StepResult
	sent   Document // what we meant the app to become
}

func (s *step) run(ctx context.Context, compute Compute) error {
	if err := s.plan(ctx, compute); err != nil || s.result.Already {
		return err
	}
	if s.hooks.Planned != nil {
		if err := s.hooks.Planned(ctx, s.result.Before, s.result.Changes); err != nil {
			return fmt.Errorf("app %s: record the change before it is made: %w", s.id, err)
		}
	}
	if err := s.reread(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		if again, err := s.write(ctx, try); !again {
			return err
		}
	}
}

// write sends the changes and finds out what became of them; again asks for
// another try.
func (s *step) write(ctx context.Context, try int) (again bool, err error) {
	if s.hooks.Writing != nil {
		if err := s.hooks.Writing(ctx); err != nil {
			return false, fmt.Errorf("app %s: not written: %w", s.id, err)
		}
	}
	call, cancel := ctx, func() {}
	if s.hooks.Bound != nil {
		if call, cancel, err = s.hooks.Bound(ctx); err != nil {
			return false, fmt.Errorf("app %s: not written: %w", s.id, err)
		}
	}
	if try == 1 {
		s.result.Calls++
	}
	s.result.Sent = true
	err = s.tenant.Write(call, s.result.Before, s.result.Changes)
	cancel()
	return s.settle(ctx, err, try)
}

// plan reads the app, checks that it may be written (spec 1.4) and computes the
// changes and the document they lead to.
func (s *step) plan(ctx context.Context, compute Compute) error {
	before, err := s.read(ctx)
	if err != nil {
		return err
	}
	s.result.Before, s.result.After = before, before
	app := s.codec.Describe(before)
	s.result.App = app
	if err := app.Refusal(); err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	changes, notes, err := compute(before, app)
	if err != nil {
		return fmt.Errorf("compute the changes of app %s: %w", s.id, err)
	}
	s.result.Changes = changes
	s.result.Findings = join(app.Findings, notes)
	if len(changes) == 0 {
		s.result.Already = true
		return nil
	}
	if s.sent, err = Apply(before, changes); err != nil {
		return err
	}
	return s.guard(app)
}

// guard holds promise 1 whatever the codec did: what we are about to send must
// itself be an app that may be written, and a RelayState that differs from the
// one found must be a console page.
func (s *step) guard(app App) error {
	next := s.codec.Describe(s.sent)
	if err := next.Refusal(); err != nil {
		return fmt.Errorf("nothing was written, because the result would be refused: %w", err)
	}
	if next.RelayState == app.RelayState {
		return nil
	}
	if _, err := signin.ParseRelayState(next.RelayState); err != nil {
		return finding.Finding{Code: finding.ForeignRelayState, Subject: subject(s.id), What: "the change would write a RelayState outside AWS's console",
			Why: err.Error(), Remedy: "set it by hand in the IdP if it is meant"}
	}
	return nil
}

// reread makes sure that the app is still what the changes were computed from,
// volatile values and number forms included.
func (s *step) reread(ctx context.Context) error {
	now, err := s.read(ctx)
	if err != nil {
		return fmt.Errorf("read again before the write: %w", err)
	}
	diff, err := ChangedText(s.result.Before.Raw, now.Raw, nil)
	if err != nil {
		return err
	}
	if len(diff) > 0 {
		return finding.Finding{Code: finding.ChangedMeanwhile, Subject: subject(s.id),
			What: "the app was changed between our read and our write; nothing was written",
			Why:  "somebody, or other automation, is editing it", Remedy: "look at the change, then run the move again",
			Evidence: map[string]string{"changed": pointerList(diff)}}
	}
	return nil
}

// read is one counted read of the app.
func (s *step) read(ctx context.Context) (Document, error) {
	s.result.Calls++
	doc, err := s.tenant.Read(ctx, s.id)
	if err != nil {
		return Document{}, err
	}
	if _, err := Parse(doc.Raw); err != nil {
		return Document{}, fmt.Errorf("app %s as read: %w", s.id, err)
	}
	return doc, nil
}

func subject(id AppID) string { return "app " + string(id) }

// join appends findings whose code is not there yet.
func join(have, more []finding.Finding) []finding.Finding {
	out := append([]finding.Finding(nil), have...)
next:
	for _, f := range more {
		for _, h := range out {
			if h.Code == f.Code {
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}
