package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/api"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

// known are people by their tokens; it stands in for the config's.
type known map[string]people.Caller

func (k known) Token(token string) (people.Caller, bool) { c, ok := k[token]; return c, ok }

func (known) OIDC(string, string, []string) (people.Caller, bool) { return people.Caller{}, false }

func (known) Certificate(string, string) (people.Caller, bool) { return people.Caller{}, false }

func somebody(name string, role people.Role, federation string) people.Caller {
	return people.Caller{Person: name, Name: name, Way: people.Token, ID: name, Grants: people.Grants{federation: role}}
}

// freePort is a loopback address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// outside is a caller from the network.
type outside struct {
	t     *testing.T
	base  string
	token string
}

// ask sends one request and decodes the answer into into, which may be nil; it
// returns the status and the headers.
func (o outside) ask(method, path string, body, into any, headers ...string) (int, http.Header) {
	o.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			o.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.base+path, &b)
	if err != nil {
		o.t.Fatal(err)
	}
	if o.token != "" {
		req.Header.Set("Authorization", "Bearer "+o.token)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			o.t.Fatalf("%s %s: %d %s: %v", method, path, res.StatusCode, raw, err)
		}
	}
	return res.StatusCode, res.Header
}

// wants asks and fails the test on any other status.
func (o outside) wants(status int, method, path string, body, into any, headers ...string) http.Header {
	o.t.Helper()
	var raw json.RawMessage
	got, h := o.ask(method, path, body, &raw, headers...)
	if got != status {
		o.t.Fatalf("%s %s: %d, want %d: %s", method, path, got, status, raw)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			o.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
	return h
}

// answering is a controller that answers over the network to these people.
func answering(t *testing.T, k known, edits ...string) (*service, string) {
	t.Helper()
	listen := freePort(t)
	p := newPlace(t, append(edits, "health:", "server: {listen: \""+listen+"\"}\nhealth:")...)
	p.callers = k
	return p.start(), "http://" + listen
}

// The whole story over HTTP: look, plan, a dry run, a move in an outage, its
// record, and back again.
func TestOutageByHTTP(t *testing.T) {
	t.Parallel()
	s, base := answering(t, known{"ada-token": somebody("ada", people.Operator, people.Everywhere), "eve-token": somebody("eve", people.Viewer, "elsewhere")}, "mode: auto", "mode: approve")
	s.calm()
	ada := outside{t, base, "ada-token"}
	var feds api.Federations
	ada.wants(200, "GET", "/api/v1/federations", nil, &feds)
	name := feds.Federations[0].Name
	if len(feds.Federations) != 1 || len(feds.Federations[0].Apps) != 6 || feds.Federations[0].Decision.Rule != "active-healthy" {
		t.Fatalf("federations %+v", feds)
	}
	var f control.FederationStatus
	ada.wants(200, "GET", "/api/v1/federations/"+name, nil, &f)
	var why control.Explanation
	ada.wants(200, "GET", "/api/v1/federations/"+name+"/decision?region="+standby, nil, &why)
	if why.Region == nil || why.Region.State != "healthy" || len(why.Rules) == 0 {
		t.Errorf("explanation %+v", why)
	}
	var ready control.ReadinessReport
	ada.wants(200, "GET", "/api/v1/federations/"+name+"/readiness?region="+standby, nil, &ready)
	if len(ready.Roles) != 78 || len(ready.Shares) != 1 {
		t.Errorf("readiness: %d roles, %d shares", len(ready.Roles), len(ready.Shares))
	}
	var health api.Health
	ada.wants(200, "GET", "/api/v1/health", nil, &health)
	if len(health.Regions) != 3 || health.Regions[0].Federation != name {
		t.Errorf("health %+v", health)
	}
	var plan control.Decision
	ada.wants(200, "POST", "/api/v1/plan", api.MoveBody{Federation: name, To: standby}, &plan)
	if plan.Plan == nil || len(plan.Plan.Steps) != 6 {
		t.Errorf("plan %+v", plan)
	}
	s.foreign(outside{t, base, "eve-token"}, name)

	var moved api.MoveStanding
	body := api.MoveBody{Federation: name, To: standby, Reason: "a switchover over HTTP"}
	h := ada.wants(202, "POST", "/api/v1/moves", body, &moved, api.KeyHeader, "one")
	if moved.State != api.MoveRunning || moved.Move == "" || h.Get("Location") != "/api/v1/moves/"+moved.Move {
		t.Fatalf("the move: %+v, Location %q", moved, h.Get("Location"))
	}
	var past control.PastMove
	until(t, "the move has ended", func() bool {
		ada.wants(200, "GET", h.Get("Location"), nil, &past)
		return past.Result != nil
	})
	if past.Result.Moved() != 6 {
		t.Errorf("the move ended so: %+v", past.Result)
	}
	// The same request again does nothing twice.
	var again api.MoveStanding
	if h := ada.wants(202, "POST", "/api/v1/moves", body, &again, api.KeyHeader, "one"); h.Get("Idempotency-Replayed") != "true" || again.Move != moved.Move {
		t.Errorf("sent again: %+v", again)
	}
	var nothing api.MoveStanding
	ada.wants(200, "POST", "/api/v1/moves?wait=30s", body, &nothing)
	if nothing.State != api.MoveNothing {
		t.Errorf("a move to where everything is: %+v", nothing)
	}
	var undone api.MoveStanding
	ada.wants(200, "POST", "/api/v1/moves/"+moved.Move+"/undo?wait=30s", api.UndoBody{Reason: "back home"}, &undone)
	if undone.State != api.MoveDone || undone.Result == nil || undone.Result.Undoes != past.ID {
		t.Errorf("the undo: %+v", undone)
	}
	var records control.AuditAnswer
	ada.wants(200, "GET", "/api/v1/audit?action=move", nil, &records)
	if len(records.Records) == 0 || !strings.Contains(fmt.Sprint(records.Records), "ada via token") {
		t.Errorf("the record does not say who it was: %+v", records)
	}
	s.commandLine(base)
	s.metrics(base)
	s.wantAudit("move.requested", "undo.requested")
}

// foreign: who has no role in a federation finds nothing of it (spec 13.5).
func (s *service) foreign(eve outside, name string) {
	s.t.Helper()
	for _, c := range []struct {
		method, path string
		body         any
	}{{"GET", "/api/v1/federations/" + name, nil}, {"GET", "/api/v1/federations/" + name + "/readiness", nil}, {"POST", "/api/v1/plan", api.MoveBody{Federation: name, To: standby}},
		{"POST", "/api/v1/moves", api.MoveBody{Federation: name, To: standby, Reason: "mine now"}}, {"GET", "/api/v1/audit?federation=" + name, nil}} {
		var hers, unknown problem.Problem
		eve.wants(404, c.method, c.path, c.body, &hers)
		other := c.body
		if b, ok := c.body.(api.MoveBody); ok {
			b.Federation = "no-such-one"
			other = b
		}
		eve.wants(404, c.method, strings.ReplaceAll(c.path, name, "no-such-one"), other, &unknown)
		if hers.Detail != unknown.Detail || hers.Type != unknown.Type || strings.Contains(hers.Detail, name) {
			s.t.Errorf("%s tells that the federation exists: %q, unknown: %q", c.path, hers.Detail, unknown.Detail)
		}
	}
}

// metrics: health is everybody's, the metrics are for those who see everything.
func (s *service) metrics(base string) {
	s.t.Helper()
	nobody := outside{s.t, base, ""}
	nobody.wants(200, "GET", "/healthz", nil, nil)
	nobody.wants(200, "GET", "/readyz", nil, nil)
	nobody.wants(401, "GET", "/metrics", nil, nil)
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", base+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer ada-token")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		s.t.Fatalf("%d %v", res.StatusCode, err)
	}
	for _, want := range []string{`samlfailover_moves_begun_total{federation="workforce",how="started"} 2`, `samlfailover_move_seconds_count{federation="workforce"} 2`,
		`samlfailover_region_state{federation="workforce",region="us-east-1",state="healthy"} 1`, `samlfailover_probe_seconds_count{kind="signin",outcome="ok",region="us-east-1"}`} {
		if !strings.Contains(string(raw), want) {
			s.t.Errorf("the metrics lack %s:\n%s", want, raw)
		}
	}
}

// commandLine: the commands get over the network what they get on the socket.
func (s *service) commandLine(base string) {
	s.t.Helper()
	c, err := app.DialServer(base, "ada-token", nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	st, err := c.Status(s.t.Context())
	if err != nil || len(st.Federations) != 1 || len(st.Federations[0].Apps) != 6 {
		s.t.Errorf("status over the network: %+v, %v", st, err)
	}
	wrong, err := app.DialServer(base, "nobody's", nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer wrong.Close()
	if _, err := wrong.Status(s.t.Context()); err == nil || !strings.Contains(err.Error(), "the token is nobody's here") || strings.Contains(err.Error(), "nobody's token") {
		s.t.Errorf("with a wrong token: %v", err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, tick := time.NewTimer(patience), time.NewTicker(glance)
	defer limit.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-limit.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

var _ gate.Callers = known{}
