package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
)

const slackSection = `slack:
  signing_secret: env:SIGNING
  next_signing_secret: file:next
  bot_token: env:BOT
  teams: [T024BE7LD]
  channels: [C024BE91L]
  announce: C024BE91L
`

func TestSlackSecretsResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "next"), []byte("the next one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse(filepath.Join(dir, "c.yaml"), []byte(small+slackSection))
	if err != nil || !c.Slack.Configured() || c.Slack.Announce != "C024BE91L" {
		t.Fatalf("%+v, %v", c, err)
	}
	env := map[string]string{"OKTA_TOKEN": "t", "SIGNING": "the signing secret", "BOT": "xoxb-1"}
	got, err := c.Resolve(secret.Resolver{Env: env, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := got.Slack
	if s.Signing.Reveal() != "the signing secret" || s.NextSigning.Reveal() != "the next one" || s.BotToken.Reveal() != "xoxb-1" {
		t.Errorf("%q %q %q", s.Signing.Reveal(), s.NextSigning.Reveal(), s.BotToken.Reveal())
	}
	delete(env, "BOT")
	if _, err := c.Resolve(secret.Resolver{Env: env, Dir: dir}); err == nil || !strings.Contains(err.Error(), "slack.bot_token") {
		t.Errorf("a bot token that is not there: %v", err)
	}
}

func TestWithoutSlack(t *testing.T) {
	t.Parallel()
	c, err := Parse("c.yaml", []byte(small))
	if err != nil || c.Slack.Configured() {
		t.Errorf("%+v, %v", c, err)
	}
}

// spec 15.3: a secret file that others can change is refused, and a change of
// who is listened to is one to hear of.
func TestSlackIsWatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "next"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "next"), 0o666); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(file, []byte(small+slackSection), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, Options{}); !finding.Is(err, finding.ConfigWritable) || !strings.Contains(err.Error(), slackNextSigning) {
		t.Errorf("a signing secret that everybody can change: %v", err)
	}
	before, err := Parse("c.yaml", []byte(small+slackSection))
	if err != nil {
		t.Fatal(err)
	}
	after, err := Parse("c.yaml", []byte(small+strings.ReplaceAll(slackSection, "T024BE7LD", "T0OTHER")))
	if err != nil {
		t.Fatal(err)
	}
	diff := Diff(before, after)
	if !slices.ContainsFunc(diff, func(d Difference) bool { return d.Path == "slack.teams" && d.Risk != "" }) {
		t.Errorf("%+v", diff)
	}
}
