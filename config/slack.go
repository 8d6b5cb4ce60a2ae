package config

import (
	"slices"

	"github.com/samlfailover/samlfailover/secret"
)

// Slack is the Slack app that serves the slash command and the buttons. The
// secrets are references: Resolve turns them into Secrets.Slack. The zero value
// means that there is none.
type Slack struct {
	SigningSecret     Ref      `yaml:"signing_secret" required:"true" doc:"Reference to the app's signing secret (Basic Information of the app): every request of Slack is checked with it."`
	NextSigningSecret Ref      `yaml:"next_signing_secret" doc:"Reference to a second signing secret, which is accepted as well while the secret is being exchanged."`
	BotToken          Ref      `yaml:"bot_token" doc:"Reference to the bot token (xoxb-...), for messages that are edited as a move goes on and for answers later than 30 minutes. Absent: answers go through Slack's response_url only."`
	Teams             []string `yaml:"teams" required:"true" min:"1" max:"20" unique:"true" pattern:"team" doc:"Ids of the workspaces whose requests are taken. Who a person is: people, by workspace and user id."`
	Channels          []string `yaml:"channels" required:"true" min:"1" max:"200" unique:"true" pattern:"channel" doc:"Ids of the channels in which requests are taken."`
	Announce          string   `yaml:"announce" pattern:"channel" doc:"Id of the channel in which every proposal appears with its buttons, whoever has made it. It needs the bot token. Other news: notify."`
}

// Configured reports whether the config has a Slack app.
func (s Slack) Configured() bool { return s.SigningSecret != "" }

// references returns the references of the section by their paths.
func (s Slack) references() map[string]Ref {
	return map[string]Ref{slackSigning: s.SigningSecret, slackNextSigning: s.NextSigningSecret, slackBot: s.BotToken}
}

// The paths of the secrets.
const (
	slackSigning     = "slack.signing_secret"
	slackNextSigning = "slack.next_signing_secret"
	slackBot         = "slack.bot_token"
)

// SlackSecrets are those of the Slack app. NextSigning and BotToken are zero
// where the config names none.
type SlackSecrets struct{ Signing, NextSigning, BotToken secret.Value }

func (s *SlackSecrets) set(path string, v secret.Value) {
	switch path {
	case slackSigning:
		s.Signing = v
	case slackNextSigning:
		s.NextSigning = v
	case slackBot:
		s.BotToken = v
	}
}

func (c *checker) slack() {
	s := c.doc.Slack
	if s.Announce != "" && s.BotToken == "" && !c.written("slack", "bot_token") {
		c.fail("slack.announce", "announcements need the bot token: nobody has asked, so there is no other way to answer", "add slack.bot_token, or remove announce")
	}
	if s.SigningSecret != "" && s.SigningSecret == s.NextSigningSecret {
		c.fail(slackNextSigning, "it is the same reference as signing_secret", "name the other secret, or remove the key once the exchange is over")
	}
	if s.Configured() && c.doc.Server.Listen == "" {
		c.warn("slack", "there is no server.listen, so Slack reaches nobody here", "name the address that Slack's requests arrive at, directly or through a proxy, in server.listen")
	}
	if s.Announce != "" && len(s.Channels) > 0 && !slices.Contains(s.Channels, s.Announce) {
		c.warn("slack.announce", "the channel is not in channels, so nobody can press the buttons of what is told there", "add it to slack.channels")
	}
}
