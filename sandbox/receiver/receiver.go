// Package receiver is for a simulated webhook of a company's own: it takes the
// signed notifications that are posted to it, and is strict about them.
//
// It must never take what is not signed, or too old, and never import product
// code: it checks signatures by the description in docs/notifications.md.
package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// The address of the webhook.
const (
	Host = "hooks.customer.example"
	Path = "/samlfailover"
)

// Message is one notification. Again says that one with this id came before.
type Message struct {
	Version    int      `json:"version"`
	ID         string   `json:"id"`
	Event      string   `json:"event"`
	Time       string   `json:"time"`
	Federation string   `json:"federation,omitempty"`
	Topic      string   `json:"topic"`
	Severity   string   `json:"severity"`
	Title      string   `json:"title"`
	Lines      []string `json:"lines,omitempty"`
	UserText   []string `json:"user_text,omitempty"`
	Move       string   `json:"move,omitempty"`
	Code       string   `json:"code,omitempty"`
	Over       bool     `json:"over"`
	Again      bool     `json:"-"`
}

// Receiver is the webhook. Safe for concurrent use.
type Receiver struct {
	secret string

	mu   sync.Mutex
	got  []Message
	fail int
}

// New returns a receiver that knows a secret.
func New(secret string) *Receiver { return &Receiver{secret: secret} }

// Secret is what notifications are signed with.
func (r *Receiver) Secret() string { return r.secret }

// Sites returns the receiver's host.
func (r *Receiver) Sites() []proxy.Site {
	return []proxy.Site{{Host: Host, Service: "webhook", Handler: http.HandlerFunc(r.take)}}
}

// Messages returns what came, oldest first.
func (r *Receiver) Messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// FailNext answers the next calls with status 503.
func (r *Receiver) FailNext(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = n
}

// window is how much the time of signing may differ from now.
const window = 5 * time.Minute

func (r *Receiver) take(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<20))
	stamp := q.Header.Get("Samlfailover-Timestamp")
	seconds, bad := strconv.ParseInt(stamp, 10, 64)
	age := time.Since(time.Unix(seconds, 0))
	mac := hmac.New(sha256.New, []byte(r.secret))
	mac.Write([]byte("v1\n" + stamp + "\n" + q.Method + "\n" + q.URL.EscapedPath() + "\n"))
	mac.Write(body)
	var m Message
	switch {
	case q.URL.Path != Path:
		http.NotFound(w, q)
	case q.Method != http.MethodPost:
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
	case err != nil:
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	case bad != nil || !hmac.Equal([]byte(q.Header.Get("Samlfailover-Signature")), []byte("v1="+hex.EncodeToString(mac.Sum(nil)))):
		http.Error(w, "bad signature", http.StatusUnauthorized)
	case age > window || age < -window:
		http.Error(w, "too old", http.StatusUnauthorized)
	case json.Unmarshal(body, &m) != nil || m.Version != 1 || m.ID == "" || m.Event == "" || m.Title == "":
		http.Error(w, "not a notification", http.StatusUnprocessableEntity)
	default:
		r.keep(w, m)
	}
}

func (r *Receiver) keep(w http.ResponseWriter, m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail > 0 {
		r.fail--
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	m.Again = slices.ContainsFunc(r.got, func(o Message) bool { return o.ID == m.ID })
	r.got = append(r.got, m)
	w.WriteHeader(http.StatusNoContent)
}
