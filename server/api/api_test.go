package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write docs/openapi.json")

// cases play the use cases; what a test does not set answers with zero values.
type cases struct {
	UseCases // panics, for what no test asks
	status   control.Status
	err      error
	move     func(ctx context.Context, r control.MoveRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error)
	approve  func(r control.VoteRequest, tell func(control.MoveEvent)) (control.VoteAnswer, error)
	feed     *control.Feed
	restored control.FullRestoreAnswer

	mu    *sync.Mutex
	asked *[]any
}

func newCases() cases { return cases{mu: &sync.Mutex{}, asked: &[]any{}, feed: &control.Feed{}} }

func (c cases) note(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.asked = append(*c.asked, v)
}

func (c cases) Status(context.Context, control.Actor) control.Status { return c.status }

func (c cases) Plan(_ context.Context, _ control.Actor, r control.MoveRequest) (control.Decision, error) {
	c.note(r)
	return control.Decision{Federation: r.Federation}, c.err
}

func (c cases) Move(ctx context.Context, _ control.Actor, r control.MoveRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
	c.note(r)
	return c.move(ctx, r, tell)
}

func (c cases) Undo(ctx context.Context, _ control.Actor, r control.UndoRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
	c.note(r)
	return c.move(ctx, control.MoveRequest{}, tell)
}

func (c cases) RestoreFull(_ context.Context, _ control.Actor, r control.FullRestoreRequest) (control.FullRestoreAnswer, error) {
	c.note(r)
	return c.restored, c.err
}

func (c cases) Explain(_ context.Context, _ control.Actor, federation, region string) (control.Explanation, error) {
	c.note(federation + " " + region)
	return control.Explanation{Federation: federation}, c.err
}

func (c cases) History(_ context.Context, _ control.Actor, r control.HistoryRequest) (control.History, error) {
	c.note(r)
	return control.History{Moves: make([]control.PastMove, 1)}, c.err
}

func (c cases) Pause(_ context.Context, _ control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error) {
	c.note(r)
	return control.BrakeAnswer{}, c.err
}

func (c cases) Lock(_ context.Context, _ control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error) {
	c.note(r)
	return control.BrakeAnswer{}, c.err
}

func (c cases) Resume(_ context.Context, _ control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error) {
	c.note(r)
	return control.ReleaseAnswer{}, c.err
}

func (c cases) Unlock(_ context.Context, _ control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error) {
	c.note("unlock " + r.ID)
	return control.ReleaseAnswer{}, c.err
}

func (c cases) StoreReport(context.Context, control.Actor) (control.StoreReport, error) {
	return control.StoreReport{}, c.err
}

func (c cases) Readiness(_ context.Context, _ control.Actor, r control.ReadinessRequest) (control.ReadinessReport, error) {
	c.note(r)
	return control.ReadinessReport{}, c.err
}

func (c cases) Audit(_ context.Context, _ control.Actor, r control.AuditRequest) (control.AuditAnswer, error) {
	c.note(r)
	return control.AuditAnswer{}, c.err
}

func (c cases) Propose(_ context.Context, _ control.Actor, r control.MoveRequest) (control.VoteAnswer, error) {
	c.note(r)
	return control.VoteAnswer{Proposal: control.Proposal{ID: "prop-1"}}, c.err
}

func (c cases) Proposals(_ context.Context, _ control.Actor, r control.ProposalsRequest) (control.ProposalList, error) {
	c.note(r)
	return control.ProposalList{Proposals: []control.Proposal{{ID: r.ID}}}, c.err
}

func (c cases) Approve(_ context.Context, _ control.Actor, r control.VoteRequest, tell func(control.MoveEvent)) (control.VoteAnswer, error) {
	c.note(r)
	return c.approve(r, tell)
}

func (c cases) Reject(_ context.Context, _ control.Actor, r control.VoteRequest) (control.VoteAnswer, error) {
	c.note(r)
	return control.VoteAnswer{}, c.err
}

func (c cases) Evaluate(_ context.Context, _ control.Actor, name string) (control.Decision, error) {
	c.note("evaluate " + name)
	return control.Decision{}, c.err
}

func (c cases) News(a control.Actor, after int) control.News {
	return (&control.Control{Feed: c.feed}).News(a, after)
}

// tokens are people by their token.
type tokens map[string]people.Caller

// Token implements gate.Callers.
func (t tokens) Token(s string) (people.Caller, bool) { c, ok := t[s]; return c, ok }

// OIDC implements gate.Callers.
func (tokens) OIDC(string, string, []string) (people.Caller, bool) { return people.Caller{}, false }

