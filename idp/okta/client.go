package okta

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
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
	writeAgain   = time.Second // before a write that met a server fault is tried again
)

// client makes calls to one org. Safe for concurrent use.
type client struct {
	subject string // "tenant okta-prod", in findings
	http    *outbound.Client
	token   secret.Value
	list    bucket // GET /api/v1/apps
	app     bucket // /api/v1/apps/{id}
}

// get reads with retries: a rate limit is waited out within the caller's
// deadline, a fault is tried again a few times.
func (c *client) get(ctx context.Context, b *bucket, subject, path string) (outbound.Response, error) {
	if idp.IsCalm(ctx) && !pause(ctx, b.calmWait(time.Now())) {
		return outbound.Response{}, fmt.Errorf("%s: not asked: calm-time traffic leaves the rate bucket to moves: %w", subject, deadline(ctx))
	}
	header := http.Header{}
	for attempt, waits := 0, 0; ; {
		resp, err := c.once(ctx, b, outbound.Request{Method: http.MethodGet, Path: path, Header: header})
		switch {
		case err == nil && resp.Status == http.StatusOK:
			return resp, nil
		case err == nil && !passing(resp):
			return resp, answerFinding(subject, resp)
		}
		transient, failure := c.failure(subject, resp, err)
		wait := firstBackoff << attempt
		if resp.Status == http.StatusTooManyRequests {
			waits++
			wait = throttleWait(resp.Header, time.Now(), waits)
			retryHeaders(header, resp, waits)
		} else {
			attempt++
		}
		if !transient || attempt >= readAttempts || waits >= throttled429 || wait > longestWait || !pause(ctx, wait) {
			return resp, failure
		}
	}
}

// put writes once. What another try may cure, or whose fate is open, comes back
// as *idp.RetryError: the step reads the app again before it repeats a write.
func (c *client) put(ctx context.Context, subject, path string, body []byte) error {
	header := http.Header{"Content-Type": {"application/json"}}
	resp, err := c.once(ctx, &c.app, outbound.Request{Method: http.MethodPut, Path: path, Header: header, Body: body})
	if err == nil && resp.Status/100 == 2 {
		return nil
	}
	transient, failure := c.failure(subject, resp, err)
	switch {
	case !transient || finding.Is(failure, finding.IdPReadOnly):
		return failure
	case resp.Status == http.StatusTooManyRequests:
		wait := throttleWait(resp.Header, time.Now(), 1)
		if wait > longestWait {
			return failure
		}
		return &idp.RetryError{After: wait, Err: failure}
	}
	return &idp.RetryError{After: writeAgain, Err: failure}
}

// once is one exchange with the credential.
func (c *client) once(ctx context.Context, b *bucket, r outbound.Request) (outbound.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "SSWS "+c.token.Reveal())
	resp, err := c.http.Do(ctx, r)
	if err == nil {
		b.saw(resp.Header, time.Now())
	}
	return resp, err
}

// failure turns a failed exchange into an error with a finding, and says
// whether it may pass by itself.
func (c *client) failure(subject string, resp outbound.Response, err error) (transient bool, failure error) {
	if err == nil {
		return passing(resp), answerFinding(subject, resp)
	}
	if f, ok := finding.From(err); ok { // a link or an answer that outbound refused
		f.Subject = subject + ", " + c.subject
		return false, f
	}
	return true, fmt.Errorf("%w (%w)", finding.Finding{Code: finding.IdPUnreachable, Subject: subject, What: "Okta could not be reached", Why: err.Error(),
		Remedy: "check the network and the proxy between here and the org; status.okta.com says whether Okta is down"}, err)
}

// retryHeaders name the call that a repeated one stands for, as Okta's own SDKs
// do.
func retryHeaders(h http.Header, resp outbound.Response, count int) {
	if h.Get("X-Okta-Retry-For") == "" {
		h.Set("X-Okta-Retry-For", resp.Header.Get(requestID))
	}
	h.Set("X-Okta-Retry-Count", strconv.Itoa(count))
}

// deadline is why a wait was not possible.
func deadline(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.DeadlineExceeded
}
