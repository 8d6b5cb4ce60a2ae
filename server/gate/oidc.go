package gate

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/people"
)

// IssuerOptions describe an OpenID Connect issuer.
type IssuerOptions struct {
	Issuer      string // as its tokens say it
	Audience    string
	Keys        string      // URL of the key set, "" for the one that discovery names
	Federations []string    // in which its tokens count
	Highest     people.Role // that they can carry
	Groups      string      // the claim with the groups
	Network     *outbound.Network
	Log         *slog.Logger
}

// Issuer checks the tokens of one issuer. It asks for the issuer's keys when the
// first token comes, never before, and keeps them: a token whose key is known is
// checked while the issuer is down. Safe for concurrent use.
type Issuer struct {
	o        IssuerOptions
	verifier *oidc.IDTokenVerifier
	keys     *keySet
}

// identity is what a token that counts says.
type identity struct {
	Subject string
	Groups  []string
}

// algorithms that a token may be signed with (RFC 7518): RSA and elliptic
// curves. A shared secret (HS*) and none never count (spec 13.6).
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512}
}

// NewIssuer checks the options; it asks nobody.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	if o.Issuer == "" || o.Audience == "" || o.Network == nil || o.Log == nil {
		return nil, errors.New("an issuer needs its name, the audience, a network and a log")
	}
	k := &keySet{o: o}
	var err error
	if k.discovery, err = clientOf(o, o.Issuer); err != nil {
		return nil, err
	}
	if o.Keys != "" {
		if k.source, err = clientOf(o, o.Keys); err != nil {
			return nil, err
		}
		k.path = pathOf(o.Keys)
	}
	var algs []string
	for _, a := range algorithms() {
		algs = append(algs, string(a))
	}
	return &Issuer{o: o, keys: k, verifier: oidc.NewVerifier(o.Issuer, k, &oidc.Config{ClientID: o.Audience, SupportedSigningAlgs: algs, Now: time.Now})}, nil
}

func clientOf(o IssuerOptions, text string) (*outbound.Client, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("OIDC issuer: %.100q is not a URL", text)
	}
	c, err := o.Network.Origin(outbound.OriginOptions{Name: "OIDC issuer " + u.Host, Origin: u.Scheme + "://" + u.Host, MaxBody: 1 << 20, MaxDepth: 16, Logger: o.Log})
	if err != nil {
		return nil, fmt.Errorf("OIDC issuer: %w", err)
	}
	return c, nil
}

func pathOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "/"
	}
	return u.RequestURI()
}

// check verifies a token: signature, algorithm, issuer, audience and times.
func (i *Issuer) check(ctx context.Context, token string) (identity, error) {
	t, err := i.verifier.Verify(ctx, token)
	if err != nil {
		return identity{}, err //nolint:wrapcheck // told by reason
	}
	if t.Subject == "" {
		return identity{}, errors.New("it names no subject")
	}
	claims := map[string]json.RawMessage{}
	if err := t.Claims(&claims); err != nil {
		return identity{}, errors.New("its claims cannot be read")
	}
	out := identity{Subject: t.Subject}
	if raw, ok := claims[i.o.Groups]; ok {
		one := ""
		if json.Unmarshal(raw, &out.Groups) != nil && json.Unmarshal(raw, &one) == nil {
			out.Groups = []string{one}
		}
	}
	return out, nil
}

// reason says in words of ours why a token does not count: a library's may hold
// parts of the token.
func reason(err error) string {
	text := err.Error()
	expired := (*oidc.TokenExpiredError)(nil)
	switch {
	case errors.As(err, &expired):
		return "it has expired"
	case strings.Contains(text, "expected audience"):
		return "it was issued for another audience"
	case strings.Contains(text, "different provider"):
		return "it is of another issuer"
	case strings.Contains(text, "nbf"):
		return "it is not valid yet"
	case strings.Contains(text, "no subject"), strings.Contains(text, "claims cannot"):
		return text
	case strings.Contains(text, "malformed"), strings.Contains(text, "parse"):
		return "it cannot be read, or is signed in a way that does not count (only RS, PS and ES do)"
	}
	return "its signature is not the issuer's"
}

// claimedIssuer is what a token says of its issuer, before anything is checked.
func claimedIssuer(token string) string {
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Issuer string `json:"iss"`
	}
	if err != nil || tooDeep(raw, 16) || json.Unmarshal(raw, &c) != nil {
		return ""
	}
	return c.Issuer
}

