package gate

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"

	"github.com/samlfailover/samlfailover/server/problem"
)

// hurry gives the body of a request its time. The time runs also where nobody
// reads the body, as for a request that is refused: the server reads what is
// left of it before it sends the answer, and would wait for it for ever. Once a
// body has been read whole, net/http takes the deadline away by itself: what the
// answer takes afterwards is not the client's fault.
func (g *Gate) hurry(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(g.limits.BodyTime)) // a test's recorder cannot
	}
}

// readBody reads the whole body within its limits of size and time (see hurry) and puts it
// back: what comes behind never waits for a client. JSON is all that is taken.
func (g *Gate) readBody(w http.ResponseWriter, r *http.Request) *problem.Problem {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > g.limits.Body {
		w.Header().Set("Connection", "close")
		return tooLarge(g.limits.Body)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.limits.Body))
	if err != nil {
		large := (*http.MaxBytesError)(nil)
		switch {
		case errors.As(err, &large):
			return tooLarge(g.limits.Body)
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.Header().Set("Connection", "close")
			return problem.New(problem.TooSlow, http.StatusRequestTimeout, "the body of the request did not arrive in time", "send it again; a request of this API is a few hundred bytes")
		}
		return unreadable("the body of the request broke off")
	}
	if len(raw) > 0 {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" {
			p := unreadable("the body is not sent as JSON")
			p.Status, p.Next = http.StatusUnsupportedMediaType, "send Content-Type: application/json"
			return p
		}
		if tooDeep(raw, g.limits.Depth) {
			return unreadable("the JSON is nested deeper than any request of this API")
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return nil
}

func unreadable(detail string) *problem.Problem {
	return problem.New(problem.Unreadable, http.StatusBadRequest, detail, "see /api/openapi.json for what the request looks like")
}

func tooLarge(limit int64) *problem.Problem {
	return problem.New(problem.TooLarge, http.StatusRequestEntityTooLarge, "the body of the request is larger than the server takes", "make it smaller; the limit is server.limits.body in the config")
}

// tooDeep reports whether JSON text nests deeper than limit. It looks at
// brackets outside strings only; text that is not JSON is the decoder's to
// refuse.
func tooDeep(text []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
