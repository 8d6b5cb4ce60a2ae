package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/outbound"
)

// Caller makes one call to a sink's host; *outbound.Client is one. Its errors
// hold no header, path or body.
type Caller interface {
	Do(ctx context.Context, r outbound.Request) (outbound.Response, error)
}

// post sends JSON. The error of an answer that is no success names the status
// and, if there is one, what excerpt finds in the answer.
func post(ctx context.Context, c Caller, path string, h http.Header, body []byte, excerpt func([]byte) string) (outbound.Response, error) {
	h.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := c.Do(ctx, outbound.Request{Method: http.MethodPost, Path: path, Header: h, Body: body})
	if err != nil {
		return resp, err
	}
	if resp.Status >= 200 && resp.Status < 300 {
		return resp, nil
	}
	why := fmt.Sprintf("it answered with status %d", resp.Status)
	if resp.Status >= 300 && resp.Status < 400 {
		why += ", a redirect, which is not followed"
	}
	if said := excerpt(resp.Body); said != "" {
		why += ": " + said
	}
	err = fmt.Errorf("%s", why)
	switch resp.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return resp, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if after := retryAfter(resp.Header, time.Now()); after > 0 {
		return resp, &Busy{After: after, Err: err}
	}
	return resp, err
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3), 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 && seconds < 1_000_000 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// nothing is the excerpt of an answer that may hold anything (spec 7.8: never
// the body).
func nothing([]byte) string { return "" }

// word is a short plain word of an answer, such as a vendor's error code; ""
// for anything else: a digit or a dash may be part of a key that is repeated.
func word(s string) string {
	if len(s) > 60 || s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != ' '
	}) {
		return ""
	}
	return s
}

// encode is json.Marshal for values that cannot fail.
func encode(v any) []byte {
	raw, _ := json.Marshal(v) // strings, numbers and maps of them
	return raw
}

// plain escapes each line for a channel that shows text as it is, and cuts it.
func plain(lines []string, most int) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, shorten(escape.Terminal(l), most))
	}
	return out
}

// shorten cuts text to a number of characters.
func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-3]) + "..."
}
