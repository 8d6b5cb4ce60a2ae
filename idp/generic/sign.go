package generic

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

const (
	timestampHeader = "Samlfailover-Timestamp"
	signatureHeader = "Samlfailover-Signature"
	// version names the way to sign. It is part of what is signed, so that a
	// later way can stand beside it and neither passes for the other.
	version = "v1"
	// shortestSecret is the length of the hash: a shorter key weakens the
	// signature (RFC 2104, section 3).
	shortestSecret = sha256.Size
)

// strong reports whether a secret is long enough to sign with.
func strong(key secret.Value) bool { return len(key.Reveal()) >= shortestSecret }

// sign puts time and signature into the header of one attempt. An attempt that
// is repeated is signed again, so that a wait does not make it too old.
func sign(h http.Header, key secret.Value, now time.Time, method, address string, body []byte) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("sign the call: %w", err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	h.Set(timestampHeader, stamp)
	h.Set(signatureHeader, version+"="+signature(key, stamp, method, u.EscapedPath(), body))
	return nil
}

// signature is HMAC-SHA256 in lower-case hex over version, timestamp, method and
// path, each followed by a line feed, and the body. None of the four can hold a
// line feed, so no two calls have the same text.
func signature(key secret.Value, stamp, method, path string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n", version, stamp, method, path)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