// Certificate implements gate.Callers.
func (tokens) Certificate(string, string) (people.Caller, bool) { return people.Caller{}, false }

// stand is an API behind a gate, with its log.
func stand(t testing.TB, c UseCases) (*API, http.Handler, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	a := New(Options{Version: "test", Log: logger})
	t.Cleanup(a.Close)
	if c != nil {
		a.Use(c)
	}
	g, err := gate.New(gate.Options{Hosts: []string{"failover.example"}, Log: logger, Callers: tokens{
		"ada": {Person: "ada", Name: "ada", Way: people.Token, ID: "token 1", Grants: people.Grants{people.Everywhere: people.Admin}},
		"bob": {Person: "bob", Name: "bob", Way: people.Token, ID: "token 1", Grants: people.Grants{"prod": people.Viewer}}}})
	if err != nil {
		t.Fatal(err)
	}
	return a, g.Wrap(a.Handler()), log
}

// reply is an answer as a test looks at it.
type reply struct {
	status int
	header http.Header
	body   string
}

func call(h http.Handler, who, method, path, body string, headers ...string) reply {
	r := httptest.NewRequest(method, "http://failover.example"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+who)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	raw, _ := io.ReadAll(w.Result().Body)
	return reply{w.Code, w.Result().Header, string(raw)}
}

func (r reply) problem(t *testing.T) *problem.Problem {
	t.Helper()
	var p problem.Problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.header.Get("Content-Type") != problem.ContentType || p.Status != r.status {
		t.Fatalf("no problem: %d %s, %v", r.status, r.body, err)
	}
	return &p
}

// docs/openapi.json is generated: go test ./server/api -update.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	a, h, _ := stand(t, newCases())
	a2 := New(Options{Version: "the version of the program", Log: slog.New(slog.DiscardHandler)})
	defer a2.Close()
	raw, err := a2.Spec()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	path := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("docs/openapi.json is out of date (%v); run: go test ./server/api -update", err)
	}
	served := call(h, "ada", "GET", "/api/openapi.json", "")
	spec, err := a.Spec()
	if err != nil || served.status != 200 || served.body != string(spec) {
		t.Errorf("served: %d, %v", served.status, err)
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Summary   string                     `json:"summary"`
			Responses map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(spec, &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 15 {
		t.Fatalf("OpenAPI %q with %d paths, %v", doc.OpenAPI, len(doc.Paths), err)
	}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if op.Summary == "" || op.Responses["401"] == nil || !strings.Contains(string(op.Responses["401"]), "Problem") {
				t.Errorf("%s %s: no summary, or 401 is no problem", method, path)
			}
		}
	}
}

