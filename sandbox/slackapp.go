package sandbox

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// The workspace of the demo world. Everybody of the world is a member; the
// written config maps its staff.
const (
	slackTeam      = "T0ACME0001"
	slackChannel   = "C0INCIDENT" // where the app is
	slackElsewhere = "C0RANDOM01" // where it is not

	slackSigningFile = secretsDir + "/slack-signing-secret"
	slackBotFile     = secretsDir + "/slack-bot-token"
)

// slackUser is a person's id in the workspace.
func slackUser(first string) string { return "U0" + strings.ToUpper(first) }

// newSlack makes the workspace.
func newSlack(d seed.Demo) (*slack.Workspace, error) {
	o := slack.Options{Team: slackTeam, Domain: "acme", AppID: "A0SAMLFAILOVER", SigningSecret: newToken(), BotToken: "xoxb-" + newToken(),
		Channels: []slack.Channel{{ID: slackChannel, Name: "incident", Bot: true}, {ID: slackElsewhere, Name: "random"}}}
	for _, u := range d.Users {
		first := strings.ToLower(u.FirstName)
		o.Users = append(o.Users, slack.User{ID: slackUser(first), Name: first})
	}
	return slack.New(o)
}

// Slack returns the simulated Slack workspace, to use it.
func (w *World) Slack() *slack.Workspace { return w.slack }

// slackConfig is the Slack app of the written config.
func (w *World) slackConfig() string {
	return fmt.Sprintf("slack:\n  signing_secret: file:%s\n  bot_token: file:%s\n  teams: [%s]\n  channels: [%s]\n  announce: %s\n",
		slackSigningFile, slackBotFile, slackTeam, slackChannel, slackChannel)
}

// slackFiles are the secrets that slackConfig names.
func (w *World) slackFiles() []file {
	o := w.slack.Options()
	return []file{{slackSigningFile, []byte(o.SigningSecret + "\n"), 0o600}, {slackBotFile, []byte(o.BotToken + "\n"), 0o600}}
}

// slackVariables are for tools that play Slack towards the controller.
func (w *World) slackVariables() [][2]string {
	return [][2]string{{"SAMLFAILOVER_SLACK_URL", w.ControllerURL() + "/slack"}, {"SLACK_SIGNING_SECRET", w.slack.Options().SigningSecret}}
}
