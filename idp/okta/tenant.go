package okta

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	// maxDepth is one level more than an app may have: a list wraps apps.
	maxDepth = idp.MaxDepth + 1
	maxPages = 1000 // of 200 apps; more is a circle of links
)

// Options describe one Okta org.
type Options struct {
	Network *outbound.Network
	Name    string // the operator's word for the tenant, in findings
	URL     string // the org's own URL, such as https://acme.okta.com
	// Token is an API token, OAuth the credential of a service app: one of them.
	Token secret.Value
	OAuth *OAuth
	// RatePerSecond and Burst pace all calls to this org; 0 means 10 and 10.
	RatePerSecond float64
	Burst         int
	Logger        *slog.Logger
}

// Tenant is one Okta org. Safe for concurrent use.
type Tenant struct {
	subject string // "tenant okta-prod", in findings
	api     *call.Caller
	tokens  *call.Tokens // nil: an API token, which is not renewed
	list    call.Bucket  // GET /api/v1/apps
	app     call.Bucket  // /api/v1/apps/{id}
	// metadata is GET /api/v1/apps/{id}/sso/saml/metadata
	metadata call.Bucket
}

var _ idp.Tenant = (*Tenant)(nil)

// New returns a tenant; it makes no call.
func New(o Options) (*Tenant, error) {
	subject := "tenant " + o.Name
	if o.Token.IsZero() == (o.OAuth == nil) {
		return nil, finding.Finding{Code: finding.IdPAuth, Subject: subject, What: "no credential, or two, are configured",
			Remedy: "name either an API token as env:NAME or file:PATH, or an OAuth service app"}
	}
	if o.RatePerSecond <= 0 {
		o.RatePerSecond = 10
	}
	if o.Burst <= 0 {
		o.Burst = 10
	}
	c, err := o.Network.Origin(outbound.OriginOptions{Name: subject, Origin: o.URL, RatePerSecond: o.RatePerSecond, Burst: o.Burst,
		MaxDepth: maxDepth, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("okta: %s: %w", subject, err)
	}
	v, err := credential(subject, c, o)
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	return &Tenant{subject: subject, api: call.New(subject, c, v), tokens: v.Tokens}, nil
}

// credential is the org's API with the configured way to sign.
func credential(subject string, c *outbound.Client, o Options) (call.Vendor, error) {
	if o.OAuth == nil {
		v := vendor(tokenWords())
		v.Sign = apiToken(o.Token)
		return v, nil
	}
	s, err := newService(subject, c, *o.OAuth)
	if err != nil {
		return call.Vendor{}, err
	}
	return s.vendor(vendor(serviceWords())), nil
}

// Warm keeps an access token with at least half of its life, so that a move
// needs none. An API token is not renewed.
func (t *Tenant) Warm(ctx context.Context) error {
	if t.tokens == nil {
		return nil
	}
	return t.tokens.Warm(idp.Calm(ctx))
}

// List returns every app of the org that has to do with AWS. It is calm-time
// traffic, whatever the context says.
func (t *Tenant) List(ctx context.Context) ([]idp.Document, error) {
	var out []idp.Document
	next := "/api/v1/apps?limit=200"
	seen := map[string]bool{}
	for next != "" {
		if seen[next] || len(seen) == maxPages {
			return nil, fmt.Errorf("okta: list apps: %w", finding.Finding{Code: finding.IdPAnswer, Subject: t.subject,
				What: "the list of apps does not end", Why: fmt.Sprintf("after %d pages Okta names yet another", len(seen)), Remedy: "show this to Okta's support"})
		}
		seen[next] = true
		docs, after, err := t.page(ctx, next)
		if err != nil {
			return nil, fmt.Errorf("okta: list apps: %w", err)
		}
		out, next = append(out, docs...), after
	}
	return out, nil
}

// page reads one page of the list and the link to the next.
func (t *Tenant) page(ctx context.Context, path string) (docs []idp.Document, next string, err error) {
	resp, err := t.api.Get(idp.Calm(ctx), call.Request{Bucket: &t.list, Subject: t.subject, Path: path})
	if err != nil {
		return nil, "", err
	}
	var apps []json.RawMessage
	if err := json.Unmarshal(resp.Body, &apps); err != nil {
		return nil, "", t.api.Unexpected(t.subject, "the list of apps is not a JSON array", resp)
	}
	for _, raw := range apps {
		if !related(raw) {
			continue
		}
		id, err := idOf(raw)
		if err != nil {
			return nil, "", t.api.Unexpected(t.subject, "an app in the list has no id", resp)
		}
		docs = append(docs, idp.Document{ID: id, Raw: raw, ReadAt: time.Now(), RequestID: t.api.RequestID(resp)})
	}
	return docs, nextLink(resp.Header.Values("Link")), nil
}

// idOf reads an app's id. A text that Parse refuses still has one, so that the
// app can be named in a finding.
func idOf(raw json.RawMessage) (idp.AppID, error) {
	var app map[string]json.RawMessage
	if err := json.Unmarshal(raw, &app); err != nil {
		return "", err
	}
	var id string
	if err := json.Unmarshal(app["id"], &id); err != nil {
		return "", err
	}
	return idp.AppID(id), checkID(idp.AppID(id))
}

// Read returns one app as Okta holds it now.
func (t *Tenant) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if err := checkID(id); err != nil {
		return idp.Document{}, err
	}
	resp, err := t.api.Get(ctx, call.Request{Bucket: &t.app, Subject: "app " + string(id), Path: appPath(id)})
	if err != nil {
		return idp.Document{}, fmt.Errorf("okta: read: %w", err)
	}
	if got, err := idOf(resp.Body); err != nil || got != id {
		return idp.Document{}, fmt.Errorf("okta: read: %w", t.api.Unexpected("app "+string(id), "the answer is not this app", resp))
	}
	return idp.Document{ID: id, Raw: resp.Body, ReadAt: time.Now(), RequestID: t.api.RequestID(resp)}, nil
}

// Write replaces the app with the document as changed (PUT is a full replace,
// there is no PATCH: Okta Management API, "Replace an application").
func (t *Tenant) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	if err := checkID(doc.ID); err != nil {
		return err
	}
	sent, err := body(doc, changes)
	if err != nil {
		return fmt.Errorf("okta: prepare the new app %q: %w", doc.ID, err)
	}
	put := call.Request{Bucket: &t.app, Subject: "app " + string(doc.ID), Method: http.MethodPut, Path: appPath(doc.ID), Body: sent}
	if _, err := t.api.Send(ctx, put); err != nil {
		return fmt.Errorf("okta: write: %w", err)
	}
	return nil
}

func appPath(id idp.AppID) string { return "/api/v1/apps/" + string(id) }

var idShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkID keeps anything but an id out of a path.
func checkID(id idp.AppID) error {
	if idShape.MatchString(string(id)) {
		return nil
	}
	return finding.Finding{Code: finding.ConfigInvalid, Subject: fmt.Sprintf("app id %q", call.Cut(string(id), 80)), What: "this cannot be an Okta app id",
		Why: "ids are letters and digits, such as 0oa1b2c3d4", Remedy: "copy the id from the app's page in the Okta console"}
}

// nextLink returns the target of rel="next" in Link headers (RFC 8288), or "".
// The client that follows it refuses another origin.
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			_, rest, ok := strings.Cut(h, "<")
			if !ok {
				break
			}
			target, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			params, _, _ := strings.Cut(rest, "<")
			if strings.Contains(strings.ReplaceAll(params, " ", ""), `rel="next"`) {
				return target
			}
			h = rest
		}
	}
	return ""
}
