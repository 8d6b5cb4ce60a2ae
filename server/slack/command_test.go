package slack

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

type reader func(string) (command, error)

// commandRows say what a text is read as; says is what an error must say.
func commandRows() []struct {
	text string
	want command
	says string
} {
	return []struct {
		text string
		want command
		says string
	}{
		{"", command{verb: verbHelp}, ""},
		{"   ", command{verb: verbHelp}, ""},
		{"help", command{verb: verbHelp}, ""},
		{"help move", command{verb: verbHelp, about: verbMove}, ""},
		{"help everybody", command{}, `"everybody" is no command`},
		{"status", command{verb: verbStatus}, ""},
		{"STATUS", command{verb: verbStatus}, ""},
		{"status in workforce", command{verb: verbStatus, federation: "workforce"}, ""},
		{"status workforce", command{}, `"workforce" is too much behind status; next: type status [in FEDERATION]`},
		{"status in", command{}, "the name of the federation is missing"},
		{"stauts", command{}, "did you mean status?"},
		{"aprove prop-1", command{}, "did you mean approve?"},
		{"frobnicate", command{}, `"frobnicate" is no command; next: type help`},
		{"plan", command{}, "the Region to move to is missing"},
		{"plan us-west-2", command{verb: verbPlan, region: "us-west-2"}, ""},
		{"plan US-WEST-2 IN workforce", command{verb: verbPlan, region: "us-west-2", federation: "workforce"}, ""},
		{"plan us-west-2 because", command{}, `"because" is too much behind plan`},
		{"plan in workforce", command{}, "the Region to move to is missing"},
		{"move us-west-2 it is down", command{verb: verbMove, region: "us-west-2", reason: "it is down"}, ""},
		{"move to us-west-2 it is down", command{verb: verbMove, region: "us-west-2", reason: "it is down"}, ""},
		{"move us-west-2 in workforce it is  down ", command{verb: verbMove, region: "us-west-2", federation: "workforce", reason: "it is  down"}, ""},
		{"move us-west-2\tin\nworkforce\nit\nis down", command{verb: verbMove, region: "us-west-2", federation: "workforce", reason: "it\nis down"}, ""},
		{"move us-west-2 A &amp; B &lt;3 &amp;lt;", command{verb: verbMove, region: "us-west-2", reason: "A & B <3 &lt;"}, ""},
		{"move us-west-2", command{}, "say why"},
		{"move us-west-2 in workforce", command{}, "say why"},
		{"move", command{}, "the Region to move to is missing"},
		{"proposals", command{verb: verbProposals}, ""},
		{"approve prop-abc looks right", command{verb: verbApprove, id: "prop-abc", reason: "looks right"}, ""},
		{"approve", command{}, "the id of the proposal is missing"},
		{"approve ../../etc", command{}, "is not the id of a proposal"},
		{"reject prop-abc", command{}, "say why"},
		{"reject prop-abc not now", command{verb: verbReject, id: "prop-abc", reason: "not now"}, ""},
		{"proposals prop-abc", command{verb: verbProposals, id: "prop-abc"}, ""},
		{"proposals <b>", command{}, "is not the id of a proposal"},
		{"pause 2h disk work", command{verb: verbPause, lasts: "2h", reason: "disk work"}, ""},
		{"pause 90m in workforce disk work", command{verb: verbPause, lasts: "90m", federation: "workforce", reason: "disk work"}, ""},
		{"pause", command{}, "say how long"},
		{"pause disk work", command{}, `"disk" is no time`},
		{"pause -2h disk work", command{}, `"-2h" is no time`},
		{"pause 2h", command{}, "say why"},
		{"resume", command{verb: verbResume}, ""},
		{"resume all", command{verb: verbResume, all: true}, ""},
		{"resume pause-abcde", command{verb: verbResume, id: "pause-abcde"}, ""},
		{"resume in workforce", command{verb: verbResume, federation: "workforce"}, ""},
		{"resume all of it", command{}, `"of it" is too much behind resume`},
		{"readiness", command{verb: verbReadiness}, ""},
		{"readiness us-west-2 in workforce", command{verb: verbReadiness, region: "us-west-2", federation: "workforce"}, ""},
		{"health eu-west-1", command{verb: verbHealth, region: "eu-west-1"}, ""},
		{"history", command{verb: verbHistory}, ""},
		{"history 5", command{verb: verbHistory, count: 5}, ""},
		{"history 500", command{}, "name a number from 1 to 20"},
		{"history move-abc", command{verb: verbHistory, id: "move-abc"}, ""},
		{"explain", command{verb: verbExplain}, ""},
		{"explain us-east-1", command{verb: verbExplain, region: "us-east-1"}, ""},
		{"status \u202eevil", command{}, `\u202eevil`},
	}
}

