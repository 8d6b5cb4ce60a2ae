package okta

import (
	"crypto/rand"
	"net/http"
	"strings"
)

// apiError is an answer in Okta's error shape. Codes and summaries are those of
// Okta's error-code reference.
type apiError struct {
	status        int
	code, summary string
	causes        []string
}

func invalid(field string, causes ...string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000001", "Api validation failed: " + field, causes}
}

func malformed() *apiError {
	return &apiError{http.StatusBadRequest, "E0000003", "The request body was not well-formed.", nil}
}

func wrongMediaType() *apiError {
	return &apiError{http.StatusBadRequest, "E0000021",
		"Bad request.  Accept and/or Content-Type headers likely do not match supported values.", nil}
}

// badSearch uses E0000031, Okta's "Invalid search criteria".
func badSearch(why string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000031", "Invalid search criteria.", []string{why}}
}

func badToken() *apiError {
	return &apiError{http.StatusUnauthorized, "E0000011", "Invalid token provided", nil}
}

func forbidden() *apiError {
	return &apiError{http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action", nil}
}

func notFound(id, kind string) *apiError {
	return &apiError{http.StatusNotFound, "E0000007", "Not found: Resource not found: " + id + " (" + kind + ")", nil}
}

func wrongMethod() *apiError {
	return &apiError{http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method", nil}
}

func rateExceeded() *apiError {
	return &apiError{http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.", nil}
}

func internal() *apiError {
	return &apiError{http.StatusInternalServerError, "E0000009", "Internal Server Error", nil}
}

// internalDown is an endpoint that is out of order; E0000010 would mean
// something else.
func internalDown() *apiError {
	return &apiError{http.StatusServiceUnavailable, "E0000009", "Internal Server Error", nil}
}

func readOnlyMode() *apiError {
	return &apiError{http.StatusServiceUnavailable, "E0000010", "Service is in read only mode", nil}
}

// write sends the error.
func (e *apiError) write(w http.ResponseWriter) {
	causes := []any{}
	for _, c := range e.causes {
		causes = append(causes, object{"errorSummary": c})
	}
	writeJSON(w, e.status, keyOrder().Encode(object{
		"errorCode": e.code, "errorSummary": e.summary, "errorLink": e.code,
		"errorId": "oae" + strings.ToLower(rand.Text()), "errorCauses": causes,
	}))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is not our fault
}
