package slack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/secret"
)

// What a button does, as Slack sends it back.
const (
	actionApprove = "samlfailover.approve"
	actionReject  = "samlfailover.reject"
)

// request is what Slack asks for somebody: a typed command, or a click.
type request struct {
	key     string    // names it: a digest of the body, which holds an id of Slack's own
	came    time.Time // when Slack signed it
	team    string
	channel string
	user    string
	command string // the slash command's own name, for help
	text    string // behind it
	click   *click // nil: typed
	answer  secret.Value
	begun   time.Time // when its work was begun, zero before
	shown   string    // the message that tells of it, "" before there is one
}

// click is a button that somebody pressed. Message is the message that has it.
type click struct {
	Action  string `json:"action"`
	ID      string `json:"id"`
	Digest  string `json:"digest"`
	Message string `json:"message"`
}

// read returns the command that a request is.
func (r request) read() (command, error) {
	switch {
	case r.click == nil:
		return parse(r.text)
	case r.click.Action == actionApprove:
		return command{verb: verbApprove, id: r.click.ID}, nil
	}
	return command{verb: verbReject, id: r.click.ID}, nil
}

// digest is what was shown to a voter, "" for who typed.
func (r request) digest() string {
	if r.click == nil {
		return ""
	}
	return r.click.Digest
}

// keyOf names a body.
func keyOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Slack's own words have these lengths at most here; longer ones are no ids.
const (
	longestID  = 64
	longestURL = 1024
)

// form reads the fields of a form; a field that stands twice has no meaning.
func form(body []byte) (url.Values, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("the body is not UTF-8")
	}
	v, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the body is not a form")
	}
	for name, all := range v {
		if len(all) != 1 {
			return nil, fmt.Errorf("the field %.40q stands %d times", name, len(all))
		}
		if !utf8.ValidString(all[0]) {
			return nil, fmt.Errorf("the field %.40q is not UTF-8", name)
		}
	}
	return v, nil
}

// errCheck is Slack's own question whether this host has a good certificate.
var errCheck = errors.New("Slack checks the certificate")

// typed reads a slash command.
func typed(body []byte) (request, error) {
	v, err := form(body)
	if err != nil {
		return request{}, err
	}
	if v.Get("ssl_check") == "1" {
		return request{}, errCheck
	}
	r := request{key: keyOf(body), team: v.Get("team_id"), channel: v.Get("channel_id"), user: v.Get("user_id"),
		command: v.Get("command"), text: v.Get("text"), answer: secret.New(v.Get("response_url"))}
	if r.command == "" {
		return request{}, errors.New("the field command is missing")
	}
	return r, r.whole()
}

// sent reads a slash command or an interaction: only the latter has a payload.
func sent(body []byte) (request, error) {
	if v, err := form(body); err == nil && v.Has("payload") {
		return clicked(body)
	}
	return typed(body)
}

// payload is what we read of an interaction's JSON.
type payload struct {
	Type string `json:"type"`
	Team struct {
		ID string `json:"id"`
	} `json:"team"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		Message string `json:"message_ts"`
		Own     bool   `json:"is_ephemeral"` // seen by one person alone: it cannot be edited
	} `json:"container"`
	Actions []struct {
		ID    string `json:"action_id"`
		Value string `json:"value"`
	} `json:"actions"`
	Answer string `json:"response_url"`
}

// errOther is an interaction that is none of ours, such as a link's click.
var errOther = errors.New("not a button of this app")

// clicked reads an interaction.
func clicked(body []byte) (request, error) {
	v, err := form(body)
	if err != nil {
		return request{}, err
	}
	if v.Get("ssl_check") == "1" {
		return request{}, errCheck
	}
	var p payload
	d := json.NewDecoder(bytes.NewReader([]byte(v.Get("payload"))))
	if err := d.Decode(&p); err != nil {
		return request{}, errors.New("the field payload is not the JSON of an interaction")
	}
	if d.More() {
		return request{}, errors.New("something follows the JSON of the payload")
	}
	if p.Type != "block_actions" || len(p.Actions) != 1 {
		return request{}, errOther
	}
	a := p.Actions[0]
	if a.ID != actionApprove && a.ID != actionReject {
		return request{}, errOther
	}
	id, digest, ok := strings.Cut(a.Value, " ")
	if !ok || !idShape.MatchString(id) || !digestShape(digest) {
		return request{}, errors.New("the button's value is not one of this app")
	}
	r := request{key: keyOf(body), team: p.Team.ID, channel: p.Channel.ID, user: p.User.ID, answer: secret.New(p.Answer),
		click: &click{Action: a.ID, ID: id, Digest: digest, Message: p.Container.Message}}
	if p.Container.Own {
		r.click.Message = ""
	}
	if len(r.click.Message) > longestID {
		return request{}, errors.New("the id of the message is too long")
	}
	return r, r.whole()
}

// digestShape reports whether a text can be the digest of a plan.
func digestShape(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && s != "" && len(s) <= 128
}

// whole checks what every request has.
func (r request) whole() error {
	for name, id := range map[string]string{"team": r.team, "channel": r.channel, "user": r.user} {
		if id == "" || len(id) > longestID || !idShape.MatchString(id) {
			return fmt.Errorf("the id of the %s is missing or no id of Slack's", name)
		}
	}
	return hooked(r.answer)
}

// hooksHost is the only host that answers go to.
const hooksHost = "hooks.slack.com"

// hooked checks that a response_url is one of Slack's. The error does not repeat
// it: whoever has it can speak in the channel.
func hooked(v secret.Value) error {
	text := v.Reveal()
	u, err := url.Parse(text)
	switch {
	case text == "" || err != nil || len(text) > longestURL:
		return errors.New("the response_url is missing or no URL")
	case u.Scheme != "https" || u.Host != hooksHost || u.User != nil || u.Opaque != "" || u.Fragment != "":
		return fmt.Errorf("the response_url does not lead to https://%s", hooksHost)
	}
	return nil
}

// kept is a request as it lies on the desk.
type kept struct {
	Came    time.Time `json:"came"`
	Team    string    `json:"team"`
	Channel string    `json:"channel"`
	User    string    `json:"user"`
	Command string    `json:"command,omitempty"`
	Text    string    `json:"text,omitempty"`
	Click   *click    `json:"click,omitempty"`
	Answer  string    `json:"answer"` // the desk encrypts what lies on it
	Begun   time.Time `json:"begun,omitzero"`
	Shown   string    `json:"shown,omitempty"`
}

func (r request) keep() []byte {
	return encode(kept{r.came, r.team, r.channel, r.user, r.command, r.text, r.click, r.answer.Reveal(), r.begun, r.shown})
}

// unkeep reads what keep wrote.
func unkeep(key string, raw []byte) (request, error) {
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil {
		return request{}, errors.New("it cannot be read")
	}
	r := request{key: key, came: k.Came, team: k.Team, channel: k.Channel, user: k.User, command: k.Command, text: k.Text, click: k.Click,
		answer: secret.New(k.Answer), begun: k.Begun, shown: k.Shown}
	return r, r.whole()
}