// errUnreached: the key is not known, and the issuer does not answer, or was
// asked a moment ago.
var errUnreached = errors.New("the issuer's keys cannot be read")

// unreached reports whether a check failed for want of keys; the library in
// between keeps only the text of an error.
func unreached(err error) bool {
	return err != nil && strings.Contains(err.Error(), errUnreached.Error())
}

const (
	// askAgain is the time between two questions for keys, so that tokens with
	// made-up key ids make nobody ask on and on.
	askAgain = 30 * time.Second
	// askFailed is the same after a question without an answer.
	askFailed = 5 * time.Second
	// askTime bounds one question.
	askTime = 10 * time.Second
)

// keySet are an issuer's public keys; it implements oidc.KeySet.
type keySet struct {
	o         IssuerOptions
	discovery *outbound.Client

	asking sync.Mutex // held by the one who asks

	mu     sync.Mutex
	source *outbound.Client
	path   string
	keys   []jose.JSONWebKey
	next   time.Time // when the issuer may be asked again
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil {
		return nil, fmt.Errorf("malformed token: %w", err)
	}
	id := jws.Signatures[0].Header.KeyID
	for range 2 {
		known := k.named(id)
		for _, key := range known {
			if payload, err := jws.Verify(key); err == nil {
				return payload, nil
			}
		}
		if len(known) > 0 && id != "" {
			break // the key is known, and has not signed this
		}
		if err := k.fetch(ctx, id); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("no key of the issuer has signed it")
}

// named returns the keys with an id, all of them for "".
func (k *keySet) named(id string) []jose.JSONWebKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []jose.JSONWebKey
	for _, key := range k.keys {
		if id == "" || key.KeyID == id {
			out = append(out, key)
		}
	}
	return out
}

// fetch asks the issuer for its keys, unless it was asked a moment ago.
func (k *keySet) fetch(ctx context.Context, id string) error {
	k.asking.Lock()
	defer k.asking.Unlock()
	k.mu.Lock()
	early, have := time.Now().Before(k.next), len(k.keys) > 0
	k.mu.Unlock()
	switch {
	case id != "" && len(k.named(id)) > 0:
		return nil // somebody else has asked meanwhile
	case early && have:
		return nil // then the key is not the issuer's
	case early:
		return errUnreached
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	keys, err := k.ask(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.next = time.Now().Add(askFailed)
		k.o.Log.Warn("the keys of an OIDC issuer cannot be read; tokens whose key is known still count, and so do personal tokens", "issuer", k.o.Issuer, "error", err)
		return errUnreached
	}
	k.keys, k.next = keys, time.Now().Add(askAgain)
	return nil
}

// ask reads the key set, and before that, once, where it is.
func (k *keySet) ask(ctx context.Context) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	source, path := k.source, k.path
	k.mu.Unlock()
	if source == nil {
		var d struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		if err := get(ctx, k.discovery, strings.TrimSuffix(pathOf(k.o.Issuer), "/")+"/.well-known/openid-configuration", &d); err != nil {
			return nil, err
		}
		if d.Issuer != k.o.Issuer {
			return nil, errors.New("its discovery document is of another issuer")
		}
		if _, err := k.discovery.Resolve(d.Keys); err != nil || d.Keys == "" {
			return nil, errors.New("its discovery document names no key set on its own host; name it with server.oidc keys")
		}
		source, path = k.discovery, d.Keys
		k.mu.Lock()
		k.source, k.path = source, path
		k.mu.Unlock()
	}
	var set jose.JSONWebKeySet
	if err := get(ctx, source, path, &set); err != nil {
		return nil, err
	}
	var out []jose.JSONWebKey
	for _, key := range set.Keys {
		if key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("its key set holds no public key for signatures")
	}
	return out, nil
}

func get(ctx context.Context, c *outbound.Client, path string, into any) error {
	res, err := c.Do(ctx, outbound.Request{Method: http.MethodGet, Path: path, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return fmt.Errorf("read %s: %w", c.Origin(), err)
	}
	if res.Status != http.StatusOK {
		return fmt.Errorf("read %s: it answered %d", c.Origin(), res.Status)
	}
	if err := json.Unmarshal(res.Body, into); err != nil {
		return fmt.Errorf("read %s: the answer is not what it has to be", c.Origin())
	}
	return nil
}
