package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

// KeyHeader names a request, so that sending it twice does it once.
const KeyHeader = "Idempotency-Key"

// keepKeys is how long an answer is kept.
const keepKeys = 24 * time.Hour

// Box keeps small records by key; what *store.Box keeps outlives this
// controller. Safe for concurrent use.
type Box interface {
	Get(ctx context.Context, key string) ([]byte, bool, error)
	All(ctx context.Context) (map[string][]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, keys ...string) error
}

// kept is a request with a key, and its answer once there is one.
type kept struct {
	Request  string    `json:"request"` // digest of method, path and body
	At       time.Time `json:"at"`
	Status   int       `json:"status,omitempty"` // 0: not answered yet
	Type     string    `json:"type,omitempty"`
	Location string    `json:"location,omitempty"`
	Body     []byte    `json:"body,omitempty"`
}

// keys answer a request that comes again as it was answered before. Keys are
// each caller's own, and each route's. An answer of 4xx is not kept: nothing was
// done, and the request may be put right.
type keys struct {
	mu      sync.Mutex
	box     Box
	running map[string]string // by key: the request's digest
}

func newKeys(b Box) *keys { return &keys{box: b, running: map[string]string{}} }

func (k *keys) in(b Box) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.box = b
}

// wrap stands before the routes of the API.
func (k *keys) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		word := r.Header.Get(KeyHeader)
		if word == "" || r.Method != http.MethodPost && r.Method != http.MethodDelete {
			next.ServeHTTP(w, r)
			return
		}
		if len(word) > 200 || strings.ContainsFunc(word, func(c rune) bool { return c < ' ' || c > '~' }) || len(r.Header.Values(KeyHeader)) > 1 {
			p := problem.New(problem.Invalid, http.StatusUnprocessableEntity, "the Idempotency-Key is not a word of 1 to 200 plain characters", "use a UUID, for example")
			p.Fields = []problem.Fault{{Field: "header." + KeyHeader, Message: p.Detail}}
			send(w, r, p)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			send(w, r, problem.New(problem.Unreadable, http.StatusBadRequest, "the body of the request broke off", "send it again"))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		k.answer(w, r, next, name(r, word), digest(r.Method, r.URL.Path, string(body)))
	})
}

// name is the box's key: a digest, since it holds words of the caller's.
func name(r *http.Request, word string) string {
	c := gate.CallerOf(r.Context())
	return digest(string(c.Way), c.ID, c.Person, c.Name, r.Method, r.URL.Path, word)
}

// digest of parts that cannot run into each other.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// answer carries a request out, or repeats what was answered before.
func (k *keys) answer(w http.ResponseWriter, r *http.Request, next http.Handler, key, request string) {
	box, refused, past := k.claim(r.Context(), key, request)
	switch {
	case refused != nil:
		send(w, r, refused)
		return
	case past != nil:
		past.repeat(w)
		return
	}
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	func() {
		defer k.release(key)
		next.ServeHTTP(rec, r)
		// The answer is kept even if the caller has hung up: then it will ask again.
		rec.keep(context.WithoutCancel(r.Context()), box, key, request)
	}()
	// It is sent only now: whoever has got it gets it again, whenever the controller
	// is killed.
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.body.Bytes()) // whoever asked may be gone
}

// keep puts the answer into the box, if it says what became of the request for
// good. A record that stays as it was says "uncertain", which is careful enough.
func (r *recorder) keep(ctx context.Context, box Box, key, request string) {
	var p problem.Problem
	if r.status == http.StatusServiceUnavailable {
		_ = json.Unmarshal(r.body.Bytes(), &p) // of another form: it has no code
	}
	switch {
	case p.Code() == problem.NotBegun:
		return
	case r.status/100 == 4, p.Code() == problem.NotStarted:
		_ = box.Delete(ctx, key) // nothing was done
		return
	}
	done := kept{Request: request, At: time.Now().UTC(), Status: r.status, Type: r.Header().Get("Content-Type"), Location: r.Header().Get("Location"), Body: r.body.Bytes()}
	if raw, err := json.Marshal(done); err == nil {
		_ = box.Put(ctx, key, raw)
	}
}

