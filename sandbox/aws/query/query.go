// Package query is for the AWS Query protocol as IAM and STS speak it: form in,
// XML out, with a request id in every answer (AWS Query protocol; IAM and STS
// API References, "Common Errors").
//
// It must never know what an action means.
package query

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxBody bounds a request: the largest legal one is a percent-encoded policy
// document of 131,072 characters.
const maxBody = 1 << 20

// Error is an API error. Fault is "Sender" unless set.
type Error struct {
	Status        int
	Code, Message string
	Fault         string
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Request is a decoded call.
type Request struct {
	ID     string // request id of the answer
	Action string
	Form   url.Values
	Body   []byte
	HTTP   *http.Request
}

// NewID returns a request id of AWS's shape (a UUID).
func NewID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Read decodes a request for one API version. The Request is usable for its ID
// even when an error comes back.
func Read(r *http.Request, version string) (Request, *Error) {
	q := Request{ID: NewID(), HTTP: r, Form: r.URL.Query()}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		switch {
		case err != nil:
			return q, Errorf(http.StatusBadRequest, "MalformedInput", "The request body could not be read.")
		case len(body) > maxBody:
			return q, Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is too large.")
		}
		q.Body = body
	}
	if r.Method == http.MethodPost {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if kind != "application/x-www-form-urlencoded" {
			return q, Errorf(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The request body is not a form.")
		}
		form, err := url.ParseQuery(string(q.Body))
		if err != nil {
			return q, Errorf(http.StatusBadRequest, "MalformedQueryString", "The request body is not a valid form.")
		}
		for k, v := range form {
			q.Form[k] = append(q.Form[k], v...)
		}
	}
	q.Action = q.Form.Get("Action")
	if v := q.Form.Get("Version"); q.Action != "" && v != version {
		if v == "" {
			v = "NO_VERSION_SPECIFIED"
		}
		return q, Errorf(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", q.Action, v)
	}
	return q, nil
}

// Host returns the host name of a request without its port, in lower case.
func Host(r *http.Request) string {
	h := HostPort(r)
	if i := strings.LastIndexByte(h, ':'); i >= 0 && !strings.HasSuffix(h, "]") {
		h = h[:i]
	}
	return strings.ToLower(h)
}

// HostPort returns the Host header, or the URL's host for a request that never
// was on a wire.
func HostPort(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

// WriteResult answers a call: <ActionResponse><ActionResult>..., result nil for
// actions that return nothing.
func WriteResult(w http.ResponseWriter, namespace string, q Request, result any) {
	type metadata struct {
		RequestID string `xml:"RequestId"`
	}
	parts := []part{{"ResponseMetadata", metadata{q.ID}}}
	if result != nil {
		parts = append([]part{{q.Action + "Result", result}}, parts...)
	}
	write(w, http.StatusOK, q.ID, q.Action+"Response", namespace, parts)
}

// WriteError answers with an ErrorResponse.
func WriteError(w http.ResponseWriter, namespace, id string, e *Error) {
	type fault struct{ Type, Code, Message string }
	f := fault{"Sender", e.Code, e.Message}
	if e.Fault != "" {
		f.Type = e.Fault
	}
	write(w, e.Status, id, "ErrorResponse", namespace, []part{{"Error", f}, {"RequestId", id}})
}

// part is one child of the answer's root element.
type part struct {
	name  string
	value any
}

func write(w http.ResponseWriter, status int, id, root, namespace string, parts []part) {
	var b bytes.Buffer
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	start := xml.StartElement{Name: xml.Name{Local: root}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}}
	err := enc.EncodeToken(start)
	for _, p := range parts {
		err = errors.Join(err, enc.EncodeElement(p.value, xml.StartElement{Name: xml.Name{Local: p.name}}))
	}
	if err = errors.Join(err, enc.EncodeToken(start.End()), enc.Close()); err != nil {
		http.Error(w, "the sandbox could not write its answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("x-amzn-RequestId", id)
	w.WriteHeader(status)
	_, _ = w.Write(append(b.Bytes(), '\n'))
}

// Tags reads a list of key-value pairs ("Tags.member.1.Key", ...).
func Tags(q Request, name string) map[string]string {
	out := map[string]string{}
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("%s.member.%d.", name, i)
		if !q.Form.Has(prefix + "Key") {
			return out
		}
		out[q.Form.Get(prefix+"Key")] = q.Form.Get(prefix + "Value")
	}
}
