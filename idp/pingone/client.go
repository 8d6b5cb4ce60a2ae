package pingone

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	statusPage   = "status.pingidentity.com"
	documentedIn = time.Hour // how long a token lives where the answer does not say (PingOne Platform API, "Get token")
	maxToken     = 64 << 10  // bytes of a token answer
)

// worker is the worker app whose credential we use.
type worker struct {
	subject     string // "tenant ping-prod", in findings
	environment string
	id          string
	secret      secret.Value
	auth        Auth
	api         *call.Caller // of the token endpoint
}

// tokenVendor is what the token endpoint does its own way. With AuthBasic the
// credential goes into the header, form-encoded first (RFC 6749 section 2.3.1).
func (w *worker) tokenVendor() call.Vendor {
	v := call.Vendor{Name: "PingOne's sign-on service", StatusPage: statusPage, RequestID: correlationID, Judge: judgeToken}
	if w.auth == AuthBasic {
		v.Sign = func(h http.Header, _ call.Token, _, _ string) error {
			pair := url.QueryEscape(w.id) + ":" + url.QueryEscape(w.secret.Reveal())
			h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
			return nil
		}
	}
	return v
}

// fetch asks for a new token once (PingOne Platform API, "Client credentials").
// There are no scopes: the worker app's roles decide what it may do.
func (w *worker) fetch(ctx context.Context) (call.Token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if w.auth == AuthPost {
		form.Set("client_id", w.id)
		form.Set("client_secret", w.secret.Reveal())
	}
	asked := time.Now()
	resp, err := w.api.Send(ctx, call.Request{Subject: w.subject, Method: http.MethodPost, Path: "/" + w.environment + "/as/token",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form.Encode())})
	if err != nil {
		return call.Token{}, fmt.Errorf("pingone: get an access token: %w", err)
	}
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Life  int64  `json:"expires_in"` // seconds
	}
	if json.Unmarshal(resp.Body, &answer) != nil || answer.Token == "" || strings.ContainsAny(answer.Token, "\r\n") ||
		!strings.EqualFold(answer.Type, "Bearer") || answer.Life < 0 || answer.Life > 1<<30 {
		return call.Token{}, fmt.Errorf("pingone: get an access token: %w", w.api.Unexpected(w.subject, "the answer holds no access token of a kind that we know", resp))
	}
	life := time.Duration(answer.Life) * time.Second
	if life == 0 {
		life = documentedIn
	}
	return call.Token{Value: secret.New(answer.Token), Type: answer.Type, Issued: asked, Expires: asked.Add(life)}, nil
}

// apiVendor is what PingOne's API does its own way. Its answers state no rate;
// a 429 has Retry-After (PingOne Platform API, "Rate limiting").
func apiVendor(tokens *call.Tokens) call.Vendor {
	return call.Vendor{Name: "PingOne", StatusPage: statusPage, RequestID: correlationID, Judge: judge, Tokens: tokens,
		Sign: func(h http.Header, t call.Token, _, _ string) error {
			h.Set("Authorization", "Bearer "+t.Value.Reveal())
			return nil
		}}
}

// origins returns the hosts of the API and of the token endpoint.
func (o Options) origins() (api, auth string) {
	api, auth = "https://api.pingone."+o.TLD, "https://auth.pingone."+o.TLD
	if o.APIURL != "" {
		api = o.APIURL
	}
	if o.AuthURL != "" {
		auth = o.AuthURL
	}
	return api, auth
}

// client returns the client of one host.
func (o Options) client(subject, origin string, maxBody int64) (*outbound.Client, error) {
	c, err := o.Network.Origin(outbound.OriginOptions{Name: subject, Origin: origin, RatePerSecond: o.RatePerSecond, Burst: o.Burst,
		MaxBody: maxBody, MaxDepth: maxDepth, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("pingone: %s: %w", subject, err)
	}
	return c, nil
}