// commands checks a parser by the table.
func commands(read reader) error {
	var wrong []error
	for _, r := range commandRows() {
		got, err := read(r.text)
		switch {
		case r.says == "" && (err != nil || got != r.want):
			wrong = append(wrong, fmt.Errorf("%q: %+v, %w", r.text, got, err))
		case r.says != "" && (err == nil || !strings.Contains(err.Error(), r.says)):
			wrong = append(wrong, fmt.Errorf("%q: %+v, %w; want %q", r.text, got, err, r.says))
		}
	}
	return errors.Join(wrong...)
}

func TestCommands(t *testing.T) {
	t.Parallel()
	if err := commands(parse); err != nil {
		t.Error(err)
	}
}

// Parsers that guess what somebody meant have to be found out.
func TestCommandSaboteurs(t *testing.T) {
	t.Parallel()
	for why, read := range map[string]reader{
		"words too many are passed over": func(s string) (command, error) {
			c, err := parse(s)
			if err != nil && strings.Contains(err.Error(), "too much") {
				return command{verb: verbStatus}, nil
			}
			return c, err
		},
		"a guess is acted on": func(s string) (command, error) {
			c, err := parse(s)
			if err != nil && strings.Contains(err.Error(), "did you mean approve") {
				return parse(strings.Replace(s, "aprove", "approve", 1))
			}
			return c, err
		},
		"a move needs no reason": func(s string) (command, error) {
			c, err := parse(s)
			if err != nil && strings.Contains(err.Error(), "say why") {
				return parse(s + " because")
			}
			return c, err
		},
		"entities stay": func(s string) (command, error) { return parse(strings.ReplaceAll(s, "&", "&amp;")) },
	} {
		if err := commands(read); err == nil {
			t.Errorf("%s, and the table does not see it", why)
		}
	}
}

// Everything typed is either one of the verbs with what that verb takes, or an
// error that says what to type; nothing that acts comes of a text that does not
// begin with its verb.
func FuzzCommand(f *testing.F) {
	for _, r := range commandRows() {
		f.Add(r.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text)
		if err != nil {
			var typo *usageError
			if !errors.As(err, &typo) || typo.next == "" || len(err.Error()) > 2000 || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		first := ""
		if words := strings.Fields(unescape(text)); len(words) > 0 {
			first = strings.ToLower(words[0])
		}
		switch {
		case c.verb != first && !(c.verb == verbHelp && first == ""):
			t.Fatalf("%q is read as %+v", text, c)
		case c.verb == verbMove && (c.region == "" || strings.TrimSpace(c.reason) == ""),
			c.verb == verbPause && (c.lasts == "" || strings.TrimSpace(c.reason) == ""),
			(c.verb == verbApprove || c.verb == verbReject) && !idShape.MatchString(c.id):
			t.Fatalf("%q is read as %+v", text, c)
		}
	})
}

// Whatever a form or a payload holds, it is refused or is a request with Slack's
// host behind it that is kept and read again unchanged.
func FuzzRequest(f *testing.F) {
	good := `payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T0ACME01%22%7D%2C%22user%22%3A%7B%22id%22%3A%22U0ADA%22%7D%2C%22channel%22%3A%7B%22id%22%3A%22C0INCIDENT%22%7D%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22samlfailover.approve%22%2C%22value%22%3A%22prop-1+00ff%22%7D%5D%2C%22response_url%22%3A%22https%3A%2F%2Fhooks.slack.com%2Factions%2FT%2F1%2Fx%22%7D`
	f.Add([]byte(publishedBody), false)
	f.Add([]byte(good), true)
	f.Add([]byte("payload=%7B%22type%22%3A"+strings.Repeat("%5B", 5000)), true)
	f.Add([]byte("team_id=a&team_id=b"), false)
	f.Add([]byte("ssl_check=1&token=x"), false)
	f.Fuzz(func(t *testing.T, body []byte, click bool) {
		read := typed
		if click {
			read = clicked
		}
		r, err := read(body)
		if err != nil {
			return
		}
		if err := hooked(r.answer); err != nil {
			t.Fatalf("%q is taken, and %v", body, err)
		}
		if click && (r.click == nil || !idShape.MatchString(r.click.ID) || !digestShape(r.click.Digest)) {
			t.Fatalf("%q is taken as %+v", body, r)
		}
		back, err := unkeep(r.key, r.keep())
		if err != nil || back.team != r.team || back.user != r.user || back.text != r.text || back.answer.Reveal() != r.answer.Reveal() || (back.click == nil) != (r.click == nil) {
			t.Fatalf("kept as %+v, read as %+v, %v", r, back, err)
		}
	})
}

func TestPublishedBodyIsRead(t *testing.T) {
	t.Parallel()
	r, err := typed([]byte(publishedBody))
	if err != nil || r.command != "/webhook-collect" || r.team != "T1DC2JH3J" || r.user != "U2CERLKJA" {
		t.Errorf("%+v, %v", r, err)
	}
}
