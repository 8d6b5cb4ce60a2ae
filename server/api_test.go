package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "0123456789abcdef"

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// cases plays the use cases; nil fields answer with zero values.
type cases struct {
	plan    func(control.Actor, control.MoveRequest) (control.Decision, error)
	move    func(context.Context, control.Actor, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error)
	explain func(federation, region string) (control.Explanation, error)
	history func(control.HistoryRequest) (control.History, error)
	undo    func(control.Actor, control.UndoRequest, func(control.MoveEvent)) (control.MoveAnswer, error)
	vote    func(kind string, a control.Actor, r control.VoteRequest) (control.VoteAnswer, error)
	brake   func(kind string, a control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error)
	release func(kind string, a control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error)
}

func (c cases) Readiness(context.Context, control.Actor, control.ReadinessRequest) (control.ReadinessReport, error) {
	return control.ReadinessReport{}, nil
}

func (c cases) History(_ context.Context, _ control.Actor, r control.HistoryRequest) (control.History, error) {
	if c.history == nil {
		return control.History{}, nil
	}
	return c.history(r)
}

func (c cases) Undo(_ context.Context, a control.Actor, r control.UndoRequest, f func(control.MoveEvent)) (control.MoveAnswer, error) {
	return c.undo(a, r, f)
}

func (c cases) RestoreFull(_ context.Context, a control.Actor, r control.FullRestoreRequest) (control.FullRestoreAnswer, error) {
	if r.App == "" {
		return control.FullRestoreAnswer{}, &control.Failure{Kind: control.Forbidden, Message: a.String() + " is no admin"}
	}
	return control.FullRestoreAnswer{Federation: r.Federation + "/" + r.App + "/" + r.Move + "/" + r.Reason}, nil
}

func (c cases) Pause(_ context.Context, a control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error) {
	return c.brake("pause", a, r)
}

func (c cases) Lock(_ context.Context, a control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error) {
	return c.brake("lock", a, r)
}

func (c cases) Resume(_ context.Context, a control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error) {
	return c.release("pause", a, r)
}

func (c cases) Unlock(_ context.Context, a control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error) {
	return c.release("lock", a, r)
}

func (c cases) StoreReport(context.Context, control.Actor) (control.StoreReport, error) {
	return control.StoreReport{Standing: control.Standing{Name: "ctl-a", Leader: "ctl-b"}}, nil
}

func (c cases) Backup(_ context.Context, a control.Actor, r control.BackupRequest) (control.StoreManifest, error) {
	if r.File == "" {
		return control.StoreManifest{}, &control.Failure{Kind: control.Invalid, Message: "name the file"}
	}
	return control.StoreManifest{Name: r.File, Store: a.String()}, nil
}

func (c cases) Status(context.Context, control.Actor) control.Status { return control.Status{} }

func (c cases) Plan(_ context.Context, a control.Actor, r control.MoveRequest) (control.Decision, error) {
	if c.plan == nil {
		return control.Decision{}, nil
	}
	return c.plan(a, r)
}

func (c cases) Move(ctx context.Context, a control.Actor, r control.MoveRequest, f func(control.MoveEvent)) (control.MoveAnswer, error) {
	if c.move == nil {
		return control.MoveAnswer{}, nil
	}
	return c.move(ctx, a, r, f)
}

func (c cases) Explain(_ context.Context, _ control.Actor, federation, region string) (control.Explanation, error) {
	if c.explain == nil {
		return control.Explanation{}, nil
	}
	return c.explain(federation, region)
}

