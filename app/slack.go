package app

import (
	"context"
	"fmt"
	"net/http"

	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/server/slack"
	"github.com/samlfailover/samlfailover/store"
)

const (
	// slackBox is the box of the store that requests of Slack wait in.
	slackBox = "slack"
	// slackBase is where the routes that Slack calls begin.
	slackBase = "/slack"
)

// newSlack makes the Slack app of the config; nil where it has none.
func (s *engine) newSlack(k *keeping) error {
	c, own := s.o.Config.Slack, s.secrets.Slack
	if !c.Configured() {
		return nil
	}
	var err error
	s.slack, err = slack.New(slack.Options{Signing: []secret.Value{own.Signing, own.NextSigning}, Bot: own.BotToken, Teams: c.Teams, Channels: c.Channels,
		Announce: c.Announce, Network: s.network, People: s.who, Once: k.store.Once(), Log: s.o.Log})
	if err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	return nil
}

// runSlack answers what waits for Slack until ctx ends; with the leader's term
// it works what was asked there.
func (s *engine) runSlack(ctx context.Context, seat *seat, term *store.Term) {
	if s.slack == nil {
		return
	}
	s.slack.Use(seat.use)
	if term == nil {
		s.slack.Run(ctx, nil)
		return
	}
	s.slack.Run(ctx, term.Box(slackBox))
}

// doors are the routes whose callers prove themselves in a way of their own, by
// the prefix of their path.
func (s *engine) doors() map[string]http.Handler {
	out := map[string]http.Handler{"/hooks/": s.hooks.Handler()}
	if s.slack != nil {
		out[slackBase+"/"] = http.StripPrefix(slackBase, s.slack.Handler())
	}
	return out
}
