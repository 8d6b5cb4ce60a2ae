// Package admin is for controlling a running sandbox from outside its process:
// setting and healing faults, signing in as a person, reading the request log,
// all over HTTP on loopback.
//
// It must never answer without the world's token, never under a Host name of
// somebody else's choosing. The one secret it tells is the assertion of a login
// that it was asked for.
package admin

import (
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// The paths of the control verbs.
const (
	pathInfo     = "/sandbox/info"     // GET -> Info
	pathFaults   = "/sandbox/faults"   // GET, POST FaultRequest, DELETE ?target= -> Faults
	pathRequests = "/sandbox/requests" // GET ?since= -> Requests
	pathLogin    = "/sandbox/login"    // POST LoginRequest -> loginAnswer
	pathSlack    = "/sandbox/slack"    // GET ?channel=&user= -> SlackMessages; POST SlackRequest -> slack.Delivery
)

// Info says what a world is.
type Info struct {
	Proxy      string    `json:"proxy"`
	CASPKI     string    `json:"ca_spki"` // base64 SHA-256 of the CA's public key
	CAExpires  time.Time `json:"ca_expires"`
	Hosts      []string  `json:"hosts"`
	Targets    string    `json:"targets"` // what a fault may hit, in words
	Kinds      []string  `json:"kinds"`   // what a fault may be, a line each
	Portals    []string  `json:"portals"` // where people sign in, one per tenant
	Apps       []string  `json:"apps"`
	Users      []string  `json:"users"`
	LastNumber uint64    `json:"last_number"` // of the request log
}

// FaultRequest asks for a fault: For is a duration such as "30s" or "" (until
// healed), Percent 1 to 100 or 0 (always).
type FaultRequest struct {
	Target  string `json:"target"`
	Kind    string `json:"kind"`
	For     string `json:"for,omitempty"`
	Percent int    `json:"percent,omitempty"`
}

// Faults are rules: those in force, those just healed.
type Faults struct {
	Rules  []fault.Rule `json:"rules"`
	Healed []fault.Rule `json:"healed,omitempty"`
}

// Requests are log entries. Missed is how many older ones were dropped.
type Requests struct {
	Entries []reqlog.Entry `json:"entries"`
	Missed  uint64         `json:"missed,omitempty"`
}

// LoginRequest asks for a sign-in. Empty: the world's first app, first person,
// and the first role that is offered.
type LoginRequest struct {
	App  string `json:"app,omitempty"`  // label or id
	User string `json:"user,omitempty"` // login
	Role string `json:"role,omitempty"` // ARN
}

// SlackRequest has a person use Slack: type Command, or press the button with
// this label of a message, "" for the newest that has one.
type SlackRequest struct {
	User    string `json:"user"`
	Channel string `json:"channel"`
	Command string `json:"command,omitempty"`
	Button  string `json:"button,omitempty"`
	Message string `json:"message,omitempty"` // its ts
}

// SlackMessages are those that a person sees in a channel, oldest first.
type SlackMessages struct {
	Messages []slack.Message `json:"messages"`
}

// loginAnswer is a login.Result with what its own JSON leaves out.
type loginAnswer struct {
	login.Result
	Role      string `json:"role,omitempty"`
	Account   string `json:"account,omitempty"`
	Assertion []byte `json:"assertion,omitempty"`
}

// failure is the body of every answer that is not 200.
type failure struct {
	Error string `json:"error"`
}
