// Package problem is for the one form in which every door of the controller
// says that a request was not carried out: RFC 9457's problem details, with the
// project's own members beside them.
//
// It must never carry the text of an error that was not written for the caller,
// nor a credential; and it knows nothing of use cases, so that the doors in
// front of them can refuse in the same form.
package problem

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
)

// ContentType is RFC 9457's media type.
const ContentType = "application/problem+json"

// Prefix begins every problem's type. What stands behind it is one of the codes
// in docs/api.md, and stays what it is from version to version.
const Prefix = "urn:samlfailover:problem:"

// Code names a kind of problem.
type Code string

// The codes. Those that a use case can give are control's kinds of failure.
const (
	Invalid       Code = "invalid"          // 422: a value is wrong
	NotFound      Code = "not-found"        // 404: it names something that does not exist, for this caller
	Forbidden     Code = "forbidden"        // 403: the caller lacks the role
	Held          Code = "held"             // 409: a rule holds it
	Failed        Code = "failed"           // 500: it was tried and failed
	NoRoute       Code = "no-route"         // 404, 405: there is no such route or method
	Unreadable    Code = "unreadable"       // 400, 415: the body or a header is not what it has to be
	TooLarge      Code = "too-large"        // 413
	TooSlow       Code = "too-slow"         // 408
	NoCredential  Code = "no-credential"    // 401: none was shown
	BadCredential Code = "bad-credential"   // 401: it is not one that counts here
	TooMany       Code = "too-many"         // 429: this address has to wait
	Busy          Code = "busy"             // 503: the server answers as many as it may
	UnknownHost   Code = "unknown-host"     // 421: the Host header is not on the list
	CrossOrigin   Code = "cross-origin"     // 403: a page of another site has sent it
	KeyReused     Code = "key-reused"       // 422: the Idempotency-Key came with another request before
	KeyRunning    Code = "key-running"      // 409: the first request with the key is still at work
	KeyUncertain  Code = "key-uncertain"    // 409: the first one was cut off, and what became of it is not known
	NotBegun      Code = "not-begun"        // 503: what was asked for has not begun yet, and nothing keeps it
	NotStarted    Code = "not-started"      // 503: the controller is still starting
	EventsGone    Code = "events-gone"      // 410: the events after this id are not kept any more
	Unavailable   Code = "unavailable"      // 503: something that the answer needs cannot be reached
	NotAcceptable Code = "not-acceptable"   // 406
	NotLeader     Code = "not-leader"       // 503: this controller does not lead (hooks; the API calls it held)
	Replayed      Code = "replayed"         // 409: this very request was taken before
	Unverifiable  Code = "issuer-unreached" // 401: the issuer's keys are not known and cannot be read now
)

// Fault is one thing that is wrong with a request. Field is where, such as
// "body.to" or "query.wait".
type Fault struct {
	Field   string `json:"field" doc:"Where: body.to, query.wait, header.Idempotency-Key."`
	Message string `json:"message" doc:"What is wrong there."`
}

// Problem is one refusal. Kind is one of control's kinds of failure, "" where
// no use case was reached.
type Problem struct {
	Type    string           `json:"type" doc:"Which problem it is; stable. urn:samlfailover:problem:CODE, the codes are in docs/api.md."`
	Title   string           `json:"title" doc:"The problem in a few words, always the same for a type."`
	Status  int              `json:"status" doc:"The HTTP status."`
	Detail  string           `json:"detail,omitempty" doc:"What is the matter with this request, in the words of the command line."`
	Kind    string           `json:"kind,omitempty" doc:"Who has to do something: invalid, not-found, forbidden, held, failed."`
	Rule    string           `json:"rule,omitempty" doc:"The rule that holds it."`
	Fields  []Fault          `json:"fields,omitempty" doc:"What is wrong with the request, field by field."`
	Finding *finding.Finding `json:"finding,omitempty" doc:"The finding behind it."`
	Next    string           `json:"next,omitempty" doc:"The next step to take."`
	Request string           `json:"request,omitempty" doc:"The id of this request in the controller's log."`
	// Decision is what the rules said, where a rule holds it.
	Decision any `json:"decision,omitempty" doc:"The decision with its evidence, where a rule holds it."`

	headers http.Header
}

// New makes a problem of a code.
func New(code Code, status int, detail, next string) *Problem {
	return &Problem{Type: Prefix + string(code), Title: title(code), Status: status, Detail: detail, Next: next}
}

// title is the problem's name in words.
func title(code Code) string { return strings.ReplaceAll(string(code), "-", " ") }

// Code returns which problem it is.
func (p *Problem) Code() Code { return Code(strings.TrimPrefix(p.Type, Prefix)) }

// With adds a header to the answer, such as Retry-After.
func (p *Problem) With(header, value string) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(header, value)
	return p
}

// Error implements error: the words for people.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// GetStatus is the HTTP status (huma.StatusError).
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are the answer's further headers (huma.HeadersError).
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType names the answer's media type (huma.ContentTypeFilter).
func (p *Problem) ContentType(string) string { return ContentType }

// Write sends the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	for k, v := range p.headers {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	b, err := json.Marshal(p)
	if err != nil {
		return // a Problem always encodes
	}
	_, _ = w.Write(b) // whoever asked may be gone
}
