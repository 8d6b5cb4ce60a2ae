package onelogin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// maxDepth is one level more than an app may have: a list wraps apps.
const maxDepth = idp.MaxDepth + 1

// Options describe one OneLogin account and the API credential to reach it
// with.
type Options struct {
	Network *outbound.Network
	Name    string // the operator's word for the tenant, in findings
	// URL is the account's own origin, such as https://acme.onelogin.com; tokens
	// and API are reached there.
	URL          string
	ClientID     string
	ClientSecret secret.Value
	// RatePerSecond and Burst pace all calls to this account; 0 means 10 and 10.
	RatePerSecond float64
	Burst         int
	Logger        *slog.Logger
}

// Tenant is one OneLogin account, reached with an API credential. Safe for
// concurrent use.
type Tenant struct {
	subject    string // "tenant onelogin-prod", in findings
	api        *call.Caller
	credential *credential
	tokens     *call.Tokens
	bucket     *call.Bucket // the allowance is one for the whole account
	log        *slog.Logger
}

var _ idp.Tenant = (*Tenant)(nil)

// New returns a tenant; it makes no call.
func New(o Options) (*Tenant, error) {
	subject := "tenant " + o.Name
	if o.ClientID == "" || o.ClientSecret.IsZero() {
		return nil, finding.Finding{Code: finding.IdPAuth, Subject: subject, What: "no API credential is configured",
			Remedy: "make one in OneLogin under Developers, API Credentials, with the scope Manage All, and give its client id, and its secret as env:NAME or file:PATH"}
	}
	if o.RatePerSecond <= 0 {
		o.RatePerSecond = 10
	}
	if o.Burst <= 0 {
		o.Burst = 10
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	client, err := o.Network.Origin(outbound.OriginOptions{Name: subject, Origin: o.URL, RatePerSecond: o.RatePerSecond, Burst: o.Burst,
		MaxDepth: maxDepth, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("onelogin: %s: %w", subject, err)
	}
	c := &credential{subject: subject, id: o.ClientID, secret: o.ClientSecret}
	c.api = call.New(subject, client, c.vendor())
	tokens := call.NewTokens(c.fetch)
	return &Tenant{subject: subject, credential: c, tokens: tokens, api: call.New(subject, client, vendor(tokens)),
		bucket: &call.Bucket{Assumed: assumedRate}, log: o.Logger}, nil
}

// Warm fetches a token when there is none or less than six of its ten hours are
// left. It cannot do more: OneLogin gives out the same token until it ends, and
// refreshing or revoking it would end it for every process with the same
// credential. So in the last minutes of a token's life a move may have to ask
// for the next one itself.
func (t *Tenant) Warm(ctx context.Context) error {
	if !t.credential.worthAsking(time.Now()) {
		return nil
	}
	return t.tokens.Warm(idp.Calm(ctx))
}

// Read returns one app as OneLogin holds it now.
func (t *Tenant) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if err := checkID(id); err != nil {
		return idp.Document{}, err
	}
	resp, err := t.api.Get(ctx, call.Request{Bucket: t.bucket, Subject: "app " + string(id), Path: appPath(id)})
	if err != nil {
		return idp.Document{}, fmt.Errorf("onelogin: read: %w", err)
	}
	if got, ok := idOf(resp.Body); !ok || got != id {
		return idp.Document{}, fmt.Errorf("onelogin: read: %w", t.api.Unexpected("app "+string(id), "the answer is not this app", resp))
	}
	return idp.Document{ID: id, Raw: resp.Body, ReadAt: time.Now(), RequestID: t.api.RequestID(resp)}, nil
}

// Write sends the app's configuration with the changes applied and nothing
// else: a PUT leaves alone what it is not sent (API docs, "Update an App").
func (t *Tenant) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	if err := checkID(doc.ID); err != nil {
		return err
	}
	sent, err := body(doc, changes)
	if err != nil {
		return fmt.Errorf("onelogin: prepare the new configuration of app %q: %w", doc.ID, err)
	}
	if _, err := t.api.Send(ctx, call.Request{Bucket: t.bucket, Subject: "app " + string(doc.ID), Method: http.MethodPut, Path: appPath(doc.ID), Body: sent}); err != nil {
		return fmt.Errorf("onelogin: write: %w", err)
	}
	return nil
}

func appPath(id idp.AppID) string { return "/api/2/apps/" + string(id) }

var idShape = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// checkID keeps anything but an id out of a path.
func checkID(id idp.AppID) error {
	if idShape.MatchString(string(id)) {
		return nil
	}
	return finding.Finding{Code: finding.ConfigInvalid, Subject: fmt.Sprintf("app id %q", cut(string(id), 80)), What: "this cannot be a OneLogin app id",
		Why: "ids are whole numbers, such as 928532", Remedy: "copy the number from the address of the app's page in OneLogin"}
}
