package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/server/api"
	"github.com/samlfailover/samlfailover/server/problem"
)

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

// by is a caller from the network with the token of a person of the written
// config.
func (s *service) by(first string) outside {
	return outside{s.t, s.world.ControllerURL(), s.world.StaffToken(first)}
}

// bearer is a caller with a token of the simulated issuer.
func (s *service) bearer(o oidc.Order) outside {
	s.t.Helper()
	if o.Audience == "" {
		o.Audience = s.world.OIDCAudience()
	}
	token, err := s.world.Issuer().Mint(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return outside{s.t, s.world.ControllerURL(), token}
}

// fed is the federation of the written config.
const fed = "workforce"

// Looking, planning, moving and taking back over HTTP, by one person.
func TestHTTP(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: approve", "federations: [workforce], role: admin", "federations: [elsewhere], role: admin").start()
	s.calm()
	ada := s.by("ada")
	s.looks(ada)
	s.foreign(s.bearer(oidc.Order{Subject: s.world.OIDCSubject("ada")}))

	var moved api.MoveStanding
	body := api.MoveBody{Federation: fed, To: standby, Reason: "a switchover over HTTP"}
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
	// The same request again does nothing twice, and another caller's key is
	// another key.
	var again api.MoveStanding
	if h := ada.wants(202, "POST", "/api/v1/moves", body, &again, api.KeyHeader, "one"); h.Get("Idempotency-Replayed") != "true" || again.Move != moved.Move {
		t.Errorf("sent again: %+v", again)
	}
	var nothing api.MoveStanding
	if h := s.by("katherine").wants(200, "POST", "/api/v1/moves?wait=30s", body, &nothing, api.KeyHeader, "one"); nothing.State != api.MoveNothing || h.Get("Idempotency-Replayed") != "" {
		t.Errorf("a move to where everything is, with somebody else's key: %+v", nothing)
	}
	var refused problem.Problem
	s.by("margaret").wants(403, "POST", "/api/v1/moves", body, &refused)
	if refused.Kind != string(control.Forbidden) || !strings.Contains(refused.Detail, "needs the role operator") || refused.Next == "" {
		t.Errorf("a viewer's move: %+v", refused)
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
	s.commandLine()
	s.metrics()
	s.wantAudit("move.requested", "undo.requested")
	s.silent()
}

// silent: no token is in the log, in the record or in the status.
func (s *service) silent() {
	s.t.Helper()
	var status json.RawMessage
	s.by("ada").wants(200, "GET", "/api/v1/status", nil, &status)
	raw, err := os.ReadFile(s.auditPath())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, first := range []string{"ada", "grace", "katherine", "margaret"} {
		if tok := s.world.StaffToken(first); strings.Contains(s.log.text()+string(status)+string(raw), tok) {
			s.t.Errorf("%s's token is in the log, the record or the status", first)
		}
	}
}

// looks asks everything that changes nothing.
func (s *service) looks(ada outside) {
	t := s.t
	t.Helper()
	var feds api.Federations
	ada.wants(200, "GET", "/api/v1/federations", nil, &feds)
	if len(feds.Federations) != 1 || feds.Federations[0].Name != fed || len(feds.Federations[0].Apps) != 6 || feds.Federations[0].Decision.Rule != "active-healthy" {
		t.Fatalf("federations %+v", feds)
	}
	var f control.FederationStatus
	ada.wants(200, "GET", "/api/v1/federations/"+fed, nil, &f)
	var why control.Explanation
	ada.wants(200, "GET", "/api/v1/federations/"+fed+"/decision?region="+standby, nil, &why)
	if why.Region == nil || why.Region.State != "healthy" || len(why.Rules) == 0 {
		t.Errorf("explanation %+v", why)
	}
	var ready control.ReadinessReport
	ada.wants(200, "GET", "/api/v1/federations/"+fed+"/readiness?region="+standby, nil, &ready)
	if len(ready.Roles) != 78 || len(ready.Shares) != 1 {
		t.Errorf("readiness: %d roles, %d shares", len(ready.Roles), len(ready.Shares))
	}
	var health api.Health
	ada.wants(200, "GET", "/api/v1/health", nil, &health)
	if len(health.Regions) != 3 || health.Regions[0].Federation != fed {
		t.Errorf("health %+v", health)
	}
	var plan control.Decision
	ada.wants(200, "POST", "/api/v1/plan", api.MoveBody{Federation: fed, To: standby}, &plan)
	if plan.Plan == nil || len(plan.Plan.Steps) != 6 {
		t.Errorf("plan %+v", plan)
	}
	var look control.Decision
	ada.wants(200, "POST", "/api/v1/federations/"+fed+"/evaluate", nil, &look)
	if look.Rule != "active-healthy" {
		t.Errorf("evaluated: %+v", look)
	}
}

// The whole outage by HTTP alone: one person asks for the move, another one
// approves what was shown, and nobody else can.
//
// spec 13.3 spec 13.4
func TestOutageByHTTP(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: observe\n    approvals: 1").start()
	s.calm()
	katherine, grace := s.by("katherine"), s.by("grace")
	s.breaks(home, fault.Kind("refuse"))
	until(t, "the outage is seen", func() bool {
		var f control.FederationStatus
		katherine.wants(200, "GET", "/api/v1/federations/"+fed, nil, &f)
		return f.Regions[0].State == "unhealthy"
	})
	var asked api.MoveStanding
	h := katherine.wants(202, "POST", "/api/v1/moves", api.MoveBody{Federation: fed, To: standby, Reason: "sign-in in us-east-1 is down"}, &asked)
	if asked.State != api.MoveAsked || asked.Proposal == nil || h.Get("Location") != "/api/v1/proposals/"+asked.Proposal.ID || s.puts("") > 0 {
		t.Fatalf("the request: %+v, %d writes", asked, s.puts(""))
	}
	var list control.ProposalList
	grace.wants(200, "GET", "/api/v1/proposals", nil, &list)
	if len(list.Proposals) != 1 || list.Proposals[0].ID != asked.Proposal.ID {
		t.Fatalf("proposals %+v", list)
	}
	at := h.Get("Location")
	yes := api.VoteBody{Digest: asked.Proposal.Digest, Comment: "seen"}
	var p problem.Problem
	katherine.wants(403, "POST", at+"/approve", yes, &p) // an operator, and her own
	s.by("margaret").wants(403, "POST", at+"/approve", yes, &p)
	grace.wants(409, "POST", at+"/approve", api.VoteBody{Digest: "something else"}, &p)
	grace.wants(404, "POST", "/api/v1/proposals/prop-nobody/approve", yes, &p)
	if s.puts("") > 0 {
		t.Error("a refused approval has written")
	}
	var voted api.VoteStanding
	grace.wants(200, "POST", at+"/approve?wait=30s", yes, &voted)
	if voted.Move == nil || voted.Move.Result == nil || voted.Move.Result.Moved() != 6 || voted.Proposal == nil || voted.Proposal.Move == "" {
		t.Fatalf("the approval: %+v", voted)
	}
	for _, a := range s.world.Demo().Apps {
		if !strings.Contains(s.acs(a.ID), standby) {
			t.Errorf("%s still signs in at %s", a.Label, s.acs(a.ID))
		}
	}
	var shown control.Proposal
	katherine.wants(200, "GET", at, nil, &shown)
	if shown.State != "done" || len(shown.Votes) != 1 || shown.Votes[0].Person != "grace" {
		t.Errorf("the proposal: %+v", shown)
	}
	grace.wants(409, "POST", at+"/approve", yes, &p)
	s.wantAudit("move.proposal-approved")
	s.silent()
}

// Tokens of an OIDC issuer count while it is up or their key is known, with no
// more than the issuer may give; forged ones never do; and with the issuer dead
// a personal token works.
//
// spec 13.6
func TestOIDC(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: approve", "federations: [workforce], role: admin", "federations: [workforce], role: operator").start()
	s.calm()
	ada := s.bearer(oidc.Order{Subject: s.world.OIDCSubject("ada")})
	ada.wants(200, "GET", "/api/v1/federations/"+fed, nil, nil)
	var p problem.Problem
	ada.wants(403, "GET", "/api/v1/store", nil, &p) // every federation's, and the issuer vouches for one
	for why, o := range map[string]oidc.Order{"none": {Fault: oidc.None}, "HS256": {Fault: oidc.HS256}, "a stranger's key": {Fault: oidc.Stranger}, "an unknown key": {Fault: oidc.Unknown},
		"another audience": {Audience: "another"}, "another issuer": {Issuer: "https://evil.example"}, "expired": {Life: -60}, "nobody's subject": {Subject: "00umallory"}} {
		if o.Subject == "" {
			o.Subject = s.world.OIDCSubject("ada")
		}
		var p problem.Problem
		if status, _ := s.bearer(o).ask("GET", "/api/v1/federations", nil, &p); status != 401 || p.Code() != problem.BadCredential || p.Next == "" {
			t.Errorf("%s: %d %+v", why, status, p)
		}
	}
	s.breaks(oidc.Host, fault.Kind("refuse"))
	s.bearer(oidc.Order{Subject: s.world.OIDCSubject("katherine")}).wants(200, "GET", "/api/v1/federations", nil, nil)
	if err := s.world.Issuer().Rotate(); err != nil {
		t.Fatal(err)
	}
	s.bearer(oidc.Order{Subject: s.world.OIDCSubject("ada")}).wants(401, "GET", "/api/v1/federations", nil, &p)
	s.by("ada").wants(200, "GET", "/api/v1/federations", nil, nil)
	s.silent()
}

// foreign: who has no role in a federation finds nothing of it (spec 13.5).
func (s *service) foreign(eve outside) {
	s.t.Helper()
	const name = fed
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
func (s *service) metrics() {
	s.t.Helper()
	base := s.world.ControllerURL()
	nobody := outside{s.t, base, ""}
	nobody.wants(200, "GET", "/healthz", nil, nil)
	nobody.wants(200, "GET", "/readyz", nil, nil)
	nobody.wants(401, "GET", "/metrics", nil, nil)
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", base+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.world.StaffToken("ada"))
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
func (s *service) commandLine() {
	s.t.Helper()
	base := s.world.ControllerURL()
	c, err := app.DialServer(base, s.world.StaffToken("ada"), nil, nil)
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
