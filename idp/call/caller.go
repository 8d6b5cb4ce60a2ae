package call

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	attemptTime  = 20 * time.Second // one exchange; more means that nothing comes
	readAttempts = 4
	throttled429 = 8 // waits for a bucket until a read gives up
	firstBackoff = 250 * time.Millisecond
	jsonType     = "application/json"
	writeAgain   = time.Second // before a write that met a fault is tried again
	longestWait  = 2 * time.Minute
)

// Caller calls one API of one tenant. Safe for concurrent use.
type Caller struct {
	subject string
	http    *outbound.Client
	vendor  Vendor
	circuit *circuit
}

// Request is one call. Subject names what it is about in findings ("app
// 0oa1b2"). Path is a path with an optional query, or an absolute URL on the
// client's origin. Header holds further headers, never a credential; Accept is
// application/json unless it says otherwise. Bucket is the rate bucket that the
// call falls into, nil = none is watched. Secrets are what Body holds that
// nobody may see; a vendor that repeats one is not quoted with it.
type Request struct {
	Bucket  *Bucket
	Subject string
	Method  string
	Path    string
	Header  http.Header
	Body    []byte
	Secrets []secret.Value
}

// New returns a caller; it makes no call. subject names the tenant in findings
// ("tenant okta-prod").
func New(subject string, client *outbound.Client, v Vendor) *Caller {
	if v.LongestWait <= 0 {
		v.LongestWait = longestWait
	}
	return &Caller{subject: subject, http: client, vendor: v, circuit: newCircuit(subject)}
}

// RequestID returns the vendor's id of the call that brought an answer, or "".
func (c *Caller) RequestID(r outbound.Response) string {
	if c.vendor.RequestID == "" {
		return ""
	}
	return r.Header.Get(c.vendor.RequestID)
}

// Get reads until the vendor answers 200: a rate limit is waited out within the
// caller's deadline, a fault is tried again a few times. Under idp.Calm it also
// waits for its share of the bucket, and does not bother a tenant that has just
// failed several times. Errors carry a finding; the response is then the last
// one, if any.
func (c *Caller) Get(ctx context.Context, r Request) (outbound.Response, error) {
	if idp.IsCalm(ctx) && r.Bucket != nil && !pause(ctx, r.Bucket.calmWait(time.Now())) {
		return outbound.Response{}, fmt.Errorf("%s: not asked: calm-time traffic leaves the rate bucket to moves: %w", r.Subject, deadline(ctx))
	}
	r.Method = http.MethodGet
	r.Header = clone(r.Header)
	for attempt, waits := 0, 0; ; {
		resp, err := c.exchange(ctx, r)
		if err == nil && resp.Status == http.StatusOK {
			return resp, c.typed(r, resp)
		}
		passing, failure := c.failure(r.Subject, resp, err)
		wait := firstBackoff << attempt
		if err == nil && resp.Status == http.StatusTooManyRequests {
			waits++
			wait = c.throttleWait(resp.Header, waits)
			if c.vendor.Again != nil {
				c.vendor.Again(r.Header, resp, waits)
			}
		} else {
			attempt++
		}
		if !passing || attempt >= readAttempts || waits >= throttled429 || wait > c.vendor.LongestWait || !pause(ctx, wait) {
			return resp, failure
		}
	}
}

// typed refuses an answer to a request for JSON that says that it is something
// else: a page in front of the vendor, whatever stands in it. An answer without
// a type is left to the parser.
func (c *Caller) typed(r Request, resp outbound.Response) error {
	if accept := r.Header.Get("Accept"); accept != "" && accept != jsonType {
		return nil
	}
	says := resp.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(says)
	if says == "" || err == nil && (media == jsonType || strings.HasSuffix(media, "+json")) {
		return nil
	}
	return c.Unexpected(r.Subject, fmt.Sprintf("the answer is %q instead of JSON", Cut(says, 80)), resp)
}

// Send makes a call that changes something, once; only a call that the vendor
// refused for its credential, and so never looked at, is made again. A 2xx is a
// success. What another try may cure, or whose fate is open, comes back as
// *idp.RetryError: who wants to repeat it reads first.
func (c *Caller) Send(ctx context.Context, r Request) (outbound.Response, error) {
	r.Header = clone(r.Header)
	if r.Body != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", jsonType)
	}
	resp, err := c.exchange(ctx, r)
	if err == nil && resp.Status/100 == 2 {
		return resp, nil
	}
	passing, failure := c.failure(r.Subject, resp, err)
	switch {
	case !passing || finding.Is(failure, finding.IdPReadOnly):
		return resp, failure
	case err == nil && resp.Status == http.StatusTooManyRequests:
		wait := c.throttleWait(resp.Header, 1)
		if wait > c.vendor.LongestWait {
			return resp, failure
		}
		return resp, &idp.RetryError{After: wait, Err: failure}
	}
	return resp, &idp.RetryError{After: writeAgain, Err: failure}
}

