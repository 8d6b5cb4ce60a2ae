package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/secret"
)

// The test vector that Slack publishes ("Verifying requests from Slack").
const (
	publishedSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
	publishedStamp     = "1531420618"
	publishedBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	publishedSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
)

func publishedTime() time.Time { return time.Unix(1531420618, 0) }

// signedRow is one row of the table of good and bad requests. Bolt says what
// @slack/bolt makes of it, where that is another answer than ours.
type signedRow struct {
	why             string
	stamp           []string
	signature       []string
	body            string
	after           time.Duration // our clock, from the timestamp of the vector
	good            bool
	boltIsOfAnother bool
}

func signAs(key, version, stamp, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(version + ":" + stamp + ":" + body))
	return version + "=" + hex.EncodeToString(mac.Sum(nil))
}

// signedRows is the table; rows signed with another stamp than the published one
// are signed here.
func signedRows() []signedRow {
	stamp, sig := []string{publishedStamp}, []string{publishedSignature}
	short := publishedSignature[:len(publishedSignature)-2]
	future := "1531421218"
	return []signedRow{
		{why: "the published vector", stamp: stamp, signature: sig, body: publishedBody, good: true},
		{why: "four minutes later", stamp: stamp, signature: sig, body: publishedBody, after: 4 * time.Minute, good: true},
		{why: "exactly five minutes later", stamp: stamp, signature: sig, body: publishedBody, after: 5 * time.Minute, good: true},
		{why: "a second more", stamp: stamp, signature: sig, body: publishedBody, after: 5*time.Minute + time.Second},
		{why: "ten minutes later", stamp: stamp, signature: sig, body: publishedBody, after: 10 * time.Minute},
		{why: "a year later", stamp: stamp, signature: sig, body: publishedBody, after: 365 * 24 * time.Hour},
		{why: "four minutes ahead of our clock", stamp: stamp, signature: sig, body: publishedBody, after: -4 * time.Minute, good: true},
		{why: "ten minutes ahead of our clock: bolt takes it, and could be sent it again for as long", stamp: []string{future}, signature: []string{signAs(publishedSecret, "v0", future, publishedBody)}, body: publishedBody, boltIsOfAnother: true},
		{why: "one byte of the body changed", stamp: stamp, signature: sig, body: strings.Replace(publishedBody, "U2CERLKJA", "U2CERLKJB", 1)},
		{why: "something behind the body", stamp: stamp, signature: sig, body: publishedBody + "&text=status"},
		{why: "an empty body", stamp: stamp, signature: sig},
		{why: "an empty body that is signed", stamp: stamp, signature: []string{signAs(publishedSecret, "v0", publishedStamp, "")}, good: true},
		{why: "another timestamp than the signed one", stamp: []string{"1531420619"}, signature: sig, body: publishedBody},
		{why: "signed with another secret", stamp: stamp, signature: []string{signAs("another secret", "v0", publishedStamp, publishedBody)}, body: publishedBody},
		{why: "signed with the empty secret", stamp: stamp, signature: []string{signAs("", "v0", publishedStamp, publishedBody)}, body: publishedBody},
		{why: "another version, well signed", stamp: stamp, signature: []string{signAs(publishedSecret, "v1", publishedStamp, publishedBody)}, body: publishedBody},
		{why: "no version", stamp: stamp, signature: []string{strings.TrimPrefix(publishedSignature, "v0=")}, body: publishedBody},
		{why: "a signature that is cut", stamp: stamp, signature: []string{short}, body: publishedBody},
		{why: "an empty signature", stamp: stamp, signature: []string{"v0="}, body: publishedBody},
		{why: "a signature that is no hex", stamp: stamp, signature: []string{"v0=" + strings.Repeat("zz", 32)}, body: publishedBody},
		{why: "a NUL in the body, signed", stamp: stamp, signature: []string{signAs(publishedSecret, "v0", publishedStamp, "text=%00")}, body: "text=%00", good: true},
		{why: "characters beyond ASCII, signed", stamp: stamp, signature: []string{signAs(publishedSecret, "v0", publishedStamp, "text=störung&x=…")}, body: "text=störung&x=…", good: true},
	}
}