// Each route hands its request to its use case, whole.
func TestRoutes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path, body string
		want               any
	}{
		{"GET", "/federations/prod/decision?region=us-west-2", "", "prod us-west-2"},
		{"GET", "/federations/prod/readiness?region=us-west-2&why=ready", "", control.ReadinessRequest{Federation: "prod", Region: "us-west-2", Why: "ready"}},
		{"POST", "/federations/prod/evaluate", "", "evaluate prod"},
		{"POST", "/plan", `{"federation":"prod","to":"us-west-2","overrides":["cooldown"]}`, control.MoveRequest{Federation: "prod", To: "us-west-2", Overrides: []string{"cooldown"}}},
		{"POST", "/moves", `{"federation":"prod","to":"us-west-2","reason":"why","overrides":["quorum"],"dry_run":true}`, control.MoveRequest{Federation: "prod", To: "us-west-2", Reason: "why", Overrides: []string{"quorum"}, DryRun: true}},
		{"GET", "/moves?federation=prod&limit=3", "", control.HistoryRequest{Federation: "prod", Limit: 3}},
		{"GET", "/moves/20261127-x", "", control.HistoryRequest{Move: "20261127-x"}},
		{"POST", "/moves/20261127-x/undo", `{"reason":"back"}`, control.UndoRequest{Move: "20261127-x", Reason: "back"}},
		{"POST", "/moves/latest/undo", `{"federation":"prod","dry_run":true}`, control.UndoRequest{Federation: "prod", DryRun: true}},
		{"POST", "/moves/20261127-x/restore", `{"federation":"prod","app":"a","reason":"why","dry_run":true}`, control.FullRestoreRequest{Federation: "prod", App: "a", Move: "20261127-x", Reason: "why", DryRun: true}},
		{"POST", "/pauses", `{"federation":"prod","reason":"why","for":"2h"}`, control.BrakeRequest{Federation: "prod", Reason: "why", For: "2h"}},
		{"POST", "/pauses/release", `{"all":true}`, control.ReleaseRequest{All: true}},
		{"DELETE", "/pauses/pause-a", "", control.ReleaseRequest{ID: "pause-a"}},
		{"POST", "/locks", `{"app":"x","reason":"why"}`, control.BrakeRequest{App: "x", Reason: "why"}},
		{"DELETE", "/locks/lock-a", "", "unlock lock-a"},
		{"GET", "/audit?federation=prod&action=move&since=2026-11-01T00:00:00Z&limit=7", "", control.AuditRequest{Federation: "prod", Action: "move", Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Limit: 7}},
		{"GET", "/proposals?federation=prod&all=true", "", control.ProposalsRequest{Federation: "prod", All: true}},
		{"GET", "/proposals/prop-1", "", control.ProposalsRequest{ID: "prop-1", All: true}},
		{"POST", "/proposals", `{"federation":"prod","to":"us-west-2","reason":"why"}`, control.MoveRequest{Federation: "prod", To: "us-west-2", Reason: "why"}},
		{"POST", "/proposals/prop-1/approve", `{"digest":"d","comment":"yes"}`, control.VoteRequest{ID: "prop-1", Digest: "d", Comment: "yes"}},
		{"POST", "/proposals/prop-1/reject", `{"comment":"no"}`, control.VoteRequest{ID: "prop-1", Comment: "no"}},
	} {
		u := newCases()
		u.move = func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
			return control.MoveAnswer{Result: &control.MoveResult{ID: "m1"}}, nil
		}
		u.approve = func(r control.VoteRequest, _ func(control.MoveEvent)) (control.VoteAnswer, error) {
			return control.VoteAnswer{Proposal: control.Proposal{ID: r.ID}}, nil
		}
		_, h, _ := stand(t, u)
		res := call(h, "ada", c.method, Base+c.path, c.body)
		if res.status > 201 || len(*u.asked) != 1 {
			t.Errorf("%s %s: %d %s, asked %v", c.method, c.path, res.status, res.body, *u.asked)
			continue
		}
		if diff := cmp.Diff(c.want, (*u.asked)[0]); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.path, diff)
		}
	}
}

// Failures keep their kind, rule and words; what was not written for the caller
// stays in the log.
func TestProblems(t *testing.T) {
	t.Parallel()
	f := finding.Finding{Code: finding.StoreIntegrity, Subject: "store key x", What: "a record cannot be trusted", Remedy: "restore a backup"}
	for _, c := range []struct {
		why    string
		err    error
		status int
		want   problem.Problem
	}{
		{"invalid", &control.Failure{Kind: control.Invalid, Message: "no such Region"}, 422, problem.Problem{Detail: "no such Region", Kind: "invalid"}},
		{"not found", &control.Failure{Kind: control.NotFound, Message: "no federation"}, 404, problem.Problem{Detail: "no federation", Kind: "not-found"}},
		{"forbidden, with a next step", &control.Failure{Kind: control.Forbidden, Message: "bob has nothing; next: ask ada"}, 403, problem.Problem{Detail: "bob has nothing; next: ask ada", Kind: "forbidden", Next: "ask ada"}},
		{"held by a rule, with its finding", &control.Failure{Kind: control.Held, Message: "not now", Rule: "cooldown", Finding: &f}, 409, problem.Problem{Detail: "not now", Kind: "held", Rule: "cooldown", Finding: &f, Next: "restore a backup"}},
		{"a finding in an error", errors.Join(errors.New("secret-marker of the inside"), f), 500, problem.Problem{Detail: f.Error(), Kind: "failed", Finding: &f, Next: "restore a backup"}},
		{"any other error", errors.New("secret-marker of the inside"), 500, problem.Problem{Detail: "the controller could not carry it out", Kind: "failed", Next: "look for the request's id in the controller's log"}},
	} {
		u := newCases()
		u.err = c.err
		_, h, log := stand(t, u)
		res := call(h, "ada", "GET", Base+"/store", "")
		p := res.problem(t)
		if res.status != c.status || p.Type != problem.Prefix+p.Kind || p.Title == "" || p.Request != res.header.Get(gate.RequestHeader) {
			t.Errorf("%s: %d %+v", c.why, res.status, p)
		}
		if p.Detail != c.want.Detail || p.Kind != c.want.Kind || p.Rule != c.want.Rule || p.Next != c.want.Next || (p.Finding == nil) != (c.want.Finding == nil) {
			t.Errorf("%s: %+v, want %+v", c.why, p, c.want)
		}
		if strings.Contains(res.body, "secret-marker") {
			t.Errorf("%s: the inside is shown: %s", c.why, res.body)
		}
		if c.status == 500 && !strings.Contains(log.String(), p.Request) {
			t.Errorf("%s: the log does not name the request: %s", c.why, log)
		}
	}
}

