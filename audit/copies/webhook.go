package copies

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

// Caller makes one call to a sink's host; *outbound.Client is one. Its errors
// hold no header, path or body.
type Caller interface {
	Do(ctx context.Context, r outbound.Request) (outbound.Response, error)
}

// ControllerHeader names the controller whose record a request is about: each
// has a record of its own.
const ControllerHeader = "Samlfailover-Controller"

// Webhook is a sink that gets signed requests (package signature), each with
// lines as a File has them. Only an answer of 2xx means that they are kept.
// Cursor is the file of this machine that says which was the last.
type Webhook struct {
	Caller     Caller
	Path       string // of the URL, escaped
	Secret     secret.Value
	Heads      bool
	Controller string
	Cursor     string
}

// Last implements Sink.
func (w Webhook) Last(ctx context.Context) (audit.Head, error) {
	return File{Path: w.Cursor}.Last(ctx)
}

// Put implements Sink.
func (w Webhook) Put(ctx context.Context, records []audit.Record) error {
	body, err := lines(records, w.Heads)
	if err != nil {
		return err
	}
	h := http.Header{"Content-Type": {"application/x-ndjson"}, ControllerHeader: {w.Controller}}
	signature.Sign(h, w.Secret, time.Now(), http.MethodPost, w.Path, body)
	resp, err := w.Caller.Do(ctx, outbound.Request{Method: http.MethodPost, Path: w.Path, Header: h, Body: body})
	switch {
	case err != nil:
		return err
	case resp.Status >= 300 && resp.Status < 400:
		return fmt.Errorf("it answered with status %d, a redirect, which is not followed", resp.Status)
	case resp.Status < 200 || resp.Status >= 300:
		return fmt.Errorf("it answered with status %d", resp.Status)
	}
	if err := keepHead(w.Cursor, records[len(records)-1].Head()); err != nil {
		return fmt.Errorf("keep how far the webhook is: %w", err)
	}
	return nil
}
