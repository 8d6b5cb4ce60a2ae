package okta

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// ServiceApp is an OAuth 2 client that calls the admin API (Okta developer
// docs, "Implement OAuth for Okta with a service app").
type ServiceApp struct {
	ClientID string
	// Keys are the app's public keys by kid, *rsa.PublicKey or
	// *ecdsa.PublicKey.
	Keys map[string]crypto.PublicKey
	// Scopes are granted to the app, such as okta.apps.read.
	Scopes []string
	// NoRole: the app has no admin role, so every API call is refused whatever
	// its scopes. Apps, if not nil, are the only ones in its role's resource set.
	NoRole bool
	Apps   []string
	// DPoP: the app requires proof of possession (RFC 9449).
	DPoP bool
}

const (
	readScope   = "okta.apps.read"
	manageScope = "okta.apps.manage"
	tokenLife   = time.Hour // fixed
	// Nonces change every day; an old one is good for three more.
	nonceChanges = 24 * time.Hour
	nonceLasts   = 4 * 24 * time.Hour
	clockSkew    = 5 * time.Minute
	proofLife    = 5 * time.Minute
)

// clients is what the org knows of service apps and their tokens.
type clients struct {
	mu       sync.Mutex
	apps     map[string]ServiceApp
	tokens   map[string]grant
	used     map[string]time.Time // jti of assertions and proofs, until when they count
	nonces   []nonce
	requests int
	down     bool
	apiNonce bool // the API wants a nonce in proofs too
}

// grant is what an access token allows.
type grant struct {
	client, thumbprint string // of the DPoP key, "" = a bearer token
	scopes             []string
	ends               time.Time
}

type nonce struct {
	text string
	made time.Time
}

// PutServiceApp adds a service app, or replaces the one with its client id:
// keys and scopes change at once, tokens given out stay.
func (o *Org) PutServiceApp(a ServiceApp) error {
	if a.ClientID == "" {
		return errors.New("add a service app: it needs a client id")
	}
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	if o.clients.apps == nil {
		o.clients.apps, o.clients.tokens, o.clients.used = map[string]ServiceApp{}, map[string]grant{}, map[string]time.Time{}
	}
	o.clients.apps[a.ClientID] = a
	return nil
}

// RevokeTokens ends every access token that was given out.
func (o *Org) RevokeTokens() {
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	clear(o.clients.tokens)
}

// SetTokenEndpointDown makes the token endpoint answer 503 while on.
func (o *Org) SetTokenEndpointDown(on bool) {
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	o.clients.down = on
}

// TokenRequests counts what reached the token endpoint.
func (o *Org) TokenRequests() int {
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	return o.clients.requests
}

// ExpireNonces makes every DPoP nonce that was given out worthless.
func (o *Org) ExpireNonces() {
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	o.clients.nonces = nil
}

// refusal is an OAuth error (RFC 6749 section 5.2, RFC 9449).
type refusal struct {
	code, description string
	nonce             string // to be sent along
}

func refused(code, format string, args ...any) *refusal {
	return &refusal{code: code, description: fmt.Sprintf(format, args...)}
}

// serveToken is the token endpoint of the org authorization server.
func (o *Org) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Okta-Request-Id", strings.ToLower(rand.Text()))
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		wrongMethod().write(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	o.clients.mu.Lock()
	defer o.clients.mu.Unlock()
	o.clients.requests++
	if o.clients.down {
		internalDown().write(w)
		return
	}
	answer, wrong := o.clients.token(r, "https://"+o.o.Host+r.URL.Path, time.Now())
	if wrong == nil {
		writeJSON(w, http.StatusOK, keyOrder().Encode(answer))
		return
	}
	if wrong.nonce != "" {
		w.Header().Set("DPoP-Nonce", wrong.nonce)
	}
	status := http.StatusBadRequest
	if wrong.code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	writeJSON(w, status, keyOrder().Encode(object{"error": wrong.code, "error_description": wrong.description}))
}

