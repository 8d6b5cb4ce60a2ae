package metrics

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/signin"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// looking has one federation.
type looking struct{ asked *control.Actor }

// Status implements Looking.
func (l looking) Status(_ context.Context, a control.Actor) control.Status {
	*l.asked = a
	at := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	home, _ := signin.ParseRegion("us-east-1")
	return control.Status{At: at, Sinks: []control.SinkStatus{{Name: "on-call", Kind: "pagerduty", Queued: 2, Oldest: at.Add(-time.Minute), Sent: 5, Failures: 3, FailingSince: at.Add(-50 * time.Second), GivenUp: 1, Lost: 3}}, Store: &control.StoreReport{Standing: control.Standing{Leads: true}}, Federations: []control.FederationStatus{{
		Name: "prod", Moving: true, Regions: []control.RegionStatus{{Region: home, State: "unhealthy", Suspect: true, Roles: 10, Ready: 7, ScannedAt: at}},
		Apps:     []control.AppStatus{{App: "console", Tenant: "corp", ID: "0oa1", Region: home, ReadAt: at.Add(-90 * time.Second)}},
		Brakes:   []control.Brake{{Kind: failover.BrakePause}, {Kind: failover.BrakeLock, Until: at.Add(-time.Hour)}},
		LastMove: &control.MoveResult{Cause: "failover", Status: "verified", Finished: at}}}}
}

func made(t *testing.T) (*Metrics, *control.Actor) {
	t.Helper()
	m, asked := New("1.2.3", slog.New(slog.DiscardHandler)), &control.Actor{}
	m.Use(looking{asked})
	return m, asked
}

func told(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", gate.MetricsPath, nil))
	raw, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d %s %v", w.Code, raw, err)
	}
	return string(raw)
}

// What happens is counted, what stands is told, and a stranger's words are no
// labels.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m, asked := made(t)
	at := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	m.Seen(gate.Seen{Route: "/api/v1/moves", Method: "POST", Status: 202, Took: 30 * time.Millisecond})
	m.Seen(gate.Seen{Route: "/api/v1/events", Method: "GET", Status: 200, Took: time.Hour})
	m.Seen(gate.Seen{Method: "EVIL\nmethod", Status: 421})
	m.Moved(control.MoveEvent{Federation: "prod", Move: "m1", Kind: "started", Time: at})
	m.Moved(control.MoveEvent{Federation: "prod", Move: "m1", Kind: "retry", Time: at})
	m.Moved(control.MoveEvent{Federation: "prod", Move: "m1", Kind: "finished", Time: at.Add(3 * time.Second)})
	m.Moved(control.MoveEvent{Federation: "prod", Move: "m0", Kind: "finished", Time: at})
	m.Decided(control.LoopEvent{Federation: "prod", Kind: "decision", Decision: &control.Decision{Rule: "quorum"}})
	m.Probed("us-east-1", "signin", "ok", 40*time.Millisecond)
	text := told(t, m)
	for _, want := range []string{
		`samlfailover_http_requests_total{method="POST",route="/api/v1/moves",status="202"} 1`,
		`samlfailover_http_requests_total{method="other",route="none",status="421"} 1`,
		`samlfailover_http_request_seconds_count{route="/api/v1/moves"} 1`,
		`samlfailover_moves_begun_total{federation="prod",how="started"} 1`,
		`samlfailover_moves_ended_total{federation="prod"} 2`,
		`samlfailover_move_seconds_sum{federation="prod"} 3`,
		`samlfailover_move_step_troubles_total{federation="prod",kind="retry"} 1`,
		`samlfailover_decisions_total{federation="prod",kind="decision",rule="quorum"} 1`,
		`samlfailover_probe_seconds_count{kind="signin",outcome="ok",region="us-east-1"} 1`,
		`samlfailover_build_info{version="1.2.3"} 1`, `samlfailover_leads 1`, `samlfailover_moving{federation="prod"} 1`,
		`samlfailover_region_state{federation="prod",region="us-east-1",state="unhealthy"} 1`,
		`samlfailover_region_state{federation="prod",region="us-east-1",state="healthy"} 0`,
		`samlfailover_region_suspect{federation="prod",region="us-east-1"} 1`,
		`samlfailover_roles_ready{federation="prod",region="us-east-1"} 7`,
		`samlfailover_app_region{app="corp/0oa1",federation="prod",region="us-east-1"} 1`,
		`samlfailover_app_read_age_seconds{app="corp/0oa1",federation="prod"} 90`,
		`samlfailover_brakes{federation="prod",kind="pause"} 1`, `samlfailover_brakes{federation="prod",kind="lock"} 0`,
		`samlfailover_notify_queued{kind="pagerduty",sink="on-call"} 2`, `samlfailover_notify_oldest_seconds{kind="pagerduty",sink="on-call"} 60`,
		`samlfailover_notify_sent{kind="pagerduty",sink="on-call"} 5`, `samlfailover_notify_failures{kind="pagerduty",sink="on-call"} 3`,
		`samlfailover_notify_failing_seconds{kind="pagerduty",sink="on-call"} 50`, `samlfailover_notify_given_up{kind="pagerduty",sink="on-call"} 4`,
		`samlfailover_last_move_timestamp_seconds{cause="failover",federation="prod",proof="`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s:\n%s", want, text)
		}
	}
	for _, never := range []string{"EVIL", "go_goroutines", "etcd_", `/api/v1/events"} `} {
		if strings.Contains(strings.ReplaceAll(text, `samlfailover_http_requests_total{method="GET",route="/api/v1/events",status="200"} 1`, ""), never) {
			t.Errorf("the metrics hold %q", never)
		}
	}
	if asked.May(people.Operator, "prod") || !asked.Sees("prod") {
		t.Errorf("asked as %s", asked.Grants)
	}
}

