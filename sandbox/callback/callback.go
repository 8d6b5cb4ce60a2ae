// Package callback is for what simulated vendors send to the product on their
// own: webhooks, to URLs that the written config, or a test, has registered.
//
// It must never connect to anything but loopback, never follow a redirect or a
// proxy, and never send to a URL that nobody has registered.
package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Book holds the registered URLs. The zero value is not usable; call New. Safe
// for concurrent use.
type Book struct {
	http *http.Client

	mu   sync.Mutex
	urls []string
}

// New returns an empty book.
func New() *Book {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &Book{http: &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if err := loopback(addr); err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, addr)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// loopback refuses every address that is not written as a loopback one.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address, and the sandbox calls no other", addr)
	}
	return nil
}

// Register allows a URL: http on a loopback address with a port.
func (b *Book) Register(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Port() == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("register a callback: %q is not like http://127.0.0.1:PORT/hooks/NAME", text)
	}
	if err := loopback(u.Host); err != nil {
		return fmt.Errorf("register a callback: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.urls, text) {
		b.urls = append(b.urls, text)
	}
	return nil
}

// Post sends JSON to a registered URL and returns the status and the first bytes
// of the answer.
func (b *Book) Post(ctx context.Context, to string, h http.Header, body []byte) (status int, said string, err error) {
	b.mu.Lock()
	known := slices.Contains(b.urls, to)
	b.mu.Unlock()
	if !known {
		return 0, "", fmt.Errorf("call %s: nobody has registered this URL", to)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", fmt.Errorf("call %s: %w", to, err)
	}
	for name, values := range h {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := b.http.Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("call %s: %w", to, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000)) // what came is enough to show
	return resp.StatusCode, string(text), nil
}
