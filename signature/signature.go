// Package signature is for the one way in which this project signs HTTP requests
// with a shared secret, and checks those that others have signed so: webhooks of
// notifications, hooks, the generic webhook of an identity provider.
//
// It must never keep, log or return a secret, and never compare in a time that
// tells how much of a signature was right.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

// The headers of a signed request: the time of signing in Unix seconds, and
// "v1=" with the signature in lower-case hex.
const (
	TimestampHeader = "Samlfailover-Timestamp"
	Header          = "Samlfailover-Signature"
)

// version names the way to sign. It is part of what is signed, so that a later
// way can stand beside it and neither passes for the other.
const version = "v1"

// Shortest is the length of the hash: a shorter key weakens the signature
// (RFC 2104, section 3).
const Shortest = sha256.Size

// Strong reports whether a secret is long enough to sign with.
func Strong(key secret.Value) bool { return len(key.Reveal()) >= Shortest }

// Sign puts time and signature into the header of one attempt. An attempt that
// is repeated is signed again, so that a wait does not make it too old. path is
// the escaped path of the URL.
func Sign(h http.Header, key secret.Value, now time.Time, method, path string, body []byte) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	h.Set(TimestampHeader, stamp)
	h.Set(Header, version+"="+sum(key, stamp, method, path, body))
}

// What Check refuses.
var (
	// ErrMissing: the request carries no signature, or none of this form.
	ErrMissing = errors.New("the request is not signed: it needs the headers " + TimestampHeader + " and " + Header)
	// ErrOld: the time of signing is outside the window.
	ErrOld = errors.New("the request was signed too long ago, or in the future")
	// ErrWrong: the signature is not that of this request and secret.
	ErrWrong = errors.New("the signature is wrong")
)

// Check reports what is wrong with the signature of a request, nil if nothing
// is: one of the errors above. The time of signing may differ from now by at
// most window. id names the signed request for a replay cache: it is the same
// for a copy of the request, and for no other.
func Check(h http.Header, key secret.Value, now time.Time, window time.Duration, method, path string, body []byte) (id string, err error) {
	stamps, given := h.Values(TimestampHeader), h.Values(Header)
	if len(stamps) != 1 || len(given) != 1 {
		return "", ErrMissing
	}
	seconds, err := strconv.ParseInt(stamps[0], 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamps[0] {
		return "", ErrMissing
	}
	want := version + "=" + sum(key, stamps[0], method, path, body)
	if !hmac.Equal([]byte(given[0]), []byte(want)) {
		return "", ErrWrong
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > window || age < -window {
		return "", ErrOld
	}
	return stamps[0] + "." + given[0], nil
}

// sum is HMAC-SHA256 in lower-case hex over version, timestamp, method and path,
// each followed by a line feed, and the body. None of the four can hold a line
// feed, so no two requests have the same text.
func sum(key secret.Value, stamp, method, path string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n", version, stamp, method, path)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
