package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

// sink is one that does what a test says.
type sink struct {
	mu    sync.Mutex
	got   []audit.Record
	err   error
	hangs chan struct{} // Put hangs until it is closed, whatever its context says
	calls int
}

func (s *sink) Last(context.Context) (audit.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.got) == 0 {
		return audit.Head{}, s.err
	}
	return s.got[len(s.got)-1].Head(), s.err
}

func (s *sink) Put(_ context.Context, records []audit.Record) error {
	s.mu.Lock()
	s.calls++
	hangs, err := s.hangs, s.err
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.got = append(s.got, records...)
	}
	return err
}

func (s *sink) set(err error, hangs chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.hangs = err, hangs
}

func (s *sink) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// locked is a log that is read while it is written.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// seen lists the numbers that the sink got.
func (s *sink) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.got {
		out = append(out, fmt.Sprint(r.Seq))
	}
	return strings.Join(out, " ")
}

// record is an open audit file.
func record(t *testing.T) (*audit.Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, path
}

func add(t *testing.T, l *audit.Log, n int) {
	t.Helper()
	for range n {
		if err := l.Record(t.Context(), "ann", "move.start", "federation corp", map[string]any{"key": secret.New("MARKER-0123456789")}); err != nil {
			t.Fatal(err)
		}
	}
}

// running starts a copier in a bubble; stop ends and joins it.
func running(t *testing.T, c *Copier) (chan<- struct{}, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	news, done := make(chan struct{}, 1), make(chan struct{})
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	go func() { c.Run(ctx, news); close(done) }()
	synctest.Wait()
	return news, func() { cancel(); <-done }
}

// spec 11.4 spec 14
func TestCopier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, path := record(t)
		add(t, l, 3)
		s := &sink{}
		c := &Copier{Name: "worm", Path: path, Sink: s}
		news, stop := running(t, c)
		if s.seen() != "1 2 3" {
			t.Errorf("what was there already: %s", s.seen())
		}
		add(t, l, 2)
		news <- struct{}{}
		synctest.Wait()
		if s.seen() != "1 2 3 4 5" || len(c.Findings()) != 0 {
			t.Errorf("then: %s, %v", s.seen(), c.Findings())
		}
		s.set(errors.New("the disk is full"), nil)
		add(t, l, 1)
		news <- struct{}{}
		synctest.Wait()
		f := c.Findings()
		if len(f) != 1 || f[0].Code != finding.AuditCopy || !strings.Contains(f[0].Error(), "the disk is full") || !strings.Contains(f[0].Error(), path) {
			t.Errorf("a sink that fails: %v", f)
		}
		s.set(nil, nil)
		time.Sleep(longestWait)
		synctest.Wait()
		if s.seen() != "1 2 3 4 5 6" || len(c.Findings()) != 0 {
			t.Errorf("after it was mended: %s, %v", s.seen(), c.Findings())
		}
		stop()
		add(t, l, 1)
		_, stop = running(t, &Copier{Name: "worm", Path: path, Sink: s})
		defer stop()
		if s.seen() != "1 2 3 4 5 6 7" {
			t.Errorf("another run: %s", s.seen())
		}
	})
}

// A sink that hangs and obeys no deadline costs whoever records nothing, is
// asked once, and neither it nor the end of the program waits for the other.
func TestCopierHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, path := record(t)
		release := make(chan struct{})
		s := &sink{hangs: release}
		log := &locked{}
		c := &Copier{Name: "nfs", Path: path, Sink: s, Log: slog.New(slog.NewTextHandler(log, nil))}
		add(t, l, 1)
		news, stop := running(t, c)
		begun := time.Now()
		add(t, l, 500)
		if took := time.Since(begun); took != 0 {
			t.Errorf("recording waited %s", took)
		}
		news <- struct{}{}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if f := c.Findings(); len(f) != 1 || !strings.Contains(f[0].Why, "does not answer") {
			t.Errorf("%v", f)
		}
		if calls := s.asked(); calls != 1 || strings.Count(log.String(), "could not be copied") != 1 {
			t.Errorf("%d calls hang at once; the log:\n%s", calls, log)
		}
		s.set(nil, nil)
		close(release)
		time.Sleep(2 * longestWait)
		synctest.Wait()
		if got := strings.Fields(s.seen()); len(got) != 501 || len(c.Findings()) != 0 {
			t.Errorf("afterwards it has %d records, %v", len(got), c.Findings())
		}
		late := make(chan struct{})
		s.set(nil, late)
		add(t, l, 1)
		news <- struct{}{}
		synctest.Wait()
		begun = time.Now()
		stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("the end waited %s for it", took)
		}
		close(late)
		synctest.Wait()
	})
}

