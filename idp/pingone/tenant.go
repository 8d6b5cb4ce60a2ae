package pingone

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/samlmeta"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	// maxDepth is three levels more than an app may have: a list wraps apps.
	maxDepth = idp.MaxDepth + 3
	maxPages = 1000 // an environment holds at most 1,000 apps; more is a circle of links
	// assumedRate is what one address gets per minute: 35 % of the 600 of a
	// licence's rate group (PingOne docs, "Platform limits"). Answers state no
	// limit, so calm-time traffic keeps to its share of this.
	assumedRate = 210
	// transactionID names a change in PingOne's audit (PingOne Platform API,
	// "External transaction and session IDs").
	transactionID = "X-Ping-External-Transaction-Id"
)

// Auth says how the worker app proves itself at the token endpoint: its "token
// endpoint authentication method". The variants with signed JWTs are not
// covered.
type Auth string

// The methods.
const (
	AuthBasic Auth = "basic" // CLIENT_SECRET_BASIC
	AuthPost  Auth = "post"  // CLIENT_SECRET_POST
)

// TLDs returns the ends of PingOne's host names, one per region of theirs:
// North America, Europe, Asia Pacific, Australia, Canada, Singapore.
func TLDs() []string { return []string{"com", "eu", "asia", "com.au", "ca", "sg"} }

// Options describe one PingOne environment and the worker app to reach it with.
type Options struct {
	Network *outbound.Network
	Name    string // the operator's word for the tenant, in findings
	// TLD is one of TLDs; it may be empty if APIURL and AuthURL are both set.
	TLD string
	// APIURL and AuthURL replace https://api.pingone.TLD and
	// https://auth.pingone.TLD: origins without a path.
	APIURL, AuthURL string
	// Environment is the id of the environment that holds the AWS apps,
	// WorkerEnvironment of the one that holds the worker app; "" = the same.
	Environment, WorkerEnvironment string
	ClientID                       string
	ClientSecret                   secret.Value
	Auth                           Auth // "" = AuthBasic
	// RatePerSecond and Burst pace the calls to each host; 0 means 10 and 10.
	RatePerSecond float64
	Burst         int
	Logger        *slog.Logger
}

// Tenant is one PingOne environment, reached as a worker app. Safe for
// concurrent use.
type Tenant struct {
	subject     string // "tenant ping-prod", in findings
	environment string
	api         *call.Caller
	signOn      *call.Caller // the sign-on service's public pages
	tokens      *call.Tokens
	bucket      *call.Bucket
	log         *slog.Logger
}

var _ idp.Tenant = (*Tenant)(nil)

// New returns a tenant; it makes no call.
func New(o Options) (*Tenant, error) {
	subject := "tenant " + o.Name
	if err := o.fill(subject); err != nil {
		return nil, err
	}
	apiURL, authURL := o.origins()
	api, err := o.client(subject, apiURL, 0)
	if err != nil {
		return nil, err
	}
	auth, err := o.client(subject, authURL, maxToken)
	if err != nil {
		return nil, err
	}
	public, err := o.client(subject, authURL, samlmeta.MaxBytes)
	if err != nil {
		return nil, err
	}
	w := &worker{subject: subject, environment: o.WorkerEnvironment, id: o.ClientID, secret: o.ClientSecret, auth: o.Auth}
	w.api = call.New(subject, auth, w.tokenVendor())
	tokens := call.NewTokens(w.fetch)
	return &Tenant{subject: subject, environment: o.Environment, tokens: tokens, log: o.Logger, signOn: call.New(subject, public, signOnVendor()),
		api: call.New(subject, api, apiVendor(tokens)), bucket: &call.Bucket{Assumed: assumedRate}}, nil
}