// oursOnly are requests that a server of node cannot be given the same way.
func oursOnly() []signedRow {
	sig := []string{publishedSignature}
	plus := "+" + publishedStamp
	return []signedRow{
		{why: "no timestamp", signature: sig, body: publishedBody},
		{why: "no signature", stamp: []string{publishedStamp}, body: publishedBody},
		{why: "two signatures, one of them right", stamp: []string{publishedStamp}, signature: []string{"v0=" + strings.Repeat("00", 32), publishedSignature}, body: publishedBody},
		{why: "two timestamps", stamp: []string{publishedStamp, publishedStamp}, signature: sig, body: publishedBody},
		{why: "a timestamp that is no number", stamp: []string{"yesterday"}, signature: sig, body: publishedBody},
		{why: "a timestamp written otherwise, and signed so", stamp: []string{plus}, signature: []string{signAs(publishedSecret, "v0", plus, publishedBody)}, body: publishedBody},
		{why: "a timestamp of ninety digits", stamp: []string{strings.Repeat("9", 90)}, signature: sig, body: publishedBody},
	}
}

type verifier func(secrets []secret.Value, now time.Time, h http.Header, body []byte) (time.Time, error)

func (r signedRow) header() http.Header {
	return http.Header{timestampHeader: r.stamp, signatureHeader: r.signature}
}

// signatures checks a verifier by the table.
func signatures(v verifier) error {
	var wrong []error
	for _, r := range append(signedRows(), oursOnly()...) {
		at, err := v([]secret.Value{secret.New(publishedSecret)}, publishedTime().Add(r.after), r.header(), []byte(r.body))
		switch {
		case (err == nil) != r.good:
			wrong = append(wrong, fmt.Errorf("%s: %w", r.why, err))
		case err == nil && at.Unix() != publishedTime().Unix():
			wrong = append(wrong, fmt.Errorf("%s: signed at %s", r.why, at))
		case err != nil && strings.Contains(err.Error(), publishedSecret):
			wrong = append(wrong, fmt.Errorf("%s: the error tells the secret", r.why))
		}
	}
	return errors.Join(wrong...)
}

func TestSignature(t *testing.T) {
	t.Parallel()
	if err := signatures(verify); err != nil {
		t.Error(err)
	}
}

// Verifiers that leave something out have to be found out by the table.
func TestSignatureSaboteurs(t *testing.T) {
	t.Parallel()
	for why, v := range map[string]verifier{
		"the time is not looked at": func(s []secret.Value, _ time.Time, h http.Header, b []byte) (time.Time, error) {
			return verify(s, publishedTime(), h, b)
		},
		"only old requests are refused": func(s []secret.Value, now time.Time, h http.Header, b []byte) (time.Time, error) {
			if seconds, err := strconv.ParseInt(h.Get(timestampHeader), 10, 64); err == nil && now.Unix() < seconds {
				now = time.Unix(seconds, 0)
			}
			return verify(s, now, h, b)
		},
		"the body is not signed": func(s []secret.Value, now time.Time, h http.Header, _ []byte) (time.Time, error) {
			return verify(s, now, h, []byte(publishedBody))
		},
		"the first of two headers counts": func(s []secret.Value, now time.Time, h http.Header, b []byte) (time.Time, error) {
			h = h.Clone()
			for _, name := range []string{timestampHeader, signatureHeader} {
				if all := h.Values(name); len(all) > 1 {
					h.Set(name, all[len(all)-1])
				}
			}
			return verify(s, now, h, b)
		},
		"the empty secret counts": func(s []secret.Value, now time.Time, h http.Header, b []byte) (time.Time, error) {
			if h.Get(signatureHeader) == signAs("", "v0", h.Get(timestampHeader), string(b)) {
				return publishedTime(), nil
			}
			return verify(s, now, h, b)
		},
	} {
		if err := signatures(v); err == nil {
			t.Errorf("%s, and the table does not see it", why)
		}
	}
}

// While a secret is exchanged, both sign; an empty one signs nothing.
func TestTwoSecrets(t *testing.T) {
	t.Parallel()
	h := http.Header{timestampHeader: {publishedStamp}, signatureHeader: {publishedSignature}}
	for _, c := range []struct {
		why     string
		secrets []string
		good    bool
	}{
		{"the old one", []string{publishedSecret, "the next"}, true},
		{"the next one", []string{"the old one", publishedSecret}, true},
		{"neither", []string{"the old one", "the next"}, false},
		{"none", nil, false},
		{"an empty one", []string{"", ""}, false},
	} {
		var secrets []secret.Value
		for _, s := range c.secrets {
			secrets = append(secrets, secret.New(s))
		}
		if _, err := verify(secrets, publishedTime(), h, []byte(publishedBody)); (err == nil) != c.good {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
