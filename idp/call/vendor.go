package call

import (
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

// Vendor is what one vendor's API does its own way. Its functions are called
// concurrently; those that are nil are left out, but for Judge, which has to be
// there.
type Vendor struct {
	Name       string // in sentences: "Okta"
	StatusPage string // where the vendor says that it is down: "status.okta.com"
	// RequestID is the header with the vendor's id of a call, which its support
	// asks for; "" = there is none.
	RequestID string
	// LongestWait is where waiting for a rate bucket stops making sense; 0 = two
	// minutes.
	LongestWait time.Duration

	// Tokens keeps the access token; nil = the credential does not change, and
	// Sign gets the zero Token.
	Tokens *Tokens
	// Sign puts the credential into the header of one attempt. url is the
	// absolute URL that is about to be called, for proofs that name it.
	Sign func(h http.Header, t Token, method, url string) error
	// SignBody signs one attempt as a whole, its body included; it runs after
	// Sign.
	SignBody func(h http.Header, method, url string, body []byte) error
	// TokenFault reports whether a 401 means that the token is worth nothing, so
	// that one more try with a new one makes sense; nil = every 401 does. It is
	// asked only if there are Tokens.
	TokenFault func(outbound.Response) bool
	// Challenge sees every answer first. True = it learned something, such as a
	// nonce, without which the vendor did not look at the call: the call is made
	// again at once, at most once.
	Challenge func(outbound.Response) bool

	// Judge says what an answer that is no success means.
	Judge func(outbound.Response) Verdict
	// Rate reads the headers of an answer; false = they say nothing.
	Rate func(h http.Header, now time.Time) (Rate, bool)
	// Again may add headers to a read that is repeated after a 429; answer is
	// that 429, count the repeats so far, from 1.
	Again func(h http.Header, answer outbound.Response, count int)
}

// Verdict is the meaning of an answer that is no success. Code, What, Why and
// Remedy of the finding are the vendor's part; Caller adds Subject, status and
// request id.
type Verdict struct {
	Finding finding.Finding
	// Passing: the same call may work a moment later.
	Passing bool
}

// Rate is what an answer says of its rate bucket.
type Rate struct {
	Limit     int // calls per window; 0 = not said
	Remaining int
	// Reset is the time until the window ends, counted from the answer; 0 or
	// less = not said.
	Reset time.Duration
}
