// Package seal is for what leaves this process and comes back from a place that
// others can write to: it signs records that steer a write, and encrypts those
// that must not be read. What is sealed is bound to its name (its key in the
// store), so that a value under another name is refused.
//
// It must never return a byte of what it cannot vouch for, and never keep its
// key where the sealed values are.
package seal

import (
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
)

// ErrIntegrity is wrapped by every error that says that a stored value is not
// what was stored: it was altered, stands under another name, or was sealed
// with a key that is not known.
var ErrIntegrity = errors.New("the stored value is not what was stored")

// The layout of a sealed value: mode, key id, then for a signed value its tag
// and the body, for an encrypted one the nonce and the ciphertext.
const (
	modeSigned    = 'S'
	modeEncrypted = 'E'
	idBytes       = 8
	headBytes     = 1 + idBytes
	tagBytes      = sha256.Size
	nonceBytes    = 12
)

// The first byte of a body says how the rest is packed.
const (
	packedPlain = 0
	packedGzip  = 1
	packAbove   = 1 << 10  // smaller bodies are not worth packing
	maxBody     = 64 << 20 // bytes that a packed body may grow to
)

// Tag is the authenticator of a sealed value. Whoever keeps it can tell later
// whether the value is still the same.
type Tag string

// Codec seals and opens with one key, and opens what earlier keys sealed. Safe
// for concurrent use.
type Codec struct {
	current *keys
	byID    map[string]*keys
}

// keys is what one store key is split into, each half for one use.
type keys struct {
	id   []byte
	mac  []byte
	aead cipher.AEAD
}

// New returns a codec that seals with current and still opens what the earlier
// keys sealed. A key is 32 random bytes in base64 or hex: see Create.
func New(current secret.Value, earlier ...secret.Value) (*Codec, error) {
	c := &Codec{byID: map[string]*keys{}}
	for i, v := range append([]secret.Value{current}, earlier...) {
		k, err := split(v)
		if err != nil {
			return nil, fmt.Errorf("store key %d of %d: %w", i+1, len(earlier)+1, err)
		}
		if i == 0 {
			c.current = k
		}
		if _, twice := c.byID[string(k.id)]; !twice {
			c.byID[string(k.id)] = k
		}
	}
	return c, nil
}

// split derives the working keys and the id of a store key (RFC 5869).
func split(v secret.Value) (*keys, error) {
	raw, err := decode(v)
	if err != nil {
		return nil, err
	}
	derive := func(what string, n int) []byte {
		if err != nil {
			return nil
		}
		var out []byte
		out, err = hkdf.Key(sha256.New, raw, nil, "samlfailover store "+what, n)
		return out
	}
	k := &keys{id: derive("key id", idBytes), mac: derive("mac", 32)}
	enc := derive("encryption", 32)
	if err != nil {
		return nil, fmt.Errorf("derive from the store key: %w", err)
	}
	block, err := aes.NewCipher(enc)
	if err != nil {
		return nil, fmt.Errorf("derive from the store key: %w", err)
	}
	k.aead, err = cipher.NewGCM(block)
	return k, err
}

// KeyID names the key that seals now: shown to people, it tells nothing of it.
func (c *Codec) KeyID() string { return hex.EncodeToString(c.current.id) }

// Sign returns body with a tag that binds it to name. The body stays readable
// for whoever reads the store (packed if it is large).
func (c *Codec) Sign(name string, body []byte) ([]byte, Tag) {
	packed := pack(body)
	out := append([]byte{modeSigned}, c.current.id...)
	tag := c.current.tag(out, name, packed)
	return append(append(out, tag...), packed...), Tag(tag)
}

// Verify returns what Sign was given under the same name, and its tag.
func (c *Codec) Verify(name string, sealed []byte) ([]byte, Tag, error) {
	k, rest, err := c.key(name, modeSigned, sealed)
	if err != nil {
		return nil, "", err
	}
	if len(rest) < tagBytes {
		return nil, "", Refuse(name, "it is cut off")
	}
	tag, packed := rest[:tagBytes], rest[tagBytes:]
	if !hmac.Equal(tag, k.tag(sealed[:headBytes], name, packed)) {
		return nil, "", Refuse(name, "its MAC does not fit: it was altered, or belongs to another key")
	}
	body, err := unpack(name, packed)
	return body, Tag(tag), err
}

