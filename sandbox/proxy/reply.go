package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
)

// reply is an answer in memory, with the way in which its body travels.
type reply struct {
	status int
	header http.Header
	body   []byte
	over   time.Duration // the body takes this long
	half   bool          // the connection breaks in the middle of the body
}

// run calls a handler and keeps what it answers; nil if it aborts.
func run(h http.Handler, r *http.Request) (a *reply) {
	w := &recorder{header: http.Header{}}
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			a = nil
		}
	}()
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK) // unless the handler did
	if w.sent.Get("Content-Type") == "" && w.body.Len() > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	return &reply{status: w.status, header: w.sent, body: w.body.Bytes()}
}

// recorder is a ResponseWriter into memory. sent is the header as it stood when
// the status was written.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// instead returns the answer that somebody else gives in the site's place, or
// nil when the site answers itself.
func instead(r *http.Request, s *site, effects fault.Effects) *reply {
	e, hit := effects.First(fault.Throttle, fault.ServerError, fault.HTML)
	switch {
	case !hit:
		return nil
	case e.Kind == fault.Throttle:
		return throttled(r, s)
	case e.Kind == fault.ServerError:
		return text(http.StatusServiceUnavailable, "text/html; charset=utf-8",
			"<html><head><title>503 Service Unavailable</title></head><body><h1>503 Service Unavailable</h1></body></html>\n")
	}
	return text(http.StatusOK, "text/html; charset=utf-8",
		"<!DOCTYPE html><html><head><title>Welcome to the guest network</title></head><body><p>Please accept the terms of use to continue.</p></body></html>\n")
}

// throttled refuses in the words of the service: AWS Query APIs with 400
// Throttling, the others as their simulators do, or with a plain 429.
func throttled(r *http.Request, s *site) *reply {
	if s.Throttled != nil {
		return run(s.Throttled, r)
	}
	switch s.Service {
	case "iam", "sts", "sts-global":
		return text(http.StatusBadRequest, "text/xml", fmt.Sprintf(
			`<ErrorResponse xmlns="https://%s.amazonaws.com/doc/"><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>00000000-0000-4000-8000-000000000429</RequestId></ErrorResponse>`,
			s.Service[:3]))
	}
	a := text(http.StatusTooManyRequests, "text/plain; charset=utf-8", "too many requests\n")
	a.header.Set("Retry-After", "5")
	return a
}

func text(status int, contentType, body string) *reply {
	return &reply{status: status, header: http.Header{"Content-Type": {contentType}}, body: []byte(body)}
}

// oversize is more than any client of ours should read.
const oversize = 16 << 20

// spoiled applies the faults that change the site's own body.
func (a *reply) spoiled(effects fault.Effects) *reply {
	if effects.Has(fault.WrongBody) {
		a.body = []byte("this is not what you asked for\n")
		a.header.Del("Content-Encoding")
	}
	if effects.Has(fault.Oversized) {
		a.body = append(a.body, bytes.Repeat([]byte(" "), max(0, oversize-len(a.body)))...)
	}
	return a
}

// shaped applies the faults in how the body travels.
func (a *reply) shaped(effects fault.Effects) *reply {
	if e, ok := effects.First(fault.Slow); ok {
		a.over = e.Duration
	}
	a.half = effects.Has(fault.Truncated)
	return a
}

// drops is how many pieces a slow body arrives in.
const drops = 10

// journey is a body on its way: at once, or in drops with a pause before each;
// it ends in io.EOF, or in errCut if the connection breaks.
type journey struct {
	rest []byte
	size int
	wait time.Duration
	end  error
}

// travel starts the body's journey.
func (a *reply) travel() *journey {
	j := &journey{rest: a.body, wait: a.over / drops, end: io.EOF}
	if a.half {
		j.rest, j.end = j.rest[:len(j.rest)/2], errCut
	}
	j.size = max(1, len(j.rest))
	if j.wait > 0 {
		j.size = max(1, (len(j.rest)+drops-1)/drops)
	}
	return j
}

// next returns the next piece of the body once it has arrived.
func (j *journey) next(ctx context.Context) ([]byte, error) {
	if len(j.rest) == 0 {
		return nil, j.end
	}
	if j.wait > 0 {
		if err := pause(ctx, j.wait); err != nil {
			return nil, err
		}
	}
	n := min(j.size, len(j.rest))
	piece := j.rest[:n]
	j.rest = j.rest[n:]
	return piece, nil
}