// claim looks a key up and, if it is free, takes it.
func (k *keys) claim(ctx context.Context, key, request string) (Box, *problem.Problem, *kept) {
	reused := problem.New(problem.KeyReused, http.StatusUnprocessableEntity, "this Idempotency-Key came with another request before", "use a key of its own for each request")
	running := problem.New(problem.KeyRunning, http.StatusConflict, "the first request with this Idempotency-Key is still at work", "wait, and send it again").With("Retry-After", "1")
	k.mu.Lock()
	box := k.box
	first, busy := k.running[key]
	if !busy {
		k.running[key] = request
	}
	k.mu.Unlock()
	switch {
	case busy && first != request:
		return nil, reused, nil
	case busy:
		return nil, running, nil
	}
	refuse := func(p *problem.Problem) (Box, *problem.Problem, *kept) {
		k.release(key)
		return nil, p, nil
	}
	raw, found, err := box.Get(ctx, key)
	if err != nil {
		return refuse(problem.New(problem.Unavailable, http.StatusServiceUnavailable, "what was answered to this Idempotency-Key before cannot be read, so nothing was done", "try again, or send the request without a key after looking at "+Base+"/moves"))
	}
	var was kept
	if found && json.Unmarshal(raw, &was) == nil && time.Since(was.At) < keepKeys {
		switch {
		case was.Request != request:
			return refuse(reused)
		case was.Status == 0:
			return refuse(problem.New(problem.KeyUncertain, http.StatusConflict, "the first request with this Idempotency-Key was cut off or had not begun when it was answered, and whether it was carried out is not known", "look at "+Base+"/moves, then use a new key"))
		}
		k.release(key)
		return nil, nil, &was
	}
	if raw, err = json.Marshal(kept{Request: request, At: time.Now().UTC()}); err == nil {
		if err = box.Put(ctx, key, raw); err != nil { // perhaps it is full
			sweep(ctx, box)
			err = box.Put(ctx, key, raw)
		}
	}
	if err != nil {
		return refuse(problem.New(problem.Unavailable, http.StatusServiceUnavailable, "the Idempotency-Key cannot be kept, so nothing was done", "try again, or send the request without a key"))
	}
	return box, nil, nil
}

// sweepDown is how many answers a full box keeps.
const sweepDown = 1000

// sweep drops what is too old, and of the rest all but the newest: a box holds no
// more than some thousand records. What cannot be dropped now will be later.
func sweep(ctx context.Context, box Box) {
	all, err := box.All(ctx)
	if err != nil {
		return
	}
	ages := map[string]time.Time{}
	var names []string
	for name, raw := range all {
		var was kept
		if json.Unmarshal(raw, &was) == nil && time.Since(was.At) < keepKeys {
			ages[name] = was.At
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return ages[b].Compare(ages[a]) })
	_ = box.Delete(ctx, names[min(sweepDown, len(ages)):]...) // the next one tries again
}

func (k *keys) release(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, key)
}

// repeat sends the first answer again.
func (k *kept) repeat(w http.ResponseWriter) {
	for name, value := range map[string]string{"Content-Type": k.Type, "Location": k.Location, "Idempotency-Replayed": "true"} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	w.WriteHeader(k.Status)
	_, _ = w.Write(k.Body) // whoever asked may be gone
}

// recorder holds an answer back.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	begun  bool
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if !r.begun {
		r.begun, r.status = true, status
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	r.begun = true
	r.body.Write(b)
	return len(b), nil
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Memory is a Box that forgets with the process.
type Memory struct {
	mu  sync.Mutex
	all map[string]memo
}

type memo struct {
	value []byte
	at    time.Time
}

// NewMemory makes an empty one.
func NewMemory() *Memory { return &Memory{all: map[string]memo{}} }

// Get implements Box.
func (m *Memory) Get(_ context.Context, key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.all[key]
	return v.value, ok, nil
}

// maxMemory is how many records a Memory keeps: the oldest goes for a new one.
const maxMemory = 4096

// Put implements Box; what is too old goes.
func (m *Memory) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, oldest := time.Now(), ""
	for k, v := range m.all {
		if now.Sub(v.at) > keepKeys {
			delete(m.all, k)
		} else if oldest == "" || v.at.Before(m.all[oldest].at) {
			oldest = k
		}
	}
	if _, there := m.all[key]; !there && len(m.all) >= maxMemory {
		delete(m.all, oldest)
	}
	m.all[key] = memo{value, now}
	return nil
}

// All implements Box.
func (m *Memory) All(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string][]byte{}
	for k, v := range m.all {
		out[k] = v.value
	}
	return out, nil
}

// Delete implements Box.
func (m *Memory) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.all, k)
	}
	return nil
}
