package pingone

import (
	"net/http"
)

// apiError is an answer in PingOne's error shape (P1Error of the OpenAPI
// description).
type apiError struct {
	status        int
	code, message string
	details       []detail
	seen          bool // the code is in a document
}

// detail is one entry of details.
type detail struct {
	code, target, message string
	inner                 object // innerError, nil = none
}

func invalid(details ...detail) *apiError {
	return &apiError{http.StatusBadRequest, "INVALID_DATA",
		"The request could not be completed. One or more validation errors were in the request.", details, true}
}

// missing, empty and wrong are details; their codes are ours.
func missing(target string) detail {
	return detail{"REQUIRED_VALUE", target, "must not be null", nil}
}

func empty(target string) detail { return detail{"EMPTY_VALUE", target, "must not be empty", nil} }

func wrong(target, why string) detail { return detail{"INVALID_VALUE", target, why, nil} }

func malformed() *apiError {
	return &apiError{http.StatusBadRequest, "INVALID_REQUEST", "The request body was malformed and could not be parsed.", nil, false}
}

func taken(target string, as409 bool) *apiError {
	d := detail{"UNIQUENESS_VIOLATION", target, "must be unique within its container", nil}
	if as409 {
		return &apiError{http.StatusConflict, "UNIQUENESS_VIOLATION", "The request conflicts with an existing resource.", []detail{d}, false}
	}
	return invalid(d)
}

func badToken() *apiError {
	return &apiError{http.StatusUnauthorized, "INVALID_TOKEN", "The request could not be completed. The access token is missing, invalid or expired.", nil, false}
}

// forbidden starts with the sentence that the Terraform provider looks for.
func forbidden() *apiError {
	return &apiError{http.StatusForbidden, "ACCESS_FAILED", "The actor attempting to perform the request is not authorized.", nil, false}
}

func notFound() *apiError {
	return &apiError{http.StatusNotFound, "NOT_FOUND", "The requested resource was not found.", nil, false}
}

func wrongMethod() *apiError {
	return &apiError{http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "The request method is not supported for this resource.", nil, false}
}

func rateExceeded() *apiError {
	return &apiError{http.StatusTooManyRequests, "REQUEST_LIMITED", "The number of requests exceeded the limit. Try again later.", nil, true}
}

func internal() *apiError {
	return &apiError{http.StatusInternalServerError, "UNEXPECTED_ERROR", "An unexpected error occurred.", nil, true}
}

// readOnlyMode is ours: PingOne documents no such mode.
func readOnlyMode() *apiError {
	return &apiError{http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "The service is in read-only mode.", nil, false}
}

// fail sends the error.
func (t *Tenant) fail(w http.ResponseWriter, e *apiError) {
	code := e.code
	if t.o.Readings.UnknownCodes && !e.seen {
		code = "UNLISTED_" + http.StatusText(e.status)[:3]
	}
	body := object{"id": w.Header().Get("Correlation-Id"), "code": code, "message": e.message}
	if len(e.details) > 0 {
		details := []any{}
		for _, d := range e.details {
			in := object{"code": d.code, "target": d.target, "message": d.message}
			if d.inner != nil {
				in["innerError"] = d.inner
			}
			details = append(details, in)
		}
		body["details"] = details
	}
	t.writeJSON(w, e.status, encode(body))
}

func (t *Tenant) writeJSON(w http.ResponseWriter, status int, body []byte) {
	kind := "application/json"
	if t.o.Readings.HALContentType {
		kind = "application/hal+json;charset=UTF-8"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is not our fault
}
