package onelogin

import "net/http"

// apiError is a refusal. old chooses the form of v1 and of the token endpoints.
type apiError struct {
	status  int
	message string
	old     bool
}

func unauthorized(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, message: message}
}

func unprocessable(message string) *apiError {
	return &apiError{status: http.StatusUnprocessableEntity, message: message}
}

func malformed() *apiError {
	return &apiError{status: http.StatusBadRequest, message: "Bad Request"}
}

func notFound() *apiError {
	return &apiError{status: http.StatusNotFound, message: "Not Found"}
}

func wrongMethod() *apiError {
	return &apiError{status: http.StatusMethodNotAllowed, message: "Method Not Allowed"}
}

func rateExceeded() *apiError {
	return &apiError{status: http.StatusTooManyRequests, message: "rate limit exceeded"}
}

func internal() *apiError {
	return &apiError{status: http.StatusInternalServerError, message: "Internal Server Error"}
}

// readOnlyMode is ours: OneLogin documents no such mode.
func readOnlyMode() *apiError {
	return &apiError{status: http.StatusServiceUnavailable, message: "The service is in read-only mode"}
}

// name is the error's name in v2. The first two are documented.
func (e *apiError) name() string {
	switch e.status {
	case http.StatusUnauthorized:
		return "UnauthorizedError"
	case http.StatusUnprocessableEntity:
		return "UnprocessableEntityError"
	case http.StatusNotFound:
		return "NotFoundError"
	case http.StatusForbidden:
		return "ForbiddenError"
	case http.StatusTooManyRequests:
		return "TooManyRequestsError"
	case http.StatusBadRequest:
		return "BadRequestError"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowedError"
	}
	return "InternalServerError"
}

// status is the envelope of v1.
func status(code int, message string) object {
	kinds := map[int]string{http.StatusOK: "success", http.StatusBadRequest: "bad request", http.StatusNotFound: "not found"}
	kind, ok := kinds[code]
	if !ok {
		kind = http.StatusText(code)
	}
	return object{"error": code != http.StatusOK, "code": code, "type": kind, "message": message}
}

// fail sends the error.
func (t *Tenant) fail(w http.ResponseWriter, e *apiError) {
	uncertain := e.status == http.StatusNotFound || e.status == http.StatusTooManyRequests
	if e.old || uncertain && t.o.Readings.OldErrors {
		writeJSON(w, e.status, encode(object{"status": status(e.status, e.message)}))
		return
	}
	writeJSON(w, e.status, encode(object{"message": e.message, "name": e.name(), "statusCode": e.status}))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is not our fault
}