func newServer(t *testing.T, c cases) *Server {
	t.Helper()
	s, err := New(Options{UseCases: c, Token: token, Owner: "the-owner", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends one request with everything right but what change makes wrong.
func ask(h http.Handler, method, path, body string, change func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, "http://"+Host+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// problemIn reads a problem and checks its form (RFC 9457).
func problemIn(res *http.Response) (Problem, error) {
	var p Problem
	if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
		return p, fmt.Errorf("status %d with content type %q", res.StatusCode, ct)
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		return p, err
	}
	if p.Status != res.StatusCode || p.Title == "" {
		return p, fmt.Errorf("status %d with problem %+v", res.StatusCode, p)
	}
	return p, nil
}

// wantProblem checks the status of a problem and that it says something.
func wantProblem(t *testing.T, res *http.Response, status int, says string) Problem {
	t.Helper()
	p, err := problemIn(res)
	if err != nil || res.StatusCode != status || !strings.Contains(p.Title+" "+p.Detail, says) {
		t.Errorf("status %d, problem %+v, %v; want status %d and %q", res.StatusCode, p, err, status, says)
	}
	return p
}

// routes are all of the server's.
var routes = []struct{ method, path string }{
	{"GET", "/v1/status"}, {"POST", "/v1/plan"}, {"POST", "/v1/moves"}, {"GET", "/v1/explain"}, {"POST", "/v1/undo"}, {"POST", "/v1/restore"}, {"GET", "/v1/history"},
	{"GET", "/v1/proposals"}, {"POST", "/v1/proposals"}, {"POST", "/v1/approve"}, {"POST", "/v1/reject"},
	{"POST", "/v1/pauses"}, {"POST", "/v1/pauses/release"}, {"POST", "/v1/locks"}, {"POST", "/v1/locks/release"},
	{"GET", "/v1/unknown"}, {"DELETE", "/v1/status"}, {"GET", "/debug/pprof/"},
}

// holes tries every route with a wrong Host or token and returns what was let in
// (spec 13.6).
func holes(h http.Handler) []string {
	tries := []struct {
		name   string
		status int
		change func(*http.Request)
	}{
		{"another Host", http.StatusMisdirectedRequest, func(r *http.Request) { r.Host = "evil.example" }},
		{"Host with a port", http.StatusMisdirectedRequest, func(r *http.Request) { r.Host = Host + ":80" }},
		{"no Host", http.StatusMisdirectedRequest, func(r *http.Request) { r.Host = "" }},
		{"localhost", http.StatusMisdirectedRequest, func(r *http.Request) { r.Host = "localhost" }},
		{"no token", http.StatusUnauthorized, func(r *http.Request) { r.Header.Del("Authorization") }},
		{"another token", http.StatusUnauthorized, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("0", len(token))) }},
		{"the start of the token", http.StatusUnauthorized, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token[:8]) }},
		{"more than the token", http.StatusUnauthorized, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"0") }},
		{"an empty token", http.StatusUnauthorized, func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }},
		{"another scheme", http.StatusUnauthorized, func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) }},
		{"the token in the URL", http.StatusUnauthorized, func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "token=" + token
		}},
	}
	var out []string
	for _, route := range routes {
		for _, try := range tries {
			res := ask(h, route.method, route.path, `{"to":"us-west-2","reason":"x"}`, try.change)
			if _, err := problemIn(res); err != nil || res.StatusCode != try.status {
				out = append(out, fmt.Sprintf("%s %s with %s: status %d (%v)", route.method, route.path, try.name, res.StatusCode, err))
			}
		}
	}
	return out
}

// spec 13.6
func TestGuard(t *testing.T) {
	t.Parallel()
	c := cases{move: func(context.Context, control.Actor, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
		t.Error("a move was asked for")
		return control.MoveAnswer{}, nil
	}}
	for _, hole := range holes(newServer(t, c).Handler()) {
		t.Error(hole)
	}
}

// The saboteurs: handlers that check too little must not pass as guarded.
func TestGuardSaboteurs(t *testing.T) {
	t.Parallel()
	deny := func(w http.ResponseWriter, status int) { problem(w, status, Problem{Title: "no"}) }
	for name, check := range map[string]func(*http.Request) int{
		"checks nothing":     func(*http.Request) int { return 200 },
		"checks only Host":   func(r *http.Request) int { return pick(r.Host != Host, 421, 200) },
		"checks only token":  func(r *http.Request) int { return pick(r.Header.Get("Authorization") != "Bearer "+token, 401, 200) },
		"ignores Host ports": func(r *http.Request) int { return pick(!strings.HasPrefix(r.Host, Host), 421, tokenStatus(r)) },
		"compares a prefix of the token": func(r *http.Request) int {
			got := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			return pick(r.Host != Host, 421, pick(got == "" || !strings.HasPrefix(token, got), 401, 200))
		},
	} {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status := check(r); status != 200 {
				deny(w, status)
			}
		})
		if len(holes(h)) == 0 {
			t.Errorf("a handler that %s passes", name)
		}
	}
}

func pick(yes bool, a, b int) int {
	if yes {
		return a
	}
	return b
}