// exchange makes one call and once more each after a challenge and after a
// refused token: in both cases the vendor did not look at what was asked.
func (c *Caller) exchange(ctx context.Context, r Request) (outbound.Response, error) {
	challenged, renewed := false, c.vendor.Tokens == nil
	for {
		token, resp, err := c.once(ctx, r)
		switch {
		case err != nil:
			return resp, err
		case c.vendor.Challenge != nil && c.vendor.Challenge(resp) && !challenged:
			challenged = true
		case !renewed && resp.Status == http.StatusUnauthorized && (c.vendor.TokenFault == nil || c.vendor.TokenFault(resp)):
			c.vendor.Tokens.Drop(token)
			renewed = true
		default:
			return resp, nil
		}
	}
}

// once is one exchange with the credential.
func (c *Caller) once(ctx context.Context, r Request) (Token, outbound.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	token, header, err := c.signed(ctx, r)
	if err != nil {
		return token, outbound.Response{}, err
	}
	done, err := c.circuit.enter(idp.IsCalm(ctx))
	if err != nil {
		return token, outbound.Response{}, c.spared(r.Subject)
	}
	resp, err := c.http.Do(ctx, outbound.Request{Method: r.Method, Path: r.Path, Header: header, Body: r.Body})
	done(c.sickness(resp, err))
	if err == nil && r.Bucket != nil {
		rate, stated := c.rate(resp.Header)
		r.Bucket.saw(rate, stated, time.Now())
	}
	if err == nil {
		resp = hide(resp, r, header)
	}
	return token, resp, err
}

// signed returns the header with the credential, and the token in it.
func (c *Caller) signed(ctx context.Context, r Request) (Token, http.Header, error) {
	header := clone(r.Header)
	if header.Get("Accept") == "" {
		header.Set("Accept", jsonType)
	}
	var token Token
	if c.vendor.Tokens != nil {
		var err error
		if token, err = c.vendor.Tokens.Get(ctx); err != nil {
			return token, nil, &noCredential{err}
		}
	}
	if c.vendor.Sign == nil && c.vendor.SignBody == nil {
		return token, header, nil
	}
	u, err := c.http.Resolve(r.Path)
	if err != nil {
		return token, nil, err
	}
	if c.vendor.Sign != nil {
		err = c.vendor.Sign(header, token, r.Method, u.String())
	}
	if err == nil && c.vendor.SignBody != nil {
		err = c.vendor.SignBody(header, r.Method, u.String(), r.Body)
	}
	if err != nil {
		return token, nil, &noCredential{err}
	}
	return token, header, nil
}

// noCredential says that a call was not made, because its credential was not to
// be had.
type noCredential struct{ err error }

func (e *noCredential) Error() string { return e.err.Error() }
func (e *noCredential) Unwrap() error { return e.err }

// failure turns a failed exchange into an error with a finding, and says
// whether it may pass by itself.
func (c *Caller) failure(subject string, resp outbound.Response, err error) (passing bool, failure error) {
	if err == nil {
		v := c.vendor.Judge(resp)
		return v.Passing, c.Finding(subject, v.Finding, resp)
	}
	if missing, ok := errors.AsType[*noCredential](err); ok {
		cause := missing.err
		again, passing := errors.AsType[*idp.RetryError](cause)
		if passing {
			cause = again.Err
		}
		return passing, fmt.Errorf("%s: not asked, because there is no credential: %w", subject, cause)
	}
	if f, ok := finding.From(err); ok { // a link or an answer that was refused
		f.Subject = subject + ", " + c.subject
		return false, f
	}
	return true, fmt.Errorf("%w (%w)", finding.Finding{Code: finding.IdPUnreachable, Subject: subject, What: c.vendor.Name + " could not be reached", Why: err.Error(),
		Remedy: fmt.Sprintf("check the network and the proxy between here and the tenant; %s says whether %s is down", c.vendor.StatusPage, c.vendor.Name)}, err)
}

// Finding completes a finding about an answer with its subject, status and
// request id.
func (c *Caller) Finding(subject string, f finding.Finding, resp outbound.Response) finding.Finding {
	evidence := map[string]string{"status": strconv.Itoa(resp.Status)}
	for k, v := range f.Evidence {
		evidence[k] = v
	}
	if id := c.RequestID(resp); id != "" {
		evidence["request id"] = Cut(id, 100)
	}
	f.Subject, f.Evidence = subject, evidence
	return f
}

// Unexpected is the finding about a success that is not what was asked for.
func (c *Caller) Unexpected(subject, what string, resp outbound.Response) finding.Finding {
	f := c.vendor.Judge(resp).Finding
	f.Code, f.What = finding.IdPAnswer, what
	f.Remedy = "check that the configured URL is the tenant's own and that nothing in front of it answers"
	return c.Finding(subject, f, resp)
}

// Cut shortens a text of the vendor's for a finding.
func Cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

func clone(h http.Header) http.Header {
	if h == nil {
		return http.Header{}
	}
	return h.Clone()
}

// deadline is why a wait was not possible.
func deadline(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.DeadlineExceeded
}

// pause waits; false when the wait would not fit before the deadline, or the
// context ended.
func pause(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Now().Add(d).After(end) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