// token checks a request in the order of its parts: form, assertion, scopes,
// proof. The assertion is used up even if what follows fails (worst case). The
// caller holds mu.
func (c *clients) token(r *http.Request, url string, now time.Time) (object, *refusal) {
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil, refused("invalid_request", "The request body must be form-encoded.")
	}
	f := r.PostForm
	switch {
	case r.URL.RawQuery != "":
		return nil, refused("invalid_request", "Parameters belong into the body.")
	case f.Get("grant_type") != "client_credentials":
		return nil, refused("unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
	case f.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return nil, refused("invalid_client", "Client authentication failed: okta.* scopes need private_key_jwt.")
	}
	app, wrong := c.authenticate(f.Get("client_assertion"), url, now)
	if wrong != nil {
		return nil, wrong
	}
	scopes := strings.Fields(f.Get("scope"))
	if len(scopes) == 0 {
		return nil, refused("invalid_scope", "The request must include a scope.")
	}
	for _, s := range scopes {
		if !slices.Contains(app.Scopes, s) {
			return nil, refused("invalid_scope", "One or more scopes are not configured for the authorization server resource.")
		}
	}
	g := grant{client: app.ClientID, scopes: scopes, ends: now.Add(tokenLife)}
	kind := "Bearer"
	if app.DPoP || r.Header.Get("DPoP") != "" {
		kind = "DPoP"
		if g.thumbprint, wrong = c.proof(r, url, "", now); wrong != nil {
			return nil, wrong
		}
	}
	token := rand.Text() + rand.Text()
	c.tokens[token] = g
	return object{"token_type": kind, "expires_in": 3600, "access_token": token, "scope": strings.Join(scopes, " ")}, nil
}

// authenticate checks a client assertion (RFC 7523) and returns the client.
func (c *clients) authenticate(assertion, url string, now time.Time) (ServiceApp, *refusal) {
	deny := func(format string, args ...any) (ServiceApp, *refusal) {
		return ServiceApp{}, refused("invalid_client", format, args...)
	}
	t, err := parseToken(assertion)
	if err != nil {
		return deny("The client_assertion is not a JWT: %v.", err)
	}
	app, known := c.apps[jsontree.Text(t.claims, "sub")]
	key := app.Keys[jsontree.Text(t.header, "kid")]
	iat, exp := t.when("iat"), t.when("exp")
	jti := jsontree.Text(t.claims, "jti")
	switch {
	case !known || jsontree.Text(t.claims, "iss") != app.ClientID:
		return deny("The client_assertion's issuer and subject must be the client id of a known client.")
	case key == nil:
		return deny("The client has no key with the kid of the client_assertion.")
	case t.verify(key) != nil:
		return deny("The client_assertion signature is invalid.")
	case jsontree.Text(t.claims, "aud") != url:
		return deny("The audience of the client_assertion must be %s.", url)
	case exp.IsZero() || !exp.After(now):
		return deny("The client_assertion is expired.")
	case exp.After(now.Add(time.Hour)):
		return deny("The client_assertion must expire within one hour.")
	case iat.After(now.Add(clockSkew)):
		return deny("The client_assertion was issued in the future.")
	case jti == "" || c.spent("a "+app.ClientID+" "+jti, exp, now):
		return deny("The client_assertion has no jti, or one that was used already.")
	}
	return app, nil
}

// spent takes note of an identifier and reports whether it came before.
func (c *clients) spent(jti string, until, now time.Time) bool {
	for k, end := range c.used {
		if end.Before(now) {
			delete(c.used, k)
		}
	}
	_, again := c.used[jti]
	c.used[jti] = until
	return again
}

// freshNonce returns the nonce of today; the caller holds mu.
func (c *clients) freshNonce(now time.Time) string {
	c.nonces = slices.DeleteFunc(c.nonces, func(n nonce) bool { return now.Sub(n.made) >= nonceLasts })
	if n := len(c.nonces); n > 0 && now.Sub(c.nonces[n-1].made) < nonceChanges {
		return c.nonces[n-1].text
	}
	c.nonces = append(c.nonces, nonce{rand.Text(), now})
	return c.nonces[len(c.nonces)-1].text
}

func (c *clients) goodNonce(text string, now time.Time) bool {
	return slices.ContainsFunc(c.nonces, func(n nonce) bool { return n.text == text && now.Sub(n.made) < nonceLasts })
}
