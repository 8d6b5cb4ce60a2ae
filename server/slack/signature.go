package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

// window is how far a request's timestamp may be from our clock, both ways.
const window = 5 * time.Minute

// The headers that carry Slack's signature.
const (
	timestampHeader = "X-Slack-Request-Timestamp"
	signatureHeader = "X-Slack-Signature"
	retryHeader     = "X-Slack-Retry-Num"
)

// verify checks that a body was signed by Slack (scheme v0) with one of the
// secrets and within the window around now; it returns when. Errors are for the
// caller: they name neither secret nor signature.
func verify(secrets []secret.Value, now time.Time, h http.Header, body []byte) (time.Time, error) {
	stamp, err := only(h, timestampHeader)
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != stamp {
		return time.Time{}, fmt.Errorf("%s is not a number of seconds", timestampHeader)
	}
	signature, err := only(h, signatureHeader)
	if err != nil {
		return time.Time{}, err
	}
	given, ok := strings.CutPrefix(signature, "v0=")
	mac, err := hex.DecodeString(given)
	if !ok || err != nil || len(mac) != sha256.Size {
		return time.Time{}, fmt.Errorf("%s is not of the form v0= and 64 hexadecimal digits", signatureHeader)
	}
	signed := false
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		want := hmac.New(sha256.New, []byte(s.Reveal()))
		want.Write([]byte("v0:" + stamp + ":"))
		want.Write(body)
		signed = hmac.Equal(mac, want.Sum(nil)) || signed
	}
	if !signed {
		return time.Time{}, fmt.Errorf("%s does not belong to this body: it was signed with another secret, or changed on the way", signatureHeader)
	}
	at := time.Unix(seconds, 0)
	switch age := now.Sub(at); {
	case age > window:
		return at, fmt.Errorf("the request is older than %s: it was kept on the way, or the clock of this machine is wrong", window)
	case age < -window:
		return at, fmt.Errorf("the request is more than %s ahead of this machine's clock", window)
	}
	return at, nil
}

// only returns a header that must be there once.
func only(h http.Header, name string) (string, error) {
	if all := h.Values(name); len(all) == 1 && all[0] != "" {
		return all[0], nil
	}
	return "", fmt.Errorf("%s must be there, once", name)
}
