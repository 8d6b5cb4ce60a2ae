package onelogin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
)

// requestID is the usual header for the id of a call. That OneLogin sends it is
// not documented; without it, findings show what other headers name the call.
const requestID = "X-Request-Id"

const statusPage = "status.onelogin.com"

// apiError is an error body, in both forms that OneLogin has: API v2's own
// ({"statusCode":401,"name":"UnauthorizedError","message":"Unauthorized"}), and
// that of v1 and the token endpoint ({"status":{"code":400,"type":"bad
// request","message":"..."}}).
type apiError struct {
	name, message string
}

// readError reads an error body; of one in no known form it keeps the text.
func readError(body []byte) apiError {
	var e struct {
		Message json.RawMessage `json:"message"`
		Name    string          `json:"name"`
		Status  json.RawMessage `json:"status"`
	}
	var old struct {
		Type    string          `json:"type"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return apiError{message: oneLine(body)}
	}
	if json.Unmarshal(e.Status, &old) == nil && (old.Type != "" || old.Message != nil) {
		return apiError{old.Type, words(old.Message)}
	}
	if e.Name == "" && e.Message == nil {
		return apiError{message: oneLine(body)}
	}
	return apiError{e.Name, words(e.Message)}
}

// words returns a message, which v1 sometimes wraps in an object.
func words(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return oneLine(raw)
}

func oneLine(text []byte) string {
	return call.Cut(strings.Join(strings.Fields(string(text)), " "), 200)
}

// why is the vendor's own reason in one line, cut short.
func (e apiError) why(status int) string {
	parts := []string{fmt.Sprintf("OneLogin answered %d", status)}
	if e.name != "" {
		parts[0] += " " + e.name
	}
	if e.message != "" {
		parts = append(parts, e.message)
	}
	return call.Cut(strings.Join(parts, ": "), 500)
}

// judgeAnswer says what an answer of API v2 that is no success means.
func judgeAnswer(r outbound.Response) call.Verdict {
	f := finding.Finding{Why: readError(r.Body).why(r.Status), Evidence: map[string]string{}}
	if named := named(r.Header); named != "" {
		f.Evidence["headers"] = named
	}
	v := call.Verdict{Passing: r.Status == http.StatusTooManyRequests || r.Status >= 500}
	switch {
	case r.Status == 401:
		f.Code, f.What = finding.IdPAuth, "OneLogin refuses our access token, and a new one too"
		f.Remedy = "look under Developers, API Credentials in OneLogin whether the credential is still there and enabled, has the scope Manage All, and is the one that the config points to"
	case r.Status == 403:
		f.Code, f.What = finding.IdPPermission, "our API credential may not do this"
		f.Remedy = "give the credential the scope Manage All (Read All is enough to look at apps, not to list connectors or to change anything); a scope is fixed, so this means a new credential"
	case r.Status == 404:
		f.Code, f.What = finding.AppNotFound, "OneLogin does not know this app"
		f.Remedy = "compare the app id in the config with the number in the address of the app's page in OneLogin"
	case r.Status == 429:
		f.Code, f.What = finding.IdPThrottled, "OneLogin limits our request rate"
		f.Remedy = "wait until the window ends (it is an hour long); other programs with credentials of this account use up the same allowance"
	case r.Status >= 500:
		f.Code, f.What = finding.IdPUnreachable, "OneLogin has a fault of its own"
		f.Remedy = "try again; " + statusPage + " says whether others have it too. If it lasts, see whether the admin who made the API credential was deleted: its calls then fail like this, and a new credential helps"
	case r.Status >= 400:
		f.Code, f.What = finding.IdPRejected, "OneLogin rejected the request"
		f.Remedy = "nothing was changed; correct what the reason names in OneLogin, or show it to us with the headers below"
	default:
		f.Code, f.What = finding.IdPAnswer, "OneLogin answered something that its API does not document"
		f.Remedy = "check that the configured URL is the account's own and that nothing in front of it answers"
	}
	v.Finding = f
	return v
}

// judgeToken says what an answer of the token endpoint that is no success
// means: whatever it rejects is our credential.
func judgeToken(r outbound.Response) call.Verdict {
	v := judgeAnswer(r)
	if r.Status >= 400 && r.Status < 500 && r.Status != 429 {
		v.Finding.Code, v.Finding.What = finding.IdPAuth, "OneLogin refuses our API credential"
		v.Finding.Remedy = "look under Developers, API Credentials in OneLogin whether the credential is still there and enabled, and put its id and secret where the config points"
	}
	return v
}

// named returns the X- headers of an answer that may name the call to
// OneLogin's support; the vendor documents none. Those that could hold a
// secret, and those that every site sends, are left out.
func named(h http.Header) string {
	var out []string
	for name := range h {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-") || strings.HasPrefix(lower, "x-ratelimit") || name == requestID ||
			slices.ContainsFunc([]string{"token", "auth", "key", "secret", "cookie", "frame", "content", "xss", "powered", "permitted", "download"},
				func(w string) bool { return strings.Contains(lower, w) }) {
			continue
		}
		out = append(out, name+": "+call.Cut(h.Get(name), 80))
	}
	slices.Sort(out)
	return call.Cut(strings.Join(out, ", "), 400)
}

// rate reads the account's allowance. X-RateLimit-Reset is the number of
// seconds that are left of the hour, no moment (API docs, "Get Rate Limit").
// Where a refusal says itself when to come back, that counts.
func rate(h http.Header, now time.Time) (call.Rate, bool) {
	limit, okLimit := number(h, "X-RateLimit-Limit")
	left, okLeft := number(h, "X-RateLimit-Remaining")
	reset := call.SecondsLeft(h, "X-RateLimit-Reset")
	if after := call.RetryAfter(h, now); after > 0 {
		reset = after
	}
	return call.Rate{Limit: limit, Remaining: left, Reset: reset}, okLimit && okLeft
}

func number(h http.Header, name string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
	return n, err == nil && n >= 0
}