func tokenStatus(r *http.Request) int {
	return pick(r.Header.Get("Authorization") != "Bearer "+token, 401, 200)
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	h := newServer(t, cases{explain: func(federation, region string) (control.Explanation, error) {
		return control.Explanation{Federation: federation + "/" + region}, nil
	}}).Handler()
	for _, path := range []string{"/v1/status", "/v1/explain"} {
		if res := ask(h, "GET", path, "", nil); res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	var e control.Explanation
	if err := json.NewDecoder(ask(h, "GET", "/v1/explain?federation=corp&region=us-west-2", "", nil).Body).Decode(&e); err != nil || e.Federation != "corp/us-west-2" {
		t.Errorf("%+v, %v", e, err)
	}
	wantProblem(t, ask(h, "GET", "/v2/status", "", nil), 404, "samlfailover version")
	for method, path := range map[string]string{"DELETE": "/v1/status", "GET": "/v1/moves"} {
		res := ask(h, method, path, "", nil)
		wantProblem(t, res, 405, "method")
		if allow := res.Header.Get("Allow"); allow != map[string]string{"DELETE": "GET", "GET": "POST"}[method] {
			t.Errorf("%s %s: Allow %q", method, path, allow)
		}
	}
}

// What cannot be read is refused before any use case sees it.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	seen := func() error { t.Error("the use case was asked"); return nil }
	h := newServer(t, cases{
		plan: func(control.Actor, control.MoveRequest) (control.Decision, error) { return control.Decision{}, seen() },
		move: func(context.Context, control.Actor, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
			return control.MoveAnswer{}, seen()
		},
	}).Handler()
	for _, c := range []struct {
		name, body, says string
		status           int
	}{
		{"nothing", "", "EOF", 400},
		{"no JSON", "to=us-west-2", "invalid character", 400},
		{"an unknown field", `{"to":"us-west-2","reason":"x","acs":"https://evil.example/saml"}`, `"acs"`, 400},
		{"a wrong type", `{"to":7}`, "number", 400},
		{"two objects", `{"to":"us-west-2"}{"to":"us-east-1"}`, "follows", 400},
		{"rubbish after it", `{"to":"us-west-2"} x`, "follows", 400},
		{"too much", `{"reason":"` + strings.Repeat("x", maxBody) + `"}`, "too large", 413},
		{"too much after it", `{"to":"us-west-2"}` + strings.Repeat(" ", maxBody), "follows", 400},
	} {
		for _, path := range []string{"/v1/plan", "/v1/moves"} {
			if p := wantProblem(t, ask(h, "POST", path, c.body, nil), c.status, c.says); p.Kind != control.Invalid {
				t.Errorf("%s to %s: kind %q", c.name, path, p.Kind)
			}
		}
	}
}

// Each kind of failure has its status, on every route alike.
func TestFailures(t *testing.T) {
	t.Parallel()
	f := finding.Finding{Code: finding.RecordMissing, Subject: "federation corp", What: "no record"}
	for _, c := range []struct {
		name   string
		err    error
		status int
		want   Problem
	}{
		{"invalid", &control.Failure{Kind: control.Invalid, Message: "no such Region"}, 422, Problem{Kind: control.Invalid, Detail: "no such Region"}},
		{"not found, wrapped", fmt.Errorf("x: %w", &control.Failure{Kind: control.NotFound, Message: "no such federation"}), 404, Problem{Kind: control.NotFound, Detail: "no such federation"}},
		{"held", &control.Failure{Kind: control.Held, Message: "wait", Rule: "cooldown", Finding: &f}, 409, Problem{Kind: control.Held, Detail: "wait", Rule: "cooldown", Finding: &f}},
		{"failed", &control.Failure{Kind: control.Failed, Message: "broken"}, 500, Problem{Kind: control.Failed, Detail: "broken"}},
		{"an error with a finding", fmt.Errorf("start: %w", f), 500, Problem{Kind: control.Failed, Detail: "start: " + f.Error(), Finding: &f}},
		{"any other error", errors.New("journal gone"), 500, Problem{Kind: control.Failed, Detail: "journal gone"}},
	} {
		h := newServer(t, cases{
			plan:    func(control.Actor, control.MoveRequest) (control.Decision, error) { return control.Decision{}, c.err },
			explain: func(string, string) (control.Explanation, error) { return control.Explanation{}, c.err },
			move: func(context.Context, control.Actor, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
				return control.MoveAnswer{}, c.err
			},
		}).Handler()
		for _, route := range routes[1:4] {
			p := wantProblem(t, ask(h, route.method, route.path, `{"to":"us-west-2"}`, nil), c.status, c.want.Detail)
			if p.Kind != c.want.Kind || p.Rule != c.want.Rule || (p.Finding == nil) != (c.want.Finding == nil) {
				t.Errorf("%s on %s: %+v", c.name, route.path, p)
			}
		}
	}
}

// A request that panics is one that failed; the controller lives on, and the
// log tells.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newServer(t, cases{plan: func(control.Actor, control.MoveRequest) (control.Decision, error) { panic("ouch") }})
	s.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	wantProblem(t, ask(s.Handler(), "POST", "/v1/plan", `{}`, nil), 500, "controller itself")
	if !strings.Contains(log.String(), "ouch") {
		t.Errorf("log %q", log.String())
	}
}

func TestNewNeedsEverything(t *testing.T) {
	t.Parallel()
	whole := Options{UseCases: cases{}, Token: token, Log: slog.New(slog.DiscardHandler)}
	for name, change := range map[string]func(*Options){
		"use cases": func(o *Options) { o.UseCases = nil }, "token": func(o *Options) { o.Token = "" }, "log": func(o *Options) { o.Log = nil },
	} {
		o := whole
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("a server without %s", name)
		}
	}
}

