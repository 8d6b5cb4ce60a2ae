package okta

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	// scopes are what listing, reading and replacing apps needs (Okta developer
	// docs, "OAuth 2.0 Scopes").
	scopes        = "okta.apps.read okta.apps.manage"
	tokenPath     = "/oauth2/v1/token" // of the org authorization server, the only one that gives these scopes
	assertionKind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLife is far below the hour that Okta allows.
	assertionLife = 5 * time.Minute
	nonceWanted   = "use_dpop_nonce"
)

// OAuth is the credential of a service app (Okta developer docs, "Implement
// OAuth for Okta with a service app").
type OAuth struct {
	ClientID string
	// Key is the private key: PEM, a JSON Web Key, or a JSON Web Key Set. With a
	// set, a key that Okta refuses is followed by the next.
	Key   secret.Value
	KeyID string // of a key in PEM; with a set, the one to try first
	DPoP  bool   // the service app requires proof of possession
}

// service gets access tokens for a service app and signs calls with them.
type service struct {
	subject  string
	clientID string
	url      string // of the token endpoint
	keys     []signer
	first    atomic.Int32 // the key that Okta took last
	proof    *prover      // nil: plain bearer tokens
	endpoint *call.Caller
}

func newService(subject string, client *outbound.Client, o OAuth) (*service, error) {
	refuse := func(what string, err error) error {
		return finding.Finding{Code: finding.IdPAuth, Subject: subject, What: what, Why: err.Error(),
			Remedy: "give the service app's client id, and its private key as PEM with key_id, as a JSON Web Key, or as a key set"}
	}
	if o.ClientID == "" || o.Key.IsZero() {
		return nil, refuse("the OAuth credential is not complete", errors.New("it needs a client id and a private key"))
	}
	keys, err := parseKeys(o.Key, o.KeyID)
	if err != nil {
		return nil, refuse("the private key cannot be used", err)
	}
	s := &service{subject: subject, clientID: o.ClientID, url: client.Origin() + tokenPath, keys: keys}
	v := call.Vendor{Name: "Okta", StatusPage: statusPage, RequestID: requestID, Judge: s.judge, Rate: rateOf}
	if o.DPoP {
		if s.proof, err = newProver(); err != nil {
			return nil, fmt.Errorf("%s: %w", subject, err)
		}
		v.Sign = func(h http.Header, _ call.Token, method, url string) error {
			return s.proof.prove(h, tokenSide, method, url, secret.Value{})
		}
	}
	s.endpoint = call.New(subject, client, v)
	return s, nil
}

// vendor makes v sign with access tokens.
func (s *service) vendor(v call.Vendor) call.Vendor {
	v.Tokens = call.NewTokens(s.fetch)
	v.Sign = s.sign
	v.TokenFault = func(r outbound.Response) bool { return readError(r.Body).Code != noFeature }
	if s.proof != nil {
		v.Challenge = func(r outbound.Response) bool { return s.proof.learn(apiSide, r) }
	}
	return v
}

// sign puts the token into a call the way its type asks for.
func (s *service) sign(h http.Header, t call.Token, method, url string) error {
	if t.Type != dpopType {
		h.Set("Authorization", "Bearer "+t.Value.Reveal())
		return nil
	}
	h.Set("Authorization", "DPoP "+t.Value.Reveal())
	return s.proof.prove(h, apiSide, method, url, t.Value)
}

// fetch asks for a token, with each key in turn until one is taken.
func (s *service) fetch(ctx context.Context) (call.Token, error) {
	first := int(s.first.Load())
	var token call.Token
	var err error
	for i := range s.keys {
		at := (first + i) % len(s.keys)
		if token, err = s.ask(ctx, s.keys[at]); err == nil {
			s.first.Store(int32(at)) //nolint:gosec // an index of a short list
			return token, nil
		}
		if f, ok := finding.From(err); !ok || f.Evidence["error"] != "invalid_client" {
			break
		}
	}
	return call.Token{}, err
}

