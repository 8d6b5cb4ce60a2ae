// Package sources is for what alerting systems send to a hook: PagerDuty's
// webhooks (v3), Alertmanager's, and requests that anything else signs with a
// shared secret. It checks who has sent a request and when, and reads what it
// asks for.
//
// It must never act, keep anything, or put a secret or a text that it has not
// escaped into what it returns.
package sources

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// Kind is a kind of source, in the config's words.
type Kind string

// The kinds.
const (
	HMAC         Kind = "hmac"
	PagerDuty    Kind = "pagerduty"
	Alertmanager Kind = "alertmanager"
)

// How old a request may be, by its own word (spec 13.1). It may be as much from
// the future: clocks differ.
const (
	HMACWindow      = 5 * time.Minute
	PagerDutyWindow = 15 * time.Minute
)

// How long it is remembered that a request was taken: longer than it could be
// taken again. Alertmanager's carry no time: an equal one is a repetition, of a
// second Alertmanager say, for a while only.
const (
	keepHMAC         = 2*HMACWindow + time.Minute
	keepPagerDuty    = 2*PagerDutyWindow + time.Minute
	keepAlertmanager = 5 * time.Minute
)

// deepest bounds how deep a body nests.
const deepest = 32

// Source is one hook's counterpart. Secrets are those that signatures are
// checked with, one or, in an exchange, two. Token, or Username and Password,
// are Alertmanager's; without them nobody is checked. Events are PagerDuty's
// that ask; MayName are the Regions that a signed request may name.
type Source struct {
	Kind     Kind
	Secrets  []secret.Value
	Token    secret.Value
	Username string
	Password secret.Value
	Events   []string
	MayName  []string
	// Own begins the dedup keys of our own PagerDuty alerts: their incidents ask
	// for nothing, or our own alarm would approve our own move.
	Own string
}

// Request is what came, with the whole body.
type Request struct {
	Method string
	Path   string // as it was escaped
	Header http.Header
	Body   []byte
}

// Ask is what a request asks for. ID tells it from every other of the source,
// and is remembered for Keep. Look says that it asks for no more than a look,
// whatever the hook may; Ignored says why it asks for nothing. Reason is escaped.
type Ask struct {
	ID      string
	Keep    time.Duration
	Reason  string
	To      string
	Look    bool
	Ignored string
	// Again says that a repetition is common and no sign of an attack.
	Again bool
}

// Refusal is why a request is not taken, for whoever sent it.
type Refusal struct {
	Code   string // of a problem
	Status int
	Detail string
	Next   string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Detail }

func refuse(code string, status int, detail, next string) error {
	return &Refusal{code, status, detail, next}
}

const (
	badCredential = "bad-credential"
	unreadable    = "unreadable"
	tooOld        = "too-old"
)

// Read checks and reads a request. The error is a *Refusal.
func (s Source) Read(r Request, now time.Time) (Ask, error) {
	if r.Header.Get("Content-Encoding") != "" && r.Header.Get("Content-Encoding") != "identity" {
		return Ask{}, refuse(unreadable, http.StatusUnsupportedMediaType, "the body is compressed", "send it as it is")
	}
	switch s.Kind {
	case HMAC:
		return s.signed(r, now)
	case PagerDuty:
		return s.pagerDuty(r, now)
	case Alertmanager:
		return s.alertmanager(r)
	}
	return Ask{}, refuse("failed", http.StatusInternalServerError, "the hook is of no kind that this version knows", "look at hooks in the config")
}

// decode reads a JSON object; strict refuses keys that v does not have.
func decode(body []byte, v any, strict bool) error {
	if outbound.DeeperThan(body, deepest) {
		return refuse(unreadable, http.StatusBadRequest, fmt.Sprintf("the body nests deeper than %d levels", deepest), "send what the documentation of hooks shows")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if strict {
		d.DisallowUnknownFields()
	}
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if first := bytes.TrimLeft(body, " \t\r\n"); err != nil || first[0] != '{' {
		return refuse(unreadable, http.StatusBadRequest, "the body is not the JSON object that this hook takes", "send what the documentation of hooks shows")
	}
	return nil
}

// short is a text from outside, escaped and cut.
func short(s string, most int) string {
	s = escape.Terminal(strings.TrimSpace(s))
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// digest names a request by its parts.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// same compares in a time that tells nothing about either text.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return hmac.Equal(x[:], y[:])
}
