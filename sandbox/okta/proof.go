package okta

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// signed is a JSON Web Token as it came (RFC 7519), not yet verified.
type signed struct {
	header, claims object
	input          string
	signature      []byte
}

func parseToken(text string) (signed, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return signed{}, errors.New("it has not three parts")
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(p)
		if err != nil {
			return signed{}, errors.New("a part is not base64url")
		}
		raw[i] = b
	}
	t := signed{input: parts[0] + "." + parts[1], signature: raw[2]}
	var err error
	if t.header, err = jsontree.Decode(raw[0]); err != nil {
		return signed{}, errors.New("its header is not a JSON object")
	}
	if t.claims, err = jsontree.Decode(raw[1]); err != nil {
		return signed{}, errors.New("its claims are not a JSON object")
	}
	return t, nil
}

// when reads a claim in seconds since 1970; zero if it is absent or no number.
func (t signed) when(claim string) time.Time {
	n, ok := t.claims[claim].(json.Number)
	if !ok {
		return time.Time{}
	}
	s, err := n.Int64()
	if err != nil {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// verify checks the signature; only the six algorithms that Okta lists count.
func (t signed) verify(key crypto.PublicKey) error {
	alg := jsontree.Text(t.header, "alg")
	if !slices.Contains(strings.Fields("RS256 RS384 RS512 ES256 ES384 ES512"), alg) {
		return fmt.Errorf("algorithm %q is not accepted", alg)
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	h := hash.New()
	h.Write([]byte(t.input))
	switch key := key.(type) {
	case *rsa.PublicKey:
		if alg[:2] != "RS" {
			return errors.New("the key is RSA and the algorithm is not")
		}
		return rsa.VerifyPKCS1v15(key, hash, h.Sum(nil), t.signature)
	case *ecdsa.PublicKey:
		size := (key.Params().BitSize + 7) / 8
		if curve := map[string]int{"ES256": 32, "ES384": 48, "ES512": 66}[alg]; curve != size || len(t.signature) != 2*size {
			return errors.New("algorithm, curve and signature do not fit")
		}
		r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
		if ecdsa.Verify(key, h.Sum(nil), r, s) {
			return nil
		}
	}
	return errors.New("the signature does not verify")
}

// proof checks the DPoP proof of a request (RFC 9449 section 4.3) and returns
// the thumbprint of its key. token is the access token that came along, "" at
// the token endpoint, where a nonce is wanted. The caller holds mu.
func (c *clients) proof(r *http.Request, url, token string, now time.Time) (thumbprint string, wrong *refusal) {
	deny := func(format string, args ...any) (string, *refusal) {
		return "", refused("invalid_dpop_proof", format, args...)
	}
	headers := r.Header.Values("DPoP")
	if len(headers) != 1 {
		return deny("The DPoP proof JWT header is missing.")
	}
	t, err := parseToken(headers[0])
	if err != nil {
		return deny("The DPoP proof is not a JWT: %v.", err)
	}
	key, thumbprint, err := publicKey(jsontree.Sub(t.header, "jwk"))
	if err != nil {
		return deny("The jwk of the DPoP proof is not usable: %v.", err)
	}
	issued, jti := t.when("iat"), jsontree.Text(t.claims, "jti")
	switch {
	case jsontree.Text(t.header, "typ") != "dpop+jwt":
		return deny("The DPoP proof's typ must be dpop+jwt.")
	case t.verify(key) != nil:
		return deny("The DPoP proof signature is invalid.")
	case jsontree.Text(t.claims, "htm") != r.Method || jsontree.Text(t.claims, "htu") != url:
		return deny("The DPoP proof's htm and htu must be %s %s.", r.Method, url)
	case issued.Before(now.Add(-proofLife)) || issued.After(now.Add(clockSkew)):
		return deny("The DPoP proof's iat is too far from now.")
	}
	if token == "" || c.apiNonce {
		if given := jsontree.Text(t.claims, "nonce"); !c.goodNonce(given, now) {
			return "", &refusal{"use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", c.freshNonce(now)}
		}
	}
	if jti == "" || c.spent("p "+jti, now.Add(2*proofLife), now) {
		return deny("The DPoP proof has no jti, or one that was used already.")
	}
	if sum := sha256.Sum256([]byte(token)); token != "" && jsontree.Text(t.claims, "ath") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return deny("The DPoP proof's ath is not the hash of the access token.")
	}
	return thumbprint, nil
}

// publicKey reads the jwk of a proof and its thumbprint (RFC 7638). A private
// part in it is refused.
func publicKey(jwk object) (crypto.PublicKey, string, error) {
	if jwk == nil || jwk["d"] != nil {
		return nil, "", errors.New("there is none, or it is private")
	}
	number := func(name string) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(jsontree.Text(jwk, name))
		return b
	}
	print := func(format string, args ...any) string {
		sum := sha256.Sum256(fmt.Appendf(nil, format, args...))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	switch jsontree.Text(jwk, "kty") {
	case "RSA":
		n, e := new(big.Int).SetBytes(number("n")), new(big.Int).SetBytes(number("e"))
		if n.BitLen() < 2048 || !e.IsInt64() || e.Int64() > 1<<31-1 {
			return nil, "", errors.New("the RSA key is not usable")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, print(`{"e":"%s","kty":"RSA","n":"%s"}`, jsontree.Text(jwk, "e"), jsontree.Text(jwk, "n")), nil
	case "EC":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[jsontree.Text(jwk, "crv")]
		if curve == nil {
			return nil, "", errors.New("the curve is not known")
		}
		key, err := ecdsa.ParseUncompressedPublicKey(curve, bytes.Join([][]byte{{4}, number("x"), number("y")}, nil))
		return key, print(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, jsontree.Text(jwk, "crv"), jsontree.Text(jwk, "x"), jsontree.Text(jwk, "y")), err
	}
	return nil, "", errors.New("its kty is neither RSA nor EC")
}
