package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/gate"
)

// listener reads an event stream.
type listener struct {
	t      *testing.T
	lines  *bufio.Scanner
	res    *http.Response
	cancel context.CancelFunc
}

// streaming serves an API on a socket until the test ends.
func streaming(t *testing.T, c UseCases) (base string, stop func()) {
	t.Helper()
	_, h, _ := stand(t, c)
	return served(t, h)
}

// served serves routes on a socket until the test ends.
func served(t *testing.T, h http.Handler) (base string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gate.Serve(ctx, l, h, time.Second, slog.New(slog.DiscardHandler)) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func listen(t *testing.T, base, who, last string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", base+Base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "failover.example"
	req.Header.Set("Authorization", "Bearer "+who)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	l := &listener{t: t, lines: bufio.NewScanner(res.Body), res: res, cancel: cancel}
	t.Cleanup(l.close)
	if id, kind, _ := l.next(); kind != "alive" || id != 0 {
		t.Errorf("the stream begins with %s %d", kind, id)
	}
	return l
}

func (l *listener) close() {
	l.cancel()
	_ = l.res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// next reads one event; its kind is "" at the end.
func (l *listener) next() (id int, kind, data string) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "id":
			id, _ = strconv.Atoi(value)
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			if kind != "" {
				return id, kind, data
			}
		}
	}
	return 0, "", ""
}

// wants reads the next event.
func (l *listener) wants(id int, kind, says string) {
	l.t.Helper()
	if gotID, gotKind, data := l.next(); gotID != id || gotKind != kind || !strings.Contains(data, says) {
		l.t.Errorf("event %d %s %s, want %d %s with %q", gotID, gotKind, data, id, kind, says)
	}
}

// A listener hears what is to come, goes on behind its last id, hears of its own
// federations only, and is told when it has missed something.
//
// spec 13.5
func TestEvents(t *testing.T) {
	t.Parallel()
	u := newCases()
	base, stop := streaming(t, u)
	u.feed.Moved(control.MoveEvent{Federation: "secret-one", Text: "begins"})
	u.feed.Moved(control.MoveEvent{Federation: "prod", Text: "begins"})
	all := listen(t, base, "ada", "")
	bob := listen(t, base, "bob", "0")
	bob.wants(2, "move", "begins") // not the first: it is of another federation
	u.feed.Decided(control.LoopEvent{Federation: "prod", Kind: "decision", Text: "holds"})
	u.feed.Moved(control.MoveEvent{Federation: "secret-one", Text: "ends"})
	u.feed.Moved(control.MoveEvent{Federation: "prod", Text: "ends"})
	all.wants(3, "decision", "holds") // nothing of what was before it came
	all.wants(4, "move", "secret-one")
	all.wants(5, "move", "ends")
	bob.wants(3, "decision", "holds")
	bob.wants(5, "move", "ends")
	again := listen(t, base, "ada", "3")
	again.wants(4, "move", "secret-one")
	later := listen(t, base, "bob", "900") // of a controller before this one
	later.wants(0, "missed", "federations")
	later.wants(2, "move", "begins")
	stop()
	for {
		_, kind, data := all.next()
		if kind == "" {
			break
		}
		t.Errorf("after the end: %s %s", kind, data)
	}
}

// Whoever is let in no more hears no more: with another config a stream ends, and
// who comes again is looked at anew.
//
// spec 13.5
func TestEventsEndWithTheirGate(t *testing.T) {
	t.Parallel()
	u := newCases()
	a, _, _ := stand(t, u)
	g, err := gate.New(gate.Options{Hosts: []string{"failover.example"}, Log: slog.New(slog.DiscardHandler), Callers: tokens{
		"ada": {Person: "ada", Name: "ada", Way: people.Token, Grants: people.Grants{people.Everywhere: people.Viewer}}}})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := served(t, g.Wrap(a.Handler()))
	ada := listen(t, base, "ada", "")
	u.feed.Moved(control.MoveEvent{Federation: "prod", Text: "begins"})
	ada.wants(1, "move", "begins")
	g.Retire()
	g.Retire()
	if _, kind, data := ada.next(); kind != "" {
		t.Errorf("after the config has changed: %s %s", kind, data)
	}
}

// A stream ends within a beat of the credential that it was asked for with: a
// token's expiry is not put off by listening.
//
// spec 13.5
func TestEventsEndWithTheirCredential(t *testing.T) {
	t.Parallel()
	for name, stands := range map[string]time.Duration{"expires": time.Minute, "stays": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			a, _, _ := stand(t, newCases())
			begun := time.Now()
			known := brief{tokens: tokens{"ada": {Person: "ada", Name: "ada", Way: people.Token, Grants: people.Grants{people.Everywhere: people.Viewer}}}, until: begun.Add(stands)}
			g, err := gate.New(gate.Options{Hosts: []string{"failover.example"}, Log: slog.New(slog.DiscardHandler), Callers: known})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://failover.example"+Base+"/events", nil)
			r.Header.Set("Authorization", "Bearer ada")
			rec := httptest.NewRecorder()
			g.Wrap(a.Handler()).ServeHTTP(patient{rec}, r)
			lasted, want := time.Since(begun), min(stands, 30*time.Minute)
			if rec.Code != http.StatusOK || lasted < want || lasted > want+aliveEvery {
				t.Errorf("one that %s: %d, it ended after %s, want %s", name, rec.Code, lasted, want)
			}
		})
	}
}

// patient is a recorder that takes deadlines, as a connection does.
type patient struct{ *httptest.ResponseRecorder }

// SetWriteDeadline implements what http.ResponseController asks for.
func (patient) SetWriteDeadline(time.Time) error { return nil }

// brief knows people until a time.
type brief struct {
	tokens
	until time.Time
}

// Token implements gate.Callers.
func (b brief) Token(token string) (people.Caller, bool) {
	c, ok := b.tokens.Token(token)
	return c, ok && time.Now().Before(b.until)
}

// What a slow listener has no room for is counted as missed: the feed keeps a
// bounded number of events and waits for nobody.
func TestFeedIsBounded(t *testing.T) {
	t.Parallel()
	f := &control.Feed{}
	c := &control.Control{Feed: f}
	const many = 20000
	for i := range many {
		f.Moved(control.MoveEvent{Federation: "prod", Text: fmt.Sprint(i)})
	}
	ada := control.Actor{Grants: people.Grants{people.Everywhere: people.Viewer}}
	n := c.News(ada, 1)
	if !n.Missed || n.Last != many || len(n.Events) > 8192 || len(n.Events) < 4096 || n.Events[len(n.Events)-1].ID != many {
		t.Errorf("missed %v, last %d, %d events", n.Missed, n.Last, len(n.Events))
	}
	if n := c.News(ada, many-2); n.Missed || len(n.Events) != 2 || n.Events[0].ID != many-1 {
		t.Errorf("the last two: %+v", n)
	}
	n = c.News(ada, many)
	select {
	case <-n.More:
		t.Error("there is more before there is")
	default:
	}
	f.Moved(control.MoveEvent{Federation: "prod"})
	<-n.More
	if raw, err := json.Marshal(c.News(control.Actor{}, many).Events); err != nil || string(raw) != "null" {
		t.Errorf("nobody hears %s, %v", raw, err)
	}
}
