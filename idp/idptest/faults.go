package idptest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Fault is what an armed call is answered with.
type Fault string

// The faults. Every redirect and link leads to ForeignHost.
const (
	Throttled   Fault = "throttled"    // rate limit, with a reset ThrottledFor ahead
	ServerError Fault = "server-error" // HTTP 500, nothing applied
	LateError   Fault = "late-error"   // HTTP 500, after the call took effect
	Silent      Fault = "silent"       // no answer ever, nothing applied
	LateSilent  Fault = "late-silent"  // no answer ever, after the call took effect
	Redirect    Fault = "redirect"     // HTTP 307 to ForeignHost
	ForeignNext Fault = "foreign-next" // a list that continues on ForeignHost
	TooLarge    Fault = "too-large"    // 100 MiB of JSON
	GzipBomb    Fault = "gzip-bomb"    // 100 kB that unpack to 100 MiB
	TooDeep     Fault = "too-deep"     // JSON nested 100 deep
	HTML        Fault = "html"         // HTTP 200 and somebody's page, nothing applied
	HTMLAsJSON  Fault = "html-as-json" // the same, and its type says JSON
	Echo        Fault = "echo"         // HTTP 400 that repeats what was sent, credential and all
	WrongType   Fault = "wrong-type"   // the right answer, whose type says that it is text
)

const (
	// ForeignHost is where redirects and links lead that must not be followed.
	ForeignHost = "evil.example"
	// ThrottledFor is how far ahead the reset of a throttled answer lies.
	ThrottledFor = 30 * time.Second
	// poursAtMost is how much of an endless answer may be taken.
	poursAtMost = 16 << 20

	page = "<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Welcome, guest</body></html>"
)

// deal answers one call with a fault.
func (w *Wire) deal(out http.ResponseWriter, r *http.Request, body []byte, f Fault) {
	switch f {
	case Throttled:
		send(out, w.style.Throttled(ThrottledFor))
	case ServerError:
		send(out, Reply(http.StatusInternalServerError, w.style.Fault))
	case LateError:
		w.serve(r, body)
		send(out, Reply(http.StatusInternalServerError, w.style.Fault))
	case Silent:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case LateSilent:
		w.serve(r, body)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Redirect:
		send(out, Reply(http.StatusTemporaryRedirect, "", "Location", "https://"+ForeignHost+r.URL.Path))
	case ForeignNext:
		send(out, w.style.ForeignNext())
	case TooLarge:
		w.pour(out)
	case GzipBomb:
		send(out, Reply(http.StatusOK, bomb(), "Content-Encoding", "gzip"))
	case TooDeep:
		send(out, Reply(http.StatusOK, `{"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`))
	case HTML:
		send(out, Reply(http.StatusOK, page, "Content-Type", "text/html; charset=utf-8"))
	case HTMLAsJSON:
		send(out, Reply(http.StatusOK, page))
	case Echo:
		send(out, echo(r, body))
	case WrongType:
		resp := w.serve(r, body)
		resp.Header.Set("Content-Type", "text/plain; charset=utf-8")
		send(out, resp)
	default:
		panic("idptest: no fault " + string(f))
	}
}

// echo is a refusal in every vendor's form at once, whose words are the request.
func echo(r *http.Request, body []byte) *http.Response {
	words := "you sent " + string(body)
	for name, values := range r.Header {
		words += ", " + name + ": " + strings.Join(values, " ")
	}
	if _, pass, ok := r.BasicAuth(); ok {
		words += ", that is " + pass
	}
	if form, err := url.ParseQuery(string(body)); err == nil {
		words += ", that is " + form.Get("client_secret")
	}
	said, err := json.Marshal(map[string]any{"errorCode": "E0000001", "errorSummary": words, "errorId": words, "errorLink": "x",
		"errorCauses": []any{map[string]string{"errorSummary": words}}, "error": "invalid_request", "error_description": words,
		"id": words, "code": words, "name": words, "message": words, "statusCode": 400})
	must(err)
	return Reply(http.StatusBadRequest, string(said), "X-Request-Id", words, "X-Trace", words)
}

// endless is 100 MiB of JSON.
func endless() io.Reader {
	return io.MultiReader(strings.NewReader(`{"x":"`), io.LimitReader(letters{}, 100<<20), strings.NewReader(`"}`))
}

// letters is the letter x without end.
type letters struct{}

// Read implements io.Reader.
func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// pour answers with an endless body and counts how much of it is taken.
func (w *Wire) pour(out http.ResponseWriter) {
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(http.StatusOK)
	n, _ := io.Copy(struct{ io.Writer }{out}, endless())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.poured += n
}

// bomb is 100 MiB of JSON, packed.
var bomb = sync.OnceValue(func() string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.Copy(z, endless())
	must(err)
	must(z.Close())
	return packed.String()
})