// ask asks with one key, and once more if the endpoint wants a nonce. Each
// request has an assertion of its own: Okta takes none twice.
func (s *service) ask(ctx context.Context, key signer) (call.Token, error) {
	for repeated := false; ; repeated = true {
		begun := time.Now()
		form, err := s.form(key, begun)
		if err != nil {
			return call.Token{}, err
		}
		resp, err := s.endpoint.Send(ctx, call.Request{Subject: s.subject + ", access token", Method: http.MethodPost, Path: tokenPath,
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form)})
		if err == nil {
			return s.token(resp, begun)
		}
		if s.proof == nil || resp.Header == nil || !s.proof.learn(tokenSide, resp) || repeated {
			return call.Token{}, err
		}
	}
}

// form is the body of a token request.
func (s *service) form(key signer, now time.Time) (string, error) {
	assertion, err := key.sign(object{"kid": key.id, "typ": "JWT"}, object{"aud": s.url, "iss": s.clientID, "sub": s.clientID,
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(), "jti": rand.Text()})
	if err != nil {
		return "", fmt.Errorf("%s: make a client assertion: %w", s.subject, err)
	}
	return url.Values{"grant_type": {"client_credentials"}, "scope": {scopes},
		"client_assertion_type": {assertionKind}, "client_assertion": {assertion}}.Encode(), nil
}

// The two types of token, as Okta writes them.
const (
	bearerType = "Bearer"
	dpopType   = "DPoP"
)

// token reads the answer of the token endpoint. Its life counts from before we
// asked.
func (s *service) token(r outbound.Response, begun time.Time) (call.Token, error) {
	if s.proof != nil {
		s.proof.learn(tokenSide, r)
	}
	var answer struct {
		Type  string  `json:"token_type"`
		Value string  `json:"access_token"`
		Life  float64 `json:"expires_in"`
	}
	subject := s.subject + ", access token"
	if err := json.Unmarshal(r.Body, &answer); err != nil || answer.Value == "" || answer.Life <= 0 || answer.Life > 1e8 || strings.ContainsAny(answer.Value, " \r\n") {
		return call.Token{}, s.endpoint.Unexpected(subject, "the answer holds no access token", r)
	}
	t := call.Token{Value: secret.New(answer.Value), Issued: begun, Expires: begun.Add(time.Duration(answer.Life * float64(time.Second)))}
	switch {
	case strings.EqualFold(answer.Type, bearerType):
		t.Type = bearerType
	case strings.EqualFold(answer.Type, dpopType) && s.proof != nil:
		t.Type = dpopType
	default:
		return call.Token{}, s.endpoint.Unexpected(subject, "the access token is of a type that was not asked for", r)
	}
	return t, nil
}

// oauthError is the error body of the token endpoint (RFC 6749 section 5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func readOAuthError(body []byte) oauthError {
	var e oauthError
	if json.Unmarshal(body, &e) != nil {
		return oauthError{}
	}
	return e
}

// judge says what a refusal of the token endpoint means.
func (s *service) judge(r outbound.Response) call.Verdict {
	e := readOAuthError(r.Body)
	if e.Code == "" { // an answer of Okta in general
		return call.Verdict{Finding: answerFinding(r, serviceWords()), Passing: passing(r)}
	}
	f := finding.Finding{Code: finding.IdPAuth, What: "Okta gives our service app no access token",
		Why:      call.Cut(fmt.Sprintf("Okta answered %d %s: %s", r.Status, e.Code, e.Description), 500),
		Remedy:   "look at the service app in the Okta console: it must be active and allow the client credentials grant",
		Evidence: map[string]string{"error": call.Cut(e.Code, 100)}}
	switch e.Code {
	case "invalid_client":
		f.Remedy = "compare client_id and key_id with the service app in the Okta console, see that its public key is listed there, and compare this machine's clock with the true time"
	case "invalid_scope", "access_denied":
		f.Code, f.What = finding.IdPPermission, "Okta does not grant our service app the scopes that a move needs"
		f.Remedy = "let a super admin grant okta.apps.read and okta.apps.manage on the service app's page, Okta API Scopes"
	case "invalid_dpop_proof":
		f.What = "Okta does not take our proof of possession"
		f.Remedy = "compare this machine's clock with the true time"
		if s.proof == nil {
			f.Remedy = "the service app requires DPoP: set dpop to true in the tenant's oauth section"
		}
	}
	return call.Verdict{Finding: f, Passing: passing(r)}
}
