package okta

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
)

// requestID is the header that Okta's support asks for.
const requestID = "X-Okta-Request-Id"

// apiError is Okta's error body (Okta API reference, "Error codes").
type apiError struct {
	Code    string `json:"errorCode"`
	Summary string `json:"errorSummary"`
	ID      string `json:"errorId"`
	Causes  []struct {
		Summary string `json:"errorSummary"`
	} `json:"errorCauses"`
}

// readError reads an error body; one that is not Okta's gives the zero value.
func readError(body []byte) apiError {
	var e apiError
	if json.Unmarshal(body, &e) != nil {
		return apiError{}
	}
	return e
}

// why is the vendor's own reason in one line, cut short.
func (e apiError) why(status int) string {
	parts := []string{fmt.Sprintf("Okta answered %d", status)}
	if e.Code != "" {
		parts[0] += " " + e.Code
	}
	if e.Summary != "" {
		parts = append(parts, e.Summary)
	}
	for _, c := range e.Causes {
		parts = append(parts, c.Summary)
	}
	return call.Cut(strings.Join(parts, ": "), 500)
}

// words name our kind of credential, and say what to do when Okta refuses it or
// bars it from something.
type words struct{ credential, refused, barred string }

func tokenWords() words {
	return words{"API token",
		"make a new token as an admin of these apps and put it where the config's reference points; a token dies after 30 days without use",
		"give the token's user an admin role that may manage these apps"}
}

func serviceWords() words {
	return words{"service app",
		"look at the service app in the Okta console: is it active, is its key listed, does it require DPoP?",
		"grant the service app the scopes okta.apps.read and okta.apps.manage, and an admin role whose resource set holds these apps: it needs both"}
}

// row is one line of the table of errors.
type row struct {
	code         finding.Code
	what, remedy string
}

// Codes of Okta that decide what to do.
const (
	noFeature  = "E0000015"
	readOnly   = "E0000010"
	reconciled = "E0000239"
)

// classify says what an answer that is no success means (Okta API reference,
// "Error codes").
func classify(status int, e apiError, our words) row {
	switch {
	case status == 401 && e.Code == noFeature:
		return row{finding.IdPFeature, "the org lacks a feature that this call needs",
			"the token is fine: ask Okta to switch the feature on, or leave this app out"}
	case status == 401:
		return row{finding.IdPAuth, "Okta refuses our " + our.credential, our.refused}
	case status == 403:
		return row{finding.IdPPermission, "our " + our.credential + " may not do this", our.barred}
	case status == 404:
		return row{finding.AppNotFound, "Okta does not know this app",
			"compare the app id in the config with the Okta console; our credential may also be barred from seeing it"}
	case status == 429:
		return row{finding.IdPThrottled, "Okta limits our request rate",
			"wait for the next minute; look in Okta's rate limit dashboard for what else uses this bucket"}
	case status == 503 && e.Code == readOnly:
		return row{finding.IdPReadOnly, "the Okta org is in read-only mode",
			"the move goes on by itself when Okta accepts writes again; status.okta.com says when"}
	case status == 423:
		return row{finding.IdPUnreachable, "Okta is busy with this app", "wait a moment and try again"}
	case status >= 500:
		return row{finding.IdPUnreachable, "Okta has a fault of its own", "try again; status.okta.com says whether others have it too"}
	case status >= 400:
		return row{finding.IdPRejected, "Okta rejected the request",
			"nothing was changed; correct what the reason names in the Okta console, or show it to us with the request id"}
	}
	return row{finding.IdPAnswer, "Okta answered something that its API does not document",
		"check that the configured URL is the org's own and that nothing in front of it answers"}
}

// answerFinding says what an answer that is no success means; the caller adds
// the subject, the status and the request id.
func answerFinding(r outbound.Response, our words) finding.Finding {
	e := readError(r.Body)
	row := classify(r.Status, e, our)
	f := finding.Finding{Code: row.code, What: row.what, Why: e.why(r.Status), Remedy: row.remedy, Evidence: map[string]string{}}
	for name, value := range map[string]string{"errorCode": e.Code, "errorId": e.ID} {
		if value != "" {
			f.Evidence[name] = call.Cut(value, 100)
		}
	}
	return f
}

// passing reports whether the same call may work a moment later.
func passing(r outbound.Response) bool {
	return r.Status == 423 || r.Status == 429 || r.Status >= 500
}