// Encrypt returns body encrypted and bound to name. AES-256-GCM with a random
// nonce: good for 2^32 values under one key (NIST SP 800-38D, 8.3).
func (c *Codec) Encrypt(name string, body []byte) ([]byte, Tag, error) {
	nonce := make([]byte, nonceBytes)
	if _, err := rand.Read(nonce); err != nil {
		return nil, "", fmt.Errorf("encrypt %s: %w", name, err)
	}
	out := append([]byte{modeEncrypted}, c.current.id...)
	data := additional(out, name)
	out = c.current.aead.Seal(append(out, nonce...), nonce, pack(body), data)
	return out, Tag(out[len(out)-c.current.aead.Overhead():]), nil
}

// Decrypt returns what Encrypt was given under the same name, and its tag.
func (c *Codec) Decrypt(name string, sealed []byte) ([]byte, Tag, error) {
	k, rest, err := c.key(name, modeEncrypted, sealed)
	if err != nil {
		return nil, "", err
	}
	if len(rest) < nonceBytes+k.aead.Overhead() {
		return nil, "", Refuse(name, "it is cut off")
	}
	packed, err := k.aead.Open(nil, rest[:nonceBytes], rest[nonceBytes:], additional(sealed[:headBytes], name))
	if err != nil {
		return nil, "", Refuse(name, "it cannot be decrypted: it was altered, or belongs to another key")
	}
	body, err := unpack(name, packed)
	return body, Tag(sealed[len(sealed)-k.aead.Overhead():]), err
}

// Digest binds several tags to name, in their order: what a list keeps to tell
// whether its members are still all there and the same.
func (c *Codec) Digest(name string, tags []Tag) string {
	var all []byte
	for _, t := range tags {
		all = append(append(all, byte(len(t))), t...)
	}
	return hex.EncodeToString(c.current.tag([]byte("digest"), name, all))
}

// SameDigest reports whether Digest, under this or an earlier key, gave want.
func (c *Codec) SameDigest(name string, tags []Tag, want string) bool {
	for _, k := range c.byID {
		if got := (&Codec{current: k}).Digest(name, tags); hmac.Equal([]byte(got), []byte(want)) {
			return true
		}
	}
	return false
}

// key finds the key that sealed a value.
func (c *Codec) key(name string, mode byte, sealed []byte) (*keys, []byte, error) {
	switch {
	case len(sealed) < headBytes:
		return nil, nil, Refuse(name, "it is cut off")
	case sealed[0] != mode:
		return nil, nil, Refuse(name, "it is sealed in another way, or not at all")
	}
	id := sealed[1:headBytes]
	k := c.byID[string(id)]
	if k == nil {
		return nil, nil, Refuse(name, fmt.Sprintf("it was sealed with the key %x, and that is none of ours (add it as an earlier key, or restore)", id))
	}
	return k, sealed[headBytes:], nil
}

// tag is HMAC-SHA256 over head, name and body, each with its length.
func (k *keys) tag(head []byte, name string, body []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(additional(head, name))
	h.Write(body)
	return h.Sum(nil)
}

// additional joins head and name so that no two pairs give the same bytes.
func additional(head []byte, name string) []byte {
	out := fmt.Appendf(nil, "%d:%d:", len(head), len(name))
	return append(append(out, head...), name...)
}

func pack(body []byte) []byte {
	if len(body) > packAbove {
		var b bytes.Buffer
		b.WriteByte(packedGzip)
		z := gzip.NewWriter(&b)
		if _, err := z.Write(body); err == nil && z.Close() == nil && b.Len() < len(body) {
			return b.Bytes()
		}
	}
	return append([]byte{packedPlain}, body...)
}

func unpack(name string, packed []byte) ([]byte, error) {
	switch {
	case len(packed) == 0:
		return nil, Refuse(name, "it is empty")
	case packed[0] == packedPlain:
		return packed[1:], nil
	case packed[0] != packedGzip:
		return nil, Refuse(name, "it is packed in a way that this version does not know")
	}
	z, err := gzip.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil, Refuse(name, "it cannot be unpacked: "+err.Error())
	}
	body, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	if err != nil {
		return nil, Refuse(name, "it cannot be unpacked: "+err.Error())
	}
	if len(body) > maxBody {
		return nil, Refuse(name, fmt.Sprintf("it is larger than %d bytes", maxBody))
	}
	return body, nil
}

// Refuse returns the error for a stored value that cannot be trusted: it wraps
// ErrIntegrity and carries the finding that names the key.
func Refuse(name, why string) error {
	return fmt.Errorf("%w: %w", ErrIntegrity, finding.Finding{Code: finding.StoreIntegrity, Subject: "store key " + name,
		What: "a record in the store cannot be trusted, so nothing is moved", Why: why,
		Remedy:   "find out who can write to the store; then restore a backup: samlfailover store restore",
		Evidence: map[string]string{"key": name}})
}
