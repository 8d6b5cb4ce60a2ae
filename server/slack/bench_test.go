package slack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/slack"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store"
	"github.com/samlfailover/samlfailover/store/seal"
)

// The time from a signed request over loopback to its acknowledgement, with the
// embedded store behind it, which syncs to the disk: a memory of what was used
// and, for what changes something, the desk. p99-ms is what Slack waits for; it
// gives up after 3 s.
func BenchmarkAcknowledge(b *testing.B) {
	for name, text := range map[string]string{"status": "status", "pause": "pause 1h because %d"} {
		b.Run(name, func(b *testing.B) { acknowledge(b, text) })
	}
}

func acknowledge(b *testing.B, text string) {
	st, term := leads(b)
	w := newWorld(b, func(w *world) {
		w.once, w.desk = st.Once(), term.Box("slack")
		w.use.status = standing("us-east-1")
	})
	n, err := outbound.New(outbound.Settings{RoundTripper: w.hosts})
	if err != nil {
		b.Fatal(err)
	}
	app, err := New(Options{Signing: []secret.Value{secret.New(signing)}, Bot: secret.New(botToken), Teams: []string{team}, Channels: []string{incident}, Network: n,
		People: mapped(), Once: w.once, UseCases: w.use, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); app.Run(ctx, w.desk) }()
	for app.seat() == nil {
		pause(ctx, time.Millisecond)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: app.Handler(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{}}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		v := fields(strings.Replace(text, "%d", fmt.Sprint(i), 1))
		v.Set("trigger_id", fmt.Sprint(i))
		for waits(b, w.desk) { // people do not ask while the last answer is being worked
			pause(ctx, time.Millisecond)
		}
		took = append(took, post(b, client, w.slack, "http://"+l.Addr().String()+"/commands", v))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	client.CloseIdleConnections()
	_ = server.Close()
	stop()
	<-done
}

// waits reports whether something lies on the desk. A look that meets a write
// fails, and something does.
func waits(b *testing.B, d Desk) bool {
	b.Helper()
	all, err := d.All(b.Context())
	return err != nil || len(all) > 0
}

// post sends one command and returns how long its acknowledgement took.
func post(b *testing.B, client *http.Client, chat *sim.Workspace, to string, v url.Values) time.Duration {
	b.Helper()
	body := v.Encode()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header = chat.Sign(time.Now(), []byte(body))
	began := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	said, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(said), "Nothing was done") {
		b.Fatalf("%d %s %v", resp.StatusCode, said, err)
	}
	_ = resp.Body.Close()
	return took
}

// leads opens an embedded store and leads.
func leads(b *testing.B) (*store.Store, *store.Term) {
	b.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		b.Fatal(err)
	}
	codec, err := seal.New(secret.New(hex.EncodeToString(key)))
	if err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.Context(), store.Options{Name: "local", Seal: codec, LeaseTTL: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
		Embedded: &store.Embedded{Dir: filepath.Join(b.TempDir(), "store"), Ballast: -1}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	term, err := st.Campaign(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return st, term
}

var _ UseCases = (*control.Control)(nil)