// serving answers on a socket until the test ends; stop ends it earlier.
func serving(t *testing.T, c cases) (client *http.Client, stop func() error) {
	t.Helper()
	p := Place{Dir: filepath.Join(t.TempDir(), "run")}
	p.Socket, p.Token = filepath.Join(p.Dir, "api.sock"), filepath.Join(p.Dir, "token")
	l, _, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, newServer(t, c), l, p.Socket)
}

func serveOn(t *testing.T, s *Server, l net.Listener, socket string) (*http.Client, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	client := outbound.Local(socket)
	stop := func() error {
		cancel()
		client.CloseIdleConnections()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return client, stop
}

// post asks for a move over a real socket.
func post(ctx context.Context, t *testing.T, c *http.Client) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+Host+"/v1/moves", strings.NewReader(`{"to":"us-west-2","reason":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return c.Do(r)
}

// The events of a move arrive while it runs, each on its own line, then the
// answer, or the problem that ended it.
func TestMoveStream(t *testing.T) {
	t.Parallel()
	for _, end := range []error{nil, errors.New("cut off")} {
		next := make(chan string)
		c, _ := serving(t, cases{move: func(_ context.Context, _ control.Actor, r control.MoveRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
			for text := range next {
				tell(control.MoveEvent{Text: text})
			}
			return control.MoveAnswer{Decision: control.Decision{Why: r.To}}, end
		}})
		// The answer begins with the first event, so that is on its way already.
		go func() { next <- "one" }()
		res, err := post(t.Context(), t, c)
		if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Fatalf("%+v, %v", res, err)
		}
		lines := bufio.NewScanner(res.Body)
		read := func() (l MoveLine) {
			if !lines.Scan() {
				t.Fatalf("the stream ended: %v", lines.Err())
			}
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			return l
		}
		if l := read(); l.Event == nil || l.Event.Text != "one" || l.Answer != nil {
			t.Errorf("first line %+v", l)
		}
		next <- "two" // the second is told only now: the first was not held back
		if l := read(); l.Event == nil || l.Event.Text != "two" {
			t.Errorf("second line %+v", l)
		}
		close(next)
		last := read()
		if end == nil && (last.Answer == nil || last.Answer.Decision.Why != "us-west-2" || last.Problem != nil) {
			t.Errorf("last line %+v", last)
		}
		if end != nil && (last.Problem == nil || last.Problem.Detail != "cut off" || last.Problem.Status != 500 || last.Answer != nil) {
			t.Errorf("last line %+v", last)
		}
		if lines.Scan() {
			t.Errorf("a line after the last: %q", lines.Text())
		}
		_ = res.Body.Close()
	}
}

// Whoever asked goes away in the middle: the use case learns it by its context
// and nothing else; what it still tells goes nowhere and does no harm.
func TestMoveClientGone(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	c, _ := serving(t, cases{move: func(ctx context.Context, _ control.Actor, _ control.MoveRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
		tell(control.MoveEvent{Text: "one"})
		select {
		case <-ctx.Done():
		case <-time.After(patience):
			ended <- errors.New("nobody said that the client is gone")
			return control.MoveAnswer{}, nil
		}
		for range 100 {
			tell(control.MoveEvent{Text: strings.Repeat("x", 4096)})
		}
		ended <- nil
		return control.MoveAnswer{}, ctx.Err()
	}})
	ctx, leave := context.WithCancel(t.Context())
	res, err := post(ctx, t, c)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	_ = res.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Serve ends with its context, even while a move is followed, and joins the
// request; the socket is gone afterwards.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	began, returned := make(chan struct{}), false
	c, stop := serving(t, cases{move: func(ctx context.Context, _ control.Actor, _ control.MoveRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
		tell(control.MoveEvent{Text: "one"})
		close(began)
		<-ctx.Done()
		<-time.After(50 * time.Millisecond) // it takes a moment to end
		returned = true
		return control.MoveAnswer{}, ctx.Err()
	}})
	res, err := post(t.Context(), t, c)
	if err != nil {
		t.Fatal(err)
	}
	<-began
	if err := stop(); err != nil || !returned {
		t.Errorf("Serve returned %v, the request had ended: %v", err, returned)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if _, err := post(t.Context(), t, c); err == nil {
		t.Error("somebody answers after the end")
	}
}

// A listener that breaks ends Serve with an error instead of a silent service.
func TestServeListenerBreaks(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := newServer(t, cases{}).Serve(t.Context(), l); err == nil {
		t.Error("no error")
	}
}
