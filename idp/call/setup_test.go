package call_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const origin = "https://api.example"

// server answers every request with what answer returns, and notes it.
type server struct {
	answer func(*http.Request) (*http.Response, error)

	mu  sync.Mutex
	got []*http.Request
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.got = append(s.got, r)
	s.mu.Unlock()
	return s.answer(r)
}

func (s *server) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.got...)
}

func reply(status int, headers ...string) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

// vendor knows a 401, a 429, 5xx and read-only mode.
func vendor() call.Vendor {
	return call.Vendor{Name: "Example", StatusPage: "status.example", RequestID: "X-Request",
		Judge: func(r outbound.Response) call.Verdict {
			code := map[int]finding.Code{401: finding.IdPAuth, 403: finding.IdPPermission, 429: finding.IdPThrottled, 503: finding.IdPReadOnly}[r.Status]
			if code == "" {
				code = finding.IdPUnreachable
			}
			return call.Verdict{Finding: finding.Finding{Code: code, What: "no", Why: fmt.Sprint(r.Status), Remedy: "wait"}, Passing: r.Status == 429 || r.Status >= 500}
		},
		Rate: func(h http.Header, _ time.Time) (call.Rate, bool) {
			return call.Rate{Limit: 100, Remaining: 90, Reset: call.SecondsLeft(h, "X-Left")}, h.Get("X-Left") != ""
		}}
}

func caller(t *testing.T, s *server, v call.Vendor) *call.Caller {
	t.Helper()
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: s})
	if err != nil {
		t.Fatal(err)
	}
	client, err := network.Origin(outbound.OriginOptions{Name: "tenant x", Origin: origin})
	if err != nil {
		t.Fatal(err)
	}
	return call.New("tenant x", client, v)
}

// mint fetches tokens t1, t2, ... of one hour; it fails while err is set.
type mint struct {
	mu    sync.Mutex
	count int
	err   error
	life  time.Duration
	delay time.Duration
}

func (m *mint) fetch(ctx context.Context) (call.Token, error) {
	m.mu.Lock()
	m.count++
	count, err, life, delay := m.count, m.err, m.life, m.delay
	m.mu.Unlock()
	if delay > 0 {
		select {
		case <-ctx.Done():
			return call.Token{}, ctx.Err()
		case <-time.After(delay):
		}
	}
	if err != nil {
		return call.Token{}, err
	}
	if life == 0 {
		life = time.Hour
	}
	now := time.Now()
	return call.Token{Value: secret.New(fmt.Sprintf("t%d", count)), Type: "Bearer", Issued: now, Expires: now.Add(life)}, nil
}

func (m *mint) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *mint) fetches() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}
