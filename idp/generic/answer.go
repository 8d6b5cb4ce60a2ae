package generic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	// requestID is the header in which a webhook may name a call.
	requestID = "X-Request-Id"
	// readOnly is the code of an error that will end without us.
	readOnly = "read-only"
	// clockSkew is how far two clocks may differ: the contract lets a webhook
	// refuse what is five minutes old.
	clockSkew = time.Minute
)

// vendor is how calls to a webhook are made and understood.
func vendor(key secret.Value) call.Vendor {
	return call.Vendor{Name: "the webhook", StatusPage: "whoever runs it", RequestID: requestID,
		Judge: func(r outbound.Response) call.Verdict { return judge(r, time.Now()) },
		SignBody: func(h http.Header, method, url string, body []byte) error {
			return sign(h, key, time.Now(), method, url, body)
		}}
}

// apiError is the error body of the contract.
type apiError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// readError reads an error body; of one in another form it keeps the text.
func readError(body []byte) apiError {
	var e apiError
	if json.Unmarshal(body, &e) != nil || e == (apiError{}) {
		return apiError{Message: call.Cut(string(body), 200)}
	}
	return e
}

// why is the webhook's own reason in one line, cut short.
func (e apiError) why(status int) string {
	parts := []string{fmt.Sprintf("the webhook answered %d", status)}
	for _, s := range []string{e.Code, e.Message} {
		if s = strings.Join(strings.Fields(s), " "); s != "" {
			parts = append(parts, s)
		}
	}
	return call.Cut(strings.Join(parts, ": "), 500)
}

// judge says what an answer that is no success means.
func judge(r outbound.Response, now time.Time) call.Verdict {
	e := readError(r.Body)
	f := finding.Finding{Why: e.why(r.Status)}
	switch {
	case r.Status == 401:
		f.Code, f.What = finding.IdPAuth, "the webhook refuses our signature"
		f.Remedy = "check that both sides hold the same secret, that no proxy between them changes path or body, and that both clocks are right"
		f.Why += skew(r.Header, now)
	case r.Status == 403:
		f.Code, f.What = finding.IdPPermission, "the webhook may not do this in its identity provider"
		f.Remedy = "give the webhook's own credential the right to read and change this app"
	case r.Status == 404:
		f.Code, f.What = finding.AppNotFound, "the webhook does not know this app"
		f.Remedy = "compare the app id in the config, and the tenant's path, with what the webhook serves"
	case r.Status == 409 || r.Status == 412:
		f.Code, f.What = finding.ChangedMeanwhile, "the webhook refuses the write, because the app has another revision by now"
		f.Remedy = "look at the change, then run the move again"
	case r.Status == 429:
		f.Code, f.What = finding.IdPThrottled, "the webhook limits our request rate"
		f.Remedy = "wait as long as it says; look what else calls it"
	case r.Status == 503 && e.Code == readOnly:
		f.Code, f.What = finding.IdPReadOnly, "the identity provider behind the webhook is in read-only mode"
		f.Remedy = "run the move again when it accepts writes"
	case r.Status >= 500:
		f.Code, f.What = finding.IdPUnreachable, "the webhook, or the identity provider behind it, has a fault"
		f.Remedy = "try again; the webhook's own log says what failed"
	case r.Status >= 400:
		f.Code, f.What = finding.IdPRejected, "the webhook rejected the request"
		f.Remedy = "correct what the reason names; the webhook's own log says more"
	default:
		f.Code, f.What = finding.IdPAnswer, "the webhook answered something that the contract does not hold"
		f.Remedy = "check that the tenant's url and path are the webhook's own and that nothing in front of it answers"
	}
	return call.Verdict{Finding: f, Passing: r.Status == 429 || r.Status >= 500}
}

// skew adds how far the webhook's clock is from ours, where that may be why it
// refuses a signature.
func skew(h http.Header, now time.Time) string {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	switch d := date.Sub(now).Round(time.Second); {
	case d > clockSkew:
		return fmt.Sprintf("; its clock is %v ahead of ours", d)
	case d < -clockSkew:
		return fmt.Sprintf("; its clock is %v behind ours", -d)
	}
	return ""
}
