package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// Host is the issuer's host, Path what its URL adds: issuers have paths.
const (
	Host = "oidc.sandbox.example"
	Path = "/oauth2/default"
)

// URL is the issuer as its tokens say it.
const URL = "https://" + Host + Path

// Issuer is one simulated issuer. Safe for concurrent use.
type Issuer struct {
	mux *http.ServeMux

	mu      sync.Mutex
	current *key
	former  []*key // still published
	made    int
}

type key struct {
	id     string
	secret *ecdsa.PrivateKey
}

// New makes an issuer with a first key.
func New() (*Issuer, error) {
	i := &Issuer{mux: http.NewServeMux()}
	if err := i.Rotate(); err != nil {
		return nil, err
	}
	i.mux.HandleFunc("GET "+Path+"/.well-known/openid-configuration", i.discovery)
	i.mux.HandleFunc("GET "+Path+"/v1/keys", i.keys)
	i.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, map[string]string{"error": "not_found", "error_description": "no endpoint " + r.Method + " " + r.URL.Path})
	})
	return i, nil
}

// Sites are the issuer's host.
func (i *Issuer) Sites() []proxy.Site {
	return []proxy.Site{{Host: Host, Service: "oidc", Handler: i.mux}}
}

// Rotate signs with a new key from now on; the former one stays published.
func (i *Issuer) Rotate() error {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key of the simulated issuer: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current != nil {
		i.former = append(i.former, i.current)
	}
	i.made++
	i.current = &key{fmt.Sprintf("key-%d", i.made), secret}
	return nil
}

// Retire takes the former keys out of the key set.
func (i *Issuer) Retire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.former = nil
}

// Order is a token to be made. Zero fields are as a good token has them, for an
// hour. Fault makes it one that must not count.
type Order struct {
	Subject  string   `json:"sub"`
	Groups   []string `json:"groups,omitempty"`
	Audience string   `json:"aud"`
	Issuer   string   `json:"iss,omitempty"`
	Life     int      `json:"life,omitempty"` // seconds; negative: expired so long ago
	Fault    Fault    `json:"fault,omitempty"`
}

// Fault is what is wrong with a token.
type Fault string

// The faults.
const (
	None     Fault = "none"     // not signed, and says so
	HS256    Fault = "hs256"    // signed with the public key as a shared secret
	Stranger Fault = "stranger" // signed with a key that is not the issuer's, under its id
	Unknown  Fault = "unknown"  // signed with a key that the issuer does not publish
)

// Mint makes a token.
func (i *Issuer) Mint(o Order) (string, error) {
	if o.Subject == "" || o.Audience == "" {
		return "", fmt.Errorf("make a token of %s: it needs a subject and an audience", URL)
	}
	if o.Issuer == "" {
		o.Issuer = URL
	}
	if o.Life == 0 {
		o.Life = 3600
	}
	now := time.Now()
	claims := map[string]any{"iss": o.Issuer, "sub": o.Subject, "aud": o.Audience, "iat": now.Unix(), "exp": now.Add(time.Duration(o.Life) * time.Second).Unix()}
	if len(o.Groups) > 0 {
		claims["groups"] = o.Groups
	}
	i.mu.Lock()
	k := *i.current
	i.mu.Unlock()
	header := map[string]string{"typ": "JWT", "alg": "ES256", "kid": k.id}
	switch o.Fault {
	case "":
		return signed(header, claims, k.sign)
	case None:
		return signed(map[string]string{"typ": "JWT", "alg": "none"}, claims, func([]byte) ([]byte, error) { return nil, nil })
	case HS256:
		header["alg"] = "HS256"
		return signed(header, claims, k.share)
	case Stranger, Unknown:
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", fmt.Errorf("make a stranger's key: %w", err)
		}
		if o.Fault == Unknown {
			header["kid"] = "key-of-nobody"
		}
		return signed(header, claims, key{k.id, other}.sign)
	}
	return "", fmt.Errorf("make a token of %s: %q is no fault; there are %s, %s, %s, %s", URL, o.Fault, None, HS256, Stranger, Unknown)
}

// signed joins a token's three parts (RFC 7515, 7.1).
func signed(header, claims any, sign func([]byte) ([]byte, error)) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	e := base64.RawURLEncoding
	text := e.EncodeToString(h) + "." + e.EncodeToString(c)
	sig, err := sign([]byte(text))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text + "." + e.EncodeToString(sig), nil
}

// sign is ES256 (RFC 7518, 3.4): R and S, 32 bytes each.
func (k key) sign(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, k.secret, sum[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

// share is the attack on a checker that takes the algorithm from the token: the
// public key as the secret of HS256.
func (k key) share(text []byte) ([]byte, error) {
	secret, err := json.Marshal(k.public())
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(text)
	return mac.Sum(nil), nil
}

// public is the key as a JSON Web Key (RFC 7517, RFC 7518 6.2).
func (k key) public() map[string]string {
	e := base64.RawURLEncoding
	raw, err := k.secret.PublicKey.Bytes() // 0x04, X, Y
	if err != nil {
		return nil // not for a key on P-256
	}
	return map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": k.id,
		"x": e.EncodeToString(raw[1:33]), "y": e.EncodeToString(raw[33:])}
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"issuer": URL, "jwks_uri": URL + "/v1/keys", "authorization_endpoint": URL + "/v1/authorize", "token_endpoint": URL + "/v1/token",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	out := []map[string]string{i.current.public()}
	for _, k := range i.former {
		out = append(out, k.public())
	}
	i.mu.Unlock()
	w.Header().Set("Cache-Control", "max-age=3600")
	answer(w, http.StatusOK, map[string]any{"keys": out})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}
