package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// In mode approve the controller proposes and touches nothing; a person carries
// the proposal out with the very command that status shows. spec 8.5: the way
// back waits for a person as well.
func TestProposalWaitsForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.state()
	w.env = w.acceptedWith(t, "health: {interval: 5s}", "health: {interval: 5s, timeout: 1s, fast_interval: 200ms}")
	log := w.serve(t)
	cli(t, w.env, "status").wants(t, exitDone, "Decision: hold by rule active-healthy")
	cli(t, w.env, "sandbox", "fault", "us-east-1", "down").wants(t, exitDone)
	var status ran
	if !poll(func() bool {
		status = cli(t, w.env, "status")
		return strings.Contains(status.out, "Proposed, waiting for a person")
	}) {
		t.Fatalf("nothing is proposed:\n%s\n%s", status.out, log.String())
	}
	status.wants(t, exitDone, "us-east-1  unhealthy", "Decision: propose", "samlfailover move --federation workforce --to us-west-2 --reason")
	if diff := cmp.Diff(before, w.state()); diff != "" || len(w.writes()) > 0 {
		t.Fatalf("a proposal wrote something: %v %s", w.writes(), diff)
	}
	move := cli(t, w.env, "move", "--federation", "workforce", "--to", "us-west-2", "--reason", "us-east-1 is down", "--output", "json")
	move.wants(t, exitDone, `"type":"event"`)
	lines := strings.Split(strings.TrimSpace(move.out), "\n")
	var end struct {
		Type   string
		Result struct {
			To   string
			Apps []struct{ Moved bool }
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || end.Type != "result" || end.Result.To != "us-west-2" || len(end.Result.Apps) != len(w.Demo().Apps) {
		t.Errorf("the last line of move --output json: %v, %s", err, lines[len(lines)-1])
	}
	cli(t, w.env, "sandbox", "login").wants(t, exitDone, "in us-west-2: ")
	cli(t, w.env, "status").wants(t, exitDone, "Last move:")
}
