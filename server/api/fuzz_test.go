package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server/problem"
)

// asking are the routes that take a body or a parameter, with X for the parameter.
var asking = []struct{ method, path string }{
	{"POST", "/plan"}, {"POST", "/moves"}, {"POST", "/moves/X/undo"}, {"POST", "/moves/X/restore"}, {"POST", "/pauses"}, {"POST", "/pauses/release"}, {"POST", "/locks"},
	{"POST", "/proposals"}, {"POST", "/proposals/X/approve"}, {"POST", "/proposals/X/reject"}, {"POST", "/federations/X/evaluate"},
	{"DELETE", "/pauses/X"}, {"DELETE", "/locks/X"}, {"GET", "/moves/X"}, {"GET", "/proposals/X"}, {"GET", "/federations/X"}, {"GET", "/federations/X/decision"},
	{"GET", "/federations/X/readiness"}, {"GET", "/moves"}, {"GET", "/audit"}, {"GET", "/proposals"},
}

// FuzzBodies: whatever comes in, the API answers with JSON or with a problem of a
// stable type and never with a fault; what is refused has reached no use case,
// what is taken has reached one, once; and no line of the log is the caller's.
func FuzzBodies(f *testing.F) {
	for i := range asking {
		for _, body := range []string{`{"to":"us-west-2","reason":"r"}`, `{"reason":"r","for":"2h"}`, `{"app":"a","reason":"r"}`, `{"comment":"no","digest":"d"}`, `{"all":true}`,
			``, `null`, `[]`, `{"to":1}`, `{"to":"a","to":"b"}`, `{"unknown":"x"}`, `{"reason":"` + "\u0000\n" + `"}`, `{"to":"x"} {}`, strings.Repeat("[", 40), `{"overrides":[null]}`, "\xff\xfe", `{"limit":1e999}`} {
			f.Add(uint8(i), "20261127-x", "limit=1&wait=1s&federation=prod", "key-1", body)
		}
	}
	f.Add(uint8(0), "../../etc", "limit=x", "a b", "{}")
	a, h, log := stand(f, nil)
	n := 0
	f.Fuzz(func(t *testing.T, route uint8, param, query, key, body string) {
		c := newCases()
		taken := 0
		c.move = func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
			taken++
			return control.MoveAnswer{Result: &control.MoveResult{ID: "m1"}}, nil
		}
		c.approve = func(r control.VoteRequest, _ func(control.MoveEvent)) (control.VoteAnswer, error) {
			taken++
			return control.VoteAnswer{Proposal: control.Proposal{ID: r.ID}}, nil
		}
		a.Use(c)
		a.Keep(nil) // what another input's key was answered with is forgotten
		log.Reset()
		n++
		at := asking[int(route)%len(asking)]
		r := httptest.NewRequest(at.method, "http://failover.example/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = Base+strings.Replace(at.path, "X", param, 1), query
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255) // nobody asks too often
		r.Header.Set("Authorization", "Bearer ada")
		r.Header.Set("Content-Type", "application/json")
		if key != "" && at.method != http.MethodGet {
			r.Header.Set(KeyHeader, key)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		a.moving.Wait() // a move may outlive its request
		asked := len(*c.asked)
		switch {
		case w.Code >= 500:
			t.Errorf("%s %q: %d %s", at.method, r.URL.Path, w.Code, w.Body)
		case w.Code >= 400:
			var p problem.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || !strings.HasPrefix(p.Type, problem.Prefix) || w.Header().Get("Content-Type") != problem.ContentType {
				t.Errorf("%s %q: %d without a problem: %s", at.method, r.URL.Path, w.Code, w.Body)
			}
			if asked > 0 && w.Code != http.StatusNotFound { // a federation is looked for, and not found
				t.Errorf("%s %q: refused with %s, and asked for %v", at.method, r.URL.Path, w.Body, *c.asked)
			}
		case w.Code >= 300: // a path that chi mends
		default:
			if !json.Valid(w.Body.Bytes()) || asked > 1 || taken > 1 {
				t.Errorf("%s %q: %d, asked for %v: %s", at.method, r.URL.Path, w.Code, *c.asked, w.Body)
			}
		}
		for line := range strings.Lines(log.String()) {
			if !strings.HasPrefix(line, "time=") {
				t.Errorf("a line of the log begins with %.60q", line)
			}
		}
	})
}
