package proxy

import (
	"io"
	"net/http"
	"regexp"
)

// headSize is how much of a body is looked at for the name of an AWS action.
const headSize = 512

var (
	actionInBody   = regexp.MustCompile(`(?:^|&)Action=([A-Za-z]{1,64})(?:&|$)`)
	actionInHeader = regexp.MustCompile(`^[A-Za-z0-9_.]{1,100}$`)
)

// noteAction watches a request to an AWS API and returns a function that, once
// the request was handled, gives the action's name ("ListRoles"), or "".
// Nothing else of the body is kept.
func noteAction(r *http.Request, s *site) func() string {
	switch s.Service {
	case "iam", "sts", "sts-global", "organizations", "account":
	default:
		return func() string { return "" }
	}
	if target := r.Header.Get("X-Amz-Target"); actionInHeader.MatchString(target) {
		return func() string { return target }
	}
	head := &headReader{ReadCloser: r.Body}
	r.Body = head
	return func() string {
		text := string(head.kept)
		if r.URL.RawQuery != "" {
			text = r.URL.RawQuery + "&" + text
		}
		if m := actionInBody.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	}
}

// headReader keeps the first bytes that are read through it.
type headReader struct {
	io.ReadCloser
	kept []byte
}

func (h *headReader) Read(b []byte) (int, error) {
	n, err := h.ReadCloser.Read(b)
	h.kept = append(h.kept, b[:min(n, headSize-len(h.kept))]...)
	return n, err
}