// Who may not see every federation gets none of the metrics.
//
// spec 13.5
func TestMetricsAreForThoseWhoSeeAll(t *testing.T) {
	t.Parallel()
	m, _ := made(t)
	g, err := gate.New(gate.Options{Callers: some{}, Hosts: []string{"h"}, Log: slog.New(slog.DiscardHandler), Open: map[string]http.Handler{gate.MetricsPath: m}})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Wrap(http.NotFoundHandler())
	for token, want := range map[string]int{"all": 200, "one": 403, "": 401} {
		r := httptest.NewRequest("GET", "http://h"+gate.MetricsPath, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || want != 200 && strings.Contains(w.Body.String(), "prod") {
			t.Errorf("token %q: %d %s", token, w.Code, w.Body)
		}
	}
}

type some struct{}

// Token implements gate.Callers.
func (some) Token(t string) (people.Caller, bool) {
	grants := map[string]people.Grants{"all": {people.Everywhere: people.Viewer}, "one": {"other": people.Admin}}[t]
	return people.Caller{Name: t, Way: people.SharedToken, Grants: grants}, grants != nil
}

// OIDC implements gate.Callers.
func (some) OIDC(string, string, []string) (people.Caller, bool) { return people.Caller{}, false }

// Certificate implements gate.Callers.
func (some) Certificate(string, string) (people.Caller, bool) { return people.Caller{}, false }

// docs/metrics.md is generated: go test ./server/metrics -update. Every metric
// that is told is in it.
func TestReference(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "metrics.md")
	if *update {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, []byte(Reference())) {
		t.Errorf("docs/metrics.md is out of date (%v); run: go test ./server/metrics -update", err)
	}
	m, _ := made(t)
	m.Seen(gate.Seen{Route: "/x", Method: "GET", Status: 200})
	for line := range strings.SplitSeq(told(t, m), "\n") {
		if name, _, found := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " "); found && strings.HasPrefix(line, "# TYPE ") {
			if !slices.ContainsFunc(list(), func(d metric) bool { return d.name == name && strings.HasSuffix(line, " "+d.kind) }) {
				t.Errorf("%s is not in the list, or of another kind", line)
			}
		}
	}
}
