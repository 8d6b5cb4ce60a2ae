package generic

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

// Options describe one webhook.
type Options struct {
	Network *outbound.Network
	Name    string // the operator's word for the tenant, in findings
	URL     string // the webhook's origin, such as https://saml-webhook.example
	// Path is what stands before /apps/ID, such as "/samlfailover"; "" = nothing.
	Path   string
	Secret secret.Value // the key that both sides sign with, at least 32 bytes
	// Apps are those that the config names: a webhook serves no list.
	Apps []idp.AppID
	// RatePerSecond and Burst pace all calls to this webhook; 0 means 10 and 10.
	RatePerSecond float64
	Burst         int
	Logger        *slog.Logger
}

// Tenant is one webhook. Safe for concurrent use.
type Tenant struct {
	api  *call.Caller
	path string
	apps []idp.AppID
}

var _ idp.Tenant = (*Tenant)(nil)

// pathShape is a path without anything that a proxy might rewrite: no empty
// segment, none that starts with a dot, no escapes.
var pathShape = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){0,10}$`)

// New returns a tenant; it makes no call.
func New(o Options) (*Tenant, error) {
	subject := "tenant " + o.Name
	if !signature.Strong(o.Secret) {
		return nil, finding.Finding{Code: finding.IdPAuth, Subject: subject, What: "there is no secret to sign with, or it is too short",
			Why: fmt.Sprintf("%d bytes are the least", signature.Shortest), Remedy: "make one, as with `openssl rand -hex 32`, give it to the webhook, and name it here as env:NAME or file:PATH"}
	}
	if !pathShape.MatchString(o.Path) {
		return nil, finding.Finding{Code: finding.ConfigInvalid, Subject: subject, What: fmt.Sprintf("%q is not a path for a webhook", call.Cut(o.Path, 80)),
			Remedy: "write it as /samlfailover: it begins with a slash, does not end with one, and holds letters, digits and -._~ only"}
	}
	if o.RatePerSecond <= 0 {
		o.RatePerSecond = 10
	}
	if o.Burst <= 0 {
		o.Burst = 10
	}
	c, err := o.Network.Origin(outbound.OriginOptions{Name: subject, Origin: o.URL, RatePerSecond: o.RatePerSecond, Burst: o.Burst,
		MaxDepth: idp.MaxDepth, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("generic: %s: %w", subject, err)
	}
	return &Tenant{api: call.New(subject, c, vendor(o.Secret)), path: o.Path, apps: slices.Clone(o.Apps)}, nil
}

// Warm does nothing: the key that signs does not end.
func (t *Tenant) Warm(context.Context) error { return nil }

// List reads the apps that the config names, one by one, as calm-time traffic:
// what else the identity provider holds, a webhook does not say. An app that
// cannot be read ends the list with an error, since it must not be missing from
// it in silence.
func (t *Tenant) List(ctx context.Context) ([]idp.Document, error) {
	out := make([]idp.Document, 0, len(t.apps))
	for _, id := range t.apps {
		doc, err := t.Read(idp.Calm(ctx), id)
		if err != nil {
			return nil, fmt.Errorf("generic: list the configured apps: %w", err)
		}
		out = append(out, doc)
	}
	return out, nil
}

// Read returns one app as the webhook shows it now.
func (t *Tenant) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if err := checkID(id); err != nil {
		return idp.Document{}, err
	}
	subject := "app " + string(id)
	resp, err := t.api.Get(ctx, call.Request{Subject: subject, Path: t.appPath(id)})
	if err != nil {
		return idp.Document{}, fmt.Errorf("generic: read: %w", err)
	}
	if !isApp(resp.Body, id) {
		return idp.Document{}, fmt.Errorf("generic: read: %w", t.api.Unexpected(subject, "the answer is not this app's document", resp))
	}
	return idp.Document{ID: id, Raw: resp.Body, ReadAt: time.Now(), RequestID: t.api.RequestID(resp)}, nil
}

// Write sends the whole document with the changes applied, every other byte as
// it was read: its revision says which state the write replaces. What the
// webhook answers to a success is not looked at; what counts is what it shows
// afterwards.
func (t *Tenant) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	if err := checkID(doc.ID); err != nil {
		return err
	}
	sent, err := body(doc, changes)
	if err != nil {
		return fmt.Errorf("generic: prepare the new document of app %q: %w", doc.ID, err)
	}
	put := call.Request{Subject: "app " + string(doc.ID), Method: http.MethodPut, Path: t.appPath(doc.ID), Body: sent}
	if _, err := t.api.Send(ctx, put); err != nil {
		return fmt.Errorf("generic: write: %w", err)
	}
	return nil
}

// isApp reports whether an answer is an object with this id. The keys of the
// map are compared exactly, which a struct's would not be.
func isApp(raw []byte, id idp.AppID) bool {
	var app map[string]json.RawMessage
	var got string
	return json.Unmarshal(raw, &app) == nil && json.Unmarshal(app["id"], &got) == nil && got == string(id)
}

func (t *Tenant) appPath(id idp.AppID) string { return t.path + "/apps/" + string(id) }

var idShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)

// checkID keeps anything but an id out of a path.
func checkID(id idp.AppID) error {
	if idShape.MatchString(string(id)) {
		return nil
	}
	return finding.Finding{Code: finding.ConfigInvalid, Subject: fmt.Sprintf("app id %q", call.Cut(string(id), 80)), What: "this cannot be the id of an app behind a webhook",
		Why: "ids are letters, digits, dash and underscore, at most 100", Remedy: "let the webhook give its apps such ids, and write the same in the config"}
}
