package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/server/api"
	"github.com/samlfailover/samlfailover/server/problem"
)

// route is one operation of docs/openapi.json as docs/people.md has it: the body
// of a request that would be good, and the role that it takes in the federation.
// A role of "look" is a viewer's; "everywhere" a viewer's of every federation.
type route struct {
	body any
	role string
}

// routes are all operations by their id. Votes, undo and restore name a thing
// that does not exist, which comes before the role: their roles are tested where
// the thing exists.
func routes() map[string]route {
	move := api.MoveBody{Federation: fed, To: standby, Reason: "x"}
	return map[string]route{
		"status": {nil, "look"}, "list-federations": {nil, "look"}, "show-federation": {nil, "look"}, "explain": {nil, "look"}, "readiness": {nil, "look"}, "health": {nil, "look"},
		"list-moves": {nil, "look"}, "list-proposals": {nil, "look"}, "list-brakes": {nil, "look"}, "audit": {nil, "look"}, "events": {nil, "look"}, "plan": {move, "look"},
		"store":    {nil, "everywhere"},
		"evaluate": {nil, "operator"}, "create-move": {move, "operator"}, "propose": {move, "operator"},
		"pause": {map[string]string{"federation": fed, "reason": "x"}, "operator"}, "lock": {map[string]string{"federation": fed, "app": "AWS Production", "reason": "x"}, "operator"},
		"resume":    {map[string]any{"all": true}, "operator"},
		"show-move": {nil, "thing"}, "show-proposal": {nil, "thing"}, "unlock": {nil, "thing"}, "release-pause": {nil, "thing"},
		"approve": {map[string]string{}, "thing"}, "reject": {map[string]string{"comment": "x"}, "thing"}, "undo-move": {map[string]string{"reason": "x"}, "thing"},
		"restore-full": {map[string]string{"app": "AWS Production", "reason": "x"}, "thing"},
	}
}

// Every operation of the API, asked for by nobody, by a viewer, by somebody of
// another federation: nothing is told or done beyond the role.
//
// spec 13.5 spec 13.6
func TestEveryRouteByEveryRole(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: approve", "federations: [workforce], role: admin", "federations: [elsewhere], role: admin").start()
	s.calm()
	raw, err := os.ReadFile("../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	viewer, stranger := s.by("margaret"), s.bearer(oidc.Order{Subject: s.world.OIDCSubject("ada")}) // an admin of a federation that is not there
	s.by("katherine").wants(http.StatusOK, "POST", "/api/v1/pauses", map[string]string{"federation": fed, "reason": "there is one to release"}, nil)
	known, seen := routes(), map[string]bool{}
	var tries []func(outside)
	for path, operations := range doc.Paths {
		at := strings.NewReplacer("{federation}", fed, "{id}", "none", "{move}", "none").Replace(path)
		for method, o := range operations {
			r, ok := known[o.ID]
			if !ok {
				t.Errorf("%s %s (%s) is a new route: say here what role it takes", method, path, o.ID)
				continue
			}
			seen[o.ID] = true
			method := strings.ToUpper(method)
			answered := func(who string, o outside, code problem.Code, status int) {
				t.Helper()
				var p problem.Problem
				got, _ := o.ask(method, at, r.body, &p)
				if got != status || p.Code() != code || p.Next == "" && p.Detail == "" {
					t.Errorf("%s %s by %s: %d %+v, want %d %s", method, path, who, got, p, status, code)
				}
			}
			switch {
			case r.role == "thing":
				answered("a viewer", viewer, problem.NotFound, http.StatusNotFound)
				answered("a stranger", stranger, problem.NotFound, http.StatusNotFound)
			case r.role == "operator":
				answered("a viewer", viewer, problem.Forbidden, http.StatusForbidden)
			case o.ID != "events": // a stream, that never ends
				viewer.wants(http.StatusOK, method, at, r.body, nil)
			}
			if strings.Contains(path, "{federation}") || o.ID == "plan" || o.ID == "create-move" || o.ID == "propose" || o.ID == "pause" || o.ID == "lock" {
				answered("a stranger", stranger, problem.NotFound, http.StatusNotFound)
			} else if r.role == "everywhere" {
				answered("a stranger", stranger, problem.Forbidden, http.StatusForbidden)
			}
			tries = append(tries, func(o outside) { answered("nobody", o, problem.NoCredential, http.StatusUnauthorized) })
		}
	}
	for id := range known {
		if !seen[id] {
			t.Errorf("%s is no route any more", id)
		}
	}
	var all json.RawMessage
	for _, path := range []string{"status", "federations", "health", "moves", "proposals", "brakes"} {
		stranger.wants(http.StatusOK, "GET", "/api/v1/"+path, nil, &all)
		for _, word := range []string{fed, "AWS Production", "acme"} {
			if strings.Contains(string(all), word) {
				t.Errorf("%s tells a stranger of %q: %s", path, word, all)
			}
		}
	}
	s.commandsByViewer()
	// Last: an address that shows no credential again and again has to wait.
	for _, try := range tries[:min(len(tries), 15)] {
		try(outside{t, s.world.ControllerURL(), ""})
	}
	if s.puts("") > 0 {
		t.Error("something was written")
	}
	s.silent()
}

// commandsByViewer: the command line's routes take the same roles.
func (s *service) commandsByViewer() {
	s.t.Helper()
	c, err := app.DialServer(s.world.ControllerURL(), s.world.StaffToken("margaret"), nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	viewer := s.by("margaret")
	for path, body := range map[string]any{
		"moves": map[string]string{"to": standby, "reason": "x"}, "pauses": map[string]string{"reason": "x"}, "locks": map[string]string{"app": "AWS Production", "reason": "x"},
		"pauses/release": map[string]any{"all": true}, "store/backup": map[string]string{"file": "/tmp/never-written"},
	} {
		if got, _ := viewer.ask("POST", api.CommandsBase+"/v1/"+path, body, nil); got != http.StatusForbidden {
			s.t.Errorf("command %s by a viewer: %d", path, got)
		}
	}
	if _, err := c.Status(s.t.Context()); err != nil {
		s.t.Errorf("a viewer's status: %v", err)
	}
}
