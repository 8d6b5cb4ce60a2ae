package okta

import (
	"net/http"
	"strconv"
	"time"

	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const statusPage = "status.okta.com"

// vendor is what Okta's Management API does its own way.
func vendor(our words) call.Vendor {
	return call.Vendor{
		Name: "Okta", StatusPage: statusPage, RequestID: requestID,
		Judge: func(r outbound.Response) call.Verdict {
			return call.Verdict{Finding: answerFinding(r, our), Passing: passing(r)}
		},
		Rate: rateOf, Again: retryHeaders,
	}
}

// apiToken signs with an API token, which never changes.
func apiToken(token secret.Value) func(http.Header, call.Token, string, string) error {
	return func(h http.Header, _ call.Token, _, _ string) error {
		h.Set("Authorization", "SSWS "+token.Reveal())
		return nil
	}
}

// rateOf reads the rate headers (Okta developer docs, "Rate limits"). Those of
// a concurrency limit hold zeros and an estimate of the reset.
func rateOf(h http.Header, now time.Time) (call.Rate, bool) {
	limit, errLimit := strconv.Atoi(h.Get("X-Rate-Limit-Limit"))
	remaining, errLeft := strconv.Atoi(h.Get("X-Rate-Limit-Remaining"))
	reset := call.UntilEpoch(h, "X-Rate-Limit-Reset", now)
	return call.Rate{Limit: limit, Remaining: remaining, Reset: reset}, errLimit == nil && errLeft == nil
}

// retryHeaders name the call that a repeated one stands for, as Okta's own SDKs
// do.
func retryHeaders(h http.Header, answer outbound.Response, count int) {
	if h.Get("X-Okta-Retry-For") == "" {
		h.Set("X-Okta-Retry-For", answer.Header.Get(requestID))
	}
	h.Set("X-Okta-Retry-Count", strconv.Itoa(count))
}
