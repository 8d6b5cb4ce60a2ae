package main

import (
	"encoding/json"
	"maps"
	"os/user"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
)

// peopled serves a controller in whose federation one other person approves, and
// to whom the OS user of the test is ada.
func peopled(t *testing.T) *lived {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.env = w.acceptedWith(t, "health: {interval: 5s}", "health: {interval: 5s, timeout: 1s, fast_interval: 200ms}",
		"  - name: ada\n", "  - name: ada\n    os_users: [\""+me.Username+"\"]\n", "  - name: workforce\n", "  - name: workforce\n    approvals: 1\n")
	w.serve(t)
	return w
}

// as is the program as a person's token lets it in, over the network.
func (l *lived) as(t *testing.T, first string, args ...string) ran {
	t.Helper()
	env := maps.Clone(l.env)
	env["SAMLFAILOVER_TOKEN"] = l.StaffToken(first)
	return cli(t, env, append(args, "--server", env["SAMLFAILOVER_URL"])...)
}

// With Slack, the OIDC issuer and every sign-in at AWS's Region dead, people
// propose, approve and move with their own tokens; who may not is refused.
// spec 13.3 spec 13.2 spec 13.5
func TestBreakGlass(t *testing.T) {
	t.Parallel()
	w := peopled(t)
	for _, dead := range []string{oidc.Host, "us-east-1"} {
		cli(t, w.env, "sandbox", "fault", dead, "down").wants(t, exitDone)
	}
	own := w.proposed(t) // and the Region is confirmed to be dead
	w.as(t, "katherine", "move", "--to", "us-west-2", "--reason", "us-east-1 is dead").wants(t, exitPending, "waits for 1 approval")
	out := w.as(t, "grace", "proposals", "--output", "json")
	var list struct{ Proposals []control.Proposal }
	if err := json.Unmarshal([]byte(out.out), &list); err != nil || len(list.Proposals) != 2 {
		t.Fatalf("%s %v", out.out, err)
	}
	id := list.Proposals[0].ID
	w.as(t, "katherine", "approve", id).wants(t, exitHeld, "katherine via token has operator")
	w.as(t, "margaret", "reject", id, "--reason", "no").wants(t, exitHeld, "to reject needs the role approver")
	w.as(t, "margaret", "move", "--to", "us-west-2", "--reason", "x").wants(t, exitHeld, "needs the role operator")
	if n := len(w.writes()); n > 0 {
		t.Fatalf("%d writes without an approval", n)
	}
	w.as(t, "grace", "approve", id, "--comment", "go").wants(t, exitDone, "apps moved to us-west-2")
	w.as(t, "grace", "proposals", "--all").wants(t, exitDone, "approved by grace via token", own, "has changed the apps since")
}

// What the controller proposes, one approver carries out over the socket, whether
// or not Slack, OIDC and the IdP's own sign-in live. spec 13.3
func TestApproveOnTheCommandLine(t *testing.T) {
	t.Parallel()
	w := peopled(t)
	cli(t, w.env, "proposals").wants(t, exitDone, "Nothing waits for approval.")
	cli(t, w.env, "sandbox", "fault", "us-east-1", "down").wants(t, exitDone)
	id := w.proposed(t)
	cli(t, w.env, "status").wants(t, exitDone, "Proposed, waiting for a person", "samlfailover approve "+id, "asked for by controller")
	cli(t, w.env, "proposals", id).wants(t, exitDone, "move from us-east-1 to us-west-2", "0 of 1 approval", "->")
	cli(t, w.env, "approve", "prop-unknown").wants(t, exitUsage, "no proposal has the id")
	cli(t, w.env, "approve", id, "--comment", "go").wants(t, exitDone, "apps moved to us-west-2")
	cli(t, w.env, "proposals").wants(t, exitDone, "Nothing waits for approval.")
	cli(t, w.env, "proposals", "--all").wants(t, exitDone, id, "done", "approved by ada via socket", "carried out by move")
	cli(t, w.env, "approve", id).wants(t, exitHeld, "is done: move")
	cli(t, w.env, "history").wants(t, exitDone, "ada via socket")
	cli(t, w.env, "audit", "list").wants(t, exitDone, "move.proposal-approved")
}

// proposed waits for a proposal and returns its id.
func (l *lived) proposed(t *testing.T) string {
	t.Helper()
	var list struct{ Proposals []struct{ ID string } }
	if !poll(func() bool {
		r := cli(t, l.env, "proposals", "--output", "json")
		return json.Unmarshal([]byte(r.out), &list) == nil && len(list.Proposals) == 1
	}) {
		t.Fatal("nothing is proposed")
	}
	return list.Proposals[0].ID
}

// A person's move waits for another person, and so does the undo. spec 13.3
func TestMoveBecomesAProposal(t *testing.T) {
	t.Parallel()
	w := peopled(t)
	before := len(w.writes())
	cli(t, w.env, "plan", "--to", "us-west-2").wants(t, exitPending, "People have to approve this", "takes 1 approval", "Propose it with")
	cli(t, w.env, "move", "--to", "us-west-2", "--reason", "ticket 7").wants(t, exitPending, "Nothing is moved yet", "waits for 1 approval", "samlfailover approve prop-")
	id := w.proposed(t)
	cli(t, w.env, "approve", id).wants(t, exitHeld, "ada has proposed "+id+" as ada via socket", "ask another approver")
	cli(t, w.env, "reject", id).wants(t, exitUsage, "--reason")
	cli(t, w.env, "reject", id, "--reason", "not today").wants(t, exitDone, "rejected by ada via socket: not today")
	cli(t, w.env, "approve", id).wants(t, exitHeld, "is rejected")
	asked := cli(t, w.env, "move", "--to", "us-west-2", "--reason", "ticket 8", "--output", "json")
	asked.wants(t, exitPending, `"proposal":{"id":"prop-`, `"need":1`)
	if n := len(w.writes()); n != before {
		t.Errorf("%d writes without an approval", n-before)
	}
	// The admin of the machine, alone at night, by name and on record.
	cli(t, w.env, "move", "--to", "us-west-2", "--reason", "alone", "--override", "approval").wants(t, exitDone, "apps moved to us-west-2")
	cli(t, w.env, "undo", "--reason", "back").wants(t, exitPending, "waits for 1 approval")
	cli(t, w.env, "proposals").wants(t, exitDone, "undo move")
}

func TestTokenNew(t *testing.T) {
	t.Parallel()
	text := cli(t, nil, "token", "new", "--for", "ada")
	token, _, _ := strings.Cut(text.out, "\n")
	text.wants(t, exitDone, "people:", "- name: ada", people.DigestOf(token).String(), "shown once")
	if err := people.CheckToken(token); err != nil || strings.Count(text.out, token) != 1 {
		t.Errorf("%q: %v", token, err)
	}
	cli(t, nil, "token", "new", "--for", "rundeck", "--shared").wants(t, exitDone, "tokens:", "role: operator", "never approves")
	var made struct{ Token, Digest string }
	if r := cli(t, nil, "token", "new", "--for", "ada", "--output", "json"); json.Unmarshal([]byte(r.out), &made) != nil || people.DigestOf(made.Token).String() != made.Digest {
		t.Errorf("%s", r.out)
	}
	cli(t, nil, "token", "new").wants(t, exitUsage, "--for NAME")
	cli(t, nil, "token", "new", "--for", "a b").wants(t, exitUsage, "is no name")
}
