package webbench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/server/api"
)

// crowd are clients that look at a controller: each from a loopback address of
// its own, as from a machine of its own, since one address may not ask as much as
// all of them together.
type crowd struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu       sync.Mutex
	looks    []time.Duration // how long each answer to a status request took, its body read
	bytes    int64           // of those answers
	events   int             // that came over the streams, without the signs of life
	failures []string
}

// gather starts n clients and returns once every stream is open and every
// client has had an answer. Their looks are spread over the second.
func gather(base, token string, n int) *crowd {
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{stop: stop}
	var ready sync.WaitGroup
	for i := range n {
		ready.Add(2)
		client := clientAt(i)
		c.all.Go(func() {
			defer client.CloseIdleConnections()
			c.listen(ctx, client, base, token, sync.OnceFunc(ready.Done))
		})
		c.all.Go(func() {
			first := time.NewTimer(time.Second * time.Duration(i) / time.Duration(n))
			defer first.Stop()
			c.look(ctx, client, base, token, first.C, sync.OnceFunc(ready.Done))
		})
	}
	ready.Wait()
	return c
}

// clientAt is the client with the i-th loopback address.
func clientAt(i int) *http.Client {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}}
	return &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
}

// leave ends the clients, joins them and returns what failed.
func (c *crowd) leave() []string {
	c.stop()
	c.all.Wait()
	return c.failures
}

func (c *crowd) failed(ctx context.Context, what string, err any) {
	if ctx.Err() != nil {
		return // we have hung up
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, fmt.Sprintf("%s: %v", what, err))
}

// look asks for the status each second until ctx ends.
func (c *crowd) look(ctx context.Context, client *http.Client, base, token string, first <-chan time.Time, ready func()) {
	defer ready()
	select {
	case <-first:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		began := time.Now()
		res, err := send(ctx, client, "GET", base+api.Base+"/status", token, nil)
		if err != nil {
			c.failed(ctx, "status", err)
			return
		}
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close() // read to its end, or err says why not
		if err != nil || res.StatusCode != http.StatusOK || n == 0 {
			c.failed(ctx, "status", fmt.Sprintf("%d, %d bytes, %v", res.StatusCode, n, err))
		} else {
			c.mu.Lock()
			c.looks, c.bytes = append(c.looks, time.Since(began)), c.bytes+n
			c.mu.Unlock()
		}
		ready()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// listen reads the stream of events until ctx ends; it must not end before.
func (c *crowd) listen(ctx context.Context, client *http.Client, base, token string, ready func()) {
	defer ready()
	res, err := send(ctx, client, "GET", base+api.Base+"/events", token, nil)
	if err != nil {
		c.failed(ctx, "events", err)
		return
	}
	defer res.Body.Close() //nolint:errcheck // a stream is never read to its end
	if res.StatusCode != http.StatusOK {
		c.failed(ctx, "events", res.Status)
		return
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		kind, found := strings.CutPrefix(lines.Text(), "event: ")
		switch {
		case !found:
		case kind == "alive":
			ready() // the stream begins with it
		case kind == "missed":
			c.failed(ctx, "events", "some were missed")
		default:
			c.mu.Lock()
			c.events++
			c.mu.Unlock()
		}
	}
	c.failed(ctx, "events", fmt.Sprintf("the stream has ended: %v", lines.Err()))
}

// send sends one request with a token; body nil: none.
func send(ctx context.Context, client *http.Client, method, url, token string, body any) (*http.Response, error) {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, &b)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return client.Do(req)
}
