package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/idp"
)

// spec 4.2: a full restore by the API is never more than a proposal; what holds
// it is a refusal.
func TestRestoreFull(t *testing.T) {
	t.Parallel()
	differs := move.Comparison{Differences: []idp.Difference{{Pointer: "/label", Stored: json.RawMessage(`"was"`), Live: json.RawMessage(`"is"`)}}}
	held := failover.Decision{Outcome: failover.Hold, Rule: failover.Locked, Why: "app a is locked"}
	for _, c := range []struct {
		why, body string
		answer    control.FullRestoreAnswer
		status    int
		location  string
	}{
		{"it waits for people", `{"app":"a","reason":"r"}`, control.FullRestoreAnswer{Comparison: differs, Proposal: &control.Proposal{ID: "prop-1"}}, 202, "/api/v1/proposals/prop-1"},
		{"a dry run", `{"app":"a","dry_run":true}`, control.FullRestoreAnswer{Comparison: differs, Decision: held}, 200, ""},
		{"nothing differs", `{"app":"a","reason":"r"}`, control.FullRestoreAnswer{}, 200, ""},
		{"a rule holds it", `{"app":"a","reason":"r"}`, control.FullRestoreAnswer{Comparison: differs, Decision: held}, 409, ""},
	} {
		u := newCases()
		u.restored = c.answer
		_, h, _ := stand(t, u)
		res := call(h, "ada", "POST", Base+"/moves/m1/restore", c.body)
		if res.status != c.status || res.header.Get("Location") != c.location || c.status == 409 && !strings.Contains(res.body, "app a is locked") {
			t.Errorf("%s: %d %q %s", c.why, res.status, res.header.Get("Location"), res.body)
		}
	}
}
