package organizations

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
)

// service begins the X-Amz-Target of every call.
const service = "AWSOrganizationsV20161128."

const (
	contentType = "application/x-amz-json-1.1"
	maxBody     = 1 << 20
)

// read takes a request of the JSON 1.1 protocol apart (Smithy 2.0, "AWS JSON 1.1
// protocol"). The answer of a request that is none has an id too.
func read(r *http.Request) (query.Request, *query.Error) {
	q := query.Request{ID: query.NewID(), HTTP: r}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		switch {
		case err != nil:
			return q, query.Errorf(http.StatusBadRequest, "SerializationException", "The request body could not be read.")
		case len(body) > maxBody:
			return q, query.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "The request is too large.")
		}
		q.Body = body
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	action, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), service)
	if r.Method != http.MethodPost || r.URL.Path != "" && r.URL.Path != "/" || kind != contentType || !ours {
		return q, query.Errorf(http.StatusNotFound, "UnknownOperationException", "")
	}
	q.Action = action
	return q, nil
}

// decode reads the input of an action; a key that the action does not have is
// refused, so that a misspelt one is not passed over.
func decode(q query.Request, into any) *query.Error {
	d := json.NewDecoder(bytes.NewReader(q.Body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return query.Errorf(http.StatusBadRequest, "SerializationException", "The request's JSON cannot be read: %v", err)
}

func answer(w http.ResponseWriter, id string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the sandbox could not write its answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("x-amzn-RequestId", id)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// failure is an error of the JSON protocols.
type failure struct {
	Type    string `json:"__type"`
	Message string `json:"Message,omitempty"`
	Reason  string `json:"Reason,omitempty"`
}

// refuse answers with an error. Those of signatures have other names here than
// in the Query protocol.
func refuse(w http.ResponseWriter, id string, e *query.Error) {
	f := failure{Type: e.Code, Message: e.Message}
	if name, ok := map[string]string{"MissingAuthenticationToken": "MissingAuthenticationTokenException", "InvalidClientTokenId": "UnrecognizedClientException",
		"SignatureDoesNotMatch": "InvalidSignatureException", "IncompleteSignature": "IncompleteSignatureException", "ExpiredToken": "ExpiredTokenException"}[e.Code]; ok {
		f.Type, e.Status = name, http.StatusBadRequest
	}
	if code, reason, ok := strings.Cut(e.Code, "/"); ok {
		f.Type, f.Reason = code, reason
	}
	answer(w, id, e.Status, f)
}

// Throttled refuses a call as one too many.
func Throttled(w http.ResponseWriter, _ *http.Request) {
	refuse(w, query.NewID(), query.Errorf(http.StatusBadRequest, "TooManyRequestsException",
		"AWS Organizations can't complete your request because another request is already in progress. Try again later."))
}
