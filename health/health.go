// Package health is for turning probe results into a verdict per Region: a
// Tracker per endpoint (rise, fall, suspect-then-confirm), a vote per vantage,
// a quorum over the configured vantages. Values and pure functions.
//
// It must never do I/O and never decide a move.
package health

import (
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// Kind is what a probe asks.
type Kind string

// The kinds of probe.
const (
	SignIn  Kind = "signin"  // GET of AWS's SP metadata on the sign-in host
	STS     Kind = "sts"     // unauthenticated AssumeRoleWithSAML with junk on the Regional STS
	Console Kind = "console" // GET on the console host that RelayState leads to
)

// Phase is how far a probe came; a successful one reached Content.
type Phase string

// The phases in order.
const (
	DNS       Phase = "dns"
	Connect   Phase = "connect"
	Proxy     Phase = "proxy"
	TLS       Phase = "tls"
	Request   Phase = "request"
	FirstByte Phase = "first_byte"
	Body      Phase = "body"
	Content   Phase = "content"
)

// Outcome is what a probe says of the endpoint.
type Outcome string

// The outcomes. Blocked means that somebody between us and AWS answered (403
// block page, captcha, 429): no vote. Discarded is a sample across a stall of
// our own machine (spec 7.7).
const (
	OK        Outcome = "ok"
	Failed    Outcome = "failed"
	Blocked   Outcome = "blocked"
	Discarded Outcome = "discarded"
)

// Result is one probe.
type Result struct {
	Vantage string        `json:"vantage,omitempty"`
	Region  signin.Region `json:"region"`
	Kind    Kind          `json:"kind"`
	URL     string        `json:"url"`
	Outcome Outcome       `json:"outcome"`
	Phase   Phase         `json:"phase"`            // the last phase entered
	Code    string        `json:"code"`             // stable word, "serving" or such as "connect-refused"
	Reason  string        `json:"reason"`           // one sentence for people
	Proves  string        `json:"proves,omitempty"` // what a good answer proves
	Status  int           `json:"status,omitempty"` // HTTP status, 0 when none came
	Start   time.Time     `json:"start"`            // wall clock, for people; carries a monotonic reading in process
	Took    time.Duration `json:"took"`
	// Phases holds the time spent in each phase that was entered.
	Phases     map[Phase]time.Duration `json:"phases,omitempty"`
	Proxied    bool                    `json:"proxied,omitempty"`
	CertExpiry time.Time               `json:"cert_expiry,omitzero"`
	Remote     string                  `json:"remote,omitempty"` // address connected to, "" through a proxy
}

// State is what one vantage says of a Region, and what quorum makes of it.
type State string

// The states. Suspect is a vantage's own word only: not yet confirmed.
const (
	Healthy   State = "healthy"
	Suspect   State = "suspect"
	Unhealthy State = "unhealthy"
	Unknown   State = "unknown"
)

// Observation is what one vantage's tracker says of one Region at one time.
type Observation struct {
	Vantage string        `json:"vantage"`
	Region  signin.Region `json:"region"`
	State   State         `json:"state"`
	Since   time.Time     `json:"since"` // when State began
	At      time.Time     `json:"at"`    // time of the newest sample
	Reason  string        `json:"reason,omitempty"`
	// Failing holds when the failures of the newest run began, oldest first, of
	// the kind with the most of them; only the last sixteen are kept, and none
	// once the kind is healthy.
	Failing []time.Time `json:"failing,omitempty"`
	// Last is the newest result of each kind.
	Last []Result `json:"last,omitempty"`
}

// Vote is one vantage's voice about a Region. Abstain names why it does not
// count ("silent", "stale", "own-network", "blocked", "suspect"); empty = counts.
type Vote struct {
	Observation Observation `json:"observation"`
	Abstain     string      `json:"abstain,omitempty"`
}

// Verdict is what quorum says of a Region, with the evidence.
type Verdict struct {
	Region     signin.Region `json:"region"`
	State      State         `json:"state"`   // Healthy, Unhealthy or Unknown; Suspect never
	Suspect    bool          `json:"suspect"` // some vantage suspects the Region: probe faster, wait with reports
	Since      time.Time     `json:"since"`
	Configured int           `json:"configured"` // vantages configured: the denominator
	For        int           `json:"for"`        // votes for healthy
	Against    int           `json:"against"`    // votes for unhealthy
	Votes      []Vote        `json:"votes,omitempty"`
	Reason     string        `json:"reason"`
}

// SoleVantage reports whether promise 7 does not hold (spec 7.3).
func (v Verdict) SoleVantage() bool { return v.Configured < 2 }
