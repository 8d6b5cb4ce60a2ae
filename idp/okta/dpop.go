package okta

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// side is who asks for a proof: each keeps a nonce of its own (RFC 9449
// section 8.2).
type side string

const (
	tokenSide side = "token endpoint"
	apiSide   side = "API"
)

// prover proves with every call that we hold the key that our tokens are bound
// to (RFC 9449). The key is made at start and lives in memory only. Safe for
// concurrent use.
type prover struct {
	key    signer
	public object // the key's public half as a JSON Web Key

	mu     sync.Mutex
	nonces map[side]string
}

func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a DPoP key: %w", err)
	}
	s, err := newSigner("", "ES256", key)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 4, then both coordinates
	if err != nil {
		return nil, fmt.Errorf("encode the DPoP key: %w", err)
	}
	half := (len(point) - 1) / 2
	text := base64.RawURLEncoding.EncodeToString
	public := object{"kty": "EC", "crv": "P-256", "x": text(point[1 : 1+half]), "y": text(point[1+half:])}
	return &prover{key: s, public: public, nonces: map[side]string{}}, nil
}

// prove adds a fresh proof for one request (RFC 9449 section 4.2); token is
// zero at the token endpoint.
func (p *prover) prove(h http.Header, who side, method, target string, token secret.Value) error {
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("name the called URL in a DPoP proof: %w", err)
	}
	u.RawQuery, u.ForceQuery, u.Fragment = "", false, ""
	claims := object{"htm": method, "htu": u.String(), "iat": time.Now().Unix(), "jti": rand.Text()}
	if nonce := p.nonce(who); nonce != "" {
		claims["nonce"] = nonce
	}
	if !token.IsZero() {
		sum := sha256.Sum256([]byte(token.Reveal()))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	proof, err := p.key.sign(object{"typ": "dpop+jwt", "jwk": p.public}, claims)
	if err != nil {
		return fmt.Errorf("make a DPoP proof: %w", err)
	}
	h.Set("DPoP", proof)
	return nil
}

func (p *prover) nonce(who side) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nonces[who]
}

// learn keeps the nonce of an answer, and reports whether the answer says that
// the call was not looked at for want of it.
func (p *prover) learn(who side, r outbound.Response) (wanted bool) {
	nonce := r.Header.Get("DPoP-Nonce")
	if nonce == "" {
		return false
	}
	p.mu.Lock()
	p.nonces[who] = nonce
	p.mu.Unlock()
	if r.Status != http.StatusBadRequest && r.Status != http.StatusUnauthorized {
		return false
	}
	return readOAuthError(r.Body).Code == nonceWanted || strings.Contains(r.Header.Get("WWW-Authenticate"), nonceWanted)
}