// Requests that are not as the description says are refused field by field, and
// reach no use case.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	u := newCases()
	_, h, _ := stand(t, u)
	for _, c := range []struct {
		why, method, path, body string
		status                  int
		code                    problem.Code
		field                   string
	}{
		{"an unknown property", "POST", Base + "/plan", `{"to":"us-west-2","region":"x"}`, 422, problem.Invalid, "body.region"},
		{"a property of another type", "POST", Base + "/plan", `{"to":7}`, 422, problem.Invalid, "body.to"},
		{"too long a name", "POST", Base + "/plan", `{"federation":"` + strings.Repeat("a", 64) + `"}`, 422, problem.Invalid, "body.federation"},
		{"several at once", "POST", Base + "/plan", `{"to":7,"overrides":"x"}`, 422, problem.Invalid, "body.overrides"},
		{"broken JSON", "POST", Base + "/plan", `{"to":`, 400, problem.Unreadable, "body"},
		{"two values", "POST", Base + "/plan", `{"to":"a"}{"to":"b"}`, 400, problem.Unreadable, "body"},
		{"no body", "POST", Base + "/plan", ``, 400, problem.Unreadable, "request"},
		{"an unknown query", "GET", Base + "/moves?federaton=prod", "", 422, problem.Invalid, "query.federaton"},
		{"a limit that is no number", "GET", Base + "/moves?limit=x", "", 422, problem.Invalid, "query.limit"},
		{"a limit too high", "GET", Base + "/moves?limit=1001", "", 422, problem.Invalid, "query.limit"},
		{"too long a wait", "POST", Base + "/moves?wait=2h", `{"to":"us-west-2"}`, 422, problem.Invalid, "query.wait"},
		{"a wait that is none", "POST", Base + "/moves?wait=soon", `{"to":"us-west-2"}`, 422, problem.Invalid, "query.wait"},
		{"a time that is none", "GET", Base + "/audit?since=yesterday", "", 422, problem.Invalid, "query.since"},
		{"a key with a line break", "POST", Base + "/plan", `{}`, 422, problem.Invalid, "header.Idempotency-Key"},
		{"no such route", "GET", Base + "/nothing", "", 404, problem.NoRoute, ""},
		{"no such method", "PUT", Base + "/moves", "", 405, problem.NoRoute, ""},
		{"the profiler", "GET", "/debug/pprof/", "", 404, problem.NoRoute, ""},
		{"a way up", "GET", Base + "/moves/..%2f..%2fetc", "", 404, "", ""},
	} {
		headers := []string{}
		if strings.HasPrefix(c.field, "header.") {
			headers = []string{KeyHeader, "a\r\nb"}
		}
		res := call(h, "ada", c.method, c.path, c.body, headers...)
		if c.code == "" { // a use case looks the id up
			continue
		}
		p := res.problem(t)
		if res.status != c.status || p.Code() != c.code {
			t.Errorf("%s: %d %s, want %d %s: %s", c.why, res.status, p.Code(), c.status, c.code, res.body)
		}
		found := c.field == ""
		for _, f := range p.Fields {
			found = found || strings.HasPrefix(f.Field, c.field)
		}
		if !found {
			t.Errorf("%s: fields %+v, want %s", c.why, p.Fields, c.field)
		}
		if c.status == 405 && res.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", c.why)
		}
	}
	for _, v := range *u.asked {
		if r, ok := v.(control.HistoryRequest); !ok || !strings.Contains(r.Move, "..") {
			t.Errorf("a use case was asked: %+v", v)
		}
	}
}

// Before there are use cases, every route says that the controller starts.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	_, h, _ := stand(t, nil)
	for _, path := range []string{Base + "/status", CommandsBase + "/v1/status"} {
		res := call(h, "ada", "GET", path, "")
		if p := res.problem(t); res.status != 503 || p.Code() != problem.NotStarted || res.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %+v", path, res.status, p)
		}
	}
	for range 2 { // nothing was done, so the key is free
		if res := call(h, "ada", "POST", Base+"/pauses", `{"reason":"r"}`, KeyHeader, "k"); res.problem(t).Code() != problem.NotStarted || res.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("with a key: %d %s", res.status, res.body)
		}
	}
}
