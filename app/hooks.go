package app

import (
	"context"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/notify"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/server/hooks"
	"github.com/samlfailover/samlfailover/server/hooks/sources"
	"github.com/samlfailover/samlfailover/signature"
)

// hookBox is the box of the store that requests of hooks wait in.
const hookBox = "hook"

// hooksOf makes the hooks of the engine's config.
func (s *engine) hooksOf(k *keeping) (*hooks.Hooks, error) {
	o := hooks.Options{Callers: s.who, Once: k.store.Once(), Record: k.record, Log: s.o.Log}
	for _, h := range s.o.Config.Hooks {
		own := s.secrets.Hooks[h.Name]
		if h.Kind == "hmac" && (!signature.Strong(own.Secret) || !own.NextSecret.IsZero() && !signature.Strong(own.NextSecret)) {
			return nil, finding.Finding{Code: finding.HookSetup, Subject: "hook " + h.Name, What: "its secret is too short", Remedy: "make one, as with `openssl rand -hex 32`, and give it to both sides"}
		}
		one := hooks.Hook{Name: h.Name, Federation: h.Federation, Action: hooks.Action(h.Action), To: h.To.String(),
			Source: sources.Source{Kind: sources.Kind(h.Kind), Token: own.Token, Username: h.Username, Password: own.Password, Events: h.Events, Own: notify.DedupPrefix}}
		for _, key := range []secret.Value{own.Secret, own.NextSecret} {
			if !key.IsZero() {
				one.Source.Secrets = append(one.Source.Secrets, key)
			}
		}
		for _, r := range h.MayName {
			one.Source.MayName = append(one.Source.MayName, r.String())
		}
		o.Hooks = append(o.Hooks, one)
	}
	return hooks.New(o)
}

// asking are the use cases as hooks need them.
type asking struct{ use *control.Control }

// Evaluate implements hooks.UseCases.
func (a asking) Evaluate(ctx context.Context, actor control.Actor, federation string) (control.Decision, error) {
	return a.use.Evaluate(ctx, actor, federation)
}

// Propose implements hooks.UseCases.
func (a asking) Propose(ctx context.Context, actor control.Actor, r control.MoveRequest) (string, error) {
	ans, err := a.use.Propose(ctx, actor, r)
	if err == nil && ans.Move != nil {
		return "", &control.Failure{Kind: control.Held, Rule: ans.Move.Decision.Rule, Message: "not proposed: " + ans.Move.Decision.Why}
	}
	return ans.Proposal.ID, err
}

// Move implements hooks.UseCases.
func (a asking) Move(ctx context.Context, actor control.Actor, r control.MoveRequest) (control.MoveAnswer, error) {
	return a.use.Move(ctx, actor, r, nil)
}