func TestFileSink(t *testing.T) {
	t.Parallel()
	for _, heads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, path := record(t)
			add(t, l, 4)
			copied := filepath.Join(t.TempDir(), "copy.jsonl")
			// A line that was cut off in a crash is left, and nothing is lost by it.
			if err := os.WriteFile(copied, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			c := &Copier{Name: "worm", Path: path, Sink: File{Path: copied, Heads: heads}}
			_, stop := running(t, c)
			stop()
			f, err := os.OpenFile(copied, os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`{"seq":5,"ha`); err != nil || f.Close() != nil {
				t.Fatal(err)
			}
			add(t, l, 2)
			c = &Copier{Name: "worm", Path: path, Sink: File{Path: copied, Heads: heads}}
			_, stop = running(t, c)
			stop()
			held, err := audit.ReadOutside(copied)
			if err != nil || held.Count != 6 || held.Unreadable != 1 || held.Earlier != 0 || held.Last != l.Head() {
				t.Errorf("heads %v: %+v %v", heads, held, err)
			}
			if n, err := audit.Covers(path, held); err != nil || n != 7 {
				t.Errorf("nothing is proven from record %d on: %v", n, err)
			}
			text, err := os.ReadFile(copied)
			if err != nil || bytes.Contains(text, []byte("MARKER")) || bytes.Contains(text, []byte("[redacted]")) == heads {
				t.Errorf("heads %v (%v):\n%s", heads, err, text)
			}
			if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v %v", info.Mode(), err)
			}
		})
	}
}

// A record that was set aside, and a new one begun, shows in the sink and as a
// finding; the sink keeps both.
func TestAnotherRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, oldPath := record(t)
		add(t, old, 5)
		copied := filepath.Join(t.TempDir(), "copy.jsonl")
		_, stop := running(t, &Copier{Name: "worm", Path: oldPath, Sink: File{Path: copied}})
		stop()
		time.Sleep(time.Second) // else it would be the same record, cut off
		l, path := record(t)
		add(t, l, 3)
		c := &Copier{Name: "worm", Path: path, Sink: File{Path: copied}}
		_, stop = running(t, c)
		stop()
		if f := c.Findings(); len(f) != 1 || f[0].Code != finding.AuditForeign || f[0].Severity() != finding.Page {
			t.Errorf("%v", f)
		}
		held, err := audit.ReadOutside(copied)
		if err != nil || held.Earlier != 1 || held.Count != 3 || held.Last != l.Head() {
			t.Errorf("%+v %v", held, err)
		}
		if _, err := audit.Covers(oldPath, held); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("the record from before passes for the new one: %v", err)
		}
	})
}

// receiver is the other side of a webhook.
type receiver struct {
	t      *testing.T
	key    secret.Value
	status atomic.Int32
	body   bytes.Buffer
	from   string
}

func (r *receiver) Do(_ context.Context, q outbound.Request) (outbound.Response, error) {
	if _, err := signature.Check(q.Header, r.key, time.Now(), time.Minute, q.Method, "/audit", q.Body); err != nil || q.Path != "/audit" {
		r.t.Errorf("to %s: %v", q.Path, err)
	}
	r.from = q.Header.Get(ControllerHeader)
	status := int(r.status.Load())
	if status == http.StatusNoContent {
		r.body.Write(q.Body)
	}
	return outbound.Response{Status: status}, nil
}

func TestWebhookSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, path := record(t)
		add(t, l, 150) // more than one batch
		r := &receiver{t: t, key: secret.New(strings.Repeat("k", 32))}
		r.status.Store(http.StatusTemporaryRedirect)
		hook := Webhook{Caller: r, Path: "/audit", Secret: r.key, Controller: "ctl-a", Cursor: filepath.Join(t.TempDir(), "cursor")}
		c := &Copier{Name: "siem", Path: path, Sink: hook}
		news, stop := running(t, c)
		if f := c.Findings(); len(f) != 1 || !strings.Contains(f[0].Why, "redirect") || strings.Contains(f[0].Error(), "kkkk") {
			t.Errorf("a redirect: %v", f)
		}
		r.status.Store(http.StatusNoContent)
		time.Sleep(longestWait)
		synctest.Wait()
		add(t, l, 1)
		news <- struct{}{}
		synctest.Wait()
		stop()
		if len(c.Findings()) != 0 || r.from != "ctl-a" || bytes.Contains(r.body.Bytes(), []byte("MARKER")) {
			t.Errorf("from %s: %v", r.from, c.Findings())
		}
		kept := filepath.Join(t.TempDir(), "kept.jsonl")
		if err := os.WriteFile(kept, r.body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		held, err := audit.ReadOutside(kept)
		if err != nil || held.Count != 151 {
			t.Fatalf("the receiver has %+v, %v", held, err)
		}
		if n, err := audit.Covers(path, held); err != nil || n != 152 {
			t.Errorf("nothing is proven from record %d on: %v", n, err)
		}
		// What the receiver keeps is a whole record in itself.
		if _, n, err := audit.Verify(kept); err != nil || n != 151 {
			t.Errorf("%d records, %v", n, err)
		}
		before := r.body.Len()
		_, stop = running(t, &Copier{Name: "siem", Path: path, Sink: hook})
		stop()
		if r.body.Len() != before {
			t.Error("another run sent everything again")
		}
	})
}