// fill checks the options and sets the defaults.
func (o *Options) fill(subject string) error {
	bad := func(what, remedy string) error {
		return finding.Finding{Code: finding.ConfigInvalid, Subject: subject, What: what, Remedy: remedy}
	}
	if o.WorkerEnvironment == "" {
		o.WorkerEnvironment = o.Environment
	}
	if o.Auth == "" {
		o.Auth = AuthBasic
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
	switch {
	case o.ClientSecret.IsZero() || o.ClientID == "":
		return finding.Finding{Code: finding.IdPAuth, Subject: subject, What: "no worker app is configured", Remedy: "give its client id, and its client secret as env:NAME or file:PATH"}
	case !idShape.MatchString(o.Environment) || !idShape.MatchString(o.WorkerEnvironment):
		return bad("an environment id is not one of PingOne's", "copy the environment id from the environment's properties in the PingOne console")
	case o.Auth != AuthBasic && o.Auth != AuthPost:
		return bad(fmt.Sprintf("the authentication method %q is unknown", o.Auth), "write basic or post, as the worker app's token endpoint authentication method says")
	case !slices.Contains(TLDs(), o.TLD) && (o.TLD != "" || o.APIURL == "" || o.AuthURL == ""):
		return bad(fmt.Sprintf("PingOne has no hosts that end in %q", o.TLD), "write one of "+strings.Join(TLDs(), ", ")+": the end of the PingOne console's host name")
	}
	return nil
}

// Warm keeps a token with at least half of its hour, so that a move needs none.
func (t *Tenant) Warm(ctx context.Context) error { return t.tokens.Warm(idp.Calm(ctx)) }

// List returns every app of the environment that has to do with AWS. It is
// calm-time traffic, whatever the context says. The API has no filter; it may
// page.
func (t *Tenant) List(ctx context.Context) ([]idp.Document, error) {
	var out []idp.Document
	next := t.path("")
	seen := map[string]bool{}
	for next != "" {
		if seen[next] || len(seen) == maxPages {
			return nil, fmt.Errorf("pingone: list apps: %w", finding.Finding{Code: finding.IdPAnswer, Subject: t.subject,
				What: "the list of apps does not end", Why: fmt.Sprintf("after %d pages PingOne names yet another", len(seen)), Remedy: "show this to Ping's support"})
		}
		seen[next] = true
		docs, after, err := t.page(ctx, next)
		if err != nil {
			return nil, fmt.Errorf("pingone: list apps: %w", err)
		}
		out, next = append(out, docs...), after
	}
	return out, nil
}

// halPage is one page of a list (PingOne Platform API, "Paging"). The client
// that follows the link refuses another origin.
type halPage struct {
	Links struct {
		Next struct {
			Href string `json:"href"`
		} `json:"next"`
	} `json:"_links"`
	Embedded *struct {
		Applications []json.RawMessage `json:"applications"`
	} `json:"_embedded"`
}

// page reads one page of the list and the link to the next.
func (t *Tenant) page(ctx context.Context, path string) (docs []idp.Document, next string, err error) {
	resp, err := t.api.Get(idp.Calm(ctx), call.Request{Bucket: t.bucket, Subject: t.subject, Path: path})
	if err != nil {
		return nil, "", err
	}
	var page halPage
	if json.Unmarshal(resp.Body, &page) != nil || page.Embedded == nil {
		return nil, "", t.api.Unexpected(t.subject, "the list of apps is not a HAL collection", resp)
	}
	for _, raw := range page.Embedded.Applications {
		if !related(raw) {
			continue
		}
		id, err := idOf(raw)
		if err != nil {
			return nil, "", t.api.Unexpected(t.subject, "an app in the list has no id", resp)
		}
		docs = append(docs, idp.Document{ID: id, Raw: raw, ReadAt: time.Now(), RequestID: t.api.RequestID(resp)})
	}
	return docs, page.Links.Next.Href, nil
}

// idOf reads an app's id. A text that idp.Parse refuses still has one, so that
// the app can be named in a finding.
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

// Read returns one app as PingOne holds it now.
func (t *Tenant) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	if err := checkID(id); err != nil {
		return idp.Document{}, err
	}
	subject := "app " + string(id)
	resp, err := t.api.Get(ctx, call.Request{Bucket: t.bucket, Subject: subject, Path: t.path(id)})
	if err != nil {
		return idp.Document{}, fmt.Errorf("pingone: read: %w", err)
	}
	if got, err := idOf(resp.Body); err != nil || got != id {
		return idp.Document{}, fmt.Errorf("pingone: read: %w", t.api.Unexpected(subject, "the answer is not this app", resp))
	}
	return idp.Document{ID: id, Raw: resp.Body, ReadAt: time.Now(), RequestID: t.api.RequestID(resp)}, nil
}

// Write replaces the app with the document as changed (PUT is a full replace,
// there is no PATCH: PingOne Platform API, "Update application (SAML)"). The
// log names the transaction id under which PingOne's audit keeps the change.
func (t *Tenant) Write(ctx context.Context, doc idp.Document, changes []idp.Change) error {
	if err := checkID(doc.ID); err != nil {
		return err
	}
	sent, err := body(doc, changes)
	if err != nil {
		return fmt.Errorf("pingone: prepare the new app %q: %w", doc.ID, err)
	}
	transaction := "samlfailover-" + rand.Text()
	resp, err := t.api.Send(ctx, call.Request{Bucket: t.bucket, Subject: "app " + string(doc.ID), Method: http.MethodPut, Path: t.path(doc.ID),
		Header: http.Header{transactionID: {transaction}}, Body: sent})
	t.log.Info("PingOne was asked to replace an app", "app", doc.ID, "transaction_id", transaction, "status", resp.Status, "request_id", t.api.RequestID(resp))
	if err != nil {
		return fmt.Errorf("pingone: write (transaction id %s): %w", transaction, err)
	}
	return nil
}

// path is an app's path in the API; "" is the list.
func (t *Tenant) path(id idp.AppID) string {
	list := "/v1/environments/" + t.environment + "/applications"
	if id == "" {
		return list
	}
	return list + "/" + string(id)
}

// idShape is a UUID.
var idShape = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// checkID keeps anything but an id out of a path.
func checkID(id idp.AppID) error {
	if idShape.MatchString(string(id)) {
		return nil
	}
	return finding.Finding{Code: finding.ConfigInvalid, Subject: fmt.Sprintf("app id %q", call.Cut(string(id), 80)), What: "this cannot be a PingOne app id",
		Why: "ids are UUIDs, such as 3b9fe2b2-9ba4-4dd6-9d4c-0f6d1c0f4a11", Remedy: "copy the id from the app's page in the PingOne console"}
}
