package pingone

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
)

// correlationID is the header that Ping's support asks for; every answer has
// it (PingOne Platform API, "API responses").
const correlationID = "Correlation-Id"

// apiError is PingOne's error body (PingOne Platform API, "Error codes").
type apiError struct {
	ID      string `json:"id"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []struct {
		Code    string `json:"code"`
		Target  string `json:"target"`
		Message string `json:"message"`
	} `json:"details"`
}

// oauthError is the token endpoint's error body (RFC 6749 section 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// read decodes an error body; one of another shape gives the zero value.
func read[E apiError | oauthError](body []byte) E {
	var e E
	if json.Unmarshal(body, &e) != nil {
		var none E
		return none
	}
	return e
}

// why is the vendor's own reason in one line, cut short.
func (e apiError) why(status int) string {
	parts := []string{fmt.Sprintf("PingOne answered %d", status)}
	if e.Code != "" {
		parts[0] += " " + e.Code
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	for _, d := range e.Details {
		parts = append(parts, strings.TrimSpace(d.Target+" "+d.Message))
	}
	return call.Cut(strings.Join(parts, ": "), 500)
}

// row is one line of a table of errors.
type row struct {
	code         finding.Code
	what, remedy string
}

// classify says what an API answer that is no success means. It goes by the
// status: "specific codes inside a class are subject to change" (PingOne
// Platform API, "Error codes").
func classify(status int) row {
	switch {
	case status == 401:
		return row{finding.IdPAuth, "PingOne refuses our access token",
			"check that the worker app is enabled and that its hosts in the config belong to the same PingOne region as the environment"}
	case status == 403:
		return row{finding.IdPPermission, "our worker app may not do this",
			"give the worker app the role Client Application Developer on the environment, or Application Owner of this app; a role given a moment ago takes a while"}
	case status == 404:
		return row{finding.AppNotFound, "PingOne does not know this app or this environment",
			"compare the app id and the environment id in the config with the PingOne console; the worker app's roles may also bar it from seeing them"}
	case status == 409:
		return row{finding.IdPRejected, "PingOne sees a conflict",
			"nothing was changed; look in the PingOne console whether somebody is editing the app, or another app has its entity id, then run the move again"}
	case status == 429:
		return row{finding.IdPThrottled, "PingOne limits our request rate",
			"wait for the next minute; the limit is the licence's, and one address gets a part of it: see what else calls PingOne from here"}
	case status >= 500:
		return row{finding.IdPUnreachable, "PingOne has a fault of its own", "try again; " + statusPage + " says whether others have it too"}
	case status >= 400:
		return row{finding.IdPRejected, "PingOne rejected the request",
			"nothing was changed; correct what the reason names in the PingOne console, or show it to us with the request id"}
	}
	return row{finding.IdPAnswer, "PingOne answered something that its API does not document",
		"check the configured hosts, and that nothing in front of them answers"}
}

// judge reads an answer of the API that is no success.
func judge(r outbound.Response) call.Verdict {
	e, row := read[apiError](r.Body), classify(r.Status)
	f := finding.Finding{Code: row.code, What: row.what, Why: e.why(r.Status), Remedy: row.remedy, Evidence: map[string]string{}}
	for name, value := range map[string]string{"code": e.Code, "error id": e.ID} {
		if value != "" {
			f.Evidence[name] = call.Cut(value, 100)
		}
	}
	return call.Verdict{Finding: f, Passing: passing(r)}
}

// classifyToken says what a refusal of the token endpoint means.
func classifyToken(status int) row {
	switch {
	case status == 429 || status >= 500 || status < 400:
		return classify(status)
	case status == 404:
		return row{finding.IdPAuth, "PingOne does not know the environment that the worker app is said to live in",
			"compare worker_environment and tld in the config with the PingOne console"}
	}
	return row{finding.IdPAuth, "PingOne gives our worker app no access token",
		"compare client id, client secret and worker_environment with the worker app in the PingOne console; auth must be its token endpoint authentication method, and the app must be enabled and allow client credentials"}
}

// judgeToken reads an answer of the token endpoint that is no success.
func judgeToken(r outbound.Response) call.Verdict {
	e, row := read[oauthError](r.Body), classifyToken(r.Status)
	why := fmt.Sprintf("PingOne answered %d", r.Status)
	if e.Error != "" {
		why += " " + e.Error
	}
	if e.Description != "" {
		why += ": " + e.Description
	}
	return call.Verdict{Finding: finding.Finding{Code: row.code, What: row.what, Why: call.Cut(why, 500), Remedy: row.remedy}, Passing: passing(r)}
}

// passing reports whether the same call may work a moment later.
func passing(r outbound.Response) bool { return r.Status == 429 || r.Status >= 500 }
