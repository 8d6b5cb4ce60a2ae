package people

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
)

// A token is "sfo_", 32 random bytes in base 62, and a checksum of both in base
// 62: a prefix and a checksum let secret scanners find a leaked one without
// asking anybody.
const (
	tokenPrefix = "sfo_"
	randomSize  = 43 // digits of 256 bits in base 62
	sumSize     = 6  // digits of 32 bits in base 62
	tokenSize   = len(tokenPrefix) + randomSize + sumSize
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Digest is the SHA-256 of a token: with 256 random bits in the token, it tells
// nothing about it.
type Digest [sha256.Size]byte

// digestPrefix is how a digest begins as text.
const digestPrefix = "sha256:"

// String writes the digest as the config has it: sha256:HEX.
func (g Digest) String() string { return digestPrefix + hex.EncodeToString(g[:]) }

// MarshalText writes what String does.
func (g Digest) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what ParseDigest does.
func (g *Digest) UnmarshalText(b []byte) (err error) {
	*g, err = ParseDigest(string(b))
	return err
}

// DigestOf returns the digest of a token.
func DigestOf(token string) Digest { return sha256.Sum256([]byte(token)) }

// ParseDigest reads a digest. Its error never repeats the text, which may be a
// token that somebody has put in the wrong place.
func ParseDigest(text string) (Digest, error) {
	if strings.HasPrefix(text, tokenPrefix) {
		return Digest{}, errors.New("this is a token itself, and now it is known to whoever reads the config; make a new one with: samlfailover token new --for NAME, and write its digest here")
	}
	hexa, ok := strings.CutPrefix(text, digestPrefix)
	raw, err := hex.DecodeString(hexa)
	if !ok || err != nil || len(raw) != sha256.Size {
		return Digest{}, errors.New("this is not the digest of a token; write it as sha256: and 64 hex digits, as samlfailover token new prints it")
	}
	return Digest(raw), nil
}

// NewToken makes a token from the system's random numbers. It is a secret: show
// it once, keep its digest.
func NewToken() string {
	raw := make([]byte, sha256.Size)
	rand.Read(raw) // never fails (crypto/rand)
	body := tokenPrefix + digits(new(big.Int).SetBytes(raw), randomSize)
	return body + checksum(body)
}

// checksum is the end of a token that begins so.
func checksum(body string) string {
	return digits(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), sumSize)
}

// digits writes a number in base 62, with leading zeros.
func digits(n *big.Int, size int) string {
	out := make([]byte, size)
	base, rest := big.NewInt(int64(len(base62))), new(big.Int)
	for i := size - 1; i >= 0; i-- {
		n.DivMod(n, base, rest)
		out[i] = base62[rest.Int64()]
	}
	return string(out)
}

// errToken says nothing of the text: it may be somebody's real token.
var errToken = errors.New("this is no token of samlfailover: sfo_ and 49 letters and digits, the last six of which are a checksum")

// CheckToken says whether a text has the form of a token.
func CheckToken(text string) error {
	if len(text) != tokenSize || !strings.HasPrefix(text, tokenPrefix) || strings.Trim(text[len(tokenPrefix):], base62) != "" {
		return errToken
	}
	if body := text[:tokenSize-sumSize]; checksum(body) != text[tokenSize-sumSize:] {
		return errToken
	}
	return nil
}
