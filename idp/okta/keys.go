package okta

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/samlfailover/samlfailover/secret"
)

// leastRSA is the shortest RSA key that is taken, in bits.
const leastRSA = 2048

// parseKeys reads the private keys of a service app: one in PEM (PKCS #8, PKCS
// #1 or SEC 1), one JSON Web Key, or a JSON Web Key Set (RFC 7517). During a
// rotation a set holds the old and the new key. keyID names the key in PEM, or
// the one of a set to try first. Errors never show the text.
func parseKeys(text secret.Value, keyID string) ([]signer, error) {
	raw := bytes.TrimSpace([]byte(text.Reveal()))
	if len(raw) == 0 || raw[0] != '{' {
		s, err := pemKey(raw, keyID)
		return []signer{s}, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("it begins like a JSON Web Key and is not valid JSON")
	}
	if set.Keys == nil {
		s, err := jwkKey(raw, keyID)
		if err == nil && keyID != "" && s.id != keyID {
			err = errors.New("its kid is not the configured key_id")
		}
		return []signer{s}, err
	}
	return keySet(set.Keys, keyID)
}

// keySet reads the keys of a set, the one named keyID first.
func keySet(raws []json.RawMessage, keyID string) ([]signer, error) {
	var out []signer
	for i, raw := range raws {
		s, err := jwkKey(raw, "")
		if err != nil {
			return nil, fmt.Errorf("key %d of the set: %w", i+1, err)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, errors.New("the key set is empty")
	}
	if keyID != "" {
		at := slices.IndexFunc(out, func(s signer) bool { return s.id == keyID })
		if at < 0 {
			return nil, errors.New("no key of the set has the configured key_id as its kid")
		}
		out[0], out[at] = out[at], out[0]
	}
	return out, nil
}

func pemKey(raw []byte, keyID string) (signer, error) {
	block, rest := pem.Decode(raw)
	switch {
	case block == nil:
		return signer{}, errors.New("it is neither PEM nor a JSON Web Key")
	case len(bytes.TrimSpace(rest)) > 0:
		return signer{}, errors.New("there is more after the first PEM block; several keys are given as a JSON Web Key Set")
	case keyID == "":
		return signer{}, errors.New("a key in PEM has no id of its own; configure key_id")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return signer{}, fmt.Errorf("the PEM block is %q, not a private key without a passphrase", block.Type)
	}
	if err != nil {
		return signer{}, errors.New("the PEM block holds no private key that can be read")
	}
	return newSigner(keyID, "", key)
}

// jwk is a private JSON Web Key (RFC 7518 section 6).
type jwk struct {
	Type  string `json:"kty"`
	ID    string `json:"kid"`
	Alg   string `json:"alg"`
	Curve string `json:"crv"`
	X     number `json:"x"`
	Y     number `json:"y"`
	N     number `json:"n"`
	E     number `json:"e"`
	D     number `json:"d"`
	P     number `json:"p"`
	Q     number `json:"q"`
}

// number is a big-endian integer in base64url.
type number []byte

// UnmarshalJSON reads base64url with or without padding.
func (n *number) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errors.New("a part of the key is not a text")
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimRight([]byte(text), "=")))
	if err != nil {
		return errors.New("a part of the key is not base64url")
	}
	*n = raw
	return nil
}

func (n number) int() *big.Int { return new(big.Int).SetBytes(n) }

// jwkKey reads one JSON Web Key; keyID is its id if it has none itself.
func jwkKey(raw []byte, keyID string) (signer, error) {
	var k jwk
	if err := json.Unmarshal(raw, &k); err != nil {
		return signer{}, errors.New("the JSON Web Key cannot be read")
	}
	if k.ID == "" {
		k.ID = keyID
	}
	if k.ID == "" {
		return signer{}, errors.New("the JSON Web Key has no kid; configure key_id")
	}
	if len(k.D) == 0 {
		return signer{}, errors.New("the JSON Web Key holds no private part")
	}
	var key any
	var err error
	switch k.Type {
	case "RSA":
		key, err = k.rsa()
	case "EC":
		key, err = k.ec()
	default:
		return signer{}, errors.New("the JSON Web Key is neither RSA nor EC")
	}
	if err != nil {
		return signer{}, err
	}
	return newSigner(k.ID, k.Alg, key)
}

func (k jwk) rsa() (*rsa.PrivateKey, error) {
	e := k.E.int()
	if !e.IsInt64() || e.Int64() > 1<<31-1 || len(k.P) == 0 || len(k.Q) == 0 {
		return nil, errors.New("the RSA key lacks its primes, or its exponent is out of range")
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: k.N.int(), E: int(e.Int64())}, D: k.D.int(), Primes: []*big.Int{k.P.int(), k.Q.int()}}
	if err := key.Validate(); err != nil {
		return nil, errors.New("the numbers of the RSA key do not fit together")
	}
	key.Precompute()
	return key, nil
}

func (k jwk) ec() (*ecdsa.PrivateKey, error) {
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
	if curve == nil {
		return nil, errors.New("the curve of the EC key is none of P-256, P-384, P-521")
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(k.D) > size {
		return nil, errors.New("the private part of the EC key is too long")
	}
	key, err := ecdsa.ParseRawPrivateKey(curve, k.D.int().FillBytes(make([]byte, size)))
	if err != nil || key.X.Cmp(k.X.int()) != 0 || key.Y.Cmp(k.Y.int()) != 0 {
		return nil, errors.New("the numbers of the EC key do not fit together")
	}
	return key, nil
}

// newSigner chooses the algorithm of a key: what the key says of itself, else
// the curve's own or RS256. These six are what Okta takes (Okta developer docs,
// "Implement OAuth for Okta with a service app").
func newSigner(id, alg string, key any) (signer, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < leastRSA {
			return signer{}, fmt.Errorf("the RSA key has %d bits; at least %d are needed", key.N.BitLen(), leastRSA)
		}
		if alg == "" {
			alg = "RS256"
		}
		return withAlg(id, alg, key, "RS256", "RS384", "RS512")
	case *ecdsa.PrivateKey:
		own := map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[key.Params().BitSize]
		if alg == "" {
			alg = own
		}
		return withAlg(id, alg, key, own)
	}
	return signer{}, errors.New("the key is neither RSA nor EC")
}

func withAlg(id, alg string, key crypto.Signer, fits ...string) (signer, error) {
	if alg == "" || !slices.Contains(fits, alg) {
		return signer{}, errors.New("the algorithm that the key names, or its curve, is not one that Okta takes for it")
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	return signer{id: id, alg: alg, hash: hash, key: key}, nil
}
