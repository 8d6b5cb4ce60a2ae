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
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/server/api"
)

// crowd are clients that look at a controller: each from a loopback address of
// its own, as from a machine of its own, since one address may not ask as much as
// all of them together.
type crowd struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	began time.Time

	mu sync.Mutex
	seen
}

// seen is what a crowd has got.
type seen struct {
	Looks    []time.Duration // how long each answer to a status request took, its body read
	Bytes    int64           // of those answers
	Events   int             // that came over the streams, without the signs of life
	Lasted   time.Duration   // from everybody's first answer on
	Failures []string
}

// away is a crowd in a process of its own, of the lowest priority: what clients
// compute is on machines of theirs, and here must not be taken from the program.
type away struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// The crowd's process is this test's binary with these in its environment.
const crowdBase, crowdToken = "WEBBENCH_CROWD_BASE", "WEBBENCH_CROWD_TOKEN"

func TestMain(m *testing.M) {
	if base := os.Getenv(crowdBase); base != "" {
		os.Exit(beCrowd(base, os.Getenv(crowdToken)))
	}
	os.Exit(m.Run())
}

// beCrowd looks until standard input ends, and then says what it has seen.
func beCrowd(base, token string) int {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		fmt.Fprintln(os.Stderr, "lower the crowd's priority:", err)
		return 1
	}
	c := gather(base, token, clients)
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // ends when the other side closes it
	if err := json.NewEncoder(os.Stdout).Encode(c.leave()); err != nil {
		fmt.Fprintln(os.Stderr, "say what the crowd has seen:", err)
		return 1
	}
	return 0
}

// sendAway starts a crowd of its own process and returns when all of it looks.
func sendAway(t *testing.T, base, token string) *away {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = []string{crowdBase + "=" + base, crowdToken + "=" + token}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	a := &away{cmd, in, bufio.NewReader(out)}
	if line, err := a.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the crowd did not gather: %q, %v", line, err)
	}
	return a
}

// leave ends the crowd and returns what it has seen.
func (a *away) leave(t *testing.T) seen {
	t.Helper()
	must(t, a.in.Close())
	var s seen
	must(t, json.NewDecoder(a.out).Decode(&s))
	must(t, a.cmd.Wait())
	return s
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
	c.began = time.Now()
	return c
}

// clientAt is the client with the i-th loopback address.
func clientAt(i int) *http.Client {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250), byte(1+i%250))}}
	return &http.Client{Transport: &http.Transport{DialContext: from.DialContext}}
}

// leave ends the clients, joins them and returns what they have seen.
func (c *crowd) leave() seen {
	c.stop()
	c.all.Wait()
	c.Lasted = time.Since(c.began)
	return c.seen
}

func (c *crowd) failed(ctx context.Context, what string, err any) {
	if ctx.Err() != nil {
		return // we have hung up
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Failures = append(c.Failures, fmt.Sprintf("%s: %v", what, err))
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
			c.Looks, c.Bytes = append(c.Looks, time.Since(began)), c.Bytes+n
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
			c.Events++
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
