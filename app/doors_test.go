package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"regexp"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/server/problem"
)

// said is what somebody was told: a kind of failure or the outcome of the rules,
// the rule, the words, and the code of the finding behind it.
type said struct {
	kind, rule, words string
	code              finding.Code
}

func ofDecision(d control.Decision) said {
	return said{kind: string(d.Outcome), rule: d.Rule, words: d.Why}
}

func ofFailure(f *control.Failure) said {
	out := said{kind: string(f.Kind), rule: f.Rule, words: f.Message}
	if f.Finding != nil {
		out.code = f.Finding.Code
	}
	return out
}

// refusal asks for what is refused.
func refusal(asks func(*app.Client) error) func(*app.Client) (said, error) {
	return func(c *app.Client) (said, error) {
		var f *control.Failure
		if err := asks(c); !errors.As(err, &f) {
			return said{}, fmt.Errorf("no refusal: %w", err)
		}
		return ofFailure(f), nil
	}
}

// asked is one use case in the form of every door; typed "" for none in Slack.
type asked struct {
	client       func(*app.Client) (said, error)
	method, path string
	body         any
	typed        string
}

// doors are the ways in to one controller, as one person. local may be nil.
type doors struct {
	t             *testing.T
	local, remote *app.Client
	api           outside
	slack         inSlack
	user          string
}

func (s *service) doors(first string) doors {
	s.t.Helper()
	o := s.by(first)
	c, err := app.DialServer(o.base, o.token, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return doors{s.t, s.client, c, o, inSlack{s.place, s.world.Slack()}, first}
}

// owner is who asks on the socket: the machine's account, not a person of the
// config.
func owner(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// wants asks at every door and compares; kind "" is whatever the rules say.
func (d doors) wants(why string, kind control.Kind, a asked) {
	d.t.Helper()
	all := map[string]said{}
	for door, c := range map[string]*app.Client{"socket": d.local, "network": d.remote} {
		if c == nil {
			continue
		}
		got, err := a.client(c)
		if err != nil {
			d.t.Errorf("%s: %s: %v", why, door, err)
			return
		}
		if door == "socket" {
			got.words = strings.ReplaceAll(got.words, owner(d.t)+" via ", d.user+" via ")
		}
		all[door] = got
	}
	var raw json.RawMessage
	status, _ := d.api.ask(a.method, "/api/v1"+a.path, a.body, &raw)
	var err error
	if all["API"], err = ofAPI(status, raw); err != nil {
		d.t.Errorf("%s: %v", why, err)
	}
	if a.typed != "" {
		all["Slack"] = d.types(a.typed)
	}
	if kind != "" && all["network"].kind != string(kind) {
		d.t.Errorf("%s: %+v, want the kind %s", why, all["network"], kind)
	}
	if err := same(all); err != nil {
		d.t.Errorf("%s: %v", why, err)
	}
}

// ofAPI reads an answer: a problem, a decision, or what holds one.
func ofAPI(status int, raw []byte) (said, error) {
	if status >= 400 {
		var p problem.Problem
		if err := json.Unmarshal(raw, &p); err != nil {
			return said{}, err
		}
		out := said{kind: p.Kind, rule: p.Rule, words: p.Detail}
		if p.Finding != nil {
			out.code = p.Finding.Code
		}
		return out, nil
	}
	var in struct {
		control.Decision
		Inner *control.Decision `json:"decision"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return said{}, fmt.Errorf("%w in %s", err, raw)
	}
	if in.Inner != nil {
		return ofDecision(*in.Inner), nil
	}
	return ofDecision(in.Decision), nil
}

// types types a command and waits for the line that says what became of it.
func (d doors) types(text string) said {
	d.t.Helper()
	seen := func() []string {
		all, err := d.slack.chat.Seen(incidentChannel, d.user)
		if err != nil {
			d.t.Fatal(err)
		}
		var out []string
		for _, m := range all {
			out = append(out, m.All())
		}
		return out
	}
	before := len(seen())
	d.slack.types(d.user, text)
	var out said
	until(d.t, "Slack says what became of "+text, func() bool {
		all := seen()
		for _, m := range all[min(before, len(all)):] {
			if got, ok := ofSlack(m); ok {
				out = got
				return true
			}
		}
		return false
	})
	return out
}

// told is the line of a refusal or of a decision.
var told = regexp.MustCompile(`(?m)^(invalid|not-found|forbidden|held|failed|hold|move|propose|observe|none)(?: \[([a-z-]+)\])?: (.+)$`)

// ofSlack reads a message, and takes Slack's own escapes away. A finding's code
// is not shown there: where there is one, its words are in the message.
func ofSlack(text string) (said, bool) {
	m := told.FindStringSubmatch(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text))
	if m == nil {
		return said{}, false
	}
	return said{kind: m[1], rule: m[2], words: m[3]}, true
}

// same reports what the doors say differently. What may differ is the name of the
// door behind a person, a hold that the API has to call held, because the request
// was not carried out, and characters that no terminal and no chat may get.
func same(all map[string]said) error {
	want := plain(all["network"])
	if want.kind == "" || want.words == "" {
		return fmt.Errorf("nothing was said: %+v", all["network"])
	}
	var errs []error
	for door, s := range all {
		got := plain(s)
		if door == "Slack" {
			got.code = want.code
		}
		if got != want {
			errs = append(errs, fmt.Errorf("%s says %+v, the network %+v", door, got, want))
		}
	}
	return errors.Join(errs...)
}

var byDoor = regexp.MustCompile(` via (cli|socket|token|api|slack)\b`)

func plain(s said) said {
	if s.kind == "hold" {
		s.kind = string(control.Held)
	}
	s.words = escape.Terminal(byDoor.ReplaceAllString(s.words, " via DOOR"))
	return s
}

// Saboteurs: doors that word a refusal themselves, drop its rule, its code or its
// kind, or say nothing.
func TestSameSeesADoorOfItsOwnWords(t *testing.T) {
	t.Parallel()
	right := said{"forbidden", "self-approval", "ada via token asked for it herself; next: have another approver", "approval-refused"}
	slack := right
	slack.words, slack.code = "ada via slack asked for it herself; next: have another approver", ""
	if err := same(map[string]said{"network": right, "socket": right, "API": right, "Slack": slack}); err != nil {
		t.Errorf("the same words: %v", err)
	}
	for why, spoil := range map[string]func(*said){
		"its own words":  func(s *said) { s.words = "You may not do that." },
		"no rule":        func(s *said) { s.rule = "" },
		"another rule":   func(s *said) { s.rule = "slack-once" },
		"another kind":   func(s *said) { s.kind = "invalid" },
		"no next step":   func(s *said) { s.words, _, _ = strings.Cut(s.words, "; next") },
		"another person": func(s *said) { s.words = strings.Replace(s.words, "ada", "eve", 1) },
		"nothing at all": func(s *said) { *s = said{} },
	} {
		for _, door := range []string{"socket", "API", "Slack", "network"} {
			all := map[string]said{"network": right, "socket": right, "API": right, "Slack": slack}
			one := all[door]
			spoil(&one)
			all[door] = one
			if same(all) == nil {
				t.Errorf("%s with %s is not seen", door, why)
			}
		}
	}
	noCode := right
	noCode.code = ""
	if same(map[string]said{"network": right, "API": noCode}) == nil {
		t.Error("an API that drops the code is not seen")
	}
}
