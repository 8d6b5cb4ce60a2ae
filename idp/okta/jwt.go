package okta

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// signer signs JSON Web Tokens with one private key.
type signer struct {
	id   string // kid
	alg  string
	hash crypto.Hash
	key  crypto.Signer
}

// object is a JSON object to be signed.
type object map[string]any

// sign returns the compact form (RFC 7515 section 7.1). The header gets the
// algorithm.
func (s signer) sign(header, claims object) (string, error) {
	header["alg"] = s.alg
	var parts []string
	for _, part := range []object{header, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			return "", fmt.Errorf("encode a token to sign: %w", err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	input := strings.Join(parts, ".")
	h := s.hash.New()
	h.Write([]byte(input))
	signature, err := s.key.Sign(rand.Reader, h.Sum(nil), s.hash)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", s.id, err)
	}
	if key, ok := s.key.(*ecdsa.PrivateKey); ok {
		if signature, err = joined(signature, (key.Params().BitSize+7)/8); err != nil {
			return "", err
		}
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// joined turns an ECDSA signature in ASN.1 into the two numbers side by side
// that JSON Web Signatures want (RFC 7518 section 3.4).
func joined(signature []byte, size int) ([]byte, error) {
	var n struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &n); err != nil {
		return nil, fmt.Errorf("read our own signature: %w", err)
	}
	out := make([]byte, 2*size)
	n.R.FillBytes(out[:size])
	n.S.FillBytes(out[size:])
	return out, nil
}
